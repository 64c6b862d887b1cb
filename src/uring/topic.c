/* SPDX-License-Identifier: Apache-2.0 */

/* A topic in an event loop of the application's own ring. */

#include <errno.h>
#include <floe/uring.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "os/os.h"

/* Linux 6.7; not in liburing 2.3. */
#define OP_FUTEX_WAITV 53
#define OPS_MAX 64
#define PROBE_SIZE (sizeof(struct io_uring_probe) + OPS_MAX * sizeof(struct io_uring_probe_op))

enum answer {
	UNKNOWN,
	YES,
	NO
};

/* The kernel says of a ring what all its rings can. */
static enum answer ask(void)
{
	_Alignas(struct io_uring_probe) char memory[PROBE_SIZE] = {0};
	const struct io_uring_probe *probe = (void *)memory;
	struct io_uring_params p = {0};
	int fd = os->ring_setup(1, &p), r;

	if (fd < 0)
		return UNKNOWN;
	r = os->ring_register(fd, IORING_REGISTER_PROBE, memory, OPS_MAX);
	os->close(fd);
	if (r < 0)
		return UNKNOWN;
	return probe->ops[OP_FUTEX_WAITV].flags & IO_URING_OP_SUPPORTED ? YES : NO;
}

/* Asked until there is an answer; who asks at the same time gets the same one. */
static bool can_wait_on_words(void)
{
	static _Atomic unsigned known;
	unsigned answer = atomic_load_explicit(&known, memory_order_relaxed);

	if (answer == UNKNOWN) {
		answer = ask();
		atomic_store_explicit(&known, answer, memory_order_relaxed);
	}
	return answer == YES;
}

static int end_at_once(struct io_uring_sqe *sqe, int r)
{
	io_uring_prep_nop(sqe);
	return r;
}

static int poll_descriptor(struct io_uring_sqe *sqe, struct floe_subscriber *sub)
{
	int fd = floe_subscriber_fd(sub);

	if (fd < 0)
		return end_at_once(sqe, fd);
	io_uring_prep_poll_add(sqe, fd, POLLIN);
	return 0;
}

FLOE_PUBLIC int floe_uring_prep_topic(struct io_uring_sqe *sqe, struct floe_subscriber *sub)
{
	const struct floe_word *words;
	int count = can_wait_on_words() ? floe_subscriber_words(sub, &words) : -EOPNOTSUPP;

	if (count == -EOPNOTSUPP)
		return poll_descriptor(sqe, sub);
	if (count <= 0)
		return end_at_once(sqe, count);
	io_uring_prep_rw(OP_FUTEX_WAITV, sqe, 0, words, (unsigned)count, 0);
	return 0;
}
