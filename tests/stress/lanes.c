/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Lanes under load: subscribers that drop the newest take from several publishers at any speed, beside others
 * of every kind, while publishers and subscribers are killed and replaced. Every message is whole, accounts are
 * exact, what waits in a lane outlives its publisher, and a loan never fails.
 *
 * FLOE_TEST_SEED repeats a run.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <floe/inspect.h>

#include "api/folder.h"
#include "api/peer.h"
#include "api/steps.h"
#include "stress/parts.h"

#define KILLS 100
#define SENDERS 2
#define DROPPERS 3
#define HOLDS 12
#define PARTS_MAX 4
#define QUOTA ((size_t)4 << 20)
#define MILLISECONDS ((int64_t)1000000)

struct cast {
	struct stage *stage;
	uint64_t seed;
	uint64_t lives;
	uint32_t flags;
	struct peer senders[SENDERS];
	struct peer droppers[DROPPERS];
	struct peer others[2];    /* one is reliable */
	struct peer witnesses[2]; /* they drop the newest, and nobody kills them */
};

struct dropper {
	struct stage *stage;
	uint64_t seed;
	bool stays; /* until the stage stops; else it joins and leaves again and again */
};

/* What one of them has of all publishers. */
struct reading {
	struct floe_subscriber *sub;
	struct account account[FLOE_PUBLISHERS_MAX];
	struct floe_sample held[HOLDS];
	size_t held_count, holds_max;
	uint64_t received, lost;
};

static void release_one(struct reading *reading, uint64_t *seed)
{
	size_t i = random_next(seed) % reading->held_count;
	struct floe_sample *sample = &reading->held[i];

	(void)message_read(sample->data, sample->size);
	floe_release(reading->sub, sample);
	*sample = reading->held[--reading->held_count];
}

/* What floe_take says. */
static int take_one(struct reading *reading)
{
	struct floe_sample *sample = &reading->held[reading->held_count];
	int r = floe_take(reading->sub, sample), whom;

	if (r != 1)
		return r;
	whom = floe_sample_publisher(reading->sub, sample);
	expect(whom >= 0 && whom < FLOE_PUBLISHERS_MAX);
	account_add(&reading->account[whom], sample);
	reading->received++;
	reading->lost += sample->lost;
	reading->held_count++;
	return 1;
}

static void expect_counts(const struct reading *reading)
{
	struct floe_subscriber_counts counts = subscriber_counts(reading->sub);

	expect_equal(counts.received, reading->received);
	expect_equal(counts.held, reading->held_count);
	expect(counts.lost >= reading->lost);
}

static void read_some(struct reading *reading, uint64_t *seed)
{
	bool is_full = reading->held_count == reading->holds_max;
	struct floe_sample none;
	int r = is_full ? floe_take(reading->sub, &none) : take_one(reading);

	expect(is_full ? r == 0 || r == -ENOBUFS : r == 0 || r == 1);
	if (r == 0 && random_next(seed) % 2)
		expect(floe_wait(reading->sub, now_ns() + MILLISECONDS) >= 0);
	if (reading->held_count && (is_full || random_next(seed) % 4))
		release_one(reading, seed);
	if (random_next(seed) % 64 == 0)
		nanosleep(&(struct timespec){.tv_nsec = (long)(random_next(seed) % 500000)}, NULL);
}

static void open_one(struct reading *reading, uint64_t *seed)
{
	size_t depth = random_next(seed) % 3 ? 0 : 1 + random_next(seed) % 4;
	size_t history = random_next(seed) % 12;

	*reading = (struct reading){.holds_max = 1 + random_next(seed) % (HOLDS - 1)};
	reading->sub = subscriber(PARTS_TOPIC,
				  SUBSCRIBER(.policy = FLOE_POLICY_DROP_NEWEST, .depth = depth,
					     .history = history, .holds_max = reading->holds_max));
}

static void close_one(struct reading *reading, uint64_t *seed)
{
	expect_counts(reading);
	while (reading->held_count && random_next(seed) % 8)
		release_one(reading, seed);
	floe_subscriber_close(reading->sub);
}

static void drop_newest(int wire, void *argument)
{
	const struct dropper *dropper = argument;
	uint64_t seed = dropper->seed;
	struct reading reading;

	(void)wire;
	do {
		uint64_t steps = random_next(&seed) % 400;

		open_one(&reading, &seed);
		while (dropper->stays ? !atomic_load(&dropper->stage->stop) : steps-- > 0)
			read_some(&reading, &seed);
		close_one(&reading, &seed);
	} while (!atomic_load(&dropper->stage->stop));
}

/* One message in so many has parts, each of them a message of its own to who takes it. */
static void send_one(struct floe_publisher *pub, struct message *message, uint64_t *seed)
{
	struct floe_loan loans[PARTS_MAX];
	size_t count = random_next(seed) % 4 ? 1 : 1 + random_next(seed) % PARTS_MAX;
	int r;

	for (size_t i = 0; i < count; i++) {
		size_t size = message_size(seed);

		expect_equal(floe_loan(pub, size, &loans[i]), 1);
		message->number++;
		message_write(loans[i].data, size, message);
	}
	while ((r = floe_publish_parts(pub, loans, count)) == 0)
		expect(floe_publisher_wait_for_room(pub, count, now_ns() + MILLISECONDS) >= 0);
	expect_equal(r, 1);
}

static void send_all(int wire, void *argument)
{
	const struct publisher_part *part = argument;
	struct floe_publisher *pub = publisher(PARTS_TOPIC, &part->options);
	struct message message = {.writer = part->writer};
	uint64_t seed = part->seed;

	(void)wire;
	while (!atomic_load(&part->stage->stop)) {
		send_one(pub, &message, &seed);
		if (random_next(&seed) % part->pauses == 0)
			nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
	}
	floe_publisher_close(pub);
}

static void visit(int wire, void *argument)
{
	(void)wire;
	play_visitor(argument);
}

/* All rings are alike, so that each can be adopted by each. */
static void start_sender(struct cast *cast, size_t i)
{
	struct publisher_part part = {
		.stage = cast->stage,
		.options = *PUBLISHER(.depth = 8, .payload_max = MESSAGE_SIZE_MAX, .lanes_max = 16,
				      .lane_depth = 5, .flags = cast->flags,
				      .quota = cast->flags & FLOE_ELASTIC ? QUOTA : 0),
		.writer = cast->lives++,
		.seed = random_next(&cast->seed),
		.pauses = 30,
	};

	expect(part.writer < LIVES_MAX);
	cast->senders[i] = peer_start(send_all, &part);
}

static struct peer start_dropper(struct cast *cast, bool stays)
{
	struct dropper dropper = {cast->stage, random_next(&cast->seed), stays};

	return peer_start(drop_newest, &dropper);
}

static struct peer start_other(struct cast *cast)
{
	struct subscriber_part part = {
		.stage = cast->stage,
		.options = *SUBSCRIBER(.spin_ns = 1),
		.seed = random_next(&cast->seed),
		.pauses = 40,
	};

	return peer_start(visit, &part);
}

static void kill_somebody(struct cast *cast)
{
	const struct timespec span = {.tv_nsec = (long)(random_next(&cast->seed) % 8000000)};
	size_t i = random_next(&cast->seed) % (SENDERS + DROPPERS + COUNT(cast->others));

	nanosleep(&span, NULL);
	if (i < SENDERS) {
		peer_kill(&cast->senders[i]);
		start_sender(cast, i);
	} else if (i < SENDERS + DROPPERS) {
		peer_kill(&cast->droppers[i - SENDERS]);
		cast->droppers[i - SENDERS] = start_dropper(cast, false);
	} else {
		peer_kill(&cast->others[i - SENDERS - DROPPERS]);
		cast->others[i - SENDERS - DROPPERS] = start_other(cast);
	}
}

static void start_all(struct cast *cast)
{
	for (size_t i = 0; i < COUNT(cast->witnesses); i++)
		cast->witnesses[i] = start_dropper(cast, true);
	for (size_t i = 0; i < SENDERS; i++)
		start_sender(cast, i);
	for (size_t i = 0; i < DROPPERS; i++)
		cast->droppers[i] = start_dropper(cast, false);
	for (size_t i = 0; i < COUNT(cast->others); i++)
		cast->others[i] = start_other(cast);
}

static void end_all(struct cast *cast)
{
	atomic_store(&cast->stage->stop, true);
	for (size_t i = 0; i < SENDERS; i++)
		peer_end(&cast->senders[i]);
	for (size_t i = 0; i < COUNT(cast->others); i++)
		peer_end(&cast->others[i]);
	for (size_t i = 0; i < DROPPERS; i++)
		peer_end(&cast->droppers[i]);
	for (size_t i = 0; i < COUNT(cast->witnesses); i++)
		peer_end(&cast->witnesses[i]);
}

static void expect_clean_finds_the_rest(void)
{
	struct floe_view *view;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect(floe_view_clean(view, 0, NULL, NULL) >= 0);
	floe_view_close(view);
	expect_folder_empty();
}

static void run(uint32_t flags, int kills)
{
	struct cast cast = {.stage = stage_create(1), .seed = random_seed(), .flags = flags};

	start_all(&cast);
	for (int i = 0; i < kills; i++)
		kill_somebody(&cast);
	end_all(&cast);
	stage_destroy(cast.stage);
	expect_clean_finds_the_rest();
}

static void anybody_may_be_killed(void)
{
	run(0, KILLS);
}

static void anybody_may_be_killed_where_memory_comes_and_goes(void)
{
	run(FLOE_ELASTIC, KILLS);
}

static void anybody_may_be_killed_where_messages_have_a_time(void)
{
	run(FLOE_TIMESTAMPS | FLOE_THREAD_SAFE, KILLS);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(anybody_may_be_killed),
		TEST(anybody_may_be_killed_where_memory_comes_and_goes),
		TEST(anybody_may_be_killed_where_messages_have_a_time),
	};

	return frame_run(argc, argv, tests, COUNT(tests));
}
