/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOE_URING_H
#define FLOE_URING_H

/*
 * io_uring in your memory: rings whose every byte lies where you say, for liburing's own calls.
 *
 *	floe_uring_memory_size  ->  floe_uring_init_mem  ->  { io_uring_get_sqe, io_uring_submit,
 *				    io_uring_wait_cqe, ... }*  ->  floe_uring_exit
 *
 * Never call io_uring_queue_exit on such a ring: it unmaps your memory.
 *
 * A library of its own, libfloe-uring (pkg-config floe-uring), beside liburing 2.3 or newer. It
 * needs Linux 6.5, with regions of more than one page outside of huge pages 6.10.
 *
 * Results: < 0 failed, the value is -errno; floe_uring_explain has a sentence. A ring is used by one
 * thread at a time, as liburing says; calls on different rings by any threads at once. Only
 * floe_uring_exit may block.
 *
 * Who may write the memory of a ring controls the process that owns it: heads, tails and requests
 * are read from there. Keep rings out of what less trusted processes may write.
 */

/* First: it asks the C library for more than C11 names. */
#include <liburing.h>

#include <floe/floe.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of struct io_uring_params that liburing 2.3 has no names for. */
#define FLOE_URING_NO_SQARRAY (1u << 16) /* Linux 6.6: no index array, 4 bytes per entry less */
#define FLOE_URING_CQE_MIXED (1u << 18)  /* Linux 6.18; not for liburing's iterators before 2.13 */
#define FLOE_URING_SQE_MIXED (1u << 19)  /* Linux 6.19 */

/*
 * Exact bytes that floe_uring_init_mem uses for this, a whole number of pages; no system call.
 * params: flags and, with IORING_SETUP_CQSIZE, cq_entries; NULL: no flags.
 *   -EINVAL 0 entries, more than 32768 (CQ 65536) without IORING_SETUP_CLAMP, a CQ smaller than the
 *   SQ, or sizes of both kinds at once; -EOVERFLOW mixed entries in a queue of one
 */
FLOE_PUBLIC ssize_t floe_uring_memory_size(unsigned entries, const struct io_uring_params *params);

/* The same as two blocks: the submission entries, and everything else. 0, or as above */
FLOE_PUBLIC int floe_uring_memory_sizes(unsigned entries, const struct io_uring_params *params,
					size_t *ret_sqes_size, size_t *ret_rings_size);

/*
 * Sets a ring up in `memory`, which is page aligned, writable and stays mapped until after
 * floe_uring_exit, and fills `ring` and `params` as io_uring_queue_init_params(3) does. What lies
 * there before does not matter. A child after fork(2) does not get these pages.
 *   bytes used;
 *   -EINVAL arguments: NULL, misaligned, entries as above, flags that exclude each other;
 *   -ENOMEM `size` is less than floe_uring_memory_size(), found before any system call;
 *   -EDQUOT the kernel may not pin so much for this user (RLIMIT_MEMLOCK), or has no memory;
 *   -EFAULT memory of a kind that cannot be pinned: read-only, unmapped, a mapped disk file;
 *   -EOPNOTSUPP this kernel cannot (before 6.5; with NO_SQARRAY 6.6), or IORING_SETUP_REGISTERED_
 *   FD_ONLY, which liburing 2.3 cannot use; -EPERM, -ENOSYS io_uring is forbidden or missing;
 *   -EMFILE, -ENFILE; -EPROTO this kernel lays rings out differently
 * On failure ring->ring_fd is -1, and everything else is as it was.
 */
FLOE_PUBLIC int floe_uring_init_mem(unsigned entries, struct io_uring *ring,
				    struct io_uring_params *params, void *memory, size_t size);

/* The same in two blocks anywhere. -EINVAL also when what is used of them overlaps. */
FLOE_PUBLIC int floe_uring_init_split(unsigned entries, struct io_uring *ring,
				      struct io_uring_params *params, void *sqes, size_t sqes_size,
				      void *rings, size_t rings_size);

/*
 * A closed ring goes on writing into its memory for up to a sixth of a second, longer on a loaded
 * machine. The modes are ways to get the memory back from it.
 */
enum floe_uring_exit_mode {
	/* DETACH, or else RESIZE, or else WAIT. */
	FLOE_URING_SAFE = 0,
	/* Your mapping gets fresh zero pages, the kernel keeps the old ones until it is done: at
	 * once. Not for huge pages, locked memory, or memory sealed against writing. */
	FLOE_URING_DETACH = 1,
	/* The ring is moved into pages of its own first: milliseconds, any memory. Only rings with
	 * IORING_SETUP_DEFER_TASKRUN, in the thread that made them; Linux 6.13. */
	FLOE_URING_RESIZE = 2,
	/* Until the kernel has let go: about 50 ms, at most 10 s. Any memory. */
	FLOE_URING_WAIT = 3,
	/* At once, and the memory must not be used for anything else. */
	FLOE_URING_ABANDON = 4,
};

/*
 * Ends what is in flight (bounded by a second; what cannot be cancelled goes on), closes the ring and
 * leaves it empty (ring_fd -1). An empty ring is fine. After 0 the memory is yours, its contents are
 * undefined (ABANDON: it is never).
 *   -EINVAL; -EOPNOTSUPP DETACH or RESIZE is not possible here: the ring is still open;
 *   -ETIMEDOUT the ring is closed, but somebody keeps it: a copy of its descriptor, in a child
 *   perhaps. The memory is not safe. -EEXIST WAIT was necessary, and is for another thread than that
 *   of a ring with IORING_SETUP_SINGLE_ISSUER only with a tombstone; -EMFILE, -ENFILE: WAIT needs a
 *   pipe. In both cases the ring is still open
 */
FLOE_PUBLIC int floe_uring_exit(struct io_uring *ring, enum floe_uring_exit_mode mode);

/*
 * A descriptor that hangs up (POLLHUP) when the kernel has let go of this ring's memory, however its
 * process ended: give it to who reuses memory of the dead. It is the caller's to close. It takes the
 * last place of the ring's table of files, which is made here with `files` empty places before it:
 * io_uring_register_files_update(3) fills them.
 *   -EBUSY files are registered already; -EMFILE, -ENFILE, -ENOMEM
 */
FLOE_PUBLIC int floe_uring_tombstone(struct io_uring *ring, unsigned files);

/*
 * Prepares a request that completes when floe_take has something to say: topics, sockets, files and
 * timers in one io_uring_wait_cqe(3), of any ring. It waits on the futex words of all publishers of
 * the topic (IORING_OP_FUTEX_WAITV, Linux 6.7) and takes no descriptor; elsewhere it is a poll of
 * floe_subscriber_fd. Set the user data afterwards, and submit it before the next one of this
 * subscriber is prepared, and before the subscriber is closed; with IORING_SETUP_SQPOLL wait until the
 * kernel has taken it (io_uring_sq_ready(3) is 0). One at a time is enough.
 *
 * When it has completed, with whatever result, take until nothing is there and prepare it again. When
 * take says -ENOBUFS release first: something is there, and the next one would complete at once.
 * Closing the subscriber completes it: then do not. Cancelled like any request.
 *   0; < 0: what floe_subscriber_words and floe_subscriber_fd say, and the request completes at once
 */
FLOE_PUBLIC int floe_uring_prep_topic(struct io_uring_sqe *sqe, struct floe_subscriber *sub);

/* What a result of these calls means and what can be done, in one sentence; for 0 and above "". */
FLOE_PUBLIC const char *floe_uring_explain(int result);

#ifdef __cplusplus
}
#endif
#endif
