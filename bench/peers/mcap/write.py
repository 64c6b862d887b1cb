# SPDX-License-Identifier: Apache-2.0
"""Usage: write.py FILE SIZE COUNT CHUNK [--sync]. COUNT messages of SIZE bytes by PyPI's mcap, in chunks of
CHUNK bytes, without compression, with their CRC."""

import json
import os
import resource
import sys
import time

from mcap.writer import CompressionType, Writer


def cpu_s():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


path, size, count, chunk = sys.argv[1], *map(int, sys.argv[2:5])
message = bytearray(os.urandom(size))
began, cpu = time.monotonic(), cpu_s()
with open(path, "wb") as file:
    writer = Writer(file, chunk_size=chunk, compression=CompressionType.NONE, enable_crcs=True)
    writer.start()
    channel = writer.register_channel("bench", "", 0)
    for number in range(count):
        message[:8] = number.to_bytes(8, "little")
        now = time.time_ns()
        writer.add_message(channel, now, bytes(message), now, number)
    writer.finish()
    file.flush()
    if "--sync" in sys.argv:
        os.fsync(file.fileno())
seconds, cpu = time.monotonic() - began, cpu_s() - cpu
print(json.dumps({"value": count / seconds, "seconds": seconds, "cpu_s": cpu}))
