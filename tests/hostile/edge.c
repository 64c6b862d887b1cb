/* SPDX-License-Identifier: Apache-2.0 */
#include "edge.h"

#include <sys/epoll.h>

#include "frame/frame.h"

int edge_epoll(int fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	expect(fd >= 0);
	expect_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
	return epoll;
}

void edge_await(int epoll)
{
	struct epoll_event event;

	expect_equal(epoll_wait(epoll, &event, 1, 20000), 1);
}
