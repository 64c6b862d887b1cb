# SPDX-License-Identifier: Apache-2.0
"""Why floe is not first, where that has been looked into: found by profiling, said in a sentence."""

UNKNOWN = "Not looked into."
KERNEL_BUFFERS = ("Its buffers are in the kernel, where resident memory does not count them, and its program is next to "
                  "nothing. Beyond that floe has 190 KiB of code and constants, which all its programs share, 115 of "
                  "rings and the node's file, which are reserved so that a full file system is an error at opening, "
                  "64 of private tables, 28 of stack and heap: see the table of the case. How much of the C library "
                  "is counted depends on how many programs run.")
OPENING = ("Until the sender comes to its own code all take the same, 0.8 ms: two processes are started and linked. "
           "Then a floe publisher opens in 0.51 ms, a pipe in 0.04; the subscriber opens meanwhile, and nobody waits "
           "for it: the message is there 6 us after it was sent. They are 122 system calls beside 11, a fifth "
           "of the time for memory that is reserved, the rest in small pieces: see the table of the case. They make a ring that a full file system cannot "
           "take away, a file by which others see who lives, and they look for what the dead have left; this one "
           "notices no death and cleans up after nobody.")
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
           "(see the floor). How many chunks go round decides the rest, and which number is better changes with where "
           "the host has put the two cores. floe keeps the last 16 messages for who joins, so 16 and more go round; "
           "iceoryx takes the one that came back last. In turns, 256 KiB between far cores: floe with a depth of 16 "
           "79 us, with 1, 2 or 4 116, 119 and 110, iceoryx2 115.")
FRAMES = ("The time goes into writing and reading 3 MB: the bare futex, which does hardly anything else, takes "
          "about as much as floe (see the floor).")
LINES = ("With 8 bytes touched what is measured are the cache lines that go from core to core: the bare ring, which checks "
         "nothing, takes about three quarters of what floe does (see the floor).")
SLEEPING = ("Most of it is the kernel's way from a wake-up to a process that runs: see the floor, which does hardly "
            "anything else.")
SAME_RING = ("Both have a page of submission entries and a page of everything else, and the kernel one descriptor for each; "
             "floe's lie side by side in one mapping, liburing makes two for each ring.")
SAME_CALLS = "The same calls of liburing on rings of the same kernel; only where the ring lies differs."
RING_MEMORY = ("Ten system calls beside six. floe pins pages that are the caller's, keeps them from children, and when the "
               "ring ends lets go of them and looks that they are gone, because the kernel writes into a closed ring for "
               "up to a sixth of a second; liburing maps the kernel's pages twice and unmaps them twice.")
NEW_PAGES = ("Of 0.82 ms of CPU time for 1 MiB the kernel takes 0.43 to make pages for the file and 0.22 to copy into them, "
             "and a CRC of it takes 0.11 to 0.14: that leaves 3 % for what floe does itself. The others take the same "
             "for that (crate mcap 0.55, 0.20 and 0.11), and they have no sender beside them that needs a processor.")

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
    ("wake", "socket"): WAKING,
    ("rate", "aeron"): BATCHES,
    ("latency-all", None): TRAFFIC,
    ("latency", None): LINES,
    ("wake", None): SLEEPING,
    ("request-sleep", None): SLEEPING,
    ("video", None): FRAMES,
    ("ring", None): RING_MEMORY,
    ("ring-memory", None): SAME_RING,
    ("ring-nop", None): SAME_CALLS,
    ("mcap", "mcap-rust"): NEW_PAGES,
}

# Counted for a reason: what a table is about, heads and lines, by the kind of the case. The share of time is
# that of samples of the processor's clock (perf, 8000 a second, 300 publishers that open beside a subscriber,
# each in a process of its own); system calls by strace, memory by /proc/PID/smaps of both processes.
TABLES = {
    "first": ("Where the time goes from main until a floe publisher is open (system calls: until it has sent), counted and sampled on 2026-11-27",
              ["what", "system calls", "share of the time"],
              [["memory of ring and node's file: allocated, populated, sized", "10", "22 %"],
               ["folders and files opened and closed", "36", "16 %"],
               ["pages met for the first time (26 more than a pipe's sender meets)", "", "13 %"],
               ["memory mapped and unmapped", "15", "14 %"],
               ["folders and names made", "7", "10 %"],
               ["files and folders looked at, locks", "36", "6 %"],
               ["who we are (/proc, ids), random numbers, wakes, the rest", "18", "6 %"],
               ["symbols of the C library bound", "", "3 %"],
               ["floe's own code", "", "10 %"]]),
    "memory": ("Where it is, both processes, KiB, counted on 2026-11-27 on a busy machine, where the C library has "
               "more to share it with",
               ["what", "two empty programs", "named pipe", "floe"],
               [["the program's code and constants", "14", "32", "222"],
                ["rings, topic and node's file", "0", "0", "115"],
                ["private tables and data", "72", "80", "144"],
                ["stack and heap", "40", "52", "80"],
                ["C library and loader", "127", "153", "156"],
                ["all", "253", "317", "717"]]),
}


def reason_of(case, peer):
    """The most special one that is known: of case and peer, of the case, of its kind."""
    for key in ((case.name, peer.name), (case.kind, peer.name), (case.name, None), (case.kind, None)):
        if key in REASONS:
            return REASONS[key]
    return UNKNOWN
