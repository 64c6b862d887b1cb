/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A sample that is shared stays what it was until its last owner is gone, whoever that is, also after
 * its subscriber was closed; then its place and its chunk are free.
 */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <floe/inspect.h>

#include "folder.h"
#include "peer.h"
#include "steps.h"

#define CHUNK 1000
#define INLINE 40

static struct floe_publisher *pub;
static struct floe_subscriber *sub;

static void begin(size_t holds_max, uint32_t policy)
{
	pub = publisher("share", PUBLISHER(.depth = 4));
	sub = subscriber("share", SUBSCRIBER(.holds_max = holds_max, .policy = policy));
}

static void end(void)
{
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	expect_folder_empty();
}

/* The next message, shared by one. */
static struct floe_shared_sample *share(size_t size, uint64_t seed)
{
	struct floe_sample sample = take(sub, size, seed);
	struct floe_shared_sample *shared = NULL;

	expect_equal(floe_sample_share(sub, &sample, &shared), 0);
	expect(shared && !sample.data && !sample.size && !sample.ticket);
	return shared;
}

static void expect_whole(const struct floe_shared_sample *shared, size_t size, uint64_t seed)
{
	const struct floe_sample *sample = floe_shared_sample_get(shared);

	expect(sample);
	expect_equal(sample->size, size);
	expect(is_filled(sample->data, size, seed));
}

/* Each chunk that can be lent is written, some of them twice. */
static void write_all(void)
{
	uint64_t chunks = publisher_counts(pub).chunks;

	for (uint64_t i = 0; i < 2 * chunks; i++)
		publish(pub, CHUNK, 1000 + i);
	(void)drain(sub, &(uint64_t){0});
}

static void the_last_owner_gives_it_back(void)
{
	struct floe_shared_sample *shared;
	const struct floe_sample *sample;

	begin(2, FLOE_POLICY_KEEP_LAST);
	publish(pub, CHUNK, 1);
	shared = share(CHUNK, 1);
	sample = floe_shared_sample_get(shared);
	expect(sample);
	expect_equal(sample->sequence, 1);
	expect_equal(sample->ticket, 0);
	expect(floe_shared_sample_ref(shared) == shared);
	expect(floe_shared_sample_ref(shared) == shared);
	expect_equal(subscriber_counts(sub).held, 1);
	expect_equal(floe_shared_sample_unref(shared), 0);
	expect_equal(floe_shared_sample_unref(shared), 0);
	expect_equal(subscriber_counts(sub).held, 1);
	expect_whole(shared, CHUNK, 1);
	expect_equal(floe_shared_sample_unref(shared), 1);
	expect_equal(subscriber_counts(sub).held, 0);
	end();
}

static void what_is_shared_stays_what_it_was(void)
{
	struct floe_shared_sample *chunk, *within;

	begin(3, FLOE_POLICY_KEEP_LAST);
	publish(pub, CHUNK, 1);
	publish(pub, INLINE, 2);
	chunk = share(CHUNK, 1);
	within = share(INLINE, 2);
	write_all();
	expect_whole(chunk, CHUNK, 1);
	expect_whole(within, INLINE, 2);
	expect_equal(floe_shared_sample_unref(chunk), 1);
	expect_equal(floe_shared_sample_unref(within), 1);
	end();
}

/* With its chunk free again every chunk can be lent that could be before. */
static void its_chunk_can_be_lent_again(void)
{
	struct floe_pool pool = {.chunk_size = CHUNK, .chunk_count = 4};
	struct floe_shared_sample *shared[2];
	struct floe_loan loan;

	pub = publisher("share",
			PUBLISHER(.depth = 1, .loans_max = 1, .pools = &pool, .pools_count = 1));
	sub = subscriber("share", SUBSCRIBER(.holds_max = 3));
	for (int round = 0; round < 10; round++) {
		publish(pub, CHUNK, 1);
		shared[0] = share(CHUNK, 1);
		publish(pub, CHUNK, 2);
		shared[1] = share(CHUNK, 2);
		publish(pub, CHUNK, 3);
		publish(pub, CHUNK, 4); /* the ring and one more */
		expect_equal(floe_loan(pub, CHUNK, &loan), 1);
		floe_discard(pub, &loan);
		expect_whole(shared[0], CHUNK, 1);
		expect_whole(shared[1], CHUNK, 2);
		(void)drain(sub, &(uint64_t){0});
		expect_equal(floe_shared_sample_unref(shared[round % 2]), 1);
		expect_equal(floe_shared_sample_unref(shared[!(round % 2)]), 1);
	}
	end();
}

static void places_come_back(void)
{
	struct floe_shared_sample *shared[3];

	begin(3, FLOE_POLICY_KEEP_LAST);
	for (uint64_t round = 0; round < 300; round++) {
		for (uint64_t i = 0; i < 3; i++) {
			publish(pub, i == round % 3 ? INLINE : CHUNK, i);
			shared[i] = share(i == round % 3 ? INLINE : CHUNK, i);
		}
		for (uint64_t i = 0; i < 3; i++)
			expect_equal(floe_shared_sample_unref(shared[(i + round) % 3]), 1);
	}
	expect_equal(subscriber_counts(sub).held, 0);
	end();
}

/* What is mapped of it goes with the next look around, and not before. */
static void a_publisher_that_left_is_let_go_when_nothing_of_it_is_shared(void)
{
	struct floe_publisher_options options = *PUBLISHER(.depth = 4);
	struct floe_shared_sample *shared;
	void *block = NULL;

	options.memory_size = (size_t)floe_publisher_memory_size(&options);
	expect_equal(posix_memalign(&block, 64, options.memory_size), 0);
	options.memory = block;
	pub = publisher("share", &options);
	sub = subscriber("share", NULL);
	publish(pub, CHUNK, 1);
	shared = share(CHUNK, 1);
	floe_publisher_close(pub);
	expect_nothing(sub);
	expect_equal(subscriber_counts(sub).publishers, 1);
	expect_whole(shared, CHUNK, 1);
	expect_equal(floe_shared_sample_unref(shared), 1);
	expect_nothing(sub);
	expect_equal(subscriber_counts(sub).publishers, 0);
	pub = NULL;
	end();
	free(block);
}

static void a_place_is_missing_as_long_as_it_is_shared(void)
{
	struct floe_shared_sample *first, *second;
	struct floe_sample sample;

	begin(2, FLOE_POLICY_KEEP_LAST);
	for (uint64_t i = 1; i <= 3; i++)
		publish(pub, CHUNK, i);
	first = share(CHUNK, 1);
	second = share(CHUNK, 2);
	expect_equal(floe_take(sub, &sample), -ENOBUFS);
	expect_equal(floe_shared_sample_unref(first), 1);
	expect_equal(receive(sub, CHUNK, 3), 3);
	expect_equal(floe_shared_sample_unref(second), 1);
	end();
}

static void copies_of_it_release_nothing(void)
{
	struct floe_shared_sample *shared = NULL, *other = NULL;
	struct floe_sample sample, copy;

	begin(1, FLOE_POLICY_KEEP_LAST);
	publish(pub, CHUNK, 1);
	sample = copy = take(sub, CHUNK, 1);
	expect_equal(floe_sample_share(sub, &sample, &shared), 0);
	floe_release(sub, &copy);
	expect(copy.data);
	expect_equal(floe_sample_share(sub, &copy, &other), -EINVAL);
	expect(!other);
	copy = *floe_shared_sample_get(shared);
	floe_release(sub, &copy);
	expect_equal(floe_sample_publisher(sub, &copy), -EINVAL);
	write_all();
	expect_whole(shared, CHUNK, 1);
	expect_equal(floe_shared_sample_unref(shared), 1);
	end();
}

static void who_has_no_reference_is_refused(void)
{
	struct floe_shared_sample *shared;

	begin(1, FLOE_POLICY_KEEP_LAST);
	publish(pub, CHUNK, 1);
	shared = share(CHUNK, 1);
	expect_equal(floe_shared_sample_unref(shared), 1);
	expect_equal(floe_shared_sample_unref(shared), -EINVAL);
	expect(!floe_shared_sample_ref(shared));
	expect(!floe_shared_sample_get(shared));
	expect_equal(subscriber_counts(sub).held, 0);
	floe_subscriber_close(sub);
	expect_equal(floe_shared_sample_unref(shared), -EINVAL);
	expect(!floe_shared_sample_ref(shared));
	sub = NULL;
	end();
}

static void wrong_arguments_are_refused(void)
{
	struct floe_shared_sample *shared = NULL;
	struct floe_subscriber *other;
	struct floe_sample sample, empty = {0};

	begin(1, FLOE_POLICY_KEEP_LAST);
	other = subscriber("share", NULL);
	publish(pub, CHUNK, 1);
	sample = take(sub, CHUNK, 1);
	expect_equal(floe_sample_share(NULL, &sample, &shared), -EINVAL);
	expect_equal(floe_sample_share(sub, NULL, &shared), -EINVAL);
	expect_equal(floe_sample_share(sub, &sample, NULL), -EINVAL);
	expect_equal(floe_sample_share(sub, &empty, &shared), -EINVAL);
	expect_equal(floe_sample_share(other, &sample, &shared), -EINVAL);
	expect_equal(floe_sample_share((void *)pub, &sample, &shared), -EINVAL);
	expect(!shared && sample.data);
	floe_release(sub, &sample);
	expect(!floe_shared_sample_get(NULL));
	expect(!floe_shared_sample_ref(NULL));
	expect_equal(floe_shared_sample_unref(NULL), 0);
	expect(!floe_shared_sample_get((void *)sub));
	expect(!floe_shared_sample_ref((void *)&sample));
	expect_equal(floe_shared_sample_unref((void *)pub), -EINVAL);
	floe_subscriber_close(other);
	end();
}

/*
 * Closing
 */

static void what_is_shared_outlives_its_subscriber(void)
{
	struct floe_shared_sample *chunk, *within;

	begin(4, FLOE_POLICY_RELIABLE);
	publish(pub, CHUNK, 1);
	publish(pub, INLINE, 2);
	publish(pub, CHUNK, 3);
	chunk = share(CHUNK, 1);
	within = share(INLINE, 2);
	(void)take(sub, CHUNK, 3);
	floe_subscriber_close(sub);
	sub = subscriber("share", NULL); /* another one, for write_all to drain */
	write_all();
	expect_whole(chunk, CHUNK, 1);
	expect_whole(within, INLINE, 2);
	expect(floe_shared_sample_ref(chunk));
	expect_equal(floe_shared_sample_unref(chunk), 0);
	expect_equal(floe_shared_sample_unref(chunk), 1);
	expect(!floe_shared_sample_get(chunk));
	expect_whole(within, INLINE, 2);
	expect_equal(floe_shared_sample_unref(within), 1);
	expect(!floe_shared_sample_get(within));
	end();
}

/* It is the publisher's of the other topic by now. */
static void what_was_republished_stays_too(void)
{
	struct floe_publisher *onward = publisher("onward", PUBLISHER(.relays_max = 40));
	struct floe_subscriber *last = subscriber("onward", NULL);
	struct floe_shared_sample *shared;
	struct floe_sample sample;

	begin(2, FLOE_POLICY_KEEP_LAST);
	publish(pub, CHUNK, 1);
	publish(pub, CHUNK, 2);
	shared = share(CHUNK, 1);
	sample = take(sub, CHUNK, 2);
	expect_equal(floe_republish(onward, sub, &sample), 1);
	floe_subscriber_close(sub);
	sub = subscriber("share", NULL);
	write_all();
	expect_whole(shared, CHUNK, 1);
	receive(last, CHUNK, 2);
	expect_equal(floe_shared_sample_unref(shared), 1);
	floe_subscriber_close(last);
	floe_publisher_close(onward);
	end();
}

static void the_last_of_all_may_be_a_shared_sample(void)
{
	struct floe_shared_sample *shared;

	begin(2, FLOE_POLICY_KEEP_LAST);
	publish(pub, CHUNK, 1);
	shared = share(CHUNK, 1);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
	expect_whole(shared, CHUNK, 1);
	expect(folder_count_files() > 0);
	expect_equal(floe_shared_sample_unref(shared), 1);
	expect_folder_empty();
}

static void a_publisher_does_not_wait_for_who_only_shares(void)
{
	struct floe_shared_sample *shared;

	begin(2, FLOE_POLICY_RELIABLE);
	publish(pub, CHUNK, 1);
	shared = share(CHUNK, 1);
	for (uint64_t i = 2; i <= 5; i++)
		publish(pub, CHUNK, i);
	expect_equal(try_publish(pub, CHUNK, 6), 0);
	floe_subscriber_close(sub);
	for (uint64_t i = 6; i <= 20; i++)
		publish(pub, CHUNK, i);
	expect_whole(shared, CHUNK, 1);
	/* Nor does one that comes later. */
	floe_publisher_close(pub);
	pub = publisher("share", PUBLISHER(.depth = 7));
	for (uint64_t i = 1; i <= 20; i++)
		publish(pub, CHUNK, i);
	expect_whole(shared, CHUNK, 1);
	expect_equal(floe_shared_sample_unref(shared), 1);
	sub = NULL;
	end();
}

/*
 * Processes, threads
 */

static void use_what_the_parent_shares(int wire, void *argument)
{
	struct floe_shared_sample *shared = argument;

	(void)wire;
	expect(!floe_shared_sample_get(shared));
	expect(!floe_shared_sample_ref(shared));
	expect_equal(floe_shared_sample_unref(shared), -EINVAL);
	expect_equal(floe_shared_sample_unref(shared), -EINVAL);
}

static void a_child_after_fork_has_none(void)
{
	struct floe_shared_sample *shared;
	struct peer peer;

	begin(1, FLOE_POLICY_KEEP_LAST);
	publish(pub, CHUNK, 1);
	shared = share(CHUNK, 1);
	peer = peer_start(use_what_the_parent_shares, shared);
	peer_end(&peer);
	expect_whole(shared, CHUNK, 1);
	write_all();
	expect_whole(shared, CHUNK, 1);
	expect_equal(floe_shared_sample_unref(shared), 1);
	end();
}

static void die_with_a_shared_sample(int wire, void *argument)
{
	(void)argument;
	sub = subscriber("share", SUBSCRIBER(.holds_max = 1));
	(void)ask(wire, 1);
	(void)share(CHUNK, 1);
	(void)ask(wire, 1);
}

static void what_a_dead_one_shared_is_free(void)
{
	struct peer peer = peer_start(die_with_a_shared_sample, NULL);
	struct floe_pool pool = {.chunk_size = CHUNK, .chunk_count = 3};
	struct floe_loan loan[2];

	(void)hear(peer.wire);
	pub = publisher("share",
			PUBLISHER(.depth = 1, .loans_max = 2, .pools = &pool, .pools_count = 1));
	publish(pub, CHUNK, 1);
	tell(peer.wire, 1);
	(void)hear(peer.wire);
	publish(pub, CHUNK, 2); /* one held, one in the ring */
	expect_equal(floe_loan(pub, CHUNK, &loan[0]), 1);
	expect_equal(floe_loan(pub, CHUNK, &loan[1]), 0);
	peer_kill(&peer);
	sub = subscriber("share", NULL);
	expect_equal(floe_loan(pub, CHUNK, &loan[1]), 1);
	floe_discard(pub, &loan[0]);
	floe_discard(pub, &loan[1]);
	end();
}

static void *look_and_give_back(void *shared)
{
	expect_whole(shared, CHUNK, 7);
	return floe_shared_sample_unref(shared) == 1 ? shared : NULL;
}

static void any_thread_may_be_the_last(void)
{
	struct floe_shared_sample *shared;
	pthread_t thread[4];
	void *was_last;
	int last = 0;

	begin(1, FLOE_POLICY_KEEP_LAST);
	for (int round = 0; round < 50; round++) {
		publish(pub, CHUNK, 7);
		shared = share(CHUNK, 7);
		for (size_t i = 0; i < COUNT(thread); i++) {
			expect(floe_shared_sample_ref(shared));
			expect_equal(pthread_create(&thread[i], NULL, look_and_give_back, shared),
				     0);
		}
		last = floe_shared_sample_unref(shared);
		for (size_t i = 0; i < COUNT(thread); i++) {
			expect_equal(pthread_join(thread[i], &was_last), 0);
			last += was_last != NULL;
		}
		expect_equal(last, 1);
		expect_equal(subscriber_counts(sub).held, 0);
	}
	end();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(the_last_owner_gives_it_back),
		TEST(what_is_shared_stays_what_it_was),
		TEST(its_chunk_can_be_lent_again),
		TEST(places_come_back),
		TEST(a_publisher_that_left_is_let_go_when_nothing_of_it_is_shared),
		TEST(a_place_is_missing_as_long_as_it_is_shared),
		TEST(copies_of_it_release_nothing),
		TEST(who_has_no_reference_is_refused),
		TEST(wrong_arguments_are_refused),
		TEST(what_is_shared_outlives_its_subscriber),
		TEST(what_was_republished_stays_too),
		TEST(the_last_of_all_may_be_a_shared_sample),
		TEST(a_publisher_does_not_wait_for_who_only_shares),
		TEST(a_child_after_fork_has_none),
		TEST(what_a_dead_one_shared_is_free),
		TEST(any_thread_may_be_the_last),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
