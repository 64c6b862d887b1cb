# SPDX-License-Identifier: Apache-2.0
"""What the machine does to who only sleeps: a sleep each ms until the input ends, with realtime priority where
that is allowed. Prints how late it was, as compare.py does, so that what a player could not help is seen."""

import os
import select
import sys
import time

try:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
except PermissionError:
    pass
late = []
due = time.monotonic()
while not select.select([sys.stdin], [], [], 0)[0]:
    due = max(due + 0.001, time.monotonic())
    time.sleep(max(0, due - time.monotonic()))
    late.append((time.monotonic() - due) * 1e3)
late.sort()
if late:
    print(f"# a bare sleeper beside it was late by p50 {late[len(late) // 2]:.3f} ms, "
          f"p99 {late[len(late) * 99 // 100]:.3f} ms, most {late[-1]:.3f} ms")
