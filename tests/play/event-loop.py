#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A subscriber's descriptor in Python's event loops: one message for each call, none for nothing."""

import asyncio
import ctypes
import os
import selectors
import subprocess
import sys
import tempfile

COUNT = 500
PR_SET_PDEATHSIG, SIGKILL = 1, 9
floe = ctypes.CDLL(os.environ["LIBFLOE"])


class Loan(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t), ("ticket", ctypes.c_uint64)]


class Sample(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t)] + [
        (name, ctypes.c_uint64) for name in ("sequence", "time_ns", "lost", "ticket")
    ]


def check(result):
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result


def open_handle(call, topic):
    handle = ctypes.c_void_p()
    check(call(ctypes.byref(handle), topic.encode(), None))
    return handle


def publish(publisher, number):
    loan = Loan()
    check(floe.floe_loan(publisher, ctypes.c_size_t(8), ctypes.byref(loan)))
    ctypes.c_uint64.from_address(loan.data).value = number
    check(floe.floe_publish(publisher, ctypes.byref(loan)))


def take(subscriber):
    """The next number, or None."""
    sample = Sample()
    if check(floe.floe_take(subscriber, ctypes.byref(sample))) == 0:
        return None
    number = ctypes.c_uint64.from_address(sample.data).value
    floe.floe_release(subscriber, ctypes.byref(sample))
    return number


def echo():
    """The other process: what comes on "there" goes out on "back"."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)
    subscriber = open_handle(floe.floe_subscriber_open, "there")
    publisher = open_handle(floe.floe_publisher_open, "back")
    print("ready", flush=True)
    for number in range(COUNT):
        check(floe.floe_wait(subscriber, ctypes.c_int64(-1)))
        assert take(subscriber) == number
        publish(publisher, number)
    sys.stdin.read()


async def play(subscriber, publisher):
    """Sends the next one when the last one has come; counts calls without a message."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    heard, idle = [], 0

    def readable():
        nonlocal idle
        number = take(subscriber)
        if number is None:
            idle += 1
            return
        heard.append(number)
        if len(heard) == COUNT:
            done.set_result(None)
        else:
            publish(publisher, len(heard))

    loop.add_reader(check(floe.floe_subscriber_fd(subscriber)), readable)
    publish(publisher, 0)
    await done
    loop.remove_reader(floe.floe_subscriber_fd(subscriber))
    return heard, idle


def run(selector):
    with subprocess.Popen(
        [sys.executable, __file__, "echo"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()
        subscriber = open_handle(floe.floe_subscriber_open, "back")
        publisher = open_handle(floe.floe_publisher_open, "there")
        loop = asyncio.SelectorEventLoop(selector())
        heard, idle = loop.run_until_complete(play(subscriber, publisher))
        loop.close()
        floe.floe_subscriber_close(subscriber)
        floe.floe_publisher_close(publisher)
        other.stdin.close()
    return heard == list(range(COUNT)), idle


def main():
    floe.floe_subscriber_fd.restype = ctypes.c_int
    names = ("EpollSelector", "PollSelector", "SelectSelector")
    failed = False
    for number, name in enumerate(names, 1):
        whole, idle = run(getattr(selectors, name))
        # Now and then a wake comes after its message was taken; with the timer often.
        print(f"# {name}: {idle} calls for nothing in {COUNT} messages")
        print(f"{'ok' if whole else 'not ok'} {number} - asyncio with {name} hears every message")
        failed |= not whole
    print(f"1..{len(names)}")
    return failed


if __name__ == "__main__":
    if sys.argv[1:] == ["echo"]:
        echo()
    else:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            os.environ["FLOE_DIR"] = folder
            STATUS = main()
        sys.exit(STATUS)
