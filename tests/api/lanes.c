/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Lanes: a subscriber that drops the newest keeps what it has, whatever others do and however far the ring
 * goes on; it is told what it missed, and nobody else is the poorer.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include <floe/inspect.h>

#include "peer.h"
#include "steps.h"

#define DEPTH 4
#define QUEUE 3
#define FOREVER (-1)
#define LARGE 1000
#define SMALL 8

#define DROPPER(...) SUBSCRIBER(.policy = FLOE_POLICY_DROP_NEWEST, __VA_ARGS__)
#define WITH_LANES(...) \
	PUBLISHER(.depth = DEPTH, .lanes_max = 2, .lane_depth = QUEUE, .payload_max = LARGE, \
		  __VA_ARGS__)

static void publish_all(struct floe_publisher *pub, size_t size, uint64_t first, uint64_t last)
{
	for (uint64_t i = first; i <= last; i++)
		publish(pub, size, i);
}

/* Message `seed` comes next, with this sequence, and so many were dropped before it. */
static void receive_after(struct floe_subscriber *sub, size_t size, uint64_t seed, uint64_t lost)
{
	struct floe_sample sample = take(sub, size, seed);

	expect_equal(sample.sequence, seed);
	expect_equal(sample.lost, lost);
	floe_release(sub, &sample);
}

static void keeps_the_first(const char *topic, size_t size, uint32_t flags)
{
	struct floe_publisher *pub = publisher(topic, WITH_LANES(.flags = flags));
	struct floe_subscriber *sub = subscriber(topic, DROPPER());
	struct floe_subscriber *other = subscriber(topic, NULL);
	uint64_t lost;

	publish_all(pub, size, 1, 100);
	for (uint64_t i = 1; i <= QUEUE; i++)
		receive_after(sub, size, i, 0);
	expect_nothing(sub);

	/* There is room again, for as many. */
	publish_all(pub, size, 101, 102);
	receive_after(sub, size, 101, 100 - QUEUE);
	publish_all(pub, size, 103, 120);
	receive_after(sub, size, 102, 0);
	receive_after(sub, size, 103, 0);
	receive_after(sub, size, 104, 0);
	expect_nothing(sub);
	publish(pub, size, 121);
	receive_after(sub, size, 121, 16);
	expect_equal(subscriber_counts(sub).received, 8);
	expect_equal(subscriber_counts(sub).lost, 100 - QUEUE + 16);

	/* Who keeps the last has the last. */
	expect_equal(drain(other, &lost), DEPTH);
	expect_equal(lost, 121 - DEPTH);
	expect_equal(publisher_counts(pub).dropped, 0);
	expect_equal(publisher_counts(pub).would_block, 0);

	floe_subscriber_close(other);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void what_it_has_stays_and_what_comes_is_dropped(void)
{
	keeps_the_first("small", SMALL, 0);
	keeps_the_first("large", LARGE, 0);
	keeps_the_first("timed", LARGE, FLOE_TIMESTAMPS);
	keeps_the_first("elastic", LARGE, FLOE_ELASTIC);
	keeps_the_first("threads", LARGE, FLOE_THREAD_SAFE);
}

/* Nothing has to come after it. */
static void what_was_dropped_last_is_counted_too(void)
{
	struct floe_publisher *pub = publisher("last", WITH_LANES());
	struct floe_subscriber *sub = subscriber("last", DROPPER());

	publish_all(pub, SMALL, 1, 50);
	for (uint64_t i = 1; i <= QUEUE; i++)
		receive_after(sub, SMALL, i, 0);
	expect_nothing(sub);
	expect_equal(subscriber_counts(sub).received, QUEUE);
	expect_equal(subscriber_counts(sub).lost, 50 - QUEUE);
	publish(pub, SMALL, 51);
	receive_after(sub, SMALL, 51, 50 - QUEUE);
	expect_nothing(sub);
	expect_equal(subscriber_counts(sub).lost, 50 - QUEUE);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

/* Where all indexes are in use its ring goes. */
static void what_was_dropped_last_is_counted_when_its_publisher_goes(void)
{
	struct floe_publisher *pub = publisher("gone", WITH_LANES());
	struct floe_subscriber *sub = subscriber("gone", DROPPER());
	struct floe_publisher *others[FLOE_PUBLISHERS_MAX];

	publish_all(pub, SMALL, 1, 50);
	for (uint64_t i = 1; i <= QUEUE; i++)
		receive_after(sub, SMALL, i, 0);
	floe_publisher_close(pub);
	for (size_t i = 0; i < COUNT(others); i++)
		others[i] = publisher("gone", PUBLISHER(.depth = 2 * DEPTH, .lanes_max = 1));
	expect_nothing(sub);
	expect_equal(subscriber_counts(sub).publishers, COUNT(others));
	expect_equal(subscriber_counts(sub).received, QUEUE);
	expect_equal(subscriber_counts(sub).lost, 50 - QUEUE);
	floe_subscriber_close(sub);
	for (size_t i = 0; i < COUNT(others); i++)
		floe_publisher_close(others[i]);
}

static void each_has_a_queue_of_its_own(void)
{
	struct floe_publisher *pub = publisher("own", WITH_LANES());
	struct floe_subscriber *slow = subscriber("own", DROPPER());
	struct floe_subscriber *quick = subscriber("own", DROPPER(.depth = 1));
	struct floe_subscriber *reliable = subscriber("own",
						      SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE));

	for (uint64_t i = 1; i <= 50; i++) {
		publish(pub, LARGE, i);
		receive_after(quick, LARGE, i, 0);
		receive(reliable, LARGE, i);
	}
	publish_all(pub, LARGE, 51, 52);
	receive_after(quick, LARGE, 51, 0);
	expect_nothing(quick);
	receive_after(slow, LARGE, 1, 0);
	receive_after(slow, LARGE, 2, 0);
	receive_after(slow, LARGE, 3, 0);
	expect_nothing(slow);

	/* Of those that are waited for nothing is dropped. */
	publish_all(pub, LARGE, 53, 54);
	expect_equal(try_publish(pub, LARGE, 55), 0);
	for (uint64_t i = 51; i <= 54; i++)
		receive(reliable, LARGE, i);
	receive_after(quick, LARGE, 53, 1);
	receive_after(slow, LARGE, 53, 49);

	floe_subscriber_close(reliable);
	floe_subscriber_close(quick);
	floe_subscriber_close(slow);
	floe_publisher_close(pub);
}

/* Held samples and what waits in lanes are reserved for: a loan never fails. */
static void its_queue_takes_no_chunk_from_anybody(void)
{
	struct floe_publisher *pub = publisher("chunks",
					       WITH_LANES(.holds_max = 2, .loans_max = 1));
	struct floe_subscriber *sub[2];
	struct floe_sample held[2];

	for (int i = 0; i < 2; i++)
		sub[i] = subscriber("chunks", DROPPER(.holds_max = 1));
	for (uint64_t round = 0; round < 20; round++) {
		uint64_t first = round * 10 + 1;

		publish_all(pub, LARGE, first, first + 9);
		for (int i = 0; i < 2; i++) {
			held[i] = take(sub[i], LARGE, first);
			floe_release(sub[i], &held[i]);
			held[i] = take(sub[i], LARGE, first + 1);
		}
		for (int i = 0; i < 2; i++) {
			expect(is_filled(held[i].data, held[i].size, first + 1));
			floe_release(sub[i], &held[i]);
			receive_after(sub[i], LARGE, first + 2, 0);
			expect_nothing(sub[i]);
		}
	}
	floe_subscriber_close(sub[0]);
	floe_subscriber_close(sub[1]);
	floe_publisher_close(pub);
}

static void history_comes_first(void)
{
	struct floe_publisher *pub = publisher("history", WITH_LANES());
	struct floe_subscriber *sub;

	publish_all(pub, SMALL, 1, 10);
	sub = subscriber("history", DROPPER(.history = 2));
	publish_all(pub, SMALL, 11, 12);
	for (uint64_t i = 9; i <= 12; i++)
		receive_after(sub, SMALL, i, 0);
	publish_all(pub, SMALL, 13, 20);
	for (uint64_t i = 13; i < 13 + QUEUE; i++)
		receive_after(sub, SMALL, i, 0);
	floe_subscriber_close(sub);

	/* As with those who keep the last: what was overwritten before it came to look is lost. */
	sub = subscriber("history", DROPPER(.history = 3));
	publish_all(pub, SMALL, 21, 40);
	receive_after(sub, SMALL, 21, 3);
	receive_after(sub, SMALL, 22, 0);
	receive_after(sub, SMALL, 23, 0);
	expect_nothing(sub);
	expect_equal(subscriber_counts(sub).received, 3);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_publisher_that_comes_later_is_kept_from_its_first_message(void)
{
	struct floe_subscriber *sub = subscriber("later", DROPPER());
	struct floe_publisher *pub = publisher("later", WITH_LANES());

	publish_all(pub, LARGE, 1, 50);
	for (uint64_t i = 1; i <= QUEUE; i++)
		receive_after(sub, LARGE, i, 0);
	expect_nothing(sub);
	publish(pub, LARGE, 51);
	floe_publisher_close(pub);
	receive_after(sub, LARGE, 51, 50 - QUEUE);
	expect_nothing(sub);
	floe_subscriber_close(sub);
}

static void who_comes_next_in_a_lane_has_nothing_of_the_one_before(void)
{
	struct floe_publisher *pub = publisher("next", WITH_LANES());

	for (uint64_t round = 0; round < 20; round++) {
		struct floe_subscriber *sub = subscriber("next", DROPPER());
		uint64_t first = 10 * round + 1;

		expect_nothing(sub);
		publish_all(pub, LARGE, first, first + 9);
		receive_after(sub, LARGE, first, 0);
		floe_subscriber_close(sub);
	}
	floe_publisher_close(pub);
}

static void who_does_not_fit_is_told_why(void)
{
	struct floe_publisher *pub = publisher("none", NULL);
	struct floe_publisher *two;
	struct floe_subscriber *sub[2];

	expect_equal(try_subscriber("none", DROPPER(), "lanes_max 0"), -EPROTOTYPE);
	floe_publisher_close(pub);

	sub[0] = subscriber("none", DROPPER());
	expect_equal(try_publisher("none", NULL, "lanes_max is 0"), -EPROTOTYPE);
	sub[1] = subscriber("none", DROPPER());
	expect_equal(try_publisher("none", PUBLISHER(.lanes_max = 1), "lanes_max is 1"),
		     -EPROTOTYPE);
	two = publisher("none", PUBLISHER(.lanes_max = 2));
	expect_equal(try_subscriber("none", DROPPER(), "lanes_max 2"), -EPROTOTYPE);
	floe_subscriber_close(sub[0]);
	sub[0] = subscriber("none", DROPPER());

	expect_equal(try_publisher("bad", PUBLISHER(.lanes_max = FLOE_LANES_MAX + 1), "lanes_max"),
		     -EINVAL);
	expect_equal(try_publisher("bad", PUBLISHER(.lane_depth = 3), "lane_depth"), -EINVAL);
	expect_equal(try_subscriber("bad", DROPPER(.patience_ns = 1), "RELIABLE"), -EINVAL);
	expect_equal(try_subscriber("bad", SUBSCRIBER(.policy = 3), "policy"), -EINVAL);
	expect_equal(floe_subscriber_limit_depth(sub[0], 1), -EINVAL);

	floe_publisher_close(two);
	floe_subscriber_close(sub[1]);
	floe_subscriber_close(sub[0]);
}

static void a_message_in_parts_is_queued_whole_or_not_at_all(void)
{
	struct floe_publisher *pub = publisher("parts", WITH_LANES(.loans_max = 4));
	struct floe_subscriber *sub = subscriber("parts", DROPPER(.holds_max = 4));
	struct floe_sample samples[2];
	struct floe_loan loans[2];

	for (uint64_t i = 0; i < 5; i++) {
		expect_equal(floe_loan_parts(pub, 2 * LARGE, loans, 2), 2);
		fill(loans[0].data, LARGE, 2 * i + 1);
		fill(loans[1].data, LARGE, 2 * i + 2);
		expect_equal(floe_publish_parts(pub, loans, 2), 1);
	}
	/* Three entries: one message of two parts, and one that has none. */
	publish(pub, LARGE, 11);
	expect_equal(floe_take_parts(sub, samples, 2), 2);
	for (uint64_t i = 0; i < 2; i++) {
		expect(is_filled(samples[i].data, samples[i].size, i + 1));
		expect_equal(samples[i].sequence, i + 1);
		floe_release(sub, &samples[i]);
	}
	receive_after(sub, LARGE, 11, 8);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void what_is_republished_is_queued_too(void)
{
	struct floe_publisher *from = publisher("from", PUBLISHER(.payload_max = LARGE));
	struct floe_subscriber *between = subscriber("from", SUBSCRIBER(.holds_max = 16));
	struct floe_publisher *to = publisher("to", WITH_LANES(.relays_max = 16));
	struct floe_subscriber *sub = subscriber("to", DROPPER());

	for (uint64_t i = 1; i <= 10; i++) {
		struct floe_sample sample;

		publish(from, LARGE, i);
		sample = take(between, LARGE, i);
		expect_equal(floe_republish(to, between, &sample), 1);
	}
	for (uint64_t i = 1; i <= QUEUE; i++)
		receive_after(sub, LARGE, i, 0);
	expect_nothing(sub);
	floe_subscriber_close(sub);
	floe_publisher_close(to);
	floe_subscriber_close(between);
	floe_publisher_close(from);
}

static void it_sleeps_and_is_woken_like_others(void)
{
	struct floe_publisher *pub = publisher("woken", WITH_LANES());
	struct floe_subscriber *sub = subscriber("woken", DROPPER());
	struct pollfd ready = {.fd = floe_subscriber_fd(sub), .events = POLLIN};

	expect(ready.fd >= 0);
	expect_equal(floe_wait(sub, now_ns() + 1000000), 0);
	expect_equal(poll(&ready, 1, 0), 0);
	publish_all(pub, SMALL, 1, 10);
	expect_equal(floe_wait(sub, FOREVER), 1);
	expect_equal(poll(&ready, 1, 1000), 1);
	for (uint64_t i = 1; i <= QUEUE; i++)
		receive_after(sub, SMALL, i, 0);
	expect_nothing(sub);
	expect_equal(poll(&ready, 1, 0), 0);
	publish(pub, SMALL, 11);
	expect_equal(poll(&ready, 1, 1000), 1);
	receive_after(sub, SMALL, 11, 7);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void publish_until_killed(int wire, void *argument)
{
	struct floe_publisher *pub;

	(void)argument;
	(void)hear(wire);
	pub = publisher("heir", WITH_LANES());
	publish_all(pub, LARGE, 1, 50);
	tell(wire, 50);
	(void)hear(wire);
}

static void what_waits_is_there_after_its_publisher_was_killed(void)
{
	struct peer peer = peer_start(publish_until_killed, NULL);
	struct floe_subscriber *sub = subscriber("heir", DROPPER());
	struct floe_publisher *heir;

	(void)ask(peer.wire, 1);
	receive_after(sub, LARGE, 1, 0);
	peer_kill(&peer);
	heir = publisher("heir", WITH_LANES());
	publish_all(heir, LARGE, 51, 80);
	receive_after(sub, LARGE, 2, 0);
	receive_after(sub, LARGE, 3, 0);
	receive_after(sub, LARGE, 51, 47);
	expect_nothing(sub);
	publish(heir, LARGE, 81);
	receive_after(sub, LARGE, 81, 29);
	floe_subscriber_close(sub);
	floe_publisher_close(heir);
}

static void take_two_until_killed(int wire, void *argument)
{
	struct floe_subscriber *sub = subscriber("dead", DROPPER(.holds_max = 2));
	struct floe_sample held;

	(void)argument;
	tell(wire, 1);
	(void)hear(wire);
	receive_after(sub, LARGE, 1, 0);
	held = take(sub, LARGE, 2);
	tell(wire, held.sequence);
	(void)hear(wire);
}

/* As many messages as there are chunks, and all of them can be lent. */
static void expect_all_chunks(struct floe_publisher *pub, uint64_t first)
{
	struct floe_publisher_counts counts = publisher_counts(pub);
	struct floe_loan loan[FLOE_LOANS_MAX];
	size_t lent = 0;

	publish_all(pub, LARGE, first, first + counts.chunks);
	while (lent < FLOE_LOANS_MAX && floe_loan(pub, LARGE, &loan[lent]) == 1)
		lent++;
	expect_equal(lent, counts.chunks - DEPTH);
	while (lent > 0)
		floe_discard(pub, &loan[--lent]);
}

static void what_waited_for_the_dead_is_given_back(void)
{
	static const struct floe_pool pool = {LARGE, DEPTH + 2 + 2 * QUEUE + 1};
	struct peer peer = peer_start(take_two_until_killed, NULL);
	struct floe_subscriber *next;
	struct floe_publisher *pub;

	expect_equal(hear(peer.wire), 1);
	pub = publisher("dead", WITH_LANES(.pools = &pool, .pools_count = 1, .loans_max = 32));
	publish_all(pub, LARGE, 1, 20);
	expect_equal(ask(peer.wire, 1), 2);
	publish_all(pub, LARGE, 21, 40);
	peer_kill(&peer);
	/* Nobody waits for it, dead or alive. */
	publish_all(pub, LARGE, 41, 60);
	next = subscriber("dead", DROPPER());
	expect_nothing(next);
	floe_subscriber_close(next);
	expect_all_chunks(pub, 61);
	next = subscriber("dead", DROPPER());
	publish_all(pub, LARGE, 101, 120);
	expect_equal(floe_take(next, &(struct floe_sample){0}), 1);
	floe_subscriber_close(next);
	floe_publisher_close(pub);
}

/* A ring of another plan goes when all have read it, also what was dropped of it. */
static void a_ring_is_read_to_its_end_by_who_dropped_some_of_it(void)
{
	struct floe_publisher *pub = publisher("end", WITH_LANES());
	struct floe_subscriber *sub = subscriber("end", DROPPER());
	struct floe_publisher_info info[4];
	struct floe_view *view;

	publish_all(pub, SMALL, 1, 10);
	for (uint64_t i = 1; i <= QUEUE; i++)
		receive_after(sub, SMALL, i, 0);
	expect_nothing(sub);
	floe_publisher_close(pub);
	pub = publisher("end", WITH_LANES(.loans_max = 3));
	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(floe_view_publishers(view, "end", info, sizeof(info[0]), COUNT(info)), 1);
	floe_view_close(view);
	publish(pub, SMALL, 1);
	receive_after(sub, SMALL, 1, 0);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

/* Not before that. */
static void a_ring_whose_lane_is_not_empty_stays(void)
{
	struct floe_publisher *pub = publisher("rest", WITH_LANES());
	struct floe_subscriber *sub = subscriber("rest", DROPPER());
	struct floe_publisher_info info[4];
	struct floe_view *view;

	publish_all(pub, SMALL, 1, 10);
	receive_after(sub, SMALL, 1, 0);
	floe_publisher_close(pub);
	pub = publisher("rest", WITH_LANES(.loans_max = 3));
	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(floe_view_publishers(view, "rest", info, sizeof(info[0]), COUNT(info)), 2);
	floe_view_close(view);
	receive_after(sub, SMALL, 2, 0);
	receive_after(sub, SMALL, 3, 0);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_block_of_the_program_has_room_for_lanes(void)
{
	static _Alignas(64) unsigned char block[1 << 20];
	struct floe_publisher_options o = *WITH_LANES();
	struct floe_publisher_options without = *PUBLISHER(.depth = DEPTH, .payload_max = LARGE);
	ssize_t size = floe_publisher_memory_size(&o);
	struct floe_publisher *pub;
	struct floe_subscriber *sub;

	/* Two lanes of three: a line and three of slots and one of origins, and a chunk for each. */
	expect_equal(size - floe_publisher_memory_size(&without),
		     2 * (64 + QUEUE * 64 + 64) + 2 * QUEUE * 1024);
	o.memory = block;
	o.memory_size = (size_t)size;
	pub = publisher("block", &o);
	sub = subscriber("block", DROPPER());
	publish_all(pub, LARGE, 1, 50);
	for (uint64_t i = 1; i <= QUEUE; i++)
		receive_after(sub, LARGE, i, 0);
	expect_nothing(sub);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(what_it_has_stays_and_what_comes_is_dropped),
		TEST(what_was_dropped_last_is_counted_too),
		TEST(what_was_dropped_last_is_counted_when_its_publisher_goes),
		TEST(each_has_a_queue_of_its_own),
		TEST(its_queue_takes_no_chunk_from_anybody),
		TEST(history_comes_first),
		TEST(a_publisher_that_comes_later_is_kept_from_its_first_message),
		TEST(who_comes_next_in_a_lane_has_nothing_of_the_one_before),
		TEST(who_does_not_fit_is_told_why),
		TEST(a_message_in_parts_is_queued_whole_or_not_at_all),
		TEST(what_is_republished_is_queued_too),
		TEST(it_sleeps_and_is_woken_like_others),
		TEST(what_waits_is_there_after_its_publisher_was_killed),
		TEST(what_waited_for_the_dead_is_given_back),
		TEST(a_ring_is_read_to_its_end_by_who_dropped_some_of_it),
		TEST(a_ring_whose_lane_is_not_empty_stays),
		TEST(a_block_of_the_program_has_room_for_lanes),
	};

	return frame_run(argc, argv, tests, COUNT(tests));
}
