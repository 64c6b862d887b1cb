/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a message keeps on its way from a publisher to a subscriber: bytes, size, order, and an
 * exact account of what was lost.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "peer.h"
#include "steps.h"

#define PAYLOAD_MAX_DEFAULT 65536
#define DEPTH_DEFAULT 16
#define LOANS_DEFAULT 4
#define HOLDS_DEFAULT 4
#define RESERVED_HOLDS_DEFAULT 8
#define CACHELINE 64

/* Neither is inline, nor a multiple of a cache line. */
#define CHUNK 1000

/*
 * Bytes and sizes
 */

static void messages_arrive_whole_and_in_order(void)
{
	struct floe_publisher *pub = publisher("order", NULL);
	struct floe_subscriber *sub = subscriber("order", NULL);

	expect_nothing(sub);
	for (uint64_t i = 1; i <= DEPTH_DEFAULT; i++)
		publish(pub, 100, i);
	for (uint64_t i = 1; i <= DEPTH_DEFAULT; i++)
		expect_equal(receive(sub, 100, i), i);
	expect_nothing(sub);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void every_size_up_to_payload_max_arrives_whole(void)
{
	const size_t payload_max = 2000;
	struct floe_publisher *pub = publisher("size", PUBLISHER(.payload_max = payload_max));
	struct floe_subscriber *sub = subscriber("size", NULL);
	struct floe_loan loan;

	for (size_t size = 1; size <= payload_max; size++) {
		publish(pub, size, size);
		expect_equal(receive(sub, size, size), size);
	}
	expect_equal(floe_loan(pub, payload_max + 1, &loan), -EINVAL);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void default_payload_max_is_64_kib(void)
{
	struct floe_publisher *pub = publisher("size", NULL);
	struct floe_subscriber *sub = subscriber("size", NULL);
	struct floe_loan loan;

	publish(pub, PAYLOAD_MAX_DEFAULT, 1);
	expect_equal(receive(sub, PAYLOAD_MAX_DEFAULT, 1), 1);
	expect_equal(floe_loan(pub, PAYLOAD_MAX_DEFAULT + 1, &loan), -EINVAL);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void messages_of_many_megabytes_arrive_whole(void)
{
	const size_t payload_max = 9000001;
	struct floe_publisher *pub = publisher("size",
					       PUBLISHER(.payload_max = payload_max, .depth = 2));
	struct floe_subscriber *sub = subscriber("size", SUBSCRIBER(.holds_max = 1));

	for (uint64_t i = 1; i <= 5; i++) {
		publish(pub, payload_max - i, i);
		expect_equal(receive(sub, payload_max - i, i), i);
	}

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

/* `copied` counts bytes that take copied, and it copies nothing but inline payloads. */
static void expect_inline_up_to(size_t size_max, uint32_t flags)
{
	struct floe_publisher *pub = publisher("inline", PUBLISHER(.flags = flags));
	struct floe_subscriber *sub = subscriber("inline", NULL);

	publish(pub, size_max, 1);
	receive(sub, size_max, 1);
	expect_equal(subscriber_counts(sub).copied, size_max);
	publish(pub, size_max + 1, 2);
	receive(sub, size_max + 1, 2);
	expect_equal(subscriber_counts(sub).copied, size_max);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void payloads_up_to_48_bytes_travel_in_the_slot(void)
{
	expect_inline_up_to(FLOE_INLINE_MAX, 0);
}

static void payloads_up_to_40_bytes_travel_in_the_slot_with_a_time(void)
{
	expect_inline_up_to(FLOE_INLINE_MAX - sizeof(uint64_t), FLOE_TIMESTAMPS);
}

static void data_is_aligned_to_a_cache_line(void)
{
	static const size_t sizes[] = {1, 8, 40, 48, 49, 63, 64, 65, 127, 4096, 65536};
	struct floe_publisher *pub = publisher("align", NULL);
	struct floe_subscriber *sub = subscriber("align", NULL);

	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct floe_sample sample;
		struct floe_loan loan;

		expect_equal(floe_loan(pub, sizes[i], &loan), 1);
		expect_equal((uintptr_t)loan.data % CACHELINE, 0);
		expect_equal(floe_publish(pub, &loan), 1);
		expect_equal(floe_take(sub, &sample), 1);
		expect_equal((uintptr_t)sample.data % CACHELINE, 0);
		floe_release(sub, &sample);
	}

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

/*
 * Loans
 */

static void a_loan_may_be_published_smaller_than_it_was_lent(void)
{
	/* The last ones would have fitted into the slot. */
	static const size_t sizes[] = {999, 500, 64, 49, 48, 47, 1};
	struct floe_publisher *pub = publisher("shrink", NULL);
	struct floe_subscriber *sub = subscriber("shrink", NULL);

	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct floe_loan loan;

		expect_equal(floe_loan(pub, CHUNK, &loan), 1);
		loan.size = sizes[i];
		fill(loan.data, sizes[i], i);
		expect_equal(floe_publish(pub, &loan), 1);
		receive(sub, sizes[i], i);
	}

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_small_loan_may_be_published_smaller_as_well(void)
{
	struct floe_publisher *pub = publisher("shrink", NULL);
	struct floe_subscriber *sub = subscriber("shrink", NULL);
	struct floe_loan loan;

	for (size_t size = FLOE_INLINE_MAX; size > 0; size--) {
		expect_equal(floe_loan(pub, FLOE_INLINE_MAX, &loan), 1);
		loan.size = size;
		fill(loan.data, size, size);
		expect_equal(floe_publish(pub, &loan), 1);
		receive(sub, size, size);
	}

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void lend(struct floe_publisher *pub, struct floe_loan *loans, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		expect_equal(floe_loan(pub, i % 2 ? 8 : CHUNK, &loans[i]), 1);
		fill(loans[i].data, loans[i].size, i);
	}
}

static void loans_are_published_in_any_order(void)
{
	static const size_t order[LOANS_DEFAULT] = {2, 0, 3, 1};
	struct floe_publisher *pub = publisher("loans", NULL);
	struct floe_subscriber *sub = subscriber("loans", NULL);
	struct floe_loan loans[LOANS_DEFAULT];

	lend(pub, loans, LOANS_DEFAULT);
	for (size_t i = 0; i < LOANS_DEFAULT; i++)
		expect_equal(floe_publish(pub, &loans[order[i]]), 1);
	for (size_t i = 0; i < LOANS_DEFAULT; i++)
		expect_equal(receive(sub, order[i] % 2 ? 8 : CHUNK, order[i]), i + 1);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void loans_that_are_out_do_not_share_bytes(void)
{
	struct floe_publisher *pub = publisher("loans", PUBLISHER(.loans_max = 100));
	struct floe_loan loans[100];

	lend(pub, loans, COUNT(loans));
	for (size_t i = 0; i < COUNT(loans); i++)
		expect(is_filled(loans[i].data, loans[i].size, i));

	floe_publisher_close(pub);
}

static void a_discarded_loan_is_never_seen(void)
{
	struct floe_publisher *pub = publisher("discard", NULL);
	struct floe_subscriber *sub = subscriber("discard", NULL);
	struct floe_loan loan;

	for (uint64_t i = 1; i <= 100; i++) {
		expect_equal(floe_loan(pub, CHUNK, &loan), 1);
		floe_discard(pub, &loan);
		expect(!loan.data);
		floe_discard(pub, &loan);
		publish(pub, CHUNK, i);
		expect_equal(receive(sub, CHUNK, i), i);
	}
	expect_nothing(sub);
	expect_equal(publisher_counts(pub).loans, 0);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void one_loan_more_than_loans_max_is_refused(void)
{
	struct floe_publisher *pub = publisher("loans", NULL);
	struct floe_loan loans[LOANS_DEFAULT], more = {0};

	lend(pub, loans, LOANS_DEFAULT);
	expect_equal(publisher_counts(pub).loans, LOANS_DEFAULT);
	expect_equal(floe_loan(pub, 8, &more), -ENOBUFS);
	expect_equal(floe_loan(pub, CHUNK, &more), -ENOBUFS);
	expect(!more.data);

	floe_discard(pub, &loans[2]);
	expect_equal(floe_loan(pub, 8, &more), 1);
	expect_equal(floe_publish(pub, &more), 1);
	expect_equal(floe_loan(pub, CHUNK, &more), 1);
	expect_equal(publisher_counts(pub).loans_high, LOANS_DEFAULT);

	floe_publisher_close(pub);
}

/*
 * Samples
 */

static void held_samples_stay_as_they_are_while_the_ring_laps(void)
{
	struct floe_publisher *pub = publisher("hold", PUBLISHER(.depth = 4));
	struct floe_subscriber *sub = subscriber("hold", SUBSCRIBER(.holds_max = 3));
	struct floe_sample held[3];
	static const size_t sizes[3] = {CHUNK, 48, 64};

	for (size_t i = 0; i < 3; i++)
		publish(pub, sizes[i], i);
	for (size_t i = 0; i < 3; i++)
		held[i] = take(sub, sizes[i], i);
	for (uint64_t i = 0; i < 4000; i++)
		publish(pub, sizes[i % 3], i + 100);
	for (size_t i = 0; i < 3; i++) {
		expect(is_filled(held[i].data, sizes[i], i));
		floe_release(sub, &held[i]);
	}

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void hold(struct floe_publisher *pub, struct floe_subscriber *sub, size_t size,
		 struct floe_sample *samples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		publish(pub, size, i);
		samples[i] = take(sub, size, i);
	}
	publish(pub, size, count);
}

/* Both kinds of payload keep the same account. */
static void expect_holds_limit(size_t size)
{
	struct floe_publisher *pub = publisher("hold", NULL);
	struct floe_subscriber *sub = subscriber("hold", NULL);
	struct floe_sample held[HOLDS_DEFAULT], more = {0};

	hold(pub, sub, size, held, HOLDS_DEFAULT);
	expect_equal(subscriber_counts(sub).held, HOLDS_DEFAULT);
	expect_equal(floe_take(sub, &more), -ENOBUFS);
	expect(!more.data);
	floe_release(sub, &held[1]);
	more = take(sub, size, HOLDS_DEFAULT);
	expect_equal(more.lost, 0);

	floe_release(sub, &more);
	for (size_t i = 0; i < HOLDS_DEFAULT; i++)
		floe_release(sub, &held[i]);
	expect_equal(subscriber_counts(sub).held, 0);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void one_sample_more_than_holds_max_is_refused_and_not_lost(void)
{
	expect_holds_limit(CHUNK);
	expect_holds_limit(8);
}

static void as_many_samples_are_held_as_the_subscriber_asked_for(void)
{
	static const size_t limits[] = {1, 2, 5, 64, FLOE_HOLDS_MAX};
	struct floe_sample held[FLOE_HOLDS_MAX], more;

	for (size_t i = 0; i < COUNT(limits); i++) {
		struct floe_publisher *pub = publisher("hold", NULL);
		struct floe_subscriber *sub = subscriber("hold",
							 SUBSCRIBER(.holds_max = limits[i]));

		hold(pub, sub, CHUNK, held, limits[i]);
		expect_equal(floe_take(sub, &more), -ENOBUFS);
		for (size_t j = 0; j < limits[i]; j++)
			expect(is_filled(held[j].data, CHUNK, j));

		floe_subscriber_close(sub);
		floe_publisher_close(pub);
	}
}

static void samples_are_released_in_any_order(void)
{
	static const size_t order[HOLDS_DEFAULT] = {3, 1, 0, 2};
	struct floe_publisher *pub = publisher("release", NULL);
	struct floe_subscriber *sub = subscriber("release", NULL);
	struct floe_sample held[HOLDS_DEFAULT];

	for (uint64_t round = 0; round < 1000; round++) {
		for (size_t i = 0; i < HOLDS_DEFAULT; i++)
			publish(pub, CHUNK, round + i);
		for (size_t i = 0; i < HOLDS_DEFAULT; i++)
			held[i] = take(sub, CHUNK, round + i);
		for (size_t i = 0; i < HOLDS_DEFAULT; i++) {
			size_t j = order[(i + round) % HOLDS_DEFAULT];

			expect(is_filled(held[j].data, CHUNK, round + j));
			floe_release(sub, &held[j]);
		}
	}

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

/*
 * Loss
 */

/* A publisher of this depth sends `count` messages; a subscriber that was there all the time
 * finds the newest `depth` and is told the exact rest. */
static void expect_keep_last(size_t depth, uint64_t count)
{
	struct floe_publisher *pub = publisher("loss", PUBLISHER(.depth = depth));
	struct floe_subscriber *sub = subscriber("loss", NULL);
	uint64_t first = count > depth ? count - depth + 1 : 1;
	struct floe_sample sample;

	for (uint64_t i = 1; i <= count; i++)
		publish(pub, 20 + i % 60, i);
	for (uint64_t i = first; i <= count; i++) {
		sample = take(sub, 20 + i % 60, i);
		expect_equal(sample.sequence, i);
		expect_equal(sample.lost, i == first ? first - 1 : 0);
		floe_release(sub, &sample);
	}
	expect_nothing(sub);
	expect_equal(subscriber_counts(sub).lost, first - 1);
	expect_equal(subscriber_counts(sub).received, count - first + 1);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void what_a_lagging_subscriber_lost_is_counted_exactly(void)
{
	static const uint64_t counts[] = {1, 15, 16, 17, 18, 31, 32, 33, 1000};

	for (size_t i = 0; i < COUNT(counts); i++)
		expect_keep_last(DEPTH_DEFAULT, counts[i]);
}

static void a_depth_may_be_any_number(void)
{
	static const size_t depths[] = {1, 2, 3, 7, 1000};

	for (size_t i = 0; i < COUNT(depths); i++) {
		expect_keep_last(depths[i], depths[i]);
		expect_keep_last(depths[i], depths[i] + 1);
		expect_keep_last(depths[i], 2 * depths[i] + 1);
		expect_keep_last(depths[i], 5 * depths[i] - 1);
	}
}

static void a_depth_of_one_carries_every_message_to_who_keeps_up(void)
{
	struct floe_publisher *pub = publisher("loss", PUBLISHER(.depth = 1));
	struct floe_subscriber *sub = subscriber("loss", NULL);

	for (uint64_t i = 1; i <= 1000; i++) {
		publish(pub, i, i);
		expect_equal(receive(sub, i, i), i);
	}
	expect_equal(subscriber_counts(sub).lost, 0);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void losses_between_takes_are_told_with_the_next_sample(void)
{
	struct floe_publisher *pub = publisher("loss", PUBLISHER(.depth = 4));
	struct floe_subscriber *sub = subscriber("loss", NULL);
	uint64_t seed = random_seed(), sent = 0, received = 0, lost = 0;

	for (int round = 0; round < 2000; round++) {
		struct floe_sample sample;

		for (uint64_t n = random_next(&seed) % 9; n > 0; n--, sent++)
			publish(pub, 40 + sent % 20, sent);
		if (floe_take(sub, &sample) == 0)
			continue;
		received++;
		lost += sample.lost;
		expect_equal(sample.sequence, received + lost);
		floe_release(sub, &sample);
	}

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_subscriber_of_depth_one_gets_only_the_latest(void)
{
	struct floe_publisher *pub = publisher("latest", NULL);
	struct floe_subscriber *sub = subscriber("latest", SUBSCRIBER(.depth = 1));
	struct floe_sample sample;

	for (uint64_t round = 1; round <= 20; round++) {
		for (uint64_t i = 1; i <= round; i++)
			publish(pub, CHUNK, round * 100 + i);
		sample = take(sub, CHUNK, round * 101);
		expect_equal(sample.lost, round - 1);
		floe_release(sub, &sample);
		expect_nothing(sub);
	}

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_subscriber_never_lags_more_than_its_depth(void)
{
	struct floe_publisher *pub = publisher("latest", NULL);
	struct floe_subscriber *sub = subscriber("latest", SUBSCRIBER(.depth = 3));
	struct floe_sample sample;

	for (uint64_t i = 1; i <= 10; i++)
		publish(pub, 8, i);
	sample = take(sub, 8, 8);
	expect_equal(sample.lost, 7);
	floe_release(sub, &sample);
	receive(sub, 8, 9);
	receive(sub, 8, 10);
	expect_nothing(sub);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

/*
 * Joining
 */

/* After `sent` messages in a ring of four, a joiner that asks for `history` starts with the
 * newest `found`. */
static void expect_history(uint64_t sent, size_t history, uint64_t found)
{
	struct floe_publisher *pub = publisher("history", PUBLISHER(.depth = 4));
	struct floe_subscriber *sub;
	struct floe_sample sample;

	for (uint64_t i = 1; i <= sent; i++)
		publish(pub, CHUNK, i);
	sub = subscriber("history", SUBSCRIBER(.history = history));
	for (uint64_t i = sent - found + 1; i <= sent; i++) {
		sample = take(sub, CHUNK, i);
		expect_equal(sample.sequence, i);
		expect_equal(sample.lost, 0);
		floe_release(sub, &sample);
	}
	expect_nothing(sub);
	publish(pub, 8, sent + 1);
	expect_equal(receive(sub, 8, sent + 1), sent + 1);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_joiner_starts_with_what_comes_after_it(void)
{
	expect_history(0, 0, 0);
	expect_history(1, 0, 0);
	expect_history(9, 0, 0);
}

static void a_joiner_starts_with_the_history_it_asks_for(void)
{
	expect_history(3, 1, 1);
	expect_history(4, 4, 4);
	expect_history(9, 1, 1);
	expect_history(9, 3, 3);
}

static void a_joiner_gets_what_history_there_is(void)
{
	expect_history(0, 2, 0);
	expect_history(2, 3, 2);
	expect_history(2, 100, 2);
	expect_history(9, 5, 4);
	expect_history(9, 1000000, 4);
}

static void a_subscriber_may_come_before_its_publisher(void)
{
	struct floe_subscriber *sub = subscriber("early", NULL);
	struct floe_publisher *pub;

	expect_nothing(sub);
	pub = publisher("early", NULL);
	expect_nothing(sub);
	for (uint64_t i = 1; i <= 3; i++)
		publish(pub, CHUNK, i);
	for (uint64_t i = 1; i <= 3; i++)
		expect_equal(receive(sub, CHUNK, i), i);
	expect_equal(subscriber_counts(sub).publishers, 1);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_subscriber_that_came_first_knows_what_it_lost(void)
{
	struct floe_subscriber *sub = subscriber("early", NULL);
	struct floe_publisher *pub = publisher("early", PUBLISHER(.depth = 4));
	struct floe_sample sample;

	for (uint64_t i = 1; i <= 10; i++)
		publish(pub, 8, i);
	sample = take(sub, 8, 7);
	expect_equal(sample.sequence, 7);
	expect_equal(sample.lost, 6);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void what_a_closed_publisher_sent_can_still_be_taken(void)
{
	struct floe_subscriber *sub = subscriber("closed", NULL);
	struct floe_publisher *pub = publisher("closed", NULL);
	struct floe_sample sample;

	for (uint64_t i = 1; i <= 3; i++)
		publish(pub, CHUNK, i);
	sample = take(sub, CHUNK, 1);
	floe_publisher_close(pub);
	expect(is_filled(sample.data, CHUNK, 1));
	floe_release(sub, &sample);
	receive(sub, CHUNK, 2);
	receive(sub, CHUNK, 3);
	expect_nothing(sub);

	floe_subscriber_close(sub);
}

static void every_subscriber_gets_every_message(void)
{
	struct floe_publisher *pub = publisher("fan-out", NULL);
	struct floe_subscriber *subs[20];

	for (size_t i = 0; i < COUNT(subs); i++)
		subs[i] = subscriber("fan-out", NULL);
	for (uint64_t round = 1; round <= 50; round++) {
		publish(pub, round * 10, round);
		for (size_t i = 0; i < COUNT(subs); i++)
			expect_equal(receive(subs[i], round * 10, round), round);
	}

	for (size_t i = 0; i < COUNT(subs); i++)
		floe_subscriber_close(subs[i]);
	floe_publisher_close(pub);
}

static void topics_do_not_mix(void)
{
	struct floe_publisher *one = publisher("one", NULL), *two = publisher("two", NULL);
	struct floe_subscriber *of_one = subscriber("one", NULL), *of_two = subscriber("two", NULL);

	publish(one, CHUNK, 1);
	publish(two, CHUNK, 2);
	receive(of_one, CHUNK, 1);
	receive(of_two, CHUNK, 2);
	expect_nothing(of_one);
	expect_nothing(of_two);

	floe_publisher_close(one);
	floe_publisher_close(two);
	floe_subscriber_close(of_one);
	floe_subscriber_close(of_two);
}

/*
 * Several publishers
 */

/* Takes one sample and says who sent it. */
static int take_of_whom(struct floe_subscriber *sub)
{
	struct floe_sample sample;
	int whom;

	expect_equal(floe_take(sub, &sample), 1);
	whom = floe_sample_publisher(sub, &sample);
	expect(whom >= 0);
	expect(whom < FLOE_PUBLISHERS_MAX);
	floe_release(sub, &sample);
	return whom;
}

static void publishers_are_served_in_turn(void)
{
	struct floe_publisher *pubs[3];
	struct floe_subscriber *sub = subscriber("turn", NULL);
	uint64_t served[FLOE_PUBLISHERS_MAX] = {0};

	for (size_t i = 0; i < 3; i++)
		pubs[i] = publisher("turn", NULL);
	for (size_t i = 0; i < 3; i++)
		for (uint64_t j = 0; j < DEPTH_DEFAULT; j++)
			publish(pubs[i], i ? CHUNK : 8, j);

	for (uint64_t round = 1; round <= DEPTH_DEFAULT; round++) {
		uint64_t all = 0;

		for (size_t i = 0; i < 3; i++)
			served[take_of_whom(sub)]++;
		for (size_t i = 0; i < FLOE_PUBLISHERS_MAX; i++)
			all += served[i] == round;
		expect_equal(all, 3);
	}
	expect_nothing(sub);

	for (size_t i = 0; i < 3; i++)
		floe_publisher_close(pubs[i]);
	floe_subscriber_close(sub);
}

static void a_busy_publisher_does_not_starve_a_quiet_one(void)
{
	struct floe_publisher *busy = publisher("busy", NULL), *quiet = publisher("busy", NULL);
	struct floe_subscriber *sub = subscriber("busy", NULL);
	int whom_first, whom_second;

	for (uint64_t i = 0; i < 100; i++)
		publish(busy, 8, i);
	publish(quiet, 8, 7);
	whom_first = take_of_whom(sub);
	publish(busy, 8, 1);
	whom_second = take_of_whom(sub);
	expect(whom_first != whom_second);

	floe_publisher_close(busy);
	floe_publisher_close(quiet);
	floe_subscriber_close(sub);
}

static void each_publisher_has_its_own_sequence_and_loss(void)
{
	struct floe_publisher *pubs[2];
	struct floe_subscriber *sub = subscriber("own", NULL);
	struct floe_sample sample;
	uint64_t received = 0, lost = 0;

	for (size_t i = 0; i < 2; i++)
		pubs[i] = publisher("own", PUBLISHER(.depth = 4));
	for (uint64_t i = 0; i < 4; i++)
		publish(pubs[0], 8, i);
	for (uint64_t i = 0; i < 10; i++)
		publish(pubs[1], CHUNK, i);
	while (floe_take(sub, &sample) == 1) {
		if (sample.size == 8)
			expect_equal(sample.lost, 0);
		received++;
		lost += sample.lost;
		floe_release(sub, &sample);
	}
	expect_equal(received, 8);
	expect_equal(lost, 6);
	expect_equal(subscriber_counts(sub).publishers, 2);

	for (size_t i = 0; i < 2; i++)
		floe_publisher_close(pubs[i]);
	floe_subscriber_close(sub);
}

/*
 * Reliable
 */

static struct floe_subscriber *reliable_subscriber(const char *topic)
{
	return subscriber(topic, SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE));
}

static void a_reliable_subscriber_blocks_at_depth_unread_messages(void)
{
	static const size_t depths[] = {1, 2, 3, 16, 100};

	for (size_t i = 0; i < COUNT(depths); i++) {
		struct floe_publisher *pub = publisher("block", PUBLISHER(.depth = depths[i]));
		struct floe_subscriber *sub = reliable_subscriber("block");

		for (uint64_t j = 1; j <= depths[i]; j++)
			publish(pub, 8, j);
		expect_equal(try_publish(pub, 8, 0), 0);
		expect_equal(try_publish(pub, CHUNK, 0), 0);
		expect_equal(floe_publisher_wait(pub, 0), 0);
		expect_equal(publisher_counts(pub).would_block, 2);

		receive(sub, 8, 1);
		expect_equal(floe_publisher_wait(pub, 0), 1);
		publish(pub, 8, depths[i] + 1);
		expect_equal(try_publish(pub, 8, 0), 0);

		floe_subscriber_close(sub);
		floe_publisher_close(pub);
	}
}

static void a_reliable_subscriber_loses_nothing(void)
{
	struct floe_publisher *pub = publisher("block", PUBLISHER(.depth = 3));
	struct floe_subscriber *sub = reliable_subscriber("block");
	uint64_t seed = random_seed(), sent = 0, received = 0;
	struct floe_sample sample;

	while (received < 5000) {
		for (uint64_t n = random_next(&seed) % 6; n > 0; n--)
			sent += (uint64_t)try_publish(pub, 30 + sent % 40, sent);
		for (uint64_t n = random_next(&seed) % 6; n > 0 && received < sent; n--) {
			sample = take(sub, 30 + received % 40, received);
			expect_equal(sample.lost, 0);
			expect_equal(sample.sequence, ++received);
			floe_release(sub, &sample);
		}
	}

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_loan_that_would_block_is_kept_and_published_later(void)
{
	struct floe_publisher *pub = publisher("kept", PUBLISHER(.depth = 2));
	struct floe_subscriber *sub = reliable_subscriber("kept");

	publish(pub, CHUNK, 1);
	publish(pub, 16, 2);
	for (uint64_t i = 3; i < 200; i++) {
		size_t size = i % 2 ? CHUNK : 16;
		struct floe_loan loan, before;

		expect_equal(floe_loan(pub, size, &loan), 1);
		fill(loan.data, size, i);
		before = loan;
		expect_equal(floe_publish(pub, &loan), 0);
		expect_equal(floe_publish(pub, &loan), 0);
		expect(loan.data == before.data);
		expect_equal(loan.size, before.size);
		expect_equal(loan.ticket, before.ticket);

		receive(sub, i % 2 ? CHUNK : 16, i - 2);
		expect(is_filled(loan.data, size, i));
		expect_equal(floe_publish(pub, &loan), 1);
	}
	expect_equal(publisher_counts(pub).would_block, 2 * 197);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_loan_that_would_block_may_be_discarded(void)
{
	struct floe_publisher *pub = publisher("kept", PUBLISHER(.depth = 1, .loans_max = 1));
	struct floe_subscriber *sub = reliable_subscriber("kept");

	publish(pub, CHUNK, 1);
	for (int i = 0; i < 100; i++)
		expect_equal(try_publish(pub, CHUNK, 2), 0);
	expect_equal(receive(sub, CHUNK, 1), 1);
	expect_nothing(sub);
	publish(pub, CHUNK, 3);
	expect_equal(receive(sub, CHUNK, 3), 2);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_reliable_subscriber_that_holds_has_read(void)
{
	struct floe_publisher *pub = publisher("hold", PUBLISHER(.depth = 1));
	struct floe_subscriber *sub = reliable_subscriber("hold");
	struct floe_sample held[HOLDS_DEFAULT];

	for (size_t i = 0; i < HOLDS_DEFAULT; i++) {
		publish(pub, CHUNK, i);
		held[i] = take(sub, CHUNK, i);
	}
	publish(pub, CHUNK, 9);
	expect_equal(try_publish(pub, CHUNK, 10), 0);
	for (size_t i = 0; i < HOLDS_DEFAULT; i++)
		expect(is_filled(held[i].data, CHUNK, i));

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void the_slowest_reliable_subscriber_decides(void)
{
	struct floe_publisher *pub = publisher("block", PUBLISHER(.depth = 2));
	struct floe_subscriber *slow = reliable_subscriber("block");
	struct floe_subscriber *quick = reliable_subscriber("block");
	struct floe_subscriber *loose = subscriber("block", NULL);

	publish(pub, 8, 1);
	publish(pub, 8, 2);
	receive(quick, 8, 1);
	receive(quick, 8, 2);
	expect_equal(try_publish(pub, 8, 3), 0);
	receive(slow, 8, 1);
	publish(pub, 8, 3);
	expect_equal(try_publish(pub, 8, 4), 0);
	receive(quick, 8, 3);
	expect_equal(take(loose, 8, 2).lost, 1);

	floe_subscriber_close(slow);
	floe_subscriber_close(quick);
	floe_subscriber_close(loose);
	floe_publisher_close(pub);
}

static void a_keep_last_subscriber_never_blocks(void)
{
	struct floe_publisher *pub = publisher("loose", PUBLISHER(.depth = 2));
	struct floe_subscriber *sub = subscriber("loose", NULL);

	for (uint64_t i = 0; i < 1000; i++)
		publish(pub, 8, i);
	expect_equal(publisher_counts(pub).would_block, 0);
	expect_equal(floe_publisher_wait(pub, 0), 1);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_reliable_subscriber_that_closes_unblocks(void)
{
	struct floe_publisher *pub = publisher("block", PUBLISHER(.depth = 2));
	struct floe_subscriber *sub = reliable_subscriber("block");

	publish(pub, 8, 1);
	publish(pub, 8, 2);
	expect_equal(try_publish(pub, 8, 3), 0);
	floe_subscriber_close(sub);
	expect_equal(floe_publisher_wait(pub, -1), 1);
	publish(pub, 8, 3);

	floe_publisher_close(pub);
}

static void subscribe_and_never_take(int wire, void *argument)
{
	(void)argument;
	reliable_subscriber("block");
	tell(wire, 1);
	hear(wire);
}

/* A reliable publisher waits for the living only; each wait may end early, the loop must not
 * last. */
static void a_killed_reliable_subscriber_unblocks(void)
{
	struct peer peer = peer_start(subscribe_and_never_take, NULL);
	struct floe_publisher *pub = publisher("block", PUBLISHER(.depth = 2));

	hear(peer.wire);
	publish(pub, 8, 1);
	publish(pub, 8, 2);
	expect_equal(try_publish(pub, 8, 3), 0);
	expect_equal(floe_publisher_wait(pub, now_ns() + 50000000), 0);
	peer_kill(&peer);
	while (try_publish(pub, 8, 3) == 0)
		expect(floe_publisher_wait(pub, now_ns() + 100000000) >= 0);

	floe_publisher_close(pub);
}

/*
 * Times and counts
 */

static void time_is_zero_without_timestamps(void)
{
	struct floe_publisher *pub = publisher("time", NULL);
	struct floe_subscriber *sub = subscriber("time", NULL);

	publish(pub, 8, 1);
	publish(pub, CHUNK, 2);
	expect_equal(take(sub, 8, 1).time_ns, 0);
	expect_equal(take(sub, CHUNK, 2).time_ns, 0);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void time_is_when_it_was_published(void)
{
	struct floe_publisher *pub = publisher("time", PUBLISHER(.flags = FLOE_TIMESTAMPS));
	struct floe_subscriber *sub = subscriber("time", NULL);

	for (uint64_t i = 0; i < 100; i++) {
		size_t size = i % 2 ? CHUNK : 40;
		int64_t before = now_ns(), after;
		struct floe_sample sample;

		publish(pub, size, i);
		after = now_ns();
		sample = take(sub, size, i);
		expect((int64_t)sample.time_ns >= before);
		expect((int64_t)sample.time_ns <= after);
		floe_release(sub, &sample);
	}

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void counts_say_what_happened(void)
{
	struct floe_publisher *pub = publisher("count", PUBLISHER(.depth = 4));
	struct floe_subscriber *sub = subscriber("count", NULL);
	struct floe_sample sample;

	for (uint64_t i = 1; i <= 10; i++)
		publish(pub, CHUNK, i);
	sample = take(sub, CHUNK, 7);
	expect_equal(publisher_counts(pub).published, 10);
	expect_equal(publisher_counts(pub).loans, 0);
	expect_equal(publisher_counts(pub).loans_high, 1);
	expect_equal(publisher_counts(pub).wakes, 0);
	expect_equal(subscriber_counts(sub).received, 1);
	expect_equal(subscriber_counts(sub).lost, 6);
	expect_equal(subscriber_counts(sub).held, 1);
	expect_equal(subscriber_counts(sub).publishers, 1);
	expect_equal(subscriber_counts(sub).copied, 0);
	floe_release(sub, &sample);
	expect_equal(subscriber_counts(sub).held, 0);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void chunks_come_back_however_they_left(void)
{
	struct floe_publisher *pub = publisher("chunks", PUBLISHER(.depth = 4));
	struct floe_subscriber *sub = subscriber("chunks", NULL);
	uint64_t seed = random_seed(), lost;
	struct floe_loan loan;

	publish(pub, CHUNK, 0);
	drain(sub, &lost);
	for (uint64_t i = 0; i < 5000; i++) {
		expect_equal(floe_loan(pub, 1 + random_next(&seed) % CHUNK, &loan), 1);
		if (random_next(&seed) % 4 == 0)
			floe_discard(pub, &loan);
		else
			expect_equal(floe_publish(pub, &loan), 1);
		if (random_next(&seed) % 8 == 0)
			drain(sub, &lost);
	}
	expect_equal(publisher_counts(pub).chunks, 4 + LOANS_DEFAULT + RESERVED_HOLDS_DEFAULT);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(messages_arrive_whole_and_in_order),
		TEST(every_size_up_to_payload_max_arrives_whole),
		TEST(default_payload_max_is_64_kib),
		TEST(messages_of_many_megabytes_arrive_whole),
		TEST(payloads_up_to_48_bytes_travel_in_the_slot),
		TEST(payloads_up_to_40_bytes_travel_in_the_slot_with_a_time),
		TEST(data_is_aligned_to_a_cache_line),
		TEST(a_loan_may_be_published_smaller_than_it_was_lent),
		TEST(a_small_loan_may_be_published_smaller_as_well),
		TEST(loans_are_published_in_any_order),
		TEST(loans_that_are_out_do_not_share_bytes),
		TEST(a_discarded_loan_is_never_seen),
		TEST(one_loan_more_than_loans_max_is_refused),
		TEST(held_samples_stay_as_they_are_while_the_ring_laps),
		TEST(one_sample_more_than_holds_max_is_refused_and_not_lost),
		TEST(as_many_samples_are_held_as_the_subscriber_asked_for),
		TEST(samples_are_released_in_any_order),
		TEST(what_a_lagging_subscriber_lost_is_counted_exactly),
		TEST(a_depth_may_be_any_number),
		TEST(a_depth_of_one_carries_every_message_to_who_keeps_up),
		TEST(losses_between_takes_are_told_with_the_next_sample),
		TEST(a_subscriber_of_depth_one_gets_only_the_latest),
		TEST(a_subscriber_never_lags_more_than_its_depth),
		TEST(a_joiner_starts_with_what_comes_after_it),
		TEST(a_joiner_starts_with_the_history_it_asks_for),
		TEST(a_joiner_gets_what_history_there_is),
		TEST(a_subscriber_may_come_before_its_publisher),
		TEST(a_subscriber_that_came_first_knows_what_it_lost),
		TEST(what_a_closed_publisher_sent_can_still_be_taken),
		TEST(every_subscriber_gets_every_message),
		TEST(topics_do_not_mix),
		TEST(publishers_are_served_in_turn),
		TEST(a_busy_publisher_does_not_starve_a_quiet_one),
		TEST(each_publisher_has_its_own_sequence_and_loss),
		TEST(a_reliable_subscriber_blocks_at_depth_unread_messages),
		TEST(a_reliable_subscriber_loses_nothing),
		TEST(a_loan_that_would_block_is_kept_and_published_later),
		TEST(a_loan_that_would_block_may_be_discarded),
		TEST(a_reliable_subscriber_that_holds_has_read),
		TEST(the_slowest_reliable_subscriber_decides),
		TEST(a_keep_last_subscriber_never_blocks),
		TEST(a_reliable_subscriber_that_closes_unblocks),
		TEST(a_killed_reliable_subscriber_unblocks),
		TEST(time_is_zero_without_timestamps),
		TEST(time_is_when_it_was_published),
		TEST(counts_say_what_happened),
		TEST(chunks_come_back_however_they_left),
	};

	return frame_run(argc, argv, tests, COUNT(tests));
}
