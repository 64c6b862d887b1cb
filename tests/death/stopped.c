/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Who is stopped lives, for as long as it is stopped: nobody takes its place, cleans away what is
 * its own, or overwrites what it holds, and afterwards it goes on as if nothing had been. Here it is
 * stopped for two seconds, or for as many as FLOE_TEST_STOP says.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <floe/inspect.h>

#include "api/peer.h"
#include "api/steps.h"

#define CHUNK 1000
#define DEPTH 2
#define SECOND ((int64_t)1000000000)
/* What the others do again and again meanwhile. */
#define LOOK_NS (SECOND / 10)

static int64_t stopped_ns(void)
{
	const char *given = getenv("FLOE_TEST_STOP");

	return (given ? atoi(given) : 2) * SECOND;
}

static void stop(const struct peer *peer)
{
	int status;

	expect_equal(kill(peer->pid, SIGSTOP), 0);
	expect_equal(waitpid(peer->pid, &status, WUNTRACED), peer->pid);
	expect(WIFSTOPPED(status));
}

static void go_on(const struct peer *peer)
{
	expect_equal(kill(peer->pid, SIGCONT), 0);
}

/* A reliable subscriber that holds the first message. */
static void hold_and_wait(int wire, void *argument)
{
	struct floe_subscriber *sub = subscriber(
		"t", SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE, .holds_max = 1));
	struct floe_sample sample;

	(void)argument;
	tell(wire, 1);
	(void)hear(wire);
	sample = take(sub, CHUNK, 1);
	tell(wire, 1);
	(void)hear(wire);
	expect(is_filled(sample.data, CHUNK, 1));
	floe_release(sub, &sample);
	for (uint64_t i = 2; i <= 1 + DEPTH; i++)
		expect_equal(receive(sub, CHUNK, i), i);
	tell(wire, 1);
	(void)hear(wire);
	floe_subscriber_close(sub);
}

/* What it sent before it was stopped and what it sends then is one ring. */
static void publish_and_wait(int wire, void *argument)
{
	struct floe_publisher *pub = publisher("t", PUBLISHER(.depth = DEPTH));

	(void)argument;
	publish(pub, CHUNK, 1);
	tell(wire, 1);
	(void)hear(wire);
	publish(pub, CHUNK, 2);
	tell(wire, publisher_counts(pub).published);
	(void)hear(wire);
	floe_publisher_close(pub);
}

/* Nothing to clean, and everybody lives. */
static void expect_living(uint32_t nodes)
{
	struct floe_node_info node[8];
	struct floe_view *view;
	int count;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(floe_view_clean(view, 0, NULL, NULL), 0);
	count = floe_view_nodes(view, node, sizeof(node[0]), COUNT(node));
	expect_equal(count, (int)nodes);
	for (int i = 0; i < count; i++)
		expect_equal(node[i].state, FLOE_STATE_ALIVE);
	floe_view_close(view);
}

static void a_stopped_subscriber_is_waited_for_as_long_as_it_takes(void)
{
	struct peer peer = peer_start(hold_and_wait, NULL);
	struct floe_publisher *pub;
	int64_t end;

	(void)hear(peer.wire);
	pub = publisher("t", PUBLISHER(.depth = DEPTH));
	publish(pub, CHUNK, 1);
	(void)ask(peer.wire, 1);
	stop(&peer);
	for (uint64_t i = 2; i <= 1 + DEPTH; i++)
		publish(pub, CHUNK, i);
	for (end = now_ns() + stopped_ns(); now_ns() < end;) {
		expect_equal(floe_publisher_wait(pub, now_ns() + LOOK_NS), 0);
		expect_equal(try_publish(pub, CHUNK, 9), 0);
		expect_living(2);
	}
	go_on(&peer);
	(void)ask(peer.wire, 1);
	publish(pub, CHUNK, 2 + DEPTH);
	tell(peer.wire, 1);
	peer_end(&peer);
	floe_publisher_close(pub);
}

static void a_stopped_publisher_keeps_its_ring(void)
{
	struct peer peer = peer_start(publish_and_wait, NULL);
	struct floe_subscriber *sub;
	int64_t end;

	(void)hear(peer.wire);
	sub = subscriber("t", SUBSCRIBER(.history = DEPTH));
	expect_equal(receive(sub, CHUNK, 1), 1);
	stop(&peer);
	for (end = now_ns() + stopped_ns(); now_ns() < end;) {
		struct floe_publisher *pub = publisher("t", PUBLISHER(.depth = DEPTH));

		expect_equal(publisher_counts(pub).published, 0);
		floe_publisher_close(pub);
		expect_equal(floe_wait(sub, now_ns() + LOOK_NS), 0);
		expect_living(2);
	}
	go_on(&peer);
	expect_equal(ask(peer.wire, 1), 2);
	expect_equal(receive(sub, CHUNK, 2), 2);
	tell(peer.wire, 1);
	peer_end(&peer);
	floe_subscriber_close(sub);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_stopped_subscriber_is_waited_for_as_long_as_it_takes),
		TEST(a_stopped_publisher_keeps_its_ring),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
