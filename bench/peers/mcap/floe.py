#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Usage: mcap-floe FILE SIZE COUNT CHUNK [--sync] [--dir DIR]. COUNT messages of SIZE bytes by floe record, in chunks of
CHUNK bytes, without compression, with the CRC of all. They come from another process (bench/source), which
is never more than half a ring ahead of what is written; CPU time is that of the recorder's process, from its
start to its end."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

BUILD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
DEPTH_MAX, RING_BYTES = 1 << 18, 256 << 20
PATIENCE_S = 20


def holds_ring(pid, folder):
    """It has mapped what the source publishes: the time that it takes to start is not measured."""
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as file:
        return any(folder in line and "/bench/pub." in line for line in file)


def wait_for_ring(recorder, folder):
    deadline = time.monotonic() + PATIENCE_S
    while not holds_ring(recorder.pid, folder):
        if recorder.poll() is not None or time.monotonic() > deadline:
            sys.exit("mcap-floe: the recorder does not find its topic")
        time.sleep(0.001)


def start(command, **how):
    return subprocess.Popen([os.path.join(BUILD, command[0]), *map(str, command[1:])], text=True,
                            stdout=subprocess.PIPE, **how)


def record(folder, path, size, count, chunk, sync):
    environment = dict(os.environ, FLOE_DIR=folder)
    depth = max(64, min(DEPTH_MAX, RING_BYTES // size))
    source = start(["bench/source", "bench", size, depth, count], env=environment, stdin=subprocess.PIPE)
    if not source.stdout.readline():
        sys.exit("mcap-floe: the source did not start")
    recorder = start(["tools/floe-record", "-o", path, "bench", "--count", count, "--chunk", chunk, "--crc", "all",
                      "--history", depth, "--json", "--quiet"], env=environment)
    wait_for_ring(recorder, folder)
    print(recorder.pid, file=source.stdin, flush=True)
    began = float(source.stdout.readline())
    said = json.loads(recorder.communicate()[0])
    if sync:
        with open(path, "rb") as file:
            os.fsync(file.fileno())
    seconds = time.clock_gettime(time.CLOCK_MONOTONIC) - began
    source.communicate("")
    if said["messages"] != count or said["lost"]:
        sys.exit(f"mcap-floe: {said['messages']} messages were written, {said['lost']} lost")
    return {"value": count / seconds, "seconds": seconds, "cpu_s": said["cpu_seconds"]}


where = tempfile.mkdtemp(prefix="domains-", dir=sys.argv[sys.argv.index("--dir") + 1] if "--dir" in sys.argv
                         else "/dev/shm")
try:
    print(json.dumps(record(where, sys.argv[1], *map(int, sys.argv[2:5]), "--sync" in sys.argv)))
finally:
    shutil.rmtree(where, ignore_errors=True)
