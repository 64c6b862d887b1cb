/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Who holds an exclusive lock holds it for a few system calls. One that is stopped just then is
 * alive, and may stay so for minutes: the others go on, or are told after a while for whom they
 * wait. One that is killed just then holds nothing.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <floe/inspect.h>

#include "api/peer.h"
#include "api/steps.h"
#include "os/os.h"

#define CHUNK 1000

/*
 * Those who stop
 */

static int lock_and_stop(int fd, enum os_lock kind)
{
	int r = os_real.try_lock(fd, kind);

	if (r == 1 && kind == OS_LOCK_EXCLUSIVE)
		(void)raise(SIGSTOP);
	return r;
}

static void stop_at_the_next_lock(void)
{
	static struct os table;

	table = os_real;
	table.try_lock = lock_and_stop;
	os = &table;
}

/* The last one who leaves removes the topic. */
static void remove_and_stop(int wire, void *argument)
{
	struct floe_subscriber *sub = subscriber("t", NULL);

	(void)argument;
	tell(wire, 1);
	stop_at_the_next_lock();
	floe_subscriber_close(sub);
}

/* Joins first, so that its node has its lock already. */
static void adopt_and_stop(int wire, void *argument)
{
	struct floe_subscriber *sub = subscriber("t", NULL);
	struct floe_publisher *pub;

	(void)argument;
	tell(wire, 1);
	stop_at_the_next_lock();
	pub = publisher("t", NULL);
	os = &os_real;
	publish(pub, CHUNK, 9);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

static void publish_and_stay(int wire, void *argument)
{
	struct floe_publisher *pub = publisher("t", NULL);

	(void)argument;
	publish(pub, CHUNK, 1);
	tell(wire, 1);
	(void)hear(wire);
	floe_publisher_close(pub);
}

static struct peer stop_in(void (*life)(int wire, void *argument))
{
	struct peer peer = peer_start(life, NULL);
	int status;

	(void)hear(peer.wire);
	expect_equal(waitpid(peer.pid, &status, WUNTRACED), peer.pid);
	expect(WIFSTOPPED(status));
	return peer;
}

/*
 * Those who go on
 */

static void exchange(const char *topic)
{
	struct floe_subscriber *sub = subscriber(topic, NULL);
	struct floe_publisher *pub = publisher(topic, NULL);

	publish(pub, CHUNK, 5);
	(void)receive(sub, CHUNK, 5);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

static void look_and_clean(void)
{
	struct floe_topic_info topic[4];
	struct floe_view *view;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(floe_view_topics(view, topic, sizeof(topic[0]), COUNT(topic)), 1);
	expect(floe_view_clean(view, 0, NULL, NULL) >= 0);
	floe_view_close(view);
}

static void who_is_stopped_while_it_removes_a_topic_is_spoken_of(void)
{
	struct peer peer = stop_in(remove_and_stop);

	look_and_clean();
	exchange("another");
	expect_equal(try_publisher("t", NULL, "'t' is being removed by a process that does not"),
		     -EBUSY);
	expect_equal(try_subscriber("t", NULL, "let it run or end it"), -EBUSY);
	expect_equal(kill(peer.pid, SIGCONT), 0);
	peer_end(&peer);
	exchange("t");
}

static void who_is_killed_while_it_removes_a_topic_is_in_nobodys_way(void)
{
	struct peer peer = stop_in(remove_and_stop);

	peer_kill(&peer);
	exchange("t");
}

/* The ring that it would adopt is left to it, the others make one of their own. */
static void who_is_stopped_while_it_adopts_a_ring_is_in_nobodys_way(void)
{
	struct floe_subscriber *sub = subscriber("t", NULL);
	struct peer dead = peer_start(publish_and_stay, NULL), peer;
	struct floe_publisher *pub;

	(void)hear(dead.wire);
	peer_kill(&dead);
	(void)receive(sub, CHUNK, 1);
	peer = stop_in(adopt_and_stop);
	pub = publisher("t", NULL);
	publish(pub, CHUNK, 2);
	expect_equal(receive(sub, CHUNK, 2), 1);
	exchange("t");
	look_and_clean();
	publish(pub, CHUNK, 3);
	(void)drain(sub, &(uint64_t){0});
	expect_equal(kill(peer.pid, SIGCONT), 0);
	peer_end(&peer);
	expect_equal(receive(sub, CHUNK, 9), 2);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

static void who_is_killed_while_it_adopts_a_ring_leaves_it_to_the_next(void)
{
	struct floe_subscriber *sub = subscriber("t", NULL);
	struct peer dead = peer_start(publish_and_stay, NULL), peer;
	struct floe_publisher *pub;

	(void)hear(dead.wire);
	peer_kill(&dead);
	(void)receive(sub, CHUNK, 1);
	peer = stop_in(adopt_and_stop);
	peer_kill(&peer);
	pub = publisher("t", NULL);
	publish(pub, CHUNK, 2);
	expect_equal(receive(sub, CHUNK, 2), 2);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(who_is_stopped_while_it_removes_a_topic_is_spoken_of),
		TEST(who_is_killed_while_it_removes_a_topic_is_in_nobodys_way),
		TEST(who_is_stopped_while_it_adopts_a_ring_is_in_nobodys_way),
		TEST(who_is_killed_while_it_adopts_a_ring_leaves_it_to_the_next),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
