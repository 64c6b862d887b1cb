# SPDX-License-Identifier: Apache-2.0
"""Why floe is not first, where that has been looked into: found by profiling, said in a sentence."""

KERNEL_BUFFERS = ("Its buffers are in the kernel, where resident memory does not count them; of floe's, "
                  "a publisher's private tables for chunks that it does not have yet are 116 KiB, its "
                  "ring 104 KiB, the library's code the rest.")
OPENING = ("Starting two processes is 1.0 ms of it (see the floor). A floe subscriber opens in 0.37 ms, a "
           "publisher in 0.3 ms: folders, the node's file and its lock, a look for what the dead have "
           "left. This one notices no death and cleans up after nobody.")

KERNEL_WORK = "Its work is done in the kernel, whose instructions are not counted; `publish` has the time."

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
}


def reason_of(case, peer):
    """The most special one that is known: of case and peer, of the case, of its kind."""
    for key in ((case.name, peer.name), (case.kind, peer.name), (case.name, None), (case.kind, None)):
        if key in REASONS:
            return REASONS[key]
    return "Not looked into."
