/* SPDX-License-Identifier: Apache-2.0 */

/* A topic in an event loop of the application's own ring. */

#include <floe/uring.h>
#include <poll.h>

FLOE_PUBLIC int floe_uring_prep_topic(struct io_uring_sqe *sqe, struct floe_subscriber *sub)
{
	int fd = floe_subscriber_fd(sub);

	if (fd < 0) {
		io_uring_prep_nop(sqe);
		return fd;
	}
	io_uring_prep_poll_add(sqe, fd, POLLIN);
	return 0;
}
