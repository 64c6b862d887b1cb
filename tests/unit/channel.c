/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rings, publishers and subscribers carry every message whole and in order, count what they lose,
 * and lend no chunk that is held; also when somebody acts, or dies, between any two accesses to
 * shared words.
 */

#include "channel_world.h"

#include <errno.h>
#include <string.h>

#include "actors.h"
#include "bookkeeping.h"
#include "channel/share.h"
#include "channel_stop.h"
#include "frame/frame.h"
#include "os/os.h"

#define WRITER(...) (&(struct writer_options){__VA_ARGS__})
#define READER(...) (&(struct reader_options){__VA_ARGS__})

static struct world world;

/*
 * Order, loss, history
 */

static void messages_come_in_order_and_whole(void)
{
	struct writer *writer;
	struct reader *reader;

	world_begin(&world);
	writer = writer_begin(&world, 0, WRITER(.depth = 3, .holds = 2));
	reader = reader_join(&world, 0, READER(.holds_max = 2));
	expect_equal(reader_take(reader), 0);
	for (int i = 0; i < 100; i++) {
		writer_send_many(writer, 1);
		expect_equal(reader_take(reader), 1);
		expect_equal(reader->held[0].sequence, i + 1);
		expect_equal(reader->held[0].lost, 0);
		reader_release_all(reader);
	}
	expect_exact(reader, writer);
	world_end(&world);
}

static void lag(uint32_t depth, uint32_t keep, uint32_t behind)
{
	uint32_t reach = keep && keep < depth ? keep : depth;
	struct writer *writer;
	struct reader *reader;

	world_begin(&world);
	writer = writer_begin(&world, 0, WRITER(.depth = depth, .holds = 1));
	reader = reader_join(&world, 0, READER(.holds_max = 1, .depth = keep));
	for (uint32_t round = 0; round < 3; round++) {
		uint64_t received = reader->account[0].received;

		writer_send_many(writer, behind);
		reader_drain(reader);
		expect_exact(reader, writer);
		expect_equal(reader->account[0].received - received,
			     behind < reach ? behind : reach);
	}
	expect_equal(port_received(reader->port), reader->account[0].received);
	expect_equal(load_relaxed(&reader->port->lost), reader->account[0].lost);
	world_end(&world);
}

static void loss_is_exact_at_every_lag(void)
{
	for (uint32_t depth = 1; depth <= 6; depth++)
		for (uint32_t keep = 0; keep <= depth + 1; keep++)
			for (uint32_t behind = 0; behind <= 3 * depth; behind++)
				lag(depth, keep, behind);
}

static void history_begins_where_it_was_asked_for(void)
{
	for (uint32_t depth = 1; depth <= 4; depth++)
		for (uint32_t sent = 0; sent <= 2 * depth; sent++)
			for (uint32_t history = 0; history <= depth + 1; history++) {
				uint32_t kept = history < depth ? history : depth;
				struct writer *writer;
				struct reader *reader;

				world_begin(&world);
				writer = writer_begin(&world, 0,
						      WRITER(.depth = depth, .holds = 2));
				writer_send_many(writer, sent);
				reader = reader_join(&world, 0, READER(.history = history));
				reader_drain(reader);
				expect_exact(reader, writer);
				expect_equal(reader->account[0].received,
					     kept < sent ? kept : sent);
				expect_equal(reader->account[0].lost, 0);
				world_end(&world);
			}
}

static void who_was_there_first_counts_from_the_first_message(void)
{
	struct writer *writer;
	struct reader *reader;

	world_begin(&world);
	reader = reader_join(&world, 0, READER(.holds_max = 1));
	writer = writer_begin(&world, 0, WRITER(.depth = 4, .holds = 1));
	writer_send_many(writer, 10);
	reader_drain(reader);
	expect_exact(reader, writer);
	expect_equal(reader->account[0].received, 4);
	expect_equal(reader->account[0].lost, 6);
	world_end(&world);
}

/*
 * Chunks
 */

static void lend_and_hold(int (*send)(struct writer *writer))
{
	uint64_t chance = 1;

	for (uint32_t depth = 1; depth <= 4; depth++) {
		struct writer *writer;

		world_begin(&world);
		writer = writer_begin(&world, 0,
				      WRITER(.depth = depth, .holds = 6, .kinds = KIND_CHUNK));
		reader_join(&world, 0, READER(.holds_max = 1));
		reader_join(&world, 1, READER(.holds_max = 2));
		reader_join(&world, 2, READER(.holds_max = 3));
		for (int i = 0; i < 3000; i++) {
			struct reader *reader = &world.reader[bookkeeping_random(&chance, 3)];

			for (uint32_t n = bookkeeping_random(&chance, 3); n > 0; n--)
				expect_equal(send(writer), 1);
			if (reader->held_count && bookkeeping_random(&chance, 3) == 0)
				reader_release(reader,
					       bookkeeping_random(&chance, reader->held_count));
			(void)reader_take(reader);
			for (uint32_t r = 0; r < 3; r++)
				reader_check(&world.reader[r]);
			writer_check(writer);
		}
		world_end(&world);
	}
}

static void with_the_promised_chunks_a_loan_never_fails(void)
{
	lend_and_hold(writer_send);
}

static void who_sends_with_marks_looks_ahead_and_lends_nothing_that_is_held(void)
{
	lend_and_hold(writer_send_marked);
}

/* The next but one is ready when a message is sent, so that it can say so; and no loan looks for it. */
static void after_a_message_with_a_mark_the_next_chunks_are_ready(void)
{
	struct writer *writer;
	struct reader *reader;
	struct publisher *pub;

	world_begin(&world);
	writer = writer_begin(&world, 0, WRITER(.depth = 3, .holds = 4, .kinds = KIND_CHUNK));
	reader = reader_join(&world, 0, READER(.holds_max = 1));
	pub = &writer->publisher;
	expect_equal(writer_send_marked(writer), 1);
	for (int i = 0; i < 100; i++) {
		const shared_u64 *reclaims = &pub->ring.segment->reclaims;
		uint64_t looks = load_relaxed(reclaims);
		struct floe_loan loan;

		expect_equal(reader_take(reader), 1);
		reader_release_all(reader);
		expect_equal(publisher_loan(pub, CHUNK_SIZE, &loan), 1);
		expect_equal(load_relaxed(reclaims), looks);
		expect(*pub->ready != CHUNK_NONE);
		publisher_discard(pub, &loan);
		expect_equal(writer_send_marked(writer), 1);
		writer_check(writer);
	}
	expect(load_relaxed(&pub->ring.segment->reclaims) < 60);
	world_end(&world);
}

static void held_chunks_fill_a_pool_that_is_too_small_and_free_it_again(void)
{
	struct writer *writer;
	struct reader *reader;
	uint32_t sent = 0;

	world_begin(&world);
	writer = writer_begin(&world, 0, WRITER(.depth = 2, .kinds = KIND_CHUNK));
	reader = reader_join(&world, 0, READER(.holds_max = 8));
	while (writer_send(writer) == 1) {
		sent++;
		expect_equal(reader_take(reader), 1);
		writer_check(writer);
	}
	expect_equal(sent, 3);
	expect_equal(writer_send(writer), 0);
	reader_check(reader);
	reader_release(reader, 0);
	writer_send_many(writer, 1);
	reader_check(reader);
	writer_check(writer);
	world_end(&world);
}

/* Marks of scans that nobody made would keep a chunk that nobody holds. */
static void send_while_one_is_held(uint64_t garbage)
{
	struct writer *writer;
	struct reader *reader;

	world_begin(&world);
	world.garbage = garbage;
	writer = writer_begin(&world, 0, WRITER(.depth = 2, .later = 3, .kinds = KIND_CHUNK));
	reader = reader_join(&world, 0, READER(.holds_max = 1));
	writer_send_many(writer, 1);
	expect_equal(reader_take(reader), 1);
	writer_send_many(writer, 2);
	expect_equal(writer_send(writer), 0);
	publisher_grow(&writer->publisher, 4);
	for (int i = 0; i < 40; i++) {
		writer_send_many(writer, 1);
		writer_check(writer);
		if (i == 20)
			publisher_grow(&writer->publisher, 6);
	}
	reader_check(reader);
	world_end(&world);
}

static void tables_need_no_zeros_and_chunks_may_come_later(void)
{
	for (uint64_t garbage = 0; garbage < 40; garbage++)
		send_while_one_is_held(garbage);
}

/* Pieces of the size of a page, for where pages begin depends on who allocates. */
static size_t count_touched(const struct tables *tables)
{
	const uint64_t *word = tables->memory;
	size_t count = tables->size / sizeof(*word);
	size_t touched = 0;

	for (size_t at = 0; at < count; at += 512) {
		size_t i = at;

		while (i < at + 512 && i < count && word[i] == world.garbage)
			i++;
		touched += i < at + 512 && i < count;
	}
	return touched;
}

static void tables_are_touched_as_far_as_there_are_chunks(void)
{
	struct writer *writer;
	struct reader *reader;

	world_begin(&world);
	world.garbage = 0x5a5a5a5a5a5a5a5a;
	writer = writer_begin(&world, 0, WRITER(.depth = 16, .loans_max = 8, .later = 4096));
	reader = reader_join(&world, 0, READER(.holds_max = 4));
	writer_send_many(writer, 100);
	expect_equal(reader_take(reader), 1);
	expect(reader->tables.size > 6 * 4096);
	expect_equal(count_touched(&reader->tables), 1);
	expect(writer->tables.size > 32 * 4096);
	expect(count_touched(&writer->tables) <= 8);
	publisher_grow(&writer->publisher, 16 + 8 + 4096);
	writer_send_many(writer, 100);
	writer_check(writer);
	expect(count_touched(&writer->tables) > 16);
	world_end(&world);
}

/* Everything that participants can do, in any order. */
static void act(struct writer *writer, uint64_t *chance)
{
	uint32_t i = bookkeeping_random(chance, READERS_MAX);
	struct reader *reader = &world.reader[i];
	uint32_t what = bookkeeping_random(chance, 100);

	if (what < 40) {
		expect(writer_send(writer) >= 0);
	} else if (!reader->present) {
		if (what < 50)
			reader_join(&world, i,
				    READER(.policy = bookkeeping_random(chance, 2),
					   .holds_max = 1 + bookkeeping_random(chance, 3),
					   .depth = bookkeeping_random(chance, 4),
					   .history = bookkeeping_random(chance, 4)));
	} else if (!reader->alive) {
		if (what < 50)
			reader_clean(reader);
	} else if (what < 75) {
		expect(reader_take(reader) >= -ENOBUFS);
	} else if (what < 95) {
		if (reader->held_count)
			reader_release(reader, bookkeeping_random(chance, reader->held_count));
	} else if (what < 97) {
		reader_leave(reader);
	} else if (what < 98) {
		reader_die(reader);
	} else {
		expect_equal(writer_adopt(writer), 0);
	}
}

static void in_any_order_of_events_chunks_are_conserved(void)
{
	uint64_t chance = 7;

	for (uint32_t depth = 1; depth <= 5; depth++) {
		struct writer *writer[2];

		world_begin(&world);
		writer[0] = writer_begin(&world, 0, WRITER(.depth = depth, .holds = 12));
		writer[1] = writer_begin(&world, 1, WRITER(.depth = 6 - depth, .holds = 12));
		for (int i = 0; i < 4000; i++) {
			act(writer[i % 2], &chance);
			writer_check(writer[i % 2]);
			for (uint32_t r = 0; r < READERS_MAX; r++)
				reader_check(&world.reader[r]);
		}
		for (uint32_t r = 0; r < READERS_MAX; r++) {
			if (!world.reader[r].alive)
				continue;
			reader_drain(&world.reader[r]);
			expect_exact(&world.reader[r], writer[0]);
			expect_exact(&world.reader[r], writer[1]);
		}
		expect_equal(world.refused, 0);
		world_end(&world);
	}
}

/*
 * Death, from the shared words alone
 */

static void send_one(void *user)
{
	(void)writer_send(user);
}

static void adopt_one(void *user)
{
	expect_equal(writer_adopt(user), 0);
}

/* A ring that has gone round `sent` messages, read by one who holds some and one who lags. */
static struct writer *begin_life(uint32_t depth, uint32_t sent, uint32_t kinds)
{
	struct writer *writer;
	struct reader *holder;

	world_begin(&world);
	writer = writer_begin(&world, 0, WRITER(.depth = depth, .holds = 4, .kinds = kinds));
	holder = reader_join(&world, 0, READER(.holds_max = 3));
	reader_join(&world, 1, READER(.holds_max = 1));
	for (uint32_t i = 0; i < sent; i++) {
		writer_send_many(writer, 1);
		if (holder->held_count == 3)
			reader_release(holder, 0);
		expect_equal(reader_take(holder), 1);
	}
	return writer;
}

/* The successor goes on with the next sequence, and disturbs nobody. */
static void go_on(struct writer *writer, uint64_t before)
{
	struct reader *holder = &world.reader[0];
	struct reader *lagging = &world.reader[1];

	writer_check(writer);
	expect(writer->sent == before || writer->sent == before + 1);
	for (uint32_t i = 0; i < 3 * writer->plan.depth; i++) {
		expect_equal(writer_send(writer), 1);
		writer_check(writer);
		reader_check(holder);
	}
	reader_drain(holder);
	reader_drain(lagging);
	expect_exact(holder, writer);
	expect_exact(lagging, writer);
	expect_equal(world.refused, 0);
	world_end(&world);
}

static bool die_once(uint32_t depth, uint32_t sent, uint32_t kinds, uint64_t at)
{
	struct writer *writer = begin_life(depth, sent, kinds);
	uint64_t before = writer->sent;
	bool died = world_kill_at(at, send_one, writer);

	expect_equal(writer_adopt(writer), 0);
	go_on(writer, before);
	return died;
}

static void a_publisher_that_dies_anywhere_has_a_successor(void)
{
	for (uint32_t kinds = KIND_INLINE; kinds <= KIND_BOTH; kinds++)
		for (uint32_t depth = 1; depth <= 3; depth++)
			for (uint32_t sent = 0; sent <= 2 * depth + 1; sent++)
				for (uint64_t at = 1; die_once(depth, sent, kinds, at); at++)
					;
}

static bool die_twice(uint32_t depth, uint32_t sent, uint64_t at, uint64_t again)
{
	struct writer *writer = begin_life(depth, sent, KIND_BOTH);
	uint64_t before = writer->sent;
	bool died;

	(void)world_kill_at(at, send_one, writer);
	died = world_kill_at(again, adopt_one, writer);
	expect_equal(writer_adopt(writer), 0);
	go_on(writer, before);
	return died;
}

static void a_successor_that_dies_anywhere_has_one_too(void)
{
	for (uint32_t depth = 1; depth <= 2; depth++)
		for (uint64_t at = 1; at < 24; at++)
			for (uint64_t again = 1; die_twice(depth, 2 * depth, at, again); again++)
				;
}

/* Whoever dies while he takes has taken it or not; his hold is at most one chunk. */
static void take_one(void *user)
{
	(void)reader_take(user);
}

static bool die_taking(uint64_t at)
{
	struct writer *writer = begin_life(2, 5, KIND_CHUNK);
	struct reader *lagging = &world.reader[1];
	uint64_t before = writer->sent;
	bool died = world_kill_at(at, take_one, lagging);

	reader_die(lagging);
	writer_send_many(writer, 10);
	reader_clean(lagging);
	reader_join(&world, 1, READER(.holds_max = 1));
	writer->sent = before + 10;
	go_on(writer, before + 10);
	return died;
}

static void a_subscriber_that_dies_while_taking_keeps_one_chunk_at_most(void)
{
	for (uint64_t at = 1; die_taking(at); at++)
		;
}

/*
 * Two at once
 */

static uint32_t burst;

static void send_burst(void *user)
{
	(void)user;
	for (uint32_t i = 0; i < burst; i++)
		expect(writer_send(&world.writer[0]) >= 0);
}

static bool send_amid_taking(uint32_t depth, uint32_t lag, uint32_t kinds, uint64_t at)
{
	struct writer *writer;
	struct reader *reader;
	bool reached;

	world_begin(&world);
	writer = writer_begin(&world, 0, WRITER(.depth = depth, .holds = 2, .kinds = kinds));
	reader = reader_join(&world, 0, READER(.holds_max = 2));
	writer_send_many(writer, lag);
	reached = world_at(at, send_burst, take_one, reader);
	expect_equal(world.refused, 0);
	reader_check(reader);
	writer_send_many(writer, 2 * depth);
	reader_check(reader);
	writer_check(writer);
	reader_drain(reader);
	expect_exact(reader, writer);
	expect_equal(world.refused, 0);
	world_end(&world);
	return reached;
}

static void messages_sent_at_any_point_of_taking_disturb_nothing(void)
{
	for (uint32_t kinds = KIND_INLINE; kinds <= KIND_BOTH; kinds++)
		for (uint32_t depth = 1; depth <= 3; depth++)
			for (uint32_t lag = 0; lag <= 2 * depth + 1; lag++)
				for (burst = 1; burst <= 2 * depth + 1; burst++)
					for (uint64_t at = 1;
					     send_amid_taking(depth, lag, kinds, at); at++)
						;
}

static struct share *shared;

static void give_back_share(void *user)
{
	(void)user;
	expect_equal(share_unref(shared), 1);
}

static void take_into_its_place(void *user)
{
	(void)reader_take(user);
}

static bool take_amid_giving_back(uint32_t kinds, uint64_t at)
{
	struct writer *writer;
	struct reader *reader;
	bool reached;

	world_begin(&world);
	writer = writer_begin(&world, 0, WRITER(.depth = 2, .holds = 1, .kinds = kinds));
	reader = reader_join(&world, 0, READER(.holds_max = 1));
	writer_send_many(writer, 2);
	expect_equal(reader_take(reader), 1);
	shared = share_find(&reader->subscriber, &reader->held[0]);
	expect(shared);
	share_begin(shared, &reader->held[0]);
	reader->held_count = 0;
	reached = world_at(at, take_into_its_place, give_back_share, reader);
	if (!reader->held_count)
		expect_equal(reader_take(reader), 1);
	writer_send_many(writer, 6);
	reader_check(reader);
	writer_check(writer);
	reader_release_all(reader);
	reader_drain(reader);
	expect_exact(reader, writer);
	world_end(&world);
	return reached;
}

/* It is free for the next sample not before the hold of the one before is cleared. */
static void the_place_of_a_shared_sample_is_used_again_only_when_that_is_over(void)
{
	for (uint32_t kinds = KIND_INLINE; kinds <= KIND_BOTH; kinds++)
		for (uint64_t at = 1; take_amid_giving_back(kinds, at); at++)
			;
}

/* The publisher gets as far as `sent` accesses into a message, the subscriber as far as `taken`
 * into a take; then the publisher ends his step, then the subscriber. false: neither got so far. */
static bool overtake(uint32_t depth, uint32_t lag, uint32_t sent, uint32_t taken)
{
	struct writer *writer;
	struct reader *reader;
	bool reached;

	actors_begin(1);
	world_begin(&world);
	writer = writer_begin(&world, 0, WRITER(.depth = depth, .holds = 2));
	reader = reader_join(&world, 0, READER(.holds_max = 2));
	writer_send_many(writer, lag);
	(void)actor_add(send_one, writer);
	(void)actor_add(take_one, reader);
	reached = actor_run_until(0, sent);
	reached |= actor_run_until(1, taken);
	(void)actor_run_until(0, UINT32_MAX);
	(void)actor_run_until(1, UINT32_MAX);
	expect_equal(world.refused, 0);
	reader_check(reader);
	reader_drain(reader);
	expect_exact(reader, writer);
	world_end(&world);
	actors_end();
	return reached;
}

static void a_message_and_a_take_that_overtake_each_other_disturb_nothing(void)
{
	for (uint32_t depth = 1; depth <= 3; depth++)
		for (uint32_t lag = 0; lag <= 12; lag++)
			for (uint32_t sent = 1; overtake(depth, lag, sent, UINT32_MAX); sent++)
				for (uint32_t taken = 1; taken <= 40; taken++)
					(void)overtake(depth, lag, sent, taken);
}

/*
 * All at once
 */

#define GOAL 60
#define NAP_NS 10000
/* Sleepers look around now and then by themselves; whoever needs that was not woken. */
#define OVERSLEPT_NS 400000000
/* After it a blocked publisher asks again whether who blocks it lives. */
#define ALIVE_NS 2000000

struct play {
	struct writer *writer;
	struct reader *reader;
	uint32_t policy;
	uint32_t depth;
	uint32_t holds_max;
	uint64_t history;
	bool waits;
};

static void play_writer(void *user)
{
	struct play *play = user;

	while (play->writer->sent < GOAL) {
		int r = writer_send(play->writer);

		expect(r >= 0);
		if (r == 0)
			expect_equal(publisher_wait(&play->writer->publisher, 1, -1), 1);
	}
}

static void use_samples(struct reader *reader)
{
	if (reader->held_count && actors_chance(2))
		reader_release(reader, actors_chance(reader->held_count));
	reader_check(reader);
}

/* Until it has the last message. */
static void play_reader(void *user)
{
	struct play *play = user;
	struct reader *reader = play->reader;

	while (reader->account[0].last < GOAL) {
		int r = reader_take(reader);

		expect(r >= 0 || r == -ENOBUFS);
		if (r == -ENOBUFS || actors_chance(3) == 0)
			use_samples(reader);
		if (r == 0 && play->waits)
			expect_equal(subscriber_wait(&reader->subscriber, -1), 1);
		else if (r == 0)
			os->sleep_ns(NAP_NS);
	}
	reader_release_all(reader);
	if (play->policy == FLOE_POLICY_RELIABLE)
		expect_equal(reader->account[0].lost, 0);
}

static void play_joiner(void *user)
{
	struct play *play = user;
	uint32_t late = actors_chance(200);

	while (late--)
		actor_yield();
	play->reader = reader_join(&world, (uint32_t)(play->reader - world.reader),
				   READER(.policy = play->policy, .depth = play->depth,
					  .holds_max = play->holds_max, .history = play->history));
	play_reader(play);
	if (actors_chance(2))
		reader_leave(play->reader);
}

static void expect_all_end(uint64_t seed)
{
	char text[64];

	if (actors_run() && actors_time_passed() < OVERSLEPT_NS)
		return;
	(void)snprintf(text, sizeof(text), "seed %llu: somebody was not woken",
		       (unsigned long long)seed);
	frame_fail(__FILE__, __LINE__, text);
}

/* policy: of all; mixed: chance decides for each. */
static void play_together(uint64_t seed, bool mixed, uint32_t policy)
{
	struct play plays[READERS_MAX];
	struct writer *writer;
	uint32_t depth;

	actors_begin(seed);
	world_begin(&world);
	depth = 1 + actors_chance(4);
	writer = writer_begin(&world, 0,
			      WRITER(.depth = depth, .holds = 8, .kinds = 1 + actors_chance(3)));
	for (uint32_t i = 0; i < READERS_MAX; i++) {
		struct play *play = &plays[i];

		*play = (struct play){
			.reader = &world.reader[i],
			.policy = mixed ? actors_chance(2) : policy,
			.depth = mixed && actors_chance(3) == 0 ? 1 + actors_chance(depth) : 0,
			.holds_max = 1 + actors_chance(2),
			.history = actors_chance(depth + 2),
			.waits = actors_chance(2),
		};
		if (play->policy == FLOE_POLICY_RELIABLE)
			play->depth = 0;
		(void)actor_add(play_joiner, play);
	}
	(void)actor_add(play_writer, &(struct play){.writer = writer});
	expect_all_end(seed);
	expect_equal(world.refused, 0);
	writer_check(writer);
	world_end(&world);
	actors_end();
}

static void readers_that_come_and_go_at_any_time_are_exact(void)
{
	for (uint64_t seed = 1; seed <= 400; seed++)
		play_together(seed, false, FLOE_POLICY_KEEP_LAST);
}

static void reliable_readers_that_come_at_any_time_lose_nothing(void)
{
	for (uint64_t seed = 1; seed <= 400; seed++)
		play_together(seed, false, FLOE_POLICY_RELIABLE);
}

static void reliable_and_loose_readers_do_not_disturb_each_other(void)
{
	for (uint64_t seed = 1; seed <= 400; seed++)
		play_together(seed, true, 0);
}

/* A publisher that is killed at any time, and a successor at once. */
static void play_writer_with_many_lives(void *user)
{
	struct play *play = user;

	while (play->writer->sent < GOAL) {
		uint64_t before = play->writer->sent;

		(void)world_kill_at(1 + actors_chance(60), send_one, play->writer);
		expect_equal(writer_adopt(play->writer), 0);
		expect(play->writer->sent - before <= 1);
		writer_check(play->writer);
		os->sleep_ns(NAP_NS);
	}
}

static void a_publisher_may_die_while_others_come_and_take(void)
{
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct play plays[2];
		struct play life;

		actors_begin(seed);
		world_begin(&world);
		life.writer = writer_begin(
			&world, 0,
			WRITER(.depth = 1 + actors_chance(4), .holds = 4, .kinds = KIND_BOTH));
		for (uint32_t i = 0; i < 2; i++) {
			plays[i] = (struct play){
				.reader = &world.reader[i],
				.policy = i,
				.holds_max = 2,
			};
			(void)actor_add(play_joiner, &plays[i]);
		}
		(void)actor_add(play_writer_with_many_lives, &life);
		expect_all_end(seed);
		expect_equal(world.refused, 0);
		world_end(&world);
		actors_end();
	}
}

/*
 * Tickets
 */

static void a_loan_is_given_back_once(void)
{
	struct floe_loan loan, copy, other;
	struct publisher *pub;

	world_begin(&world);
	pub = &writer_begin(&world, 0, WRITER(.depth = 2, .loans_max = 2))->publisher;
	for (size_t size = 8; size <= CHUNK_SIZE; size += CHUNK_SIZE - 8) {
		expect_equal(publisher_loan(pub, size, &loan), 1);
		copy = loan;
		expect_equal(publisher_publish(pub, &loan), 1);
		expect(loan.data == NULL);
		expect_equal(publisher_publish(pub, &loan), -EINVAL);
		expect_equal(publisher_publish(pub, &copy), -EINVAL);
		publisher_discard(pub, &copy);
		expect_equal(publisher_loan(pub, size, &other), 1);
		expect_equal(publisher_publish(pub, &copy), -EINVAL);
		publisher_discard(pub, &copy);
		expect_equal(publisher_count_loans(pub), 1);
		publisher_discard(pub, &other);
		expect_equal(publisher_count_loans(pub), 0);
	}
	writer_check(&world.writer[0]);
	world_end(&world);
}

static void a_loan_is_sent_with_no_more_than_was_lent(void)
{
	struct floe_loan loan;
	struct publisher *pub;

	world_begin(&world);
	pub = &writer_begin(&world, 0, WRITER(.depth = 2))->publisher;
	expect_equal(publisher_loan(pub, 0, &loan), -EINVAL);
	expect_equal(publisher_loan(pub, CHUNK_SIZE + 1, &loan), -EINVAL);
	expect_equal(publisher_loan(pub, SIZE_MAX, &loan), -EINVAL);
	expect_equal(publisher_loan(pub, 100, &loan), 1);
	loan.size = 101;
	expect_equal(publisher_publish(pub, &loan), -EINVAL);
	loan.size = 0;
	expect_equal(publisher_publish(pub, &loan), -EINVAL);
	loan.size = 100;
	loan.data = (unsigned char *)loan.data + FLOE_CACHELINE;
	expect_equal(publisher_publish(pub, &loan), -EINVAL);
	loan.data = (unsigned char *)loan.data - FLOE_CACHELINE;
	loan.size = 1;
	expect_equal(publisher_publish(pub, &loan), 1);
	world_end(&world);
}

static void a_sample_is_released_once(void)
{
	struct floe_sample copy, forged;
	struct reader *reader;

	world_begin(&world);
	writer_begin(&world, 0, WRITER(.holds = 2, .kinds = KIND_CHUNK));
	reader = reader_join(&world, 0, READER(.holds_max = 2));
	writer_send_many(&world.writer[0], 4);
	expect_equal(reader_take(reader), 1);
	copy = reader->held[0];
	reader_release(reader, 0);
	expect_equal(reader_take(reader), 1);
	subscriber_release(&reader->subscriber, &copy);
	expect_equal(subscriber_held(&reader->subscriber), 1);
	for (uint64_t bits = 0; bits < 1024; bits++) {
		forged = reader->held[0];
		forged.ticket ^= bits << 1 | 1;
		subscriber_release(&reader->subscriber, &forged);
	}
	expect_equal(subscriber_held(&reader->subscriber), 1);
	writer_send_many(&world.writer[0], 8);
	reader_check(reader);
	world_end(&world);
}

/*
 * Would block
 */

static void a_reliable_subscriber_lets_a_ring_fill_and_no_more(void)
{
	for (uint32_t depth = 1; depth <= 4; depth++) {
		struct writer *writer;
		struct reader *reader;

		world_begin(&world);
		writer = writer_begin(&world, 0, WRITER(.depth = depth, .holds = 2));
		reader = reader_join(&world, 0, READER(.policy = FLOE_POLICY_RELIABLE));
		for (uint32_t i = 0; i < 20; i++) {
			while (writer_send(writer) == 1)
				;
			expect_equal(writer->sent, depth + i);
			expect_equal(reader_take(reader), 1);
			reader_release_all(reader);
		}
		expect_equal(reader->account[0].lost, 0);
		world_end(&world);
	}
}

static void the_slowest_of_the_living_decides(void)
{
	struct writer *writer;
	struct reader *slow, *fast;

	actors_begin(1);
	world_begin(&world);
	writer = writer_begin(&world, 0, WRITER(.depth = 2, .holds = 5));
	slow = reader_join(&world, 0, READER(.policy = FLOE_POLICY_RELIABLE));
	fast = reader_join(&world, 1, READER(.policy = FLOE_POLICY_RELIABLE));
	reader_join(&world, 2, READER(.holds_max = 1));
	writer_send_many(writer, 2);
	reader_drain(fast);
	expect_equal(writer_send(writer), 0);
	reader_die(slow);
	actors_pass_time(ALIVE_NS);
	writer_send_many(writer, 2);
	expect_equal(writer_send(writer), 0);
	reader_drain(fast);
	writer_send_many(writer, 1);
	expect_equal(fast->account[0].lost, 0);
	actors_end();
	world_end(&world);
}

static void one_that_has_not_begun_is_waited_for(void)
{
	struct writer *writer;
	struct reader *reader;

	world_begin(&world);
	reader = reader_join(&world, 0, READER(.policy = FLOE_POLICY_RELIABLE));
	writer = writer_begin(&world, 0, WRITER(.depth = 3, .holds = 2));
	writer_send_many(writer, 2);
	expect_equal(writer_adopt(writer), 0);
	writer_send_many(writer, 1);
	expect_equal(writer_send(writer), 0);
	expect_equal(writer_adopt(writer), 0);
	expect_equal(writer_send(writer), 0);
	reader_drain(reader);
	expect_exact(reader, writer);
	expect_equal(reader->account[0].received, 3);
	writer_send_many(writer, 3);
	world_end(&world);
}

/* `how` it goes out after it was blocked: straight after somebody took, after a wait, or never. */
static void lend_after_blocking(int how)
{
	struct floe_loan loan, next, more;
	struct publisher *pub;
	struct reader *reader;

	actors_begin(1);
	world_begin(&world);
	pub = &writer_begin(&world, 0, WRITER(.depth = 1, .holds = 2))->publisher;
	reader = reader_join(&world, 0, READER(.policy = FLOE_POLICY_RELIABLE));
	expect_equal(writer_send(&world.writer[0]), 1);
	expect_equal(publisher_loan(pub, 100, &loan), 1);
	message_fill(loan.data, loan.size, 2);
	expect_equal(publisher_publish(pub, &loan), 0);
	expect(loan.data != NULL);
	expect_equal(reader_take(reader), 1);
	if (how == 1)
		expect_equal(publisher_wait(pub, 1, -1), 1);
	if (how == 2)
		publisher_discard(pub, &loan);
	else
		expect_equal(publisher_publish(pub, &loan), 1);
	expect_equal(publisher_loan(pub, 100, &next), 1);
	expect_equal(publisher_loan(pub, 100, &more), -ENOBUFS);
	publisher_discard(pub, &next);
	writer_check(&world.writer[0]);
	actors_end();
	world_end(&world);
}

static void a_loan_that_was_blocked_once_is_like_any_other_afterwards(void)
{
	for (int how = 0; how < 3; how++)
		lend_after_blocking(how);
}

/*
 * Several publishers
 */

static void publishers_are_taken_from_in_turn(void)
{
	struct reader *reader;

	world_begin(&world);
	for (uint32_t i = 0; i < 3; i++)
		writer_begin(&world, i, WRITER(.holds = 3));
	reader = reader_join(&world, 0, READER(.holds_max = 3));
	for (uint32_t i = 0; i < 3; i++)
		writer_send_many(&world.writer[i], 4);
	for (uint32_t round = 1; round <= 4; round++) {
		for (uint32_t i = 0; i < 3; i++)
			expect_equal(reader_take(reader), 1);
		for (uint32_t i = 0; i < 3; i++)
			expect_equal(reader->account[i].last, round);
		reader_release_all(reader);
	}
	world_end(&world);
}

/* Gives back what it holds of one publisher. */
static void release_of(struct reader *reader, uint32_t index)
{
	for (uint32_t i = reader->held_count; i-- > 0;)
		if (reader_publisher(reader, i) == index)
			reader_release(reader, i);
}

static void leave_one_of_three(uint32_t gone)
{
	uint32_t index[9];
	struct reader *reader;

	world_begin(&world);
	for (uint32_t i = 0; i < 3; i++)
		writer_begin(&world, i, WRITER(.holds = 10, .kinds = KIND_CHUNK));
	reader = reader_join(&world, 0, READER(.holds_max = 10));
	for (uint32_t i = 0; i < 3; i++)
		writer_send_many(&world.writer[i], 3);
	expect_equal(reader_take(reader), 1);
	writer_leave(&world.writer[gone]);
	while (reader_take(reader) == 1)
		;
	for (uint32_t i = 0; i < 3; i++)
		expect_exact(reader, &world.writer[i]);
	expect_equal(reader->held_count, 9);
	expect_equal(world.detached, 0);

	release_of(reader, gone);
	for (uint32_t i = 0; i < 6; i++)
		index[i] = reader_publisher(reader, i);
	expect_equal(reader_take(reader), 0);
	expect_equal(world.detached, 1);
	expect_equal(reader->subscriber.feed_count, 2);
	expect_equal(load_relaxed(&reader->port->cursor[gone]), 0);
	for (uint32_t i = 0; i < 6; i++)
		expect_equal(reader_publisher(reader, i), index[i]);
	for (uint32_t i = 0; i < 3; i++)
		if (i != gone)
			writer_send_many(&world.writer[i], 8);
	reader_drain(reader);
	for (uint32_t i = 0; i < 3; i++)
		expect_exact(reader, &world.writer[i]);
	world_end(&world);
}

static void a_publisher_that_left_is_read_to_its_end_and_let_go(void)
{
	for (uint32_t gone = 0; gone < 3; gone++)
		leave_one_of_three(gone);
}

/*
 * Nonsense
 */

/* Words that are near something, or far from everything. */
static uint64_t nonsense(uint64_t *chance, uint64_t near)
{
	static const uint64_t words[] = {
		0,
		1,
		2,
		63,
		64,
		UINT32_MAX,
		INT64_MAX,
		UINT64_MAX - 1,
		UINT64_MAX,
		SLOT_INLINE,
		SLOT_INLINE | SLOT_TIMED | 255,
		(uint64_t)1 << 62,
	};
	uint32_t which = bookkeeping_random(chance, FLOE_COUNT(words) + 3);

	if (which < FLOE_COUNT(words))
		return words[which];
	return near + bookkeeping_random(chance, 9) - 4;
}

static void spoil(struct writer *writer, uint64_t *chance)
{
	struct segment_shared *segment = (struct segment_shared *)(void *)writer->memory;
	struct slot_shared *slot = (struct slot_shared *)(void *)(writer->memory +
								  segment->slots_offset) +
				   bookkeeping_random(chance, writer->plan.depth);

	switch (bookkeeping_random(chance, 4)) {
	case 0:
		store_relaxed(&segment->head, nonsense(chance, writer->sent));
		break;
	case 1:
		store_relaxed(&slot->sequence, nonsense(chance, 2 * writer->sent));
		break;
	case 2:
		store_relaxed(&slot->what, nonsense(chance, writer->size));
		break;
	default:
		store_relaxed(&slot->word[0], nonsense(chance, writer->size));
	}
}

/* Takes without comparing, but touches all that it is told to be there. */
static int take_blindly(struct reader *reader)
{
	struct floe_sample sample = {0};
	unsigned char sum = 0;
	int r = subscriber_take(&reader->subscriber, &sample);

	for (size_t i = 0; r == 1 && i < sample.size; i++)
		sum ^= ((const volatile unsigned char *)sample.data)[i];
	subscriber_release(&reader->subscriber, &sample);
	(void)sum;
	return r;
}

static void a_ring_full_of_nonsense_is_refused_once_and_never_left(void)
{
	uint64_t chance = 3;

	for (int i = 0; i < 3000; i++) {
		uint32_t refused = 0;
		struct reader *reader;
		struct writer *liar, *honest;

		world_begin(&world);
		liar = writer_begin(&world, 0, WRITER(.depth = 1 + bookkeeping_random(&chance, 4)));
		honest = writer_begin(&world, 1, WRITER(.holds = 2));
		writer_send_many(liar, bookkeeping_random(&chance, 9));
		if (i % 2)
			spoil(liar, &chance);
		reader = reader_join(&world, 0,
				     READER(.depth = bookkeeping_random(&chance, 3),
					    .history = bookkeeping_random(&chance, 6)));
		for (int n = 0; n < 8; n++) {
			spoil(liar, &chance);
			for (int t = 0; t < 12; t++)
				refused += take_blindly(reader) == -EPROTO;
		}
		expect(refused <= 1);
		writer_send_many(honest, 1);
		for (int t = 0; t < 12; t++)
			(void)take_blindly(reader);
		expect_equal(load_relaxed(&reader->port->cursor[1]), honest->sent + 1);
		world_end(&world);
	}
}

static void ports_full_of_nonsense_disturb_only_their_owner(void)
{
	uint64_t chance = 5;

	for (int i = 0; i < 1000; i++) {
		struct writer *writer;
		struct reader *liar, *honest;

		world_begin(&world);
		writer = writer_begin(&world, 0, WRITER(.depth = 3, .holds = 4));
		liar = reader_join(&world, 0, READER(.holds_max = 2));
		honest = reader_join(&world, 1, READER(.holds_max = 2));
		for (int n = 0; n < 20; n++) {
			uint64_t near = hold_make(0, segment_size_with(&writer->plan, 1));

			store_relaxed(&liar->port->hold[n % 2], nonsense(&chance, near));
			store_relaxed(&liar->port->cursor[0], nonsense(&chance, writer->sent));
			writer_send_many(writer, 1);
			writer_check(writer);
			(void)reader_take(honest);
			if (honest->held_count == 2)
				reader_release(honest, 0);
		}
		reader_drain(honest);
		expect_exact(honest, writer);
		world_end(&world);
	}
}

/* A successor of a ring that somebody spoilt takes it up whole, or refuses it. */
static void a_spoilt_ring_is_adopted_whole_or_not_at_all(void)
{
	uint64_t chance = 9;
	int adopted = 0;

	for (int i = 0; i < 5000; i++) {
		struct writer *writer;

		world_begin(&world);
		writer = writer_begin(&world, 0,
				      WRITER(.depth = 1 + bookkeeping_random(&chance, 4)));
		writer_send_many(writer, bookkeeping_random(&chance, 9));
		for (uint32_t n = bookkeeping_random(&chance, 3); n > 0; n--)
			spoil(writer, &chance);
		if (writer_adopt(writer) == 0) {
			struct reader *reader;

			adopted++;
			writer_check(writer);
			writer_send_many(writer, 3 * writer->plan.depth);
			reader = reader_join(&world, 0, READER(.holds_max = 1));
			writer_send_many(writer, 1);
			reader_drain(reader);
			expect_exact(reader, writer);
			expect_equal(reader->account[0].received, 1);
			expect_equal(world.refused, 0);
		}
		world_end(&world);
	}
	expect(adopted > 500 && adopted < 4900);
}

/* Bytes of the head are set at random; what passes the check is walked over. */
static void a_geometry_that_leaves_its_memory_is_refused(void)
{
	uint64_t chance = 11;
	int passed = 0;

	for (int i = 0; i < 200000; i++) {
		struct segment_plan plan = {
			.depth = 4,
			.loans_max = 1,
			.payload_max = CHUNK_SIZE,
			.pool_count = 2,
			.pool[0] = {.chunk_size = 64, .chunk_count = 3, .chunk_count_max = 3},
			.pool[1] = {.chunk_size = 128, .chunk_count = 3, .chunk_count_max = 5},
		};
		struct segment_sizes sizes = segment_lay_out(&plan);
		_Alignas(64) static unsigned char memory[8192];
		struct segment_shared *segment = (struct segment_shared *)(void *)memory;

		segment_format(segment, &plan, &sizes);
		for (int n = 0; n < 2; n++)
			memory[bookkeeping_random(&chance, 576)] =
				(unsigned char)(1u << bookkeeping_random(&chance, 9));
		if (segment_check(segment, sizes.size, "a ring", NULL) < 0)
			continue;
		passed++;
		segment_read_plan(segment, &plan);
		expect(segment->slots_offset + segment->depth * sizeof(struct slot_shared) <=
		       sizes.size);
		for (uint32_t p = 0; p < plan.pool_count; p++)
			expect(plan.pool[p].chunk_count <= plan.pool[p].chunk_count_max);
	}
	expect(passed > 1000);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(messages_come_in_order_and_whole),
		TEST(loss_is_exact_at_every_lag),
		TEST(history_begins_where_it_was_asked_for),
		TEST(who_was_there_first_counts_from_the_first_message),
		TEST(with_the_promised_chunks_a_loan_never_fails),
		TEST(who_sends_with_marks_looks_ahead_and_lends_nothing_that_is_held),
		TEST(after_a_message_with_a_mark_the_next_chunks_are_ready),
		TEST(held_chunks_fill_a_pool_that_is_too_small_and_free_it_again),
		TEST(tables_need_no_zeros_and_chunks_may_come_later),
		TEST(tables_are_touched_as_far_as_there_are_chunks),
		TEST(in_any_order_of_events_chunks_are_conserved),
		TEST(a_publisher_that_dies_anywhere_has_a_successor),
		TEST(a_successor_that_dies_anywhere_has_one_too),
		TEST(a_subscriber_that_dies_while_taking_keeps_one_chunk_at_most),
		TEST(messages_sent_at_any_point_of_taking_disturb_nothing),
		TEST(the_place_of_a_shared_sample_is_used_again_only_when_that_is_over),
		TEST(readers_that_come_and_go_at_any_time_are_exact),
		TEST(a_message_and_a_take_that_overtake_each_other_disturb_nothing),
		TEST(reliable_readers_that_come_at_any_time_lose_nothing),
		TEST(reliable_and_loose_readers_do_not_disturb_each_other),
		TEST(a_publisher_may_die_while_others_come_and_take),
		TEST(a_loan_is_given_back_once),
		TEST(a_loan_is_sent_with_no_more_than_was_lent),
		TEST(a_sample_is_released_once),
		TEST(a_reliable_subscriber_lets_a_ring_fill_and_no_more),
		TEST(the_slowest_of_the_living_decides),
		TEST(one_that_has_not_begun_is_waited_for),
		TEST(a_loan_that_was_blocked_once_is_like_any_other_afterwards),
		TEST(publishers_are_taken_from_in_turn),
		TEST(a_publisher_that_left_is_read_to_its_end_and_let_go),
		TEST(a_ring_full_of_nonsense_is_refused_once_and_never_left),
		TEST(ports_full_of_nonsense_disturb_only_their_owner),
		TEST(a_spoilt_ring_is_adopted_whole_or_not_at_all),
		TEST(a_geometry_that_leaves_its_memory_is_refused),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
