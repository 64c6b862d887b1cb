/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Quality of service: who is waited for and for how long, what is dropped, what comes first, and
 * several messages in one call.
 */

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "peer.h"
#include "steps.h"

#define DEPTH 4
#define CHUNK 1000
#define FOREVER (-1)
#define MILLISECONDS ((int64_t)1000000)

#define PATIENT(...) SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE, __VA_ARGS__)

static void pass_time(int64_t ns)
{
	nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

static void fill_ring(struct floe_publisher *pub, uint64_t first)
{
	for (uint64_t i = first; i < first + DEPTH; i++)
		publish(pub, 8, i);
}

/*
 * Patience
 */

static void one_who_is_slow_is_waited_for_as_long_as_it_asked(void)
{
	struct floe_publisher *pub = publisher("slow", PUBLISHER(.depth = DEPTH));
	struct floe_subscriber *sub = subscriber("slow", PATIENT(.patience_ns = 20 * MILLISECONDS));
	uint64_t taken, lost;
	int64_t start_ns;

	fill_ring(pub, 1);
	start_ns = now_ns();
	expect_equal(try_publish(pub, 8, 5), 0);
	expect_equal(floe_publisher_wait(pub, FOREVER), 1);
	expect(now_ns() - start_ns >= 20 * MILLISECONDS);
	publish(pub, 8, 5);

	/* It is not waited for again until it has caught up. */
	for (uint64_t i = 6; i < 100; i++)
		publish(pub, 8, i);
	taken = drain(sub, &lost);
	expect_equal(taken + lost, 99);
	expect(lost >= 99 - DEPTH);
	fill_ring(pub, 100);
	expect_equal(publisher_counts(pub).would_block, 1);
	expect_equal(try_publish(pub, 8, 104), 0);
	for (uint64_t i = 100; i < 104; i++)
		receive(sub, 8, i);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void one_that_takes_in_time_loses_nothing(void)
{
	struct floe_publisher *pub = publisher("in-time", PUBLISHER(.depth = DEPTH));
	struct floe_subscriber *sub = subscriber("in-time",
						 PATIENT(.patience_ns = 100000 * MILLISECONDS));
	uint64_t lost;

	fill_ring(pub, 1);
	for (uint64_t i = 5; i < 500; i++) {
		expect_equal(try_publish(pub, 8, i), 0);
		receive(sub, 8, i - DEPTH);
		publish(pub, 8, i);
	}
	expect_equal(drain(sub, &lost), DEPTH);
	expect_equal(lost, 0);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

/* The one without patience blocks, whatever was done about the other. */
static void the_patience_of_one_is_not_that_of_another(void)
{
	struct floe_publisher *pub = publisher("two", PUBLISHER(.depth = DEPTH));
	struct floe_subscriber *hasty = subscriber("two", PATIENT(.patience_ns = 1));
	struct floe_subscriber *patient = subscriber("two", PATIENT(.patience_ns = 0));

	fill_ring(pub, 1);
	pass_time(1 * MILLISECONDS);
	expect_equal(floe_publisher_wait(pub, now_ns() + 10 * MILLISECONDS), 0);
	expect_equal(try_publish(pub, 8, 5), 0);
	receive(patient, 8, 1);
	expect_equal(floe_publisher_wait(pub, FOREVER), 1);
	publish(pub, 8, 5);
	expect_equal(try_publish(pub, 8, 6), 0);

	floe_subscriber_close(patient);
	floe_subscriber_close(hasty);
	floe_publisher_close(pub);
}

/* Where all indexes are in use a new publisher has one in which subscribers have been. */
static void nobody_is_taken_for_one_who_has_begun_with_another(uint32_t policy, uint64_t before)
{
	struct floe_subscriber *sub = subscriber("index", SUBSCRIBER(.policy = policy));
	struct floe_publisher *pub[FLOE_PUBLISHERS_MAX];
	uint64_t i;

	for (i = 0; i < FLOE_PUBLISHERS_MAX; i++)
		pub[i] = publisher("index", PUBLISHER(.depth = DEPTH, .lanes_max = 1));
	for (i = 1; i <= before; i++) {
		publish(pub[7], 8, i);
		receive(sub, 8, i);
	}
	/* Of another kind, or it would go on with that ring. */
	floe_publisher_close(pub[7]);
	pub[7] = publisher("index",
			   PUBLISHER(.depth = DEPTH, .lanes_max = 1, .payload_max = CHUNK));
	fill_ring(pub[7], 1);
	expect_equal(try_publish(pub[7], 8, 5), policy == FLOE_POLICY_DROP_NEWEST);
	for (i = 1; i <= DEPTH; i++)
		receive(sub, 8, i);
	expect_nothing(sub);
	for (i = 5; i < 100; i++) {
		publish(pub[7], 8, i);
		receive(sub, 8, i);
	}
	floe_subscriber_close(sub);
	for (i = 0; i < FLOE_PUBLISHERS_MAX; i++)
		floe_publisher_close(pub[i]);
}

static void who_has_the_index_of_another_is_waited_for_from_the_beginning(void)
{
	/* He may get as far with the new one, and be seen only then. */
	for (uint64_t before = 1; before <= 2 * DEPTH; before++) {
		nobody_is_taken_for_one_who_has_begun_with_another(FLOE_POLICY_RELIABLE, before);
		nobody_is_taken_for_one_who_has_begun_with_another(FLOE_POLICY_DROP_NEWEST, before);
	}
}

/* Publishers look anew at all subscribers when somebody comes: that must not begin the wait anew. */
static void a_newcomer_does_not_renew_the_patience_of_others(void)
{
	struct floe_publisher *pub = publisher("newcomer", PUBLISHER(.depth = DEPTH));
	struct floe_subscriber *slow = subscriber("newcomer",
						  PATIENT(.patience_ns = 30 * MILLISECONDS));
	int r = 0;

	fill_ring(pub, 1);
	/* If it did, this would not end before the frame ends it. */
	while (r == 0) {
		struct floe_subscriber *newcomer = subscriber("newcomer", NULL);

		r = try_publish(pub, 8, 5);
		pass_time(1 * MILLISECONDS);
		floe_subscriber_close(newcomer);
	}
	expect_equal(r, 1);

	floe_subscriber_close(slow);
	floe_publisher_close(pub);
}

static void one_who_wants_to_know_is_disconnected_when_it_was_too_slow(void)
{
	struct floe_publisher *pub = publisher("cut", PUBLISHER(.depth = DEPTH));
	struct floe_publisher *late = NULL;
	struct floe_subscriber *sub = subscriber(
		"cut", PATIENT(.patience_ns = 1, .flags = FLOE_DISCONNECT_SLOW));
	struct floe_sample sample;

	fill_ring(pub, 1);
	expect_equal(floe_publisher_wait(pub, FOREVER), 1);
	publish(pub, 8, 5);
	expect_equal(floe_take(sub, &sample), -ECONNRESET);
	expect_equal(floe_take(sub, &sample), -ECONNRESET);
	expect_equal(floe_wait(sub, FOREVER), -ECONNRESET);

	/* Nobody waits for it any more, not even who comes only now. */
	late = publisher("cut", PUBLISHER(.depth = DEPTH));
	expect_equal(floe_wait(sub, FOREVER), -ECONNRESET);
	for (uint64_t i = 0; i < 5 * DEPTH; i++) {
		publish(pub, 8, i);
		publish(late, CHUNK, i);
	}
	expect_equal(publisher_counts(late).would_block, 0);
	expect_equal(floe_take(sub, &sample), -ECONNRESET);

	floe_subscriber_close(sub);
	floe_publisher_close(late);
	floe_publisher_close(pub);
}

static void wishes_that_do_not_fit_together_are_refused(void)
{
	expect_equal(try_subscriber("wish", SUBSCRIBER(.patience_ns = 1), "RELIABLE"), -EINVAL);
	expect_equal(try_subscriber("wish", SUBSCRIBER(.flags = FLOE_DISCONNECT_SLOW), "RELIABLE"),
		     -EINVAL);
	expect_equal(try_subscriber("wish", PATIENT(.flags = FLOE_DISCONNECT_SLOW), "patience_ns"),
		     -EINVAL);
	expect_equal(try_subscriber("wish", PATIENT(.patience_ns = UINT64_MAX), "days"), -EINVAL);
	expect_equal(try_subscriber("wish", SUBSCRIBER(.expect_ns = UINT64_MAX), "days"), -EINVAL);
	expect_equal(try_subscriber("wish", SUBSCRIBER(.flags = 1u << 31), "flags"), -EINVAL);
	expect_equal(try_publisher("wish", PUBLISHER(.flags = 1u << 31), "flags"), -EINVAL);
}

/*
 * Dropping
 */

static void what_would_block_is_dropped_if_the_publisher_wants_that(void)
{
	struct floe_publisher *pub = publisher(
		"drop", PUBLISHER(.depth = DEPTH, .loans_max = 1, .flags = FLOE_DROP_NEWEST));
	struct floe_subscriber *sub = subscriber("drop", PATIENT(.patience_ns = 0));
	struct floe_loan loan;

	fill_ring(pub, 1);
	for (uint64_t i = 0; i < 50; i++) {
		expect_equal(floe_loan(pub, CHUNK, &loan), 1);
		expect_equal(floe_publish(pub, &loan), 0);
		expect(!loan.data && !loan.size && !loan.ticket);
	}
	expect_equal(publisher_counts(pub).dropped, 50);
	expect_equal(publisher_counts(pub).would_block, 50);
	expect_equal(publisher_counts(pub).loans, 0);
	for (uint64_t i = 1; i <= DEPTH; i++)
		expect_equal(receive(sub, 8, i), i);
	publish(pub, CHUNK, 5);
	expect_equal(receive(sub, CHUNK, 5), 5);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

struct asked {
	struct floe_publisher *pub;
	struct floe_subscriber *sub;
	struct floe_loan *loan;
	int answer;
	int count;
};

static int answer(void *user)
{
	struct asked *asked = user;
	struct floe_sample sample;

	asked->count++;
	if (asked->answer == FLOE_AGAIN && asked->sub) {
		expect_equal(floe_take(asked->sub, &sample), 1);
		floe_release(asked->sub, &sample);
	}
	if (asked->loan)
		floe_discard(asked->pub, asked->loan);
	return asked->answer;
}

static void the_program_is_asked_what_to_do_with_what_would_block(void)
{
	struct asked asked = {.answer = FLOE_BLOCK};
	struct floe_loan loan;

	asked.pub = publisher("asked",
			      PUBLISHER(.depth = DEPTH, .would_block = answer, .user = &asked));
	asked.sub = subscriber("asked", PATIENT(.patience_ns = 0));
	fill_ring(asked.pub, 1);
	expect_equal(asked.count, 0);
	expect_equal(floe_loan(asked.pub, CHUNK, &loan), 1);
	expect_equal(floe_publish(asked.pub, &loan), 0);
	expect_equal(asked.count, 1);
	expect(loan.data);

	asked.answer = 3; /* means nothing */
	expect_equal(floe_publish(asked.pub, &loan), 0);
	asked.answer = -1;
	expect_equal(floe_publish(asked.pub, &loan), 0);
	asked.answer = FLOE_AGAIN;
	expect_equal(floe_publish(asked.pub, &loan), 1);
	expect_equal(asked.count, 4);

	asked.answer = FLOE_DROP;
	expect_equal(floe_loan(asked.pub, CHUNK, &loan), 1);
	expect_equal(floe_publish(asked.pub, &loan), 0);
	expect(!loan.data);
	expect_equal(publisher_counts(asked.pub).dropped, 1);

	floe_subscriber_close(asked.sub);
	floe_publisher_close(asked.pub);
}

/* It should not, but nothing of ours is damaged. */
static void a_program_that_is_asked_may_have_given_the_loan_away(void)
{
	struct asked asked = {.answer = FLOE_DROP};
	struct floe_loan loan, copy;

	asked.pub = publisher("away",
			      PUBLISHER(.depth = DEPTH, .would_block = answer, .user = &asked));
	asked.sub = subscriber("away", PATIENT(.patience_ns = 0));
	fill_ring(asked.pub, 1);
	expect_equal(floe_loan(asked.pub, CHUNK, &loan), 1);
	copy = loan;
	asked.loan = &copy;
	expect_equal(floe_publish(asked.pub, &loan), -EINVAL);
	expect_equal(publisher_counts(asked.pub).loans, 0);
	expect_equal(publisher_counts(asked.pub).dropped, 0);

	floe_subscriber_close(asked.sub);
	floe_publisher_close(asked.pub);
}

/*
 * Order
 */

static void the_earliest_of_several_publishers_comes_first(void)
{
	struct floe_publisher *pubs[3];
	struct floe_subscriber *sub = subscriber("order", SUBSCRIBER(.flags = FLOE_ORDERED));
	uint64_t seed = random_seed(), before_ns = 0;

	for (size_t i = 0; i < COUNT(pubs); i++)
		pubs[i] = publisher("order", PUBLISHER(.depth = 64, .flags = FLOE_TIMESTAMPS));
	for (uint64_t round = 0; round < 50; round++) {
		for (uint64_t i = 0; i < 20; i++)
			publish(pubs[random_next(&seed) % COUNT(pubs)], i % 2 ? 8 : CHUNK, i);
		for (uint64_t i = 0; i < 20; i++) {
			struct floe_sample sample = take(sub, i % 2 ? 8 : CHUNK, i);

			expect(sample.time_ns >= before_ns);
			before_ns = sample.time_ns;
			floe_release(sub, &sample);
		}
		expect_nothing(sub);
	}

	for (size_t i = 0; i < COUNT(pubs); i++)
		floe_publisher_close(pubs[i]);
	floe_subscriber_close(sub);
}

/*
 * Times
 */

static void wait_says_when_nothing_came_in_time(void)
{
	struct floe_publisher *pub = publisher("expect", NULL);
	int64_t start_ns = now_ns();
	struct floe_subscriber *sub = subscriber("expect",
						 SUBSCRIBER(.expect_ns = 20 * MILLISECONDS));

	expect_equal(floe_wait(sub, FOREVER), -ETIME);
	expect(now_ns() - start_ns >= 20 * MILLISECONDS);
	expect_equal(floe_wait(sub, 0), 0);
	expect_equal(subscriber_counts(sub).late, 1);
	start_ns = now_ns();
	expect_equal(floe_wait(sub, FOREVER), -ETIME);
	publish(pub, 8, 1);
	/* Before the next one should have come, whenever this process runs. */
	start_ns = now_ns();
	expect_equal(floe_wait(sub, FOREVER), 1);
	receive(sub, 8, 1);
	expect_equal(floe_wait(sub, start_ns), 0);
	expect_equal(subscriber_counts(sub).late, 2);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void join_and_leave(int wire, void *argument)
{
	struct floe_subscriber *sub;

	(void)argument;
	hear(wire);
	sub = subscriber("audience", NULL);
	tell(wire, 1);
	hear(wire);
	floe_subscriber_close(sub);
}

static void a_publisher_can_wait_for_its_audience(void)
{
	struct peer peers[2] = {peer_start(join_and_leave, NULL), peer_start(join_and_leave, NULL)};
	struct floe_publisher *pub = publisher("audience", NULL);

	expect_equal(floe_publisher_wait_for_subscribers(pub, 0, 0), 1);
	expect_equal(floe_publisher_wait_for_subscribers(pub, 1, 0), 0);
	expect_equal(floe_publisher_wait_for_subscribers(pub, 1, now_ns() + MILLISECONDS), 0);
	tell(peers[0].wire, 1);
	expect_equal(floe_publisher_wait_for_subscribers(pub, 1, FOREVER), 1);
	expect_equal(hear(peers[0].wire), 1);
	expect_equal(floe_publisher_wait_for_subscribers(pub, 2, now_ns() + MILLISECONDS), 0);
	tell(peers[1].wire, 1);
	expect_equal(floe_publisher_wait_for_subscribers(pub, 2, FOREVER), 1);
	expect_equal(hear(peers[1].wire), 1);

	/* The dead are no audience. */
	peer_kill(&peers[0]);
	expect_equal(floe_publisher_wait_for_subscribers(pub, 2, now_ns() + MILLISECONDS), 0);
	expect_equal(floe_publisher_wait_for_subscribers(pub, 1, 0), 1);
	expect_equal(floe_publisher_wait_for_subscribers(pub, FLOE_SUBSCRIBERS_MAX + 1, 0),
		     -EINVAL);
	expect_equal(floe_publisher_wait_for_subscribers(NULL, 0, 0), -EINVAL);

	tell(peers[1].wire, 1);
	peer_end(&peers[1]);
	floe_publisher_close(pub);
}

/*
 * Alignment
 */

static void expect_aligned(const struct floe_publisher_options *options)
{
	struct floe_publisher *pub = publisher("aligned", options);
	struct floe_subscriber *sub = subscriber("aligned", NULL);
	static const size_t sizes[] = {1, 48, 49, 300, 900};

	for (uint64_t i = 0; i < 60; i++) {
		struct floe_sample sample;
		struct floe_loan loan;

		expect_equal(floe_loan(pub, sizes[i % COUNT(sizes)], &loan), 1);
		expect_equal((uintptr_t)loan.data % options->alignment, 0);
		fill(loan.data, loan.size, i);
		expect_equal(floe_publish(pub, &loan), 1);
		sample = take(sub, sizes[i % COUNT(sizes)], i);
		expect_equal((uintptr_t)sample.data % options->alignment, 0);
		floe_release(sub, &sample);
	}
	expect_equal(subscriber_counts(sub).copied, 0);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void payloads_are_aligned_as_was_asked_for(void)
{
	static _Alignas(4096) char block[1 << 20];
	static const struct floe_pool pools[] = {{100, 64}, {5000, 64}};

	for (size_t alignment = 128; alignment <= 4096; alignment *= 2) {
		expect_aligned(PUBLISHER(.alignment = alignment, .payload_max = 900));
		expect_aligned(PUBLISHER(.alignment = alignment, .pools = pools, .pools_count = 2));
		expect_aligned(PUBLISHER(.alignment = alignment, .payload_max = 900,
					 .memory = block, .memory_size = sizeof(block)));
	}
	expect_equal(try_publisher("odd", PUBLISHER(.alignment = 96), "power of two"), -EINVAL);
	expect_equal(try_publisher("odd", PUBLISHER(.alignment = 32), "power of two"), -EINVAL);
	expect_equal(try_publisher("odd", PUBLISHER(.alignment = 8192), "power of two"), -EINVAL);
	expect_equal(
		try_publisher("odd", PUBLISHER(.alignment = 128, .flags = FLOE_ELASTIC), "elastic"),
		-EINVAL);
	expect_equal(try_publisher("odd",
				   PUBLISHER(.alignment = 128, .memory = block + 64,
					     .memory_size = sizeof(block) - 64),
				   "aligned"),
		     -EINVAL);
}

/*
 * Several at once
 */

static void several_messages_go_and_come_in_one_call(void)
{
	struct floe_publisher *pub = publisher("all", PUBLISHER(.depth = DEPTH, .loans_max = 8));
	struct floe_subscriber *sub = subscriber("all", PATIENT(.holds_max = 8));
	struct floe_loan loans[6];
	struct floe_sample samples[8];

	for (uint64_t i = 0; i < COUNT(loans); i++) {
		expect_equal(floe_loan(pub, i % 2 ? 8 : CHUNK, &loans[i]), 1);
		fill(loans[i].data, loans[i].size, i);
	}
	expect_equal(floe_take_all(sub, samples, COUNT(samples)), 0);
	expect_equal(floe_publish_all(pub, loans, COUNT(loans)), DEPTH);
	expect(!loans[3].data && loans[4].data);
	expect_equal(floe_publish_all(pub, loans + DEPTH, 2), 0);
	expect_equal(floe_take_all(sub, samples, 3), 3);
	expect_equal(floe_publish_all(pub, loans + DEPTH, 2), 2);
	expect_equal(floe_take_all(sub, samples + 3, COUNT(samples) - 3), 3);
	for (uint64_t i = 0; i < COUNT(loans); i++) {
		expect_equal(samples[i].sequence, i + 1);
		expect(is_filled(samples[i].data, samples[i].size, i));
		floe_release(sub, &samples[i]);
	}
	expect_equal(floe_publish_all(pub, loans, 0), 0);
	expect_equal(floe_publish_all(pub, loans, 1), -EINVAL); /* it is empty */
	expect_equal(floe_publish_all(pub, NULL, 1), -EINVAL);
	expect_equal(floe_publish_all(NULL, loans, 1), -EINVAL);
	expect_equal(floe_take_all(sub, samples, 0), 0);
	expect_equal(floe_take_all(sub, NULL, 1), -EINVAL);
	expect_equal(floe_take_all(NULL, samples, 1), -EINVAL);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void no_more_are_taken_than_may_be_held(void)
{
	struct floe_publisher *pub = publisher("held", NULL);
	struct floe_subscriber *sub = subscriber("held", SUBSCRIBER(.holds_max = 3));
	struct floe_sample samples[8];

	fill_ring(pub, 0);
	expect_equal(floe_take_all(sub, samples, COUNT(samples)), 3);
	expect_equal(floe_take_all(sub, samples + 3, COUNT(samples) - 3), -ENOBUFS);
	for (uint64_t i = 0; i < 3; i++)
		floe_release(sub, &samples[i]);
	expect_equal(floe_take_all(sub, samples, COUNT(samples)), 1);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(one_who_is_slow_is_waited_for_as_long_as_it_asked),
		TEST(one_that_takes_in_time_loses_nothing),
		TEST(the_patience_of_one_is_not_that_of_another),
		TEST(who_has_the_index_of_another_is_waited_for_from_the_beginning),
		TEST(a_newcomer_does_not_renew_the_patience_of_others),
		TEST(one_who_wants_to_know_is_disconnected_when_it_was_too_slow),
		TEST(wishes_that_do_not_fit_together_are_refused),
		TEST(what_would_block_is_dropped_if_the_publisher_wants_that),
		TEST(the_program_is_asked_what_to_do_with_what_would_block),
		TEST(a_program_that_is_asked_may_have_given_the_loan_away),
		TEST(the_earliest_of_several_publishers_comes_first),
		TEST(wait_says_when_nothing_came_in_time),
		TEST(a_publisher_can_wait_for_its_audience),
		TEST(payloads_are_aligned_as_was_asked_for),
		TEST(several_messages_go_and_come_in_one_call),
		TEST(no_more_are_taken_than_may_be_held),
	};

	return frame_run(argc, argv, tests, COUNT(tests));
}
