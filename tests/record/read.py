# SPDX-License-Identifier: Apache-2.0
"""Reads a recording with the MCAP project's own reader, by index and as a stream, with all CRCs, and
prints how many messages and a digest of them. `read.py --write FILE` writes one, as others do."""

import hashlib
import sys

from mcap.reader import NonSeekingReader, make_reader
from mcap.writer import CompressionType, Writer


def digest(messages):
    sums = {}
    count = 0
    for _, channel, message in messages:
        of = sums.setdefault((channel.topic, channel.id), hashlib.sha256())
        of.update(message.sequence.to_bytes(4, "little"))
        of.update(message.log_time.to_bytes(8, "little"))
        of.update(message.data)
        count += 1
    whole = "".join(sums[key].hexdigest() for key in sorted(sums))
    return count, hashlib.sha256(whole.encode()).hexdigest()[:16]


def write(path, compression, chunked):
    with open(path, "wb") as file:
        writer = Writer(file, compression=compression, use_chunking=chunked, chunk_size=20000)
        writer.start(profile="", library="others")
        schema = writer.register_schema("point", "jsonschema", b'{"type": "object"}')
        ids = [
            writer.register_channel("/sensor/point", "json", schema),
            writer.register_channel("raw", "", 0),
        ]
        for i in range(3000):
            writer.add_message(ids[i % 2], 10**9 + i * 200_000, b'{"i": %d}' % i, 10**9 + i, i)
        writer.add_metadata("about", {"made": "by others"})
        writer.finish()


if sys.argv[1] == "--write":
    kind = {
        "none": CompressionType.NONE, "lz4": CompressionType.LZ4, "zstd": CompressionType.ZSTD
    }
    write(sys.argv[2], kind[sys.argv[3]], sys.argv[4] == "chunks")
else:
    with open(sys.argv[1], "rb") as file:
        by_index = digest(make_reader(file, validate_crcs=True).iter_messages())
        file.seek(0)
        as_stream = digest(NonSeekingReader(file, validate_crcs=True).iter_messages())
    assert by_index == as_stream, (by_index, as_stream)
    print(*by_index)
