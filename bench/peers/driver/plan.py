# SPDX-License-Identifier: Apache-2.0
"""What is measured with whom: the whole plan as two tables."""

from dataclasses import dataclass, field


@dataclass
class Peer:
    name: str
    title: str
    settings: str
    source: str  # of the settings
    sleeps: bool = False  # in works where all others look again at once
    daemon: bool = False  # iox-roudi
    package: str = ""
    floor: bool = False
    lends: bool = False  # memory that the receiver reads; otherwise it copies
    works: tuple = ()  # the only ones it is for; empty: all
    realtime: bool = True  # may run so, if asked for; not with more busy threads than cores


# Kinds of cases that only floe and those are for who name them.
RING_KINDS = ("ring", "ring-memory", "ring-nop")
MCAP_KINDS = ("mcap", "mcap-disk")

PEERS = [
    Peer("line", "bare cache lines", "a ring in shared memory that is never unmapped, one word to look "
         "at for each message; nobody is checked, nobody may die", "bare.c", floor=True, lends=True,
         works=("latency", "latency-all", "request", "rate", "publish", "first")),
    Peer("futex", "bare futex", "the same, and a FUTEX_WAKE after each message", "bare.c, futex(2)",
         floor=True, lends=True, works=("wake", "request-sleep", "video")),
    Peer("memcpy", "memcpy", "one copy in one thread into the next of 16 buffers (2 from 1 MiB on)",
         "alone.c", floor=True, works=("latency-all",)),
    Peer("empty", "two empty programs", "two processes that open nothing", "empty.c", floor=True,
         works=("memory",)),
    Peer("floe", "floe", "linked with libfloe.a; reliable subscribers, so that nothing is lost; one loan "
         "at a time, from 64 KiB on chunks for one hold; floe_wait does not spin (spin_ns = 1); rings: "
         "floe_uring_init_mem in one block that is the caller's, floe_uring_exit with FLOE_URING_SAFE; recordings: "
         "floe record --crc all, of what another process publishes",
         "man/floe_publisher.3, man/floe_subscriber.3, man/floe_uring.3, floe-record(1)", lends=True),
    Peer("iceoryx2", "iceoryx2 0.10", "release build with LTO; services sized for the channel; no "
         "overflow, RetryUntilDelivered; who sleeps has an event service beside the data",
         "its documentation of the service builder, examples/rust/event_based_communication",
         package="cargo and libclang (crate iceoryx2)", lends=True),
    Peer("iceoryx", "iceoryx 2.0", "iox-roudi with one pool of the size that the work needs; "
         "WAIT_FOR_CONSUMER and BLOCK_PRODUCER; WaitSet for who sleeps",
         "its doc/website/getting-started/overview.md and configuration guide", daemon=True,
         package="libiceoryx-binding-c-dev and iceoryx", lends=True),
    Peer("cyclone-shm", "Cyclone DDS 0.10, shared memory", "types of fixed size, samples are lent, "
         "reliable, keep last, iox-roudi with a pool for the work; 0.25 s from the match to the first "
         "message, because the daemon joins both sides later than that and what comes before is lost; "
         "its thread delivers, so who waits sleeps", "its docs/manual/shared_memory.rst", sleeps=True, daemon=True,
         package="cyclonedds-dev and cyclonedds-tools", lends=True),
    Peer("cyclone", "Cyclone DDS 0.10, loopback", "datagrams of 65,500 bytes, receive buffer of 8 MiB, "
         "reliable, keep all; its threads deliver, so who waits sleeps",
         "its docs/manual/config.rst", sleeps=True, package="cyclonedds-dev and cyclonedds-tools"),
    Peer("zeromq", "ZeroMQ 4.3 ipc", "PUSH/PULL as perf/remote_thr.cpp, XPUB with NODROP to many, "
         "REQ/REP as perf/remote_lat.cpp, zmq_msg_init_size; its thread delivers, so who waits sleeps",
         "zmq_setsockopt(3), its perf folder", sleeps=True, package="libzmq3-dev"),
    Peer("zeromq-inproc", "ZeroMQ 4.3 inproc", "the same between two threads of one process",
         "zmq_inproc(7)", package="libzmq3-dev",
         works=("latency", "latency-all", "rate", "publish", "wake", "request", "request-sleep",
                "video", "instructions")),
    Peer("nng", "nng 1.5 ipc", "pair0, push0/pull0, req0/rep0; one pair for each of many receivers, "
         "because pub0 drops; its threads deliver, so who waits sleeps",
         "nng_pair(7), nng_pub(7), nng_options(5)", sleeps=True, package="libnng-dev"),
    Peer("mq", "POSIX message queue", "up to 10 messages deep, one queue for each receiver",
         "mq_overview(7)"),
    Peer("socket", "Unix stream socket", "buffers of 4 MiB where that is allowed, MSG_DONTWAIT",
         "unix(7), socket(7)"),
    Peer("pipe", "named pipe", "1 MiB where that is allowed, O_NONBLOCK", "pipe(7), fcntl(2)"),
    Peer("gstreamer", "GStreamer 1.22 shmsink/shmsrc", "appsrc ! shmsink, shmsrc ! appsink; nothing "
         "waits for a clock, shm-size for 8 frames", "its documentation of the plugin shm",
         sleeps=True, works=("video",),
         package="libgstreamer-plugins-base1.0-dev and gstreamer1.0-plugins-bad"),
    Peer("aeron", "Aeron IPC", "a Java client; media driver in one process, in one shared thread, because the "
         "data does not pass through it and there are two cores; term buffers of 64 MiB, MTU 65504, "
         "tryClaim where the payload fits, else offer; nobody is pinned; one second of warm-up",
         "its wiki: Best Practices Guide, Configuration Options",
         works=("latency", "rate"), realtime=False, package="a JDK and mvn (io.aeron:aeron-all)"),
    Peer("ring-liburing", "liburing", "io_uring_queue_init and io_uring_queue_exit: the kernel's memory, mapped "
         "into the process", "io_uring_queue_init(3)", package="liburing-dev", works=RING_KINDS),
    Peer("ring-liburing-mem", "liburing, rings in memory", "io_uring_queue_init_mem: the caller's memory, used "
         "again at once, which the kernel may still write to", "io_uring_queue_init_mem(3)",
         package="liburing 2.5 or newer: the one here has no io_uring_queue_init_mem", works=RING_KINDS),
    Peer("mcap-rust", "crate mcap", "release build with LTO, BufWriter of 1 MiB; from its own memory; CRC of "
         "chunks, not once more of the whole file", "its documentation of WriteOptions",
         package="cargo (crate mcap)", works=MCAP_KINDS),
    Peer("mcap-node", "npm @mcap/core", "from its own memory, writes without waiting (writeSync); CRC of chunks and "
         "of the whole file, without a choice", "its types McapWriterOptions, IWritable",
         package="node and npm (@mcap/core)", works=MCAP_KINDS),
    Peer("mcap-python", "PyPI mcap", "from its own memory; CRC of chunks, not once more of the whole file",
         "its documentation of Writer", package="python3 and pip (mcap)", works=MCAP_KINDS),
]


@dataclass
class Case:
    name: str
    kind: str  # of rows that stand in one table
    work: str  # verb of the program
    title: str
    unit: str
    floor: str  # peer that it is compared with
    arguments: list = field(default_factory=list)
    sleeps: bool = False
    more_is_better: bool = False
    budget_ms: int = 200
    quick: bool = False
    payload: int = 8
    rounds_max: int = 1000
    left_out: dict = field(default_factory=dict)  # peer: sentence
    program: str = "peer"  # how the names of its programs begin
    quick_arguments: list = None


def size_text(size):
    for unit, shift in (("MiB", 20), ("KiB", 10)):
        if size >> shift and size % (1 << shift) == 0:
            return f"{size >> shift} {unit}"
    return f"{size} B"


FRAME = 1920 * 1080 * 3 // 2
SIZES = [8, 64, 256, 1024, 4096, 16384, 65536, 262144, 1 << 20, 8 << 20]
PINNED = {"latency", "request", "rate", "publish", "wake", "video", "memcpy",  # works that pin themselves
          "ring", "hold", "nop"}
KEEP_LAST = {"cyclone-shm": "its shared memory keeps the last samples only and loses the others"}


def depth(payload):
    return 16 if payload < 1 << 20 else 2


def plan():
    cases = []
    for size in SIZES:
        cases.append(Case(f"latency/{size}", "latency", "latency",
                          f"one way, {size_text(size)}, 8 bytes of it touched", "ns", "line",
                          ["--depth", depth(size)], payload=size, quick=size in (8, 4096, 1 << 20)))
    for size in SIZES[2:]:
        cases.append(Case(f"latency-all/{size}", "latency-all", "latency",
                          f"one way, {size_text(size)}, every byte written and read", "ns", "line",
                          ["--touch-all", "--depth", depth(size)], payload=size,
                          quick=size in (65536,)))
    for senders, receivers in ((1, 1), (1, 8), (8, 1)):
        cases.append(Case(f"rate/{senders}:{receivers}", "rate", "rate",
                          f"messages of 64 bytes, {senders} to {receivers}, none lost", "1/s", "line",
                          ["--senders", senders, "--receivers", receivers, "--depth", 256,
                           "--touch-all"], payload=64, more_is_better=True, quick=True,
                          left_out=KEEP_LAST))
    cases.append(Case("rate/64K", "rate", "rate", "messages of 64 KiB, 1 to 1, every byte touched",
                      "1/s", "line", ["--depth", 16, "--touch-all"], payload=65536,
                      more_is_better=True, left_out=KEEP_LAST))
    for receivers in (1, 4, 16, 64):
        cases.append(Case(f"publish/{receivers}", "publish", "publish",
                          f"what sending 256 bytes costs, {receivers} "
                          f"receiver{'s' if receivers > 1 else ''}", "ns", "line",
                          ["--receivers", receivers], payload=256, quick=receivers in (1, 16)))
    cases.append(Case("wake", "wake", "wake", "from before the send until the sleeper has it, 64 bytes",
                      "ns", "futex", payload=64, sleeps=True, quick=True))
    cases.append(Case("request", "request", "request", "request and response, 64 bytes, both look again "
                      "at once", "ns", "line", payload=64, quick=True))
    cases.append(Case("request-sleep", "request-sleep", "request", "request and response, 64 bytes, "
                      "both sleep", "ns", "futex", payload=64, sleeps=True, quick=True))
    cases.append(Case("video", "video", "video", "1080p60, CPU time of all processes", "s", "futex",
                      ["--depth", 4], payload=FRAME, sleeps=True, budget_ms=10000, quick=True,
                      rounds_max=2))
    cases.append(Case("first", "first", "first", "two fresh processes until the first message", "ns",
                      "line", payload=4096, sleeps=True, quick=True))
    cases.append(Case("memory", "memory", "stay", "resident memory of both sides, 4 KiB messages, room "
                      "for 16", "B", "", ["--count", 10], payload=4096, sleeps=True, quick=True,
                      rounds_max=3))
    cases.append(Case("kill", "kill", "stay", "what is left when both are killed", "files", "",
                      ["--count", 10], payload=4096, sleeps=True, quick=True, rounds_max=1))
    cases.append(Case("instructions", "instructions", "alone", "instructions for one message of 64 bytes, "
                      "all threads, without those of the kernel", "", "", payload=64, sleeps=True,
                      rounds_max=1))
    return cases + ring_cases() + mcap_cases()


def ring_cases():
    cases = []
    for count in (1, 100):
        rings = "an io_uring of 64 entries" if count == 1 else f"each of {count} io_urings of 64 entries"
        cases.append(Case(f"ring/{count}", "ring", "ring", f"set up and torn down, {rings}", "ns", "",
                          ["--rings", count], program="ring", quick=count == 1, rounds_max=5))
    for count in (1, 100):
        rings = "an io_uring" if count == 1 else f"{count} io_urings"
        cases.append(Case(f"ring-memory/{count}", "ring-memory", "hold", f"address space of {rings} of 64 entries",
                          "B", "", ["--rings", count], program="ring", quick=count == 1, rounds_max=1))
    cases.append(Case("ring-nop", "ring-nop", "nop", "a request to an io_uring that does nothing, until its "
                      "completion was seen", "ns", "", program="ring", quick=True, rounds_max=5))
    return cases


CHUNK = 1 << 20


def mcap_cases():
    return [
        Case("mcap/256", "mcap", "mcap", "messages of 256 bytes recorded to memory (tmpfs), CRC of all", "1/s", "",
             [256, 300_000, CHUNK], more_is_better=True, program="mcap", rounds_max=3, quick=True,
             quick_arguments=[256, 100_000, CHUNK]),
        Case("mcap/1M", "mcap", "mcap", "messages of 1 MiB recorded to memory (tmpfs), CRC of all", "1/s", "",
             [1 << 20, 512, CHUNK], more_is_better=True, program="mcap", rounds_max=3),
        Case("mcap-disk/1M", "mcap-disk", "mcap", "messages of 1 MiB recorded to disk until it has them (fsync), "
             "CRC of all", "1/s", "", [1 << 20, 512, CHUNK, "--sync"], more_is_better=True, program="mcap",
             rounds_max=2),
    ]


def takes_part(peer, case):
    if peer.works:
        return case.kind in peer.works
    return peer.name == "floe" or case.program == "peer"
