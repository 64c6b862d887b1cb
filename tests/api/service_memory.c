/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A client or a server for which there is no memory just now is not forgotten: as soon as there is some it is
 * answered, or asked.
 *
 * calloc(3) is the one below, in this whole process. Sanitizers have one of their own.
 */

#include <floe/service.h>

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "folder.h"
#include "frame/sanitized.h"
#include "peer.h"
#include "steps.h"

#define SECONDS ((int64_t)1000000000)

static bool is_out;

#ifndef SANITIZED
/* The build hides symbols; this one must be seen by the libraries of this process. */
#pragma GCC visibility push(default)

extern void *__libc_calloc(size_t count, size_t size);

void *calloc(size_t count, size_t size)
{
	return is_out ? NULL : __libc_calloc(count, size);
}

#pragma GCC visibility pop
#endif

static void need_own_calloc(void)
{
#ifdef SANITIZED
	skip("a sanitizer has its own calloc");
#endif
}

static struct floe_client *client(void)
{
	struct floe_client *opened = NULL;

	expect_equal(floe_client_open(&opened, "sum", NULL), 0);
	return opened;
}

static struct floe_server *server(void)
{
	struct floe_server *opened = NULL;

	expect_equal(floe_server_open(&opened, "sum", NULL), 0);
	return opened;
}

static void request(struct floe_client *c, uint64_t seed)
{
	struct floe_loan loan;

	expect_equal(floe_client_loan(c, 8, &loan), 1);
	fill(loan.data, 8, seed);
	expect_equal(floe_client_send(c, &loan, -1, NULL), 1);
}

static void serve(struct floe_server *s, uint64_t seed)
{
	struct floe_request taken;

	expect_equal(floe_server_take(s, &taken), 1);
	expect(is_filled(taken.data, 8, seed));
	expect_equal(floe_server_end(s, &taken, 0), 0);
}

static struct floe_server_counts server_counts(struct floe_server *s)
{
	struct floe_server_counts counts;

	expect_equal(floe_server_count(s, &counts, sizeof(counts)), 0);
	return counts;
}

static void a_request_waits_until_its_client_can_be_noted(void)
{
	struct floe_server *s = server();
	struct floe_client *c = client();
	struct floe_request taken;
	struct floe_response response;

	need_own_calloc();
	request(c, 1);
	request(c, 2);
	is_out = true;
	for (int i = 0; i < 3; i++) {
		expect_equal(floe_server_take(s, &taken), -ENOMEM);
		expect_equal(floe_server_wait(s, now_ns() + SECONDS), 1);
		expect_equal(floe_server_wait(s, 0), 0);
	}
	expect_equal(server_counts(s).abandoned, 0);
	expect_equal(server_counts(s).taken, 0);
	is_out = false;
	expect_equal(floe_server_wait(s, 0), 1);
	serve(s, 1);
	serve(s, 2);
	for (int i = 0; i < 2; i++) {
		expect_equal(floe_client_take(c, &response), 1);
		expect_equal(response.status, 0);
	}
	floe_client_close(c);
	floe_server_close(s);
	expect_folder_empty();
}

/* Nobody tells when there is memory again, so the descriptor does not wait for that: not where each take that
 * gives none is followed by a wait for an edge, nor when another request is ended meanwhile. */
static void the_descriptor_is_readable_while_a_request_waits(void)
{
	struct floe_server *s = server();
	struct floe_client *first = client(), *second;
	struct pollfd poller = {.fd = floe_server_fd(s), .events = POLLIN};
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	struct floe_request taken, none;
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	need_own_calloc();
	request(first, 1);
	expect_equal(floe_server_wait(s, now_ns() + 60 * SECONDS), 1);
	expect_equal(floe_server_take(s, &taken), 1);
	second = client();
	request(second, 2);
	expect_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, poller.fd, &event), 0);
	is_out = true;
	for (int i = 0; i < 3; i++) {
		expect_equal(epoll_wait(epoll, &event, 1, 5000), 1);
		while (floe_server_take(s, &none) == 0)
			expect_equal(poll(&poller, 1, 5000), 1);
		expect_equal(floe_server_take(s, &none), -ENOMEM);
	}
	expect_equal(floe_server_end(s, &taken, 0), 0);
	expect_equal(poll(&poller, 1, 5000), 1);
	is_out = false;
	serve(s, 2);
	close(epoll);
	floe_client_close(second);
	floe_client_close(first);
	floe_server_close(s);
}

/* So it is where there is one only when a request waits already. */
static void a_descriptor_that_comes_later_is_readable_too(void)
{
	struct floe_server *s = server();
	struct floe_client *c = client();
	struct pollfd poller = {.events = POLLIN};
	struct floe_request none;

	need_own_calloc();
	request(c, 1);
	is_out = true;
	expect_equal(floe_server_take(s, &none), -ENOMEM);
	is_out = false;
	poller.fd = floe_server_fd(s);
	expect_equal(poll(&poller, 1, 5000), 1);
	serve(s, 1);
	floe_client_close(c);
	floe_server_close(s);
}

static void be_a_server(int wire, void *argument)
{
	struct floe_server *s;

	(void)argument;
	is_out = false;
	hear(wire);
	s = server();
	tell(wire, 1);
	hear(wire);
	floe_server_close(s);
}

static uint64_t count_servers(struct floe_client *c)
{
	struct floe_client_counts counts;

	expect_equal(floe_client_count(c, &counts, sizeof(counts)), 0);
	return counts.servers;
}

/* It says but once that it is there. */
static void a_server_that_came_meanwhile_is_found(void)
{
	struct peer peers[3];
	struct floe_client *c;

	need_own_calloc();
	for (unsigned i = 0; i < COUNT(peers); i++)
		peers[i] = peer_start(be_a_server, NULL);
	c = client();
	is_out = true;
	for (unsigned i = 0; i < COUNT(peers); i++)
		ask(peers[i].wire, 1);
	expect(count_servers(c) < COUNT(peers));
	is_out = false;
	expect_equal(count_servers(c), COUNT(peers));
	for (unsigned i = 0; i < COUNT(peers); i++) {
		tell(peers[i].wire, 1);
		peer_end(&peers[i]);
	}
	floe_client_close(c);
	expect_folder_empty();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_request_waits_until_its_client_can_be_noted),
		TEST(the_descriptor_is_readable_while_a_request_waits),
		TEST(a_descriptor_that_comes_later_is_readable_too),
		TEST(a_server_that_came_meanwhile_is_found),
	};

	return frame_run(argc, argv, tests, COUNT(tests));
}
