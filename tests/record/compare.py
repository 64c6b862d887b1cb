# SPDX-License-Identifier: Apache-2.0
"""Compares two recordings of the same messages, channel by channel: payloads and sequences must be
the same; how far the times between messages are off is printed."""

import sys

from mcap.reader import make_reader


def load(path):
    channels = {}
    with open(path, "rb") as file:
        for _, channel, message in make_reader(file, validate_crcs=True).iter_messages():
            channels.setdefault(channel.topic, []).append(
                (message.sequence, message.data, message.log_time)
            )
    return channels


first, second = load(sys.argv[1]), load(sys.argv[2])
assert first.keys() == second.keys(), (first.keys(), second.keys())
off = []
for topic, messages in first.items():
    again = second[topic]
    assert len(messages) == len(again), (topic, len(messages), len(again))
    for one, other in zip(messages, again):
        assert one[:2] == other[:2], (topic, one[0], other[0])
    gaps = [b[2] - a[2] for a, b in zip(messages, again)]
    middle = sorted(gaps)[len(gaps) // 2]
    off += [abs(gap - middle) / 1e6 for gap in gaps]
    print(f"# {topic}: {len(messages)} messages are the same")
off.sort()
p50, p99 = off[len(off) // 2], off[min(len(off) - 1, len(off) * 99 // 100)]
print(f"# times are off by p50 {p50:.3f} ms, p99 {p99:.3f} ms, most {off[-1]:.3f} ms", end="")
print("; p99 is within 1 ms" if p99 <= 1 else "; p99 is NOT within 1 ms")
