# SPDX-License-Identifier: Apache-2.0
"""Why floe is not first, where that has been looked into: found by profiling, said in a sentence."""

UNKNOWN = "Not looked into."
KERNEL_BUFFERS = ("Its buffers are in the kernel, where resident memory does not count them. Beyond two empty "
                  "programs (see the floor) floe takes about 160 KiB for the library's code and constants, "
                  "which all its programs share, 105 for the ring, which is reserved so that a full file "
                  "system is an error at opening, and the rest for private tables, heap and stack. How "
                  "much of the C library is counted depends on how many programs run.")
OPENING = ("Starting two processes is 0.9 ms of it (see the floor). The first floe subscriber of a domain opens "
           "in 0.41 ms, a publisher in the same process in 0.27 ms: about ninety system calls each for "
           "folders, the node's file and its lock, the ring's memory, and a look for what the dead have "
           "left. In a process of its own the publisher took 0.7 to 0.92 ms on a busy machine: it meets some 60 "
           "pages for the first time. Nobody sleeps for a fixed time, and the two open side by side. This one notices no death and "
           "cleans up after nobody.")
KERNEL_WORK = ("Its work is done in the kernel, whose instructions are not counted: see the system calls. "
               "`publish` has the time.")
WAKING = ("floe_wait sleeps on three words at once, for messages, for new publishers and for the death of "
          "the one who publishes; that takes 0.4 us longer than the one word of the bare futex. The rest up to "
          "the bare futex, 0.6 us, goes with the lines that both look at: the hints, who sleeps, slot and "
          "chunk.")
BATCHES = ("It packs messages behind each other in a log, and its reader says once for many how far it is. "
           "floe lends each message by itself, so slot, chunk, hold and cursor go from core to core "
           "with each: a third of the time is floe_take, which waits for them. Up to 48 bytes, which "
           "need no chunk and no hold, it is one line.")
TRAFFIC = ("All of the payload goes from core to core: the bare ring, which checks nothing, takes about as much "
           "(see the floor).")
FRAMES = ("The time goes into writing and reading 3 MB: the bare futex, which does hardly anything else, takes "
          "about as much as floe (see the floor).")

# By case and peer, by the case's kind and peer, by either alone.
REASONS = {
    ("memory", "pipe"): KERNEL_BUFFERS,
    ("memory", "socket"): KERNEL_BUFFERS,
    ("memory", "mq"): KERNEL_BUFFERS,
    ("instructions", "pipe"): KERNEL_WORK,
    ("instructions", "socket"): KERNEL_WORK,
    ("instructions", "mq"): KERNEL_WORK,
    ("first", "pipe"): OPENING,
    ("first", "socket"): OPENING,
    ("first", "mq"): OPENING,
    ("wake", "pipe"): WAKING,
    ("wake", "mq"): WAKING,
    ("rate", "aeron"): BATCHES,
    ("latency-all", None): TRAFFIC,
    ("video", "iceoryx"): FRAMES,
    ("video", "iceoryx2"): FRAMES,
}


def reason_of(case, peer):
    """The most special one that is known: of case and peer, of the case, of its kind."""
    for key in ((case.name, peer.name), (case.kind, peer.name), (case.name, None), (case.kind, None)):
        if key in REASONS:
            return REASONS[key]
    return UNKNOWN
