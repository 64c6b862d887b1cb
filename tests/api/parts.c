/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Messages in parts, through the public calls: lent for any size, sent and taken together, waited for,
 * dropped and lost together, seen by those who know of none.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include <floe/inspect.h>

#include "peer.h"
#include "steps.h"

#define CHUNK 4096
#define PARTS 5
#define SIZE ((PARTS - 1) * CHUNK + 100)
#define FOREVER (-1)

#define SENDER(...) \
	publisher("parts", PUBLISHER(.payload_max = CHUNK, .loans_max = 2 * PARTS, __VA_ARGS__))
#define TAKER(...) subscriber("parts", SUBSCRIBER(.holds_max = 2 * PARTS, __VA_ARGS__))

static void lend(struct floe_publisher *pub, struct floe_loan *loans, uint64_t seed)
{
	expect_equal(floe_loan_parts(pub, SIZE, loans, PARTS), PARTS);
	for (uint64_t i = 0; i < PARTS; i++) {
		expect_equal(loans[i].size, i < PARTS - 1 ? CHUNK : 100);
		fill(loans[i].data, loans[i].size, seed + i);
	}
}

static void send_parts(struct floe_publisher *pub, uint64_t seed)
{
	struct floe_loan loans[PARTS];

	lend(pub, loans, seed);
	expect_equal(floe_publish_parts(pub, loans, PARTS), 1);
	for (int i = 0; i < PARTS; i++)
		expect(!loans[i].data);
}

/* The first of them has lost so many before it. */
static void receive_parts(struct floe_subscriber *sub, uint64_t seed, uint64_t lost)
{
	struct floe_sample samples[PARTS];
	size_t index;

	expect_equal(floe_take_parts(sub, samples, PARTS), PARTS);
	for (uint64_t i = 0; i < PARTS; i++) {
		expect(is_filled(samples[i].data, samples[i].size, seed + i));
		expect_equal(samples[i].sequence, samples[0].sequence + i);
		expect_equal(samples[i].time_ns, samples[0].time_ns);
		expect_equal(samples[i].lost, i ? 0 : lost);
		expect_equal(floe_sample_part(sub, &samples[i], &index), PARTS);
		expect_equal(index, i);
	}
	for (int i = 0; i < PARTS; i++)
		floe_release(sub, &samples[i]);
	expect_equal(floe_sample_part(sub, &samples[0], NULL), -EINVAL);
}

static void a_message_larger_than_any_chunk_comes_whole(void)
{
	struct floe_publisher *pub = SENDER(.depth = 0);
	struct floe_subscriber *sub = TAKER(.depth = 0);
	struct floe_sample sample;
	size_t index = 7;

	for (uint64_t i = 0; i < 100; i++) {
		send_parts(pub, 10 * i);
		publish(pub, 20, i);
		receive_parts(sub, 10 * i, 0);
		expect_equal(floe_take_parts(sub, &sample, 1), 1);
		expect_equal(floe_sample_part(sub, &sample, &index), 1);
		expect_equal(index, 0);
		floe_release(sub, &sample);
		expect_equal(floe_take_parts(sub, &sample, 1), 0);
	}
	expect_equal(publisher_counts(pub).published, 100 * (PARTS + 1));
	expect_equal(subscriber_counts(sub).received, 100 * (PARTS + 1));
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void with_times_all_parts_have_the_same(void)
{
	struct floe_publisher *pub = SENDER(.flags = FLOE_TIMESTAMPS);
	struct floe_subscriber *sub = TAKER(.flags = FLOE_ORDERED);

	for (uint64_t i = 0; i < 10; i++)
		send_parts(pub, i);
	for (uint64_t i = 7; i < 10; i++)
		receive_parts(sub, i, i == 7 ? 7 * PARTS : 0);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void parts_may_have_any_size_and_lie_in_any_memory(void)
{
	struct floe_publisher *pub = publisher(
		"any", PUBLISHER(.payload_max = 200000, .flags = FLOE_ELASTIC));
	struct floe_subscriber *sub = subscriber("any", NULL);
	const size_t size[] = {1, 48, 200000};
	struct floe_sample samples[3];
	struct floe_loan loans[3];

	for (uint64_t seed = 0; seed < 30; seed++) {
		for (uint64_t i = 0; i < 3; i++) {
			expect_equal(floe_loan(pub, size[i], &loans[i]), 1);
			fill(loans[i].data, size[i], seed + i);
		}
		expect_equal(floe_publish_parts(pub, loans, 3), 1);
		expect_equal(floe_take_parts(sub, samples, 3), 3);
		for (uint64_t i = 0; i < 3; i++) {
			expect_equal(samples[i].size, size[i]);
			expect(is_filled(samples[i].data, size[i], seed + i));
			floe_release(sub, &samples[i]);
		}
	}
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void it_is_lost_as_a_whole(void)
{
	struct floe_publisher *pub = SENDER(.depth = 2 * PARTS);
	struct floe_subscriber *sub = TAKER(.depth = 0);

	send_parts(pub, 1);
	send_parts(pub, 2);
	publish(pub, 8, 3); /* the first part of the first is gone */
	receive_parts(sub, 2, PARTS);
	receive(sub, 8, 3);
	for (uint64_t i = 0; i < 10; i++)
		send_parts(pub, i);
	receive_parts(sub, 8, 8 * PARTS);
	receive_parts(sub, 9, 0);
	expect_nothing(sub);
	expect_equal(subscriber_counts(sub).lost, 9 * PARTS);
	expect_equal(subscriber_counts(sub).received, 3 * PARTS + 1);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_reliable_subscriber_is_waited_for(void)
{
	struct floe_publisher *pub = SENDER(.depth = 2 * PARTS - 1);
	struct floe_subscriber *sub = TAKER(.policy = FLOE_POLICY_RELIABLE);
	struct floe_loan loans[PARTS];

	send_parts(pub, 1);
	lend(pub, loans, 2);
	expect_equal(floe_publish_parts(pub, loans, PARTS), 0);
	expect(loans[0].data && loans[PARTS - 1].data);
	expect_equal(floe_publisher_wait(pub, 0), 1);
	expect_equal(floe_publisher_wait_for_room(pub, PARTS - 1, 0), 1);
	expect_equal(floe_publisher_wait_for_room(pub, PARTS, now_ns() + 3000000), 0);
	expect_equal(floe_publisher_wait_for_room(pub, 2 * PARTS, 0), -EMSGSIZE);
	receive_parts(sub, 1, 0);
	expect_equal(floe_publisher_wait_for_room(pub, PARTS, FOREVER), 1);
	expect_equal(floe_publish_parts(pub, loans, PARTS), 1);
	receive_parts(sub, 2, 0);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

/* Who was waited for long enough does not block a message of more parts than it is looked ahead. */
static void patience_ends_for_all_parts(void)
{
	struct floe_publisher *pub = SENDER(.depth = 2 * PARTS - 1);
	struct floe_subscriber *sub = TAKER(.policy = FLOE_POLICY_RELIABLE, .patience_ns = 3000000);
	struct floe_loan loans[PARTS];

	send_parts(pub, 1);
	lend(pub, loans, 2);
	expect_equal(floe_publish_parts(pub, loans, PARTS), 0);
	expect_equal(floe_publisher_wait_for_room(pub, PARTS, FOREVER), 1);
	expect_equal(floe_publish_parts(pub, loans, PARTS), 1);
	send_parts(pub, 3);
	send_parts(pub, 4);
	receive_parts(sub, 4, 3 * PARTS);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static int drop(void *user)
{
	++*(int *)user;
	return FLOE_DROP;
}

static void what_would_block_is_dropped_as_a_whole(void)
{
	int asked = 0;
	struct floe_publisher *pub = SENDER(.depth = PARTS, .would_block = drop, .user = &asked);
	struct floe_subscriber *sub = TAKER(.policy = FLOE_POLICY_RELIABLE);
	struct floe_loan loans[PARTS];

	send_parts(pub, 1);
	lend(pub, loans, 2);
	expect_equal(floe_publish_parts(pub, loans, PARTS), 0);
	expect_equal(asked, 1);
	for (int i = 0; i < PARTS; i++)
		expect(!loans[i].data);
	expect_equal(publisher_counts(pub).dropped, PARTS);
	expect_equal(publisher_counts(pub).loans, 0);
	receive_parts(sub, 1, 0);
	send_parts(pub, 3);
	receive_parts(sub, 3, 0);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

/* Of two publishers the parts of each message come one after the other. */
static void who_knows_of_no_parts_gets_them_as_messages(void)
{
	struct floe_publisher *pub[2] = {SENDER(.depth = 4 * PARTS), SENDER(.depth = 4 * PARTS)};
	struct floe_subscriber *sub = TAKER(.depth = 0);
	uint64_t next[2] = {0};

	for (uint64_t i = 0; i < 3; i++) {
		send_parts(pub[0], 100 * i);
		send_parts(pub[1], 100 * i);
	}
	for (int i = 0; i < 6; i++) {
		struct floe_sample sample;
		int first = -1;

		for (size_t part = 0; part < PARTS; part++) {
			size_t index;
			int from;

			expect_equal(floe_take(sub, &sample), 1);
			from = floe_sample_publisher(sub, &sample);
			expect(first == -1 || first == from);
			first = from;
			expect_equal(floe_sample_part(sub, &sample, &index), PARTS);
			expect_equal(index, part);
			expect(is_filled(sample.data, sample.size, 100 * next[from] + part));
			floe_release(sub, &sample);
		}
		next[first]++;
	}
	expect_nothing(sub);
	floe_subscriber_close(sub);
	floe_publisher_close(pub[0]);
	floe_publisher_close(pub[1]);
}

static void an_observer_sees_them_as_messages(void)
{
	struct floe_publisher *pub = SENDER(.depth = 4 * PARTS);
	struct floe_observer *observer;
	struct floe_sample sample;
	struct floe_view *view;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(floe_observer_open(&observer, view, "parts", NULL), 0);
	send_parts(pub, 10);
	send_parts(pub, 20);
	for (uint64_t i = 0; i < 2 * PARTS; i++) {
		expect_equal(floe_observer_next(observer, 0, &sample), 1);
		expect(is_filled(sample.data, sample.size, 10 + i % PARTS + i / PARTS * 10));
	}
	expect_equal(floe_observer_next(observer, 0, &sample), 0);
	floe_observer_close(observer);
	floe_view_close(view);
	floe_publisher_close(pub);
}

/*
 * Three parts fill a ring, and the first is overwritten while it is read: the observer's page in the
 * middle of its payload is closed, and who meets that publishes one more, and opens it.
 */

#define PAGE 4096
#define LARGE (4 * PAGE)

static struct {
	struct floe_publisher *pub;
	struct floe_loan loan; /* of the message that comes in between */
	void *page;
} trap;

static void spring(int number)
{
	(void)number;
	(void)mprotect(trap.page, PAGE, PROT_READ);
	(void)floe_publish(trap.pub, &trap.loan);
}

/* Messages 2 to 4 are the parts, 5 is the one that comes in between. Returns where the observer reads
 * the first part. */
static uintptr_t begin_trap(struct floe_observer *observer)
{
	struct floe_loan loans[3], one;
	struct floe_sample sample;
	uintptr_t between, first;

	expect_equal(floe_loan(trap.pub, LARGE, &one), 1);
	between = (uintptr_t)one.data;
	expect_equal(floe_publish(trap.pub, &one), 1);
	expect_equal(floe_observer_borrow(observer, &sample), 1);
	between = (uintptr_t)sample.data - between;
	for (int i = 0; i < 3; i++)
		expect_equal(floe_loan(trap.pub, LARGE, &loans[i]), 1);
	first = (uintptr_t)loans[0].data;
	expect_equal(floe_publish_parts(trap.pub, loans, 3), 1);
	expect_equal(floe_loan(trap.pub, 8, &trap.loan), 1);
	return first + between;
}

/* `borrow`: not copied, but overwritten before it was looked at. */
static void lose_the_first(bool borrow)
{
	struct floe_observer *observer;
	struct floe_sample sample;
	struct floe_view *view;
	uintptr_t at;

	trap.pub = publisher("trap", PUBLISHER(.payload_max = LARGE, .depth = 3, .loans_max = 4));
	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(floe_observer_open(&observer, view, "trap", NULL), 0);
	at = begin_trap(observer);
	if (borrow) {
		expect_equal(floe_observer_borrow(observer, &sample), 1);
		expect_equal(sample.sequence, 2);
		expect_equal(floe_publish(trap.pub, &trap.loan), 1);
		expect_equal(floe_observer_left(observer, &sample), 0);
	} else {
		trap.page = (void *)((at + 2 * PAGE) / PAGE * PAGE);
		expect(signal(SIGSEGV, spring) != SIG_ERR);
		expect_equal(mprotect(trap.page, PAGE, PROT_NONE), 0);
	}
	expect_equal(floe_observer_next(observer, 0, &sample), 1);
	expect(!trap.loan.data);
	expect_equal(sample.sequence, 5);
	expect_equal(sample.lost, borrow ? 2 : 3);
	expect_equal(floe_observer_next(observer, 0, &sample), 0);
	floe_observer_close(observer);
	floe_view_close(view);
	floe_publisher_close(trap.pub);
}

static void an_observer_that_lost_a_part_gets_none_behind_it(void)
{
	lose_the_first(false);
	lose_the_first(true);
}

static bool is_readable(struct floe_subscriber *sub, int wait_ms)
{
	struct pollfd entry = {.fd = floe_subscriber_fd(sub), .events = POLLIN};

	return poll(&entry, 1, wait_ms) == 1;
}

static void a_descriptor_is_readable_until_all_parts_are_taken(void)
{
	struct floe_publisher *pub = SENDER(.depth = 4 * PARTS);
	struct floe_subscriber *sub = TAKER(.depth = 0);

	expect(floe_subscriber_fd(sub) >= 0);
	for (uint64_t i = 0; i < 5; i++) {
		send_parts(pub, i);
		expect(is_readable(sub, 10000));
		receive_parts(sub, i, 0);
		/* Settled by the last release; or by this, where it is a timer. */
		expect_equal(floe_take_parts(sub, (struct floe_sample[1]){{0}}, 1), 0);
	}
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void threads_may_use_one_handle_for_it(void)
{
	struct floe_publisher *pub = SENDER(.flags = FLOE_THREAD_SAFE);
	struct floe_subscriber *sub = TAKER(.flags = FLOE_THREAD_SAFE);

	send_parts(pub, 1);
	receive_parts(sub, 1, 0);
	expect_equal(floe_publisher_wait_for_room(pub, PARTS, 0), 1);
	expect_equal(floe_take_parts(sub, (struct floe_sample[1]){{0}}, 1), 0);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void what_cannot_be_is_refused(void)
{
	struct floe_publisher *pub = SENDER(.depth = PARTS);
	struct floe_publisher *other = publisher("other", NULL);
	struct floe_subscriber *sub = subscriber("parts", SUBSCRIBER(.holds_max = PARTS - 1));
	struct floe_loan loans[PARTS + 1];
	struct floe_sample samples[PARTS];

	expect_equal(floe_loan_parts(pub, (PARTS + 1) * CHUNK, loans, PARTS + 1), -EMSGSIZE);
	expect_equal(floe_loan_parts(pub, 0, loans, PARTS), -EINVAL);
	expect_equal(floe_loan_parts(pub, SIZE, NULL, PARTS), -EINVAL);
	expect_equal(floe_loan_parts(NULL, SIZE, loans, PARTS), -EINVAL);
	for (int i = 0; i < PARTS + 1; i++)
		expect_equal(floe_loan(i < PARTS ? pub : other, 8, &loans[i]), 1);
	expect_equal(floe_publish_parts(pub, loans, PARTS + 1), -EINVAL);
	expect_equal(floe_publish_parts(pub, loans, 0), -EINVAL);
	expect_equal(floe_publish_parts(pub, NULL, 1), -EINVAL);
	expect_equal(floe_publish_parts(NULL, loans, 1), -EINVAL);
	expect_equal(floe_publish_parts(pub, loans, FLOE_PARTS_MAX + 1), -EMSGSIZE);
	floe_discard(other, &loans[PARTS]);
	expect_equal(floe_loan(pub, 8, &loans[PARTS]), 1);
	expect_equal(floe_publish_parts(pub, loans, PARTS + 1), -EMSGSIZE);
	expect_equal(floe_publish_parts(pub, loans, 1), 1);
	expect_equal(floe_publish_parts(pub, loans + 1, PARTS), 1);
	expect_equal(floe_take_parts(sub, samples, 0), -EINVAL);
	expect_equal(floe_take_parts(sub, NULL, 1), -EINVAL);
	expect_equal(floe_take_parts(NULL, samples, 1), -EINVAL);
	expect_equal(floe_sample_part(NULL, samples, NULL), -EINVAL);
	expect_equal(floe_sample_part(sub, NULL, NULL), -EINVAL);
	expect_equal(floe_publisher_wait_for_room(NULL, 1, 0), -EINVAL);
	expect_equal(floe_publisher_wait_for_room(pub, 0, 0), -EINVAL);
	/* More than can be held: they can be taken one after the other. */
	expect_equal(floe_take_parts(sub, samples, PARTS), -EMSGSIZE);
	expect_equal(floe_take(sub, samples), 1);
	expect_equal(samples[0].lost, 1);
	expect_equal(floe_take_parts(sub, samples + 1, PARTS - 1), -ENOBUFS);
	floe_release(sub, samples);
	expect_equal(floe_take_parts(sub, samples, PARTS - 2), -EMSGSIZE);
	expect_equal(floe_take_parts(sub, samples, PARTS - 1), PARTS - 1);
	floe_subscriber_close(sub);
	floe_publisher_close(other);
	floe_publisher_close(pub);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_message_larger_than_any_chunk_comes_whole),
		TEST(with_times_all_parts_have_the_same),
		TEST(parts_may_have_any_size_and_lie_in_any_memory),
		TEST(it_is_lost_as_a_whole),
		TEST(a_reliable_subscriber_is_waited_for),
		TEST(patience_ends_for_all_parts),
		TEST(what_would_block_is_dropped_as_a_whole),
		TEST(who_knows_of_no_parts_gets_them_as_messages),
		TEST(an_observer_sees_them_as_messages),
		TEST(an_observer_that_lost_a_part_gets_none_behind_it),
		TEST(a_descriptor_is_readable_until_all_parts_are_taken),
		TEST(threads_may_use_one_handle_for_it),
		TEST(what_cannot_be_is_refused),
	};

	return frame_run(argc, argv, tests, COUNT(tests));
}
