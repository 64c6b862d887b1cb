/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Waiting: it ends when there is something to do, at the deadline, at a signal, and for no other
 * reason. No wake-up is lost: where one would be, a test here sleeps for ever and the frame ends
 * it.
 */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "asleep.h"
#include "peer.h"
#include "steps.h"

#define CHUNK 1000
#define FOREVER (-1)
#define ALTERNATIONS 20000

#define MILLISECONDS ((int64_t)1000000)

/* Sleeps at once: what is tested is waking, not looking. */
#define SLEEPY SUBSCRIBER(.spin_ns = 1)

/*
 * One process
 */

static void wait_returns_at_once_when_there_is_a_message(void)
{
	struct floe_publisher *pub = publisher("wait", NULL);
	struct floe_subscriber *sub = subscriber("wait", NULL);

	publish(pub, 8, 1);
	expect_equal(floe_wait(sub, FOREVER), 1);
	expect_equal(floe_wait(sub, 0), 1);
	expect_equal(floe_wait(sub, now_ns() - 1), 1);
	receive(sub, 8, 1);
	expect_equal(floe_wait(sub, 0), 0);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void wait_ends_at_the_deadline_and_not_before(void)
{
	struct floe_subscriber *sub = subscriber("wait", NULL);
	struct floe_publisher *pub = NULL;

	/* First without any publisher. */
	for (int round = 0; round < 2; round++) {
		int64_t deadline = now_ns() + 30 * MILLISECONDS;

		expect_equal(floe_wait(sub, deadline), 0);
		expect(now_ns() >= deadline);
		expect_equal(floe_wait(sub, 0), 0);
		expect_equal(floe_wait(sub, now_ns() - 1), 0);
		if (!pub)
			pub = publisher("wait", NULL);
	}
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

static void a_publisher_that_says_nothing_is_no_reason_to_stop_waiting(void)
{
	struct floe_subscriber *sub = subscriber("wait", NULL);
	struct floe_publisher *pub = publisher("wait", NULL);

	publish(pub, 8, 1);
	receive(sub, 8, 1);
	floe_publisher_close(pub);
	expect_equal(floe_wait(sub, now_ns() + 10 * MILLISECONDS), 0);

	floe_subscriber_close(sub);
}

static void publisher_wait_ends_at_the_deadline_and_not_before(void)
{
	struct floe_publisher *pub = publisher("wait", PUBLISHER(.depth = 1));
	struct floe_subscriber *sub = subscriber("wait",
						 SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE));
	int64_t deadline;

	expect_equal(floe_publisher_wait(pub, FOREVER), 1);
	publish(pub, 8, 1);
	expect_equal(floe_publisher_wait(pub, 0), 0);
	deadline = now_ns() + 30 * MILLISECONDS;
	expect_equal(floe_publisher_wait(pub, deadline), 0);
	expect(now_ns() >= deadline);
	receive(sub, 8, 1);
	expect_equal(floe_publisher_wait(pub, FOREVER), 1);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

/*
 * Another process
 */

static void wait_and_take_one(int wire, void *argument)
{
	struct floe_subscriber *sub = subscriber("wait", argument);

	tell(wire, 1);
	expect_equal(floe_wait(sub, FOREVER), 1);
	tell(wire, receive(sub, CHUNK, 7));
	floe_subscriber_close(sub);
}

static void expect_woken_by_a_message(const struct floe_subscriber_options *options)
{
	struct peer peer = peer_start(wait_and_take_one, (void *)(uintptr_t)options);
	struct floe_publisher *pub = publisher("wait", PUBLISHER(.lanes_max = 1));

	hear(peer.wire);
	until_asleep(peer.pid);
	publish(pub, CHUNK, 7);
	expect_equal(hear(peer.wire), 1);
	peer_end(&peer);
	expect_equal(publisher_counts(pub).wakes, 1);
	floe_publisher_close(pub);
}

static void a_message_wakes_another_process(void)
{
	expect_woken_by_a_message(NULL);
	expect_woken_by_a_message(SLEEPY);
	expect_woken_by_a_message(SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE));
	expect_woken_by_a_message(SUBSCRIBER(.policy = FLOE_POLICY_DROP_NEWEST));
}

static void a_new_publisher_wakes_who_waited_for_none(void)
{
	struct peer peer = peer_start(wait_and_take_one, SLEEPY);
	struct floe_publisher *pub;

	hear(peer.wire);
	until_asleep(peer.pid);
	pub = publisher("wait", NULL);
	/* It has looked, found nothing, and sleeps again, now on the new publisher as well. */
	until_asleep(peer.pid);
	publish(pub, CHUNK, 7);
	expect_equal(hear(peer.wire), 1);
	peer_end(&peer);
	floe_publisher_close(pub);
}

static void each_of_many_publishers_wakes(void)
{
	struct floe_publisher *pubs[FLOE_PUBLISHERS_MAX];
	struct peer peer;

	for (size_t i = 0; i < COUNT(pubs); i++)
		pubs[i] = publisher("wait", PUBLISHER(.depth = 1, .payload_max = CHUNK));
	for (size_t i = 0; i < COUNT(pubs); i += 9) {
		peer = peer_start(wait_and_take_one, SLEEPY);
		hear(peer.wire);
		until_asleep(peer.pid);
		publish(pubs[i], CHUNK, 7);
		hear(peer.wire);
		peer_end(&peer);
	}
	for (size_t i = 0; i < COUNT(pubs); i++)
		floe_publisher_close(pubs[i]);
}

static void one_message_wakes_all_who_wait(void)
{
	struct floe_publisher *pub = publisher("wait", NULL);
	struct peer peers[12];

	for (size_t i = 0; i < COUNT(peers); i++) {
		peers[i] = peer_start(wait_and_take_one, i % 2 ? NULL : SLEEPY);
		hear(peers[i].wire);
	}
	for (size_t i = 0; i < COUNT(peers); i++)
		until_asleep(peers[i].pid);
	publish(pub, CHUNK, 7);
	for (size_t i = 0; i < COUNT(peers); i++) {
		hear(peers[i].wire);
		peer_end(&peers[i]);
	}
	floe_publisher_close(pub);
}

static void *publish_one(void *pub)
{
	nanosleep(&(struct timespec){.tv_nsec = 20 * MILLISECONDS}, NULL);
	publish(pub, CHUNK, 7);
	return NULL;
}

static void a_message_wakes_another_thread(void)
{
	struct floe_publisher *pub = publisher("wait", NULL);
	struct floe_subscriber *sub = subscriber("wait", SLEEPY);
	pthread_t thread;

	for (int i = 0; i < 10; i++) {
		expect_equal(pthread_create(&thread, NULL, publish_one, pub), 0);
		expect_equal(floe_wait(sub, FOREVER), 1);
		receive(sub, CHUNK, 7);
		pthread_join(thread, NULL);
	}
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

/*
 * Lost wake-ups
 */

/* Up to some microseconds, often none: the two ends are to meet at every step of each other. */
static void dawdle(uint64_t *seed)
{
	uint64_t turns = random_next(seed) % 4 ? random_next(seed) % 2000 : 0;

	for (volatile uint64_t i = 0; i < turns; i++)
		;
}

struct alternation {
	const struct floe_subscriber_options *options;
	uint64_t seed;
};

static void answer(int wire, void *argument)
{
	const struct alternation *alternation = argument;
	struct floe_subscriber *sub = subscriber("ping", alternation->options);
	struct floe_publisher *pub = publisher("pong", NULL);
	uint64_t seed = alternation->seed + 1;

	tell(wire, 1);
	for (uint64_t i = 0; i < ALTERNATIONS; i++) {
		expect_equal(floe_wait(sub, FOREVER), 1);
		receive(sub, 8 + i % 90, i);
		dawdle(&seed);
		publish(pub, 8 + i % 90, i);
	}
	hear(wire);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

static void expect_no_lost_wake_up(const struct floe_subscriber_options *options)
{
	struct alternation alternation = {options, random_seed()};
	struct peer peer = peer_start(answer, &alternation);
	struct floe_publisher *pub = publisher("ping", NULL);
	struct floe_subscriber *sub = subscriber("pong", options);
	uint64_t seed = alternation.seed;

	hear(peer.wire);
	for (uint64_t i = 0; i < ALTERNATIONS; i++) {
		dawdle(&seed);
		publish(pub, 8 + i % 90, i);
		expect_equal(floe_wait(sub, FOREVER), 1);
		receive(sub, 8 + i % 90, i);
	}
	tell(peer.wire, 1);
	peer_end(&peer);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void no_wake_up_is_lost_in_many_alternations(void)
{
	expect_no_lost_wake_up(SLEEPY);
}

static void no_wake_up_is_lost_after_a_look_around(void)
{
	expect_no_lost_wake_up(SUBSCRIBER(.spin_ns = 2000));
}

static void read_all_reliably(int wire, void *argument)
{
	struct floe_subscriber *sub = subscriber(
		"stream", SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE, .spin_ns = 1));
	uint64_t seed = *(uint64_t *)argument + 1;

	tell(wire, 1);
	for (uint64_t i = 0; i < ALTERNATIONS; i++) {
		expect_equal(floe_wait(sub, FOREVER), 1);
		expect_equal(receive(sub, 8 + i % 90, i), i + 1);
		dawdle(&seed);
	}
	expect_equal(subscriber_counts(sub).lost, 0);
	hear(wire);
	floe_subscriber_close(sub);
}

/* Each end waits for the other: the publisher for room, the subscriber for messages. */
static void expect_stream(size_t depth)
{
	uint64_t seed = random_seed();
	struct peer peer = peer_start(read_all_reliably, &seed);
	struct floe_publisher *pub = publisher("stream", PUBLISHER(.depth = depth));

	hear(peer.wire);
	for (uint64_t i = 0; i < ALTERNATIONS; i++) {
		dawdle(&seed);
		while (try_publish(pub, 8 + i % 90, i) == 0)
			expect_equal(floe_publisher_wait(pub, FOREVER), 1);
	}
	tell(peer.wire, 1);
	peer_end(&peer);
	floe_publisher_close(pub);
}

static void publisher_and_reliable_subscriber_wait_for_each_other(void)
{
	expect_stream(1);
	expect_stream(3);
}

/* Several sleepers, and a publisher that pauses now and then: nobody is forgotten. */
static void read_to_the_end(int wire, void *argument)
{
	struct floe_subscriber *sub = subscriber("crowd", SLEEPY);
	struct floe_sample sample;
	uint64_t last = 0;

	tell(wire, 1);
	while (last < *(uint64_t *)argument) {
		expect_equal(floe_wait(sub, FOREVER), 1);
		expect_equal(floe_take(sub, &sample), 1);
		last = sample.sequence;
		floe_release(sub, &sample);
	}
	floe_subscriber_close(sub);
}

static void no_sleeper_of_many_is_forgotten(void)
{
	uint64_t seed = random_seed(), count = 5000;
	struct floe_publisher *pub;
	struct peer peers[4];

	for (size_t i = 0; i < COUNT(peers); i++)
		peers[i] = peer_start(read_to_the_end, &count);
	pub = publisher("crowd", NULL);
	for (size_t i = 0; i < COUNT(peers); i++)
		hear(peers[i].wire);
	for (uint64_t i = 0; i < count; i++) {
		publish(pub, 8, i);
		for (uint64_t n = random_next(&seed) % 16; n > 0; n--)
			dawdle(&seed);
	}
	for (size_t i = 0; i < COUNT(peers); i++)
		peer_end(&peers[i]);
	floe_publisher_close(pub);
}

/*
 * The other side goes
 */

static void be_reliable_until_told(int wire, void *argument)
{
	struct floe_subscriber *sub = subscriber("wait",
						 SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE));

	(void)argument;
	tell(wire, 1);
	hear(wire);
	floe_subscriber_close(sub);
}

static void fill_and_wait(int wire, void *argument)
{
	struct floe_publisher *pub = publisher("wait", PUBLISHER(.depth = 2));

	(void)argument;
	tell(wire, 1);
	hear(wire);
	publish(pub, 8, 1);
	publish(pub, 8, 2);
	tell(wire, 1);
	expect_equal(floe_publisher_wait(pub, FOREVER), 1);
	publish(pub, 8, 3);
	tell(wire, 1);
	floe_publisher_close(pub);
}

/* A publisher that waits for ever in one process, a reliable subscriber in another. */
static void start_blocked_pair(struct peer *waiter, struct peer *reader)
{
	*waiter = peer_start(fill_and_wait, NULL);
	hear(waiter->wire);
	*reader = peer_start(be_reliable_until_told, NULL);
	hear(reader->wire);
	ask(waiter->wire, 1);
	until_asleep(waiter->pid);
}

static void a_reliable_subscriber_that_closes_ends_the_wait(void)
{
	struct peer waiter, reader;

	start_blocked_pair(&waiter, &reader);
	tell(reader.wire, 1);
	peer_end(&reader);
	hear(waiter.wire);
	peer_end(&waiter);
}

static void a_reliable_subscriber_that_is_killed_ends_the_wait(void)
{
	struct peer waiter, reader;

	start_blocked_pair(&waiter, &reader);
	peer_kill(&reader);
	hear(waiter.wire);
	peer_end(&waiter);
}

/*
 * Signals
 */

static void on_alarm(int number)
{
	(void)number;
}

/* SIGALRM again and again, so that one comes when the wait has begun. */
static void start_alarms(void)
{
	struct sigaction action = {.sa_handler = on_alarm};
	struct itimerval often = {{0, 5000}, {0, 5000}};

	expect_equal(sigaction(SIGALRM, &action, NULL), 0);
	expect_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
}

static void a_signal_ends_the_wait(void)
{
	struct floe_subscriber *sub = subscriber("wait", NULL);
	struct floe_publisher *pub;

	start_alarms();
	expect_equal(floe_wait(sub, FOREVER), -EINTR);
	pub = publisher("wait", NULL);
	expect_equal(floe_wait(sub, FOREVER), -EINTR);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
}

static void a_signal_ends_the_wait_of_a_publisher(void)
{
	struct floe_publisher *pub = publisher("wait", PUBLISHER(.depth = 1));
	struct floe_subscriber *sub = subscriber("wait",
						 SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE));

	publish(pub, 8, 1);
	start_alarms();
	expect_equal(floe_publisher_wait(pub, FOREVER), -EINTR);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(wait_returns_at_once_when_there_is_a_message),
		TEST(wait_ends_at_the_deadline_and_not_before),
		TEST(a_publisher_that_says_nothing_is_no_reason_to_stop_waiting),
		TEST(publisher_wait_ends_at_the_deadline_and_not_before),
		TEST(a_message_wakes_another_process),
		TEST(a_new_publisher_wakes_who_waited_for_none),
		TEST(each_of_many_publishers_wakes),
		TEST(one_message_wakes_all_who_wait),
		TEST(a_message_wakes_another_thread),
		TEST(no_wake_up_is_lost_in_many_alternations),
		TEST(no_wake_up_is_lost_after_a_look_around),
		TEST(publisher_and_reliable_subscriber_wait_for_each_other),
		TEST(no_sleeper_of_many_is_forgotten),
		TEST(a_reliable_subscriber_that_closes_ends_the_wait),
		TEST(a_reliable_subscriber_that_is_killed_ends_the_wait),
		TEST(a_signal_ends_the_wait),
		TEST(a_signal_ends_the_wait_of_a_publisher),
	};

	return frame_run(argc, argv, tests, COUNT(tests));
}
