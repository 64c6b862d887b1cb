/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One publisher, one subscriber, two processes: each message arrives whole or is counted as lost,
 * for many shapes of ring and habits of the reader.
 */

#include "api/folder.h"
#include "api/peer.h"
#include "api/steps.h"
#include "stress/parts.h"

#define MESSAGES 20000

static void publisher_life(int wire, void *argument)
{
	(void)wire;
	play_publisher(argument);
}

static void subscriber_life(int wire, void *argument)
{
	(void)wire;
	play_subscriber(argument);
}

static void run(const struct floe_publisher_options *publisher_options,
		const struct floe_subscriber_options *subscriber_options, unsigned publisher_pauses,
		unsigned subscriber_pauses)
{
	struct stage *stage = stage_create(2);
	uint64_t seed = random_seed();
	struct publisher_part sends = {
		.stage = stage,
		.options = *publisher_options,
		.seed = random_next(&seed),
		.count = MESSAGES,
		.pauses = publisher_pauses,
	};
	struct subscriber_part reads = {
		.stage = stage,
		.options = *subscriber_options,
		.seed = random_next(&seed),
		.publishers = 1,
		.pauses = subscriber_pauses,
	};
	struct peer reader = peer_start(subscriber_life, &reads);
	struct peer sender = peer_start(publisher_life, &sends);

	peer_end(&sender);
	peer_end(&reader);
	stage_destroy(stage);
	expect_folder_empty();
}

static void a_reader_that_keeps_up_is_exact(void)
{
	run(PUBLISHER(.depth = 64), SUBSCRIBER(.holds_max = 1), 4, 0);
}

static void a_reader_that_lags_is_exact(void)
{
	run(PUBLISHER(.depth = 4), SUBSCRIBER(.holds_max = 1), 0, 50);
}

static void a_reader_that_holds_is_exact(void)
{
	run(PUBLISHER(.depth = 3), SUBSCRIBER(.holds_max = 12), 0, 100);
}

static void a_ring_of_one_is_exact(void)
{
	run(PUBLISHER(.depth = 1), SUBSCRIBER(.holds_max = 3), 0, 0);
}

static void a_reader_of_the_latest_is_exact(void)
{
	run(PUBLISHER(.depth = 10), SUBSCRIBER(.depth = 1), 100, 100);
}

static void times_in_the_slots_change_nothing(void)
{
	run(PUBLISHER(.depth = 7, .flags = FLOE_TIMESTAMPS), SUBSCRIBER(.holds_max = 4), 20, 20);
}

static void a_reliable_reader_gets_everything(void)
{
	run(PUBLISHER(.depth = 16), SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE), 0, 200);
}

static void a_reliable_reader_of_a_ring_of_one_gets_everything(void)
{
	run(PUBLISHER(.depth = 1), SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE), 0, 0);
}

static void a_reliable_reader_that_sleeps_at_once_gets_everything(void)
{
	run(PUBLISHER(.depth = 2),
	    SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE, .spin_ns = 1, .holds_max = 8), 200, 200);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_reader_that_keeps_up_is_exact),
		TEST(a_reader_that_lags_is_exact),
		TEST(a_reader_that_holds_is_exact),
		TEST(a_ring_of_one_is_exact),
		TEST(a_reader_of_the_latest_is_exact),
		TEST(times_in_the_slots_change_nothing),
		TEST(a_reliable_reader_gets_everything),
		TEST(a_reliable_reader_of_a_ring_of_one_gets_everything),
		TEST(a_reliable_reader_that_sleeps_at_once_gets_everything),
	};

	return frame_run(argc, argv, tests, COUNT(tests));
}
