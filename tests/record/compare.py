# SPDX-License-Identifier: Apache-2.0
"""Usage: compare.py ONE OTHER. Compares two uncompressed recordings of the same messages, channel by channel:
payloads and sequences must be the same. Prints how far the times between messages are off, the p99 in
milliseconds last."""

import hashlib
import mmap
import struct
import sys

MAGIC = b"\x89MCAP0\r\n"
CHANNEL, MESSAGE, CHUNK, DATA_END = 0x04, 0x05, 0x06, 0x0F


def records(data, at, end):
    """Opcode, and where the content begins and ends; what is in chunks comes as if there were none."""
    while at < end:
        opcode, size = struct.unpack_from("<BQ", data, at)
        at += 9
        if opcode == DATA_END:
            return
        if opcode == CHUNK:
            (name,) = struct.unpack_from("<I", data, at + 28)
            assert name == 0, "a compressed chunk"
            yield from records(data, at + 28 + 4 + 8, at + size)
        else:
            yield opcode, at, at + size
        at += size


def load(path):
    channels, topics = {}, {}
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
        assert data[:8] == MAGIC and data[-8:] == MAGIC, path
        for opcode, at, end in records(data, len(MAGIC), len(data)):
            if opcode == CHANNEL:
                number, _, size = struct.unpack_from("<HHI", data, at)
                topics[number] = data[at + 8 : at + 8 + size].decode()
            if opcode == MESSAGE:
                number, sequence, time = struct.unpack_from("<HIQ", data, at)
                digest = hashlib.blake2b(memoryview(data)[at + 22 : end], digest_size=16).digest()
                channels.setdefault(topics[number], []).append((sequence, end - at, digest, time))
    return channels


first, second = load(sys.argv[1]), load(sys.argv[2])
assert first and first.keys() == second.keys(), (first.keys(), second.keys())
off = []
for topic, messages in first.items():
    again = second[topic]
    assert len(messages) == len(again), (topic, len(messages), len(again))
    for one, other in zip(messages, again):
        assert one[:3] == other[:3], (topic, one[0], other[0])
    gaps = [b[3] - a[3] for a, b in zip(messages, again)]
    middle = sorted(gaps)[len(gaps) // 2]
    off += [abs(gap - middle) / 1e6 for gap in gaps]
    print(f"# {topic}: {len(messages)} messages are the same")
off.sort()
p50, p99 = off[len(off) // 2], off[min(len(off) - 1, len(off) * 99 // 100)]
print(f"# times are off by p50 {p50:.3f} ms, most {off[-1]:.3f} ms, p99 {p99:.3f}")
