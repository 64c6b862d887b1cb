/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Several publishers and subscribers, each a process: accounts are exact for each pair of them,
 * whoever else joins, leaves, or is killed meanwhile.
 */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <floe/inspect.h>

#include "api/folder.h"
#include "api/peer.h"
#include "api/steps.h"
#include "stress/parts.h"

#define MESSAGES 3000
#define PUBLISHERS_MAX 4
#define SUBSCRIBERS_MAX 8
#define KILLS 120

static void publisher_life(int wire, void *argument)
{
	(void)wire;
	play_publisher(argument);
}

static void substitute_life(int wire, void *argument)
{
	(void)wire;
	play_substitute(argument);
}

static void subscriber_life(int wire, void *argument)
{
	(void)wire;
	play_subscriber(argument);
}

static void visitor_life(int wire, void *argument)
{
	(void)wire;
	play_visitor(argument);
}

/* What the i-th of each kind is like. */
static struct publisher_part some_publisher(struct stage *stage, uint64_t i, uint64_t *seed)
{
	return (struct publisher_part){
		.stage = stage,
		.options = *PUBLISHER(.depth = 1 + random_next(seed) % 20),
		.writer = i,
		.seed = random_next(seed),
		.count = MESSAGES,
		.pauses = i % 2 ? 0 : 50,
	};
}

static struct subscriber_part some_subscriber(struct stage *stage, uint64_t publishers,
					      uint32_t policy, uint64_t *seed)
{
	return (struct subscriber_part){
		.stage = stage,
		.options = *SUBSCRIBER(.holds_max = 1 + random_next(seed) % 10, .policy = policy),
		.seed = random_next(seed),
		.publishers = publishers,
		.pauses = (unsigned)(random_next(seed) % 3 * 40),
	};
}

/*
 * Everybody stays
 */

/* reliable: one subscriber in so many; 0: none */
static void run(unsigned publishers, unsigned subscribers, unsigned reliable)
{
	struct stage *stage = stage_create(publishers + subscribers);
	struct peer senders[PUBLISHERS_MAX], readers[SUBSCRIBERS_MAX];
	uint64_t seed = random_seed();

	for (unsigned i = 0; i < subscribers; i++) {
		uint32_t policy = reliable && i % reliable == 0 ? FLOE_POLICY_RELIABLE
								: FLOE_POLICY_KEEP_LAST;
		struct subscriber_part part = some_subscriber(stage, publishers, policy, &seed);

		readers[i] = peer_start(subscriber_life, &part);
	}
	for (unsigned i = 0; i < publishers; i++) {
		struct publisher_part part = some_publisher(stage, i, &seed);

		senders[i] = peer_start(publisher_life, &part);
	}
	for (unsigned i = 0; i < publishers; i++)
		peer_end(&senders[i]);
	for (unsigned i = 0; i < subscribers; i++)
		peer_end(&readers[i]);
	stage_destroy(stage);
	expect_folder_empty();
}

static void one_to_several_is_exact(void)
{
	run(1, 3, 0);
	run(1, 8, 0);
}

static void several_to_one_is_exact(void)
{
	run(3, 1, 0);
	run(4, 1, 1);
}

static void several_to_several_is_exact(void)
{
	run(2, 2, 0);
	run(4, 8, 0);
}

static void several_to_several_reliable_is_exact(void)
{
	run(2, 3, 1);
	run(4, 8, 1);
}

static void reliable_and_loose_subscribers_mix(void)
{
	run(3, 6, 3);
	run(1, 8, 4);
}

/*
 * Some come and go
 */

static void those_who_stay_do_not_notice_those_who_join_and_leave(void)
{
	struct stage *stage = stage_create(4);
	struct peer senders[2], readers[2], visitors[3];
	uint64_t seed = random_seed();

	for (unsigned i = 0; i < 2; i++) {
		struct subscriber_part part = some_subscriber(
			stage, 2, i ? FLOE_POLICY_RELIABLE : FLOE_POLICY_KEEP_LAST, &seed);

		readers[i] = peer_start(subscriber_life, &part);
	}
	for (unsigned i = 0; i < 3; i++) {
		struct subscriber_part part = some_subscriber(stage, 2, FLOE_POLICY_KEEP_LAST,
							      &seed);

		visitors[i] = peer_start(visitor_life, &part);
	}
	for (unsigned i = 0; i < 2; i++) {
		struct publisher_part part = some_publisher(stage, i, &seed);

		part.count = 5 * MESSAGES;
		part.pauses = 20;
		senders[i] = peer_start(publisher_life, &part);
	}
	for (unsigned i = 0; i < 2; i++)
		peer_end(&senders[i]);
	for (unsigned i = 0; i < 2; i++)
		peer_end(&readers[i]);
	atomic_store(&stage->stop, true);
	for (unsigned i = 0; i < 3; i++)
		peer_end(&visitors[i]);
	stage_destroy(stage);
	expect_folder_empty();
}

/* Publishes as fast as it can, until the stage stops. */
static void publish_flat_out(int wire, void *argument)
{
	struct publisher_part part = {
		.stage = argument,
		.options = *PUBLISHER(.depth = 2, .payload_max = MESSAGE_SIZE_MAX),
		.seed = random_seed(),
	};

	(void)wire;
	play_publisher(&part);
}

static void hold_all(struct floe_subscriber *sub, struct floe_sample *held, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		expect_equal(floe_wait(sub, -1), 1);
		expect_equal(floe_take(sub, &held[i]), 1);
	}
}

/* Two subscribers in this process, and the publisher reads about both in one file while one of
 * them is made anew again and again. The visitor is there to make it look at any moment. */
static void what_is_held_stays_while_a_neighbour_is_opened_and_closed(void)
{
	struct stage *stage = stage_create(2);
	struct subscriber_part visits = {.stage = stage, .options = *SUBSCRIBER(.spin_ns = 1)};
	struct peer sender = peer_start(publish_flat_out, stage);
	struct peer visitor = peer_start(visitor_life, &visits);
	struct floe_subscriber *neighbour = subscriber(PARTS_TOPIC, SUBSCRIBER(.holds_max = 1));
	struct floe_subscriber *sub = subscriber(PARTS_TOPIC, SUBSCRIBER(.holds_max = 4));
	struct floe_sample held[4];
	uint64_t seed = random_seed();

	pthread_barrier_wait(&stage->open);
	hold_all(sub, held, COUNT(held));
	for (int i = 0; i < 5000; i++) {
		size_t holds = 1 + random_next(&seed) % 4;

		floe_subscriber_close(neighbour);
		neighbour = subscriber(PARTS_TOPIC, SUBSCRIBER(.holds_max = holds));
		for (size_t j = 0; j < COUNT(held); j++)
			(void)message_read(held[j].data, held[j].size);
	}
	atomic_store(&stage->stop, true);
	peer_end(&sender);
	peer_end(&visitor);
	floe_subscriber_close(neighbour);
	floe_subscriber_close(sub);
	stage_destroy(stage);
	expect_folder_empty();
}

/*
 * Some are killed
 */

struct cast {
	struct stage *stage;
	uint64_t seed;
	uint64_t lives; /* of publishers; the next writer's number */
	struct peer publishers[2];
	uint64_t writer[2]; /* which life each of them is */
	struct peer subscribers[3];
	struct peer witnesses[2]; /* nobody kills these: one is reliable */
};

/* All rings are alike, so that each can be adopted by each. */
static void send_publisher(struct cast *cast, size_t i)
{
	struct publisher_part part = some_publisher(cast->stage, cast->lives++, &cast->seed);

	expect(part.writer < LIVES_MAX);
	part.options = *PUBLISHER(.depth = 8, .payload_max = MESSAGE_SIZE_MAX);
	part.count = 0;
	part.pauses = 30;
	cast->writer[i] = part.writer;
	cast->publishers[i] = peer_start(substitute_life, &part);
}

static struct peer send_subscriber(struct cast *cast)
{
	struct subscriber_part part = some_subscriber(cast->stage, 2, FLOE_POLICY_KEEP_LAST,
						      &cast->seed);

	return peer_start(visitor_life, &part);
}

static struct peer send_witness(struct cast *cast, uint32_t policy)
{
	struct subscriber_part part = some_subscriber(cast->stage, 2, policy, &cast->seed);

	part.pauses = 0;
	return peer_start(subscriber_life, &part);
}

static void start_cast(struct cast *cast)
{
	cast->witnesses[0] = send_witness(cast, FLOE_POLICY_RELIABLE);
	cast->witnesses[1] = send_witness(cast, FLOE_POLICY_KEEP_LAST);
	pthread_barrier_wait(&cast->stage->open);
	for (size_t i = 0; i < COUNT(cast->publishers); i++)
		send_publisher(cast, i);
	for (size_t i = 0; i < COUNT(cast->subscribers); i++)
		cast->subscribers[i] = send_subscriber(cast);
}

static void kill_somebody(struct cast *cast, bool publishers, bool subscribers)
{
	size_t i = random_next(&cast->seed) % COUNT(cast->publishers);
	size_t j = random_next(&cast->seed) % COUNT(cast->subscribers);
	const struct timespec span = {.tv_nsec = (long)(random_next(&cast->seed) % 10000000)};

	nanosleep(&span, NULL);
	if (publishers && (!subscribers || random_next(&cast->seed) % 2)) {
		peer_kill(&cast->publishers[i]);
		send_publisher(cast, i);
	} else {
		peer_kill(&cast->subscribers[j]);
		cast->subscribers[j] = send_subscriber(cast);
	}
}

/* Each ring has its publisher: one that came later would find the ring of its neighbour closed, say
 * its last there as well, and nobody would in the other. */
static void await_publishers(const struct cast *cast)
{
	for (size_t i = 0; i < COUNT(cast->writer); i++)
		while (atomic_load(&cast->stage->sent[cast->writer[i]]) == 0)
			nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

/* Everybody ends in order: the witnesses have seen the last message of each ring. */
static void end_cast(struct cast *cast)
{
	await_publishers(cast);
	atomic_store(&cast->stage->stop, true);
	for (size_t i = 0; i < COUNT(cast->publishers); i++)
		peer_end(&cast->publishers[i]);
	for (size_t i = 0; i < COUNT(cast->witnesses); i++)
		peer_end(&cast->witnesses[i]);
	for (size_t i = 0; i < COUNT(cast->subscribers); i++)
		peer_end(&cast->subscribers[i]);
	stage_destroy(cast->stage);
}

static void expect_clean_finds_the_rest(void)
{
	struct floe_view *view;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect(floe_view_clean(view, 0, NULL, NULL) >= 0);
	floe_view_close(view);
	expect_folder_empty();
}

static void run_with_kills(bool publishers, bool subscribers)
{
	struct cast cast = {.stage = stage_create(3), .seed = random_seed()};

	start_cast(&cast);
	for (int i = 0; i < KILLS; i++)
		kill_somebody(&cast, publishers, subscribers);
	end_cast(&cast);
	expect_clean_finds_the_rest();
}

static void killed_subscribers_disturb_nobody(void)
{
	run_with_kills(false, true);
}

static void killed_publishers_are_replaced_and_nothing_is_lost_or_doubled(void)
{
	run_with_kills(true, false);
}

static void anybody_may_be_killed(void)
{
	run_with_kills(true, true);
}

/* All at once, so that nobody alive is left to notice. */
static void clean_finds_what_is_left_when_all_are_killed(void)
{
	for (int round = 0; round < 10; round++) {
		struct cast cast = {.stage = stage_create(3),
				    .seed = random_seed() + (uint64_t)round};

		start_cast(&cast);
		for (int i = 0; i < 5; i++)
			kill_somebody(&cast, true, true);
		for (size_t i = 0; i < COUNT(cast.publishers); i++)
			peer_kill(&cast.publishers[i]);
		for (size_t i = 0; i < COUNT(cast.subscribers); i++)
			peer_kill(&cast.subscribers[i]);
		for (size_t i = 0; i < COUNT(cast.witnesses); i++)
			peer_kill(&cast.witnesses[i]);
		stage_destroy(cast.stage);
		expect(folder_count_files() > 0);
		expect_clean_finds_the_rest();
	}
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(one_to_several_is_exact),
		TEST(several_to_one_is_exact),
		TEST(several_to_several_is_exact),
		TEST(several_to_several_reliable_is_exact),
		TEST(reliable_and_loose_subscribers_mix),
		TEST(those_who_stay_do_not_notice_those_who_join_and_leave),
		TEST(what_is_held_stays_while_a_neighbour_is_opened_and_closed),
		TEST(killed_subscribers_disturb_nobody),
		TEST(killed_publishers_are_replaced_and_nothing_is_lost_or_doubled),
		TEST(anybody_may_be_killed),
		TEST(clean_finds_what_is_left_when_all_are_killed),
	};

	return frame_run(argc, argv, tests, COUNT(tests));
}
