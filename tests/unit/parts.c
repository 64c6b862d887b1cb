/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A message in parts is taken as a whole or not at all: by who takes its parts together, by who takes
 * one after the other, who lags, who joins in the middle; also when its publisher dies, or when others
 * act, between any two accesses to shared words.
 */

#include "channel_world.h"

#include <errno.h>
#include <string.h>

#include "actors.h"
#include "bookkeeping.h"
#include "channel_stop.h"
#include "frame/frame.h"

#define WRITER(...) (&(struct writer_options){__VA_ARGS__})
#define READER(...) (&(struct reader_options){__VA_ARGS__})

#define DEPTH_MAX 5

static struct world world;
static struct writer *writer;
static uint32_t parts; /* of the message that is sent next */

static void send_parts(void *user)
{
	(void)user;
	(void)(parts == 1 ? writer_send(writer) : writer_send_parts(writer, parts));
}

static void send_as(uint32_t count)
{
	uint64_t before = writer->sent;

	parts = count;
	send_parts(NULL);
	expect_equal(writer->sent, before + count);
}

static struct writer *begin_writer(uint32_t depth, uint32_t kinds)
{
	world_begin(&world);
	writer = writer_begin(&world, 0,
			      WRITER(.depth = depth, .loans_max = DEPTH_MAX, .holds = 3 * DEPTH_MAX,
				     .kinds = kinds));
	return writer;
}

/* Messages of 1, 2, ... up to `most` parts, and again. */
static void send_mixed(uint32_t messages, uint32_t most)
{
	for (uint32_t i = 0; i < messages; i++)
		send_as(1 + i % most);
}

/* What is in the ring stays what it is. */
static void end_world(struct reader *reader)
{
	writer_check(writer);
	expect_exact(reader, writer);
	expect_equal(port_received(reader->port), reader->account[0].received);
	expect_equal(load_relaxed(&reader->port->lost), reader->account[0].lost);
	expect_equal(world.refused, 0);
}

/*
 * Together, one after the other, too late
 */

static void parts_come_together_and_in_order(void)
{
	struct reader *reader;

	begin_writer(DEPTH_MAX, KIND_BOTH);
	reader = reader_join(&world, 0, READER(.holds_max = DEPTH_MAX));
	for (uint32_t i = 0; i < 200; i++) {
		uint32_t count = 1 + i % DEPTH_MAX;

		send_as(count);
		expect_equal(reader_take_parts(reader), count);
		expect_equal(reader->held[0].lost, 0);
		expect_equal(reader_take_parts(reader), 0);
		reader_release_all(reader);
		writer_check(writer);
	}
	end_world(reader);
	world_end(&world);
}

static void they_can_be_taken_as_messages(void)
{
	struct reader *reader;

	begin_writer(DEPTH_MAX, KIND_BOTH);
	reader = reader_join(&world, 0, READER(.holds_max = DEPTH_MAX));
	for (uint32_t i = 0; i < 50; i++) {
		send_as(3);
		expect_equal(reader_take(reader), 1);
		expect_equal(reader->account[0].part.count, 3);
		expect_equal(reader_take(reader), 1);
		expect_equal(reader->account[0].part.index, 1);
		expect_equal(reader_take_parts(reader), 1); /* the rest */
		expect_equal(reader->account[0].part.index, 2);
		reader_release_all(reader);
	}
	end_world(reader);
	world_end(&world);
}

/* A reader who lags by any number of messages, of which some have parts. */
static void lag(uint32_t depth, uint32_t most, uint32_t messages, uint32_t keep, bool whole)
{
	struct reader *reader;

	begin_writer(depth, KIND_BOTH);
	reader = reader_join(&world, 0, READER(.holds_max = DEPTH_MAX, .depth = keep));
	for (uint32_t round = 0; round < 3; round++) {
		send_mixed(messages, most);
		if (whole)
			reader_drain_parts(reader);
		else
			reader_drain(reader);
		/* The last message is never lost. */
		expect_equal(reader->account[0].last, writer->sent);
		expect_equal(reader->account[0].part.index + 1, reader->account[0].part.count);
		expect_exact(reader, writer);
	}
	end_world(reader);
	world_end(&world);
}

static void loss_is_exact_and_of_whole_messages_at_every_lag(void)
{
	for (uint32_t depth = 2; depth <= DEPTH_MAX; depth++)
		for (uint32_t most = 2; most <= depth; most++)
			for (uint32_t messages = 1; messages <= 2 * depth; messages++)
				for (uint32_t keep = 0; keep <= depth; keep++) {
					lag(depth, most, messages, keep, true);
					lag(depth, most, messages, keep, false);
				}
}

static void too_many_parts_stay_where_they_are(void)
{
	struct floe_sample sample[3] = {0};
	struct reader *reader;

	begin_writer(4, KIND_CHUNK);
	reader = reader_join(&world, 0, READER(.holds_max = 3));
	send_as(4);
	expect_equal(reader_take_parts(reader), -EMSGSIZE);
	expect_equal(reader_take(reader), 1);
	reader_release_all(reader);
	expect_equal(subscriber_take_parts(&reader->subscriber, sample, 2), -EMSGSIZE);
	expect_equal(reader_take_parts(reader), 3);
	reader_release(reader, 0);
	send_as(2);
	expect_equal(reader_take_parts(reader), -ENOBUFS);
	reader_release(reader, 0);
	expect_equal(reader_take_parts(reader), 2);
	reader_release_all(reader);
	end_world(reader);
	world_end(&world);
}

/* Two publishers, a message of three parts of each; the reader has begun with the first's. */
static struct reader *begin_two(uint32_t holds_max)
{
	struct writer *other;
	struct reader *reader;

	begin_writer(4, KIND_BOTH);
	other = writer_begin(&world, 1, WRITER(.depth = 4, .loans_max = 3, .holds = 6));
	reader = reader_join(&world, 0, READER(.holds_max = holds_max));
	send_as(3);
	expect_equal(writer_send_parts(other, 3), 1);
	expect_equal(reader_take(reader), 1);
	return reader;
}

/* So many of one publisher, then so many of the other. */
static void expect_apart(struct reader *reader, uint32_t first, uint32_t rest)
{
	for (uint32_t i = 0; i < first + rest; i++) {
		expect_equal(reader_take(reader), 1);
		expect_equal(reader_publisher(reader, 0), i < first ? 0 : 1);
		reader_release_all(reader);
	}
	expect_equal(reader_take(reader), 0);
}

static void a_rest_that_is_too_long_stays_the_next(void)
{
	struct floe_sample sample[1] = {0};
	struct reader *reader = begin_two(3);

	expect_equal(reader_publisher(reader, 0), 0);
	for (int i = 0; i < 3; i++)
		expect_equal(subscriber_take_parts(&reader->subscriber, sample, 1), -EMSGSIZE);
	reader_release_all(reader);
	expect_apart(reader, 2, 3);
	world_end(&world);
}

static void a_rest_that_cannot_be_held_yet_stays_the_next(void)
{
	struct reader *reader = begin_two(2);

	expect_equal(reader_publisher(reader, 0), 0);
	for (int i = 0; i < 3; i++)
		expect_equal(reader_take_parts(reader), -ENOBUFS);
	reader_release_all(reader);
	expect_equal(reader_take_parts(reader), 2);
	expect_equal(reader_publisher(reader, 0), 0);
	reader_release_all(reader);
	expect_apart(reader, 0, 3);
	world_end(&world);
}

static void a_message_that_is_too_long_is_the_one_that_take_begins_with(void)
{
	struct floe_sample sample[1] = {0};
	struct reader *reader = begin_two(3);

	reader_release_all(reader);
	expect_equal(reader_take_parts(reader), 2);
	reader_release_all(reader);
	send_as(1);
	expect_equal(subscriber_take_parts(&reader->subscriber, sample, 1), -EMSGSIZE);
	expect_equal(reader_take(reader), 1);
	expect_equal(reader_publisher(reader, 0), 1);
	world_end(&world);
}

static void a_message_is_no_longer_than_the_ring(void)
{
	begin_writer(3, KIND_BOTH);
	expect_equal(writer_send_parts(writer, 4), -EMSGSIZE);
	expect_equal(publisher_count_loans(&writer->publisher), 0);
	send_as(3);
	writer_check(writer);
	world_end(&world);
}

static void a_loan_that_is_there_twice_is_refused(void)
{
	struct publisher *pub;
	struct floe_loan loan[3];

	pub = &begin_writer(4, KIND_BOTH)->publisher;
	for (int i = 0; i < 3; i++)
		expect_equal(publisher_loan(pub, 100, &loan[i]), 1);
	expect_equal(
		publisher_publish_parts(pub, (struct floe_loan[]){loan[0], loan[1], loan[0]}, 3),
		-EINVAL);
	expect_equal(publisher_publish_parts(pub, loan, 3), 1);
	expect_equal(publisher_publish_parts(pub, loan, 3), -EINVAL);
	expect_equal(publisher_count_loans(pub), 0);
	writer_check(writer);
	world_end(&world);
}

static uint64_t chunk_of(uint64_t sequence)
{
	const struct slot_shared *slots = writer->publisher.ring.slots;

	return load_relaxed(&slots[sequence % writer->plan.depth].what) & ~SLOT_FLAGS;
}

/* A later part lies in memory that was not looked at yet, and cannot be for now. */
static void fail_to_find(uint32_t part)
{
	struct reader *reader;
	struct feed *feed;

	begin_writer(4, KIND_CHUNK);
	reader = reader_join(&world, 0, READER(.holds_max = 4));
	feed = &reader->subscriber.feeds[0];
	send_as(3);
	feed->reserved = feed->region.reserved = chunk_of(1 + part);
	for (uint32_t i = 0; i < part; i++)
		expect(chunk_of(1 + i) + CHUNK_SIZE <= feed->reserved);
	reader->cannot_look = -EMFILE;
	for (int i = 0; i < 2; i++)
		expect_equal(reader_take_parts(reader), -EMFILE);
	reader->cannot_look = 0;
	expect_equal(reader_take_parts(reader), 3);
	expect_equal(reader->account[0].lost, 0);
	reader_release_all(reader);
	end_world(reader);
	world_end(&world);
}

static void what_cannot_be_found_for_now_loses_nothing(void)
{
	fail_to_find(1);
	fail_to_find(2);
}

/* Nobody can tell in advance whether what is relayed can be had. */
static void a_part_that_says_it_is_relayed_is_no_part(void)
{
	struct slot_shared *slot;
	struct reader *reader;

	begin_writer(4, KIND_CHUNK);
	reader = reader_join(&world, 0, READER(.holds_max = 4));
	send_as(3);
	slot = &writer->publisher.ring.slots[2];
	store_relaxed(&slot->what, SLOT_PART | SLOT_FOREIGN);
	expect_equal(reader_take_parts(reader), -EPROTO);
	expect_equal(load_relaxed(&reader->port->lost), 0);
	expect_equal(subscriber_held(&reader->subscriber), 0);
	world_end(&world);
}

static void parts_are_lent_for_any_size(void)
{
	struct floe_loan loan[4] = {0};
	struct publisher *pub;

	pub = &begin_writer(4, KIND_BOTH)->publisher;
	expect_equal(publisher_loan_parts(pub, 0, loan, 4, NULL), -EINVAL);
	expect_equal(publisher_loan_parts(pub, 3 * CHUNK_SIZE + 1, loan, 3, NULL), -EMSGSIZE);
	expect_equal(publisher_count_loans(pub), 0);
	expect_equal(publisher_loan_parts(pub, 3 * CHUNK_SIZE + 1, loan, 4, NULL), 4);
	expect_equal(loan[0].size, CHUNK_SIZE);
	expect_equal(loan[3].size, 1);
	for (int i = 0; i < 2; i++)
		publisher_discard(pub, &loan[i]);
	/* Three loans are left, and four are needed. */
	expect_equal(publisher_loan_parts(pub, 4 * CHUNK_SIZE, (struct floe_loan[4]){{0}}, 4, NULL),
		     -ENOBUFS);
	expect_equal(publisher_count_loans(pub), 2);
	writer_check(writer);
	world_end(&world);
}

/*
 * Joining
 */

/* The last `most` messages have 1, 2, ... parts; whoever joins gets whole ones, and as many as asked
 * for where the ring has them. */
static void join_amid(uint32_t depth, uint32_t most, uint32_t sent, uint32_t history,
		      uint32_t policy)
{
	struct reader *reader;

	begin_writer(depth, KIND_BOTH);
	send_mixed(sent, most);
	reader = reader_join(&world, 0,
			     READER(.holds_max = DEPTH_MAX, .history = history, .policy = policy));
	reader_drain_parts(reader);
	expect_equal(reader->account[0].lost, 0);
	/* A reliable one leaves out the oldest, for that may go before it is waited for. */
	if (history > writer->sent)
		history = (uint32_t)writer->sent;
	if (history && (!policy || depth > 2 * most))
		expect(reader->account[0].received >= (history < depth - most ? history : 1));
	send_as(most);
	reader_drain_parts(reader);
	expect_equal(reader->account[0].lost, 0);
	end_world(reader);
	world_end(&world);
}

static void who_joins_in_the_middle_begins_with_a_whole_message(void)
{
	for (uint32_t depth = 2; depth <= DEPTH_MAX; depth++)
		for (uint32_t most = 2; most <= depth; most++)
			for (uint32_t sent = 0; sent <= 2 * depth; sent++)
				for (uint32_t history = 0; history <= depth; history++)
					for (uint32_t policy = 0; policy < 2; policy++)
						join_amid(depth, most, sent, history, policy);
}

/* The last message, even if it has more parts than that. */
static void a_history_of_one_is_the_last_message(void)
{
	struct reader *reader;

	begin_writer(4, KIND_BOTH);
	send_as(3);
	reader = reader_join(&world, 0, READER(.holds_max = 4, .history = 1));
	expect_equal(reader_take_parts(reader), 3);
	reader = reader_join(&world, 1, READER(.holds_max = 4, .history = 1, .depth = 1));
	expect_equal(reader_take_parts(reader), 3);
	reader_release_all(reader);
	send_as(3);
	expect_equal(reader_take_parts(reader), 3);
	expect_equal(reader->account[0].lost, 0);
	world_end(&world);
}

/* As many whole messages as asked for, where the ring has them in slots that stay. */
static void join_reliably(void *user)
{
	(void)user;
	reader_join(&world, 0,
		    READER(.holds_max = DEPTH_MAX, .history = DEPTH_MAX,
			   .policy = FLOE_POLICY_RELIABLE));
}

/* It has lost nothing, neither of what was there nor of what comes; what was sent last comes in any case. */
static void expect_reliable(struct reader *reader, uint32_t depth, uint32_t count)
{
	uint32_t lasting = depth - count;

	reader_drain_parts(reader);
	expect_equal(reader->account[0].lost, 0);
	expect(reader->account[0].received >= (lasting < writer->sent ? lasting : writer->sent));
	send_as(count);
	reader_drain_parts(reader);
	send_as(1);
	reader_drain_parts(reader);
	expect_equal(reader->account[0].lost, 0);
	end_world(reader);
}

/* Whoever joins at one access of sending, or the other way round. */
static bool join_at(uint32_t depth, uint32_t count, uint32_t sent, bool turned, uint64_t at)
{
	bool reached;

	begin_writer(depth, KIND_BOTH);
	send_mixed(sent, 1);
	parts = count;
	reached = turned ? world_at(at, send_parts, join_reliably, NULL)
			 : world_at(at, join_reliably, send_parts, NULL);
	if (!reached && !world.reader[0].present)
		join_reliably(NULL);
	/* What is not sent after all is not begun. */
	if (writer->sent == sent)
		expect_equal(load_relaxed(&writer->publisher.ring.segment->parts_end), 0);
	expect_reliable(&world.reader[0], depth, count);
	world_end(&world);
	return reached;
}

static void who_is_reliable_joins_at_any_point_of_sending_and_loses_nothing(void)
{
	for (uint32_t depth = 2; depth <= DEPTH_MAX; depth++)
		for (uint32_t count = 2; count <= depth; count++)
			for (uint32_t sent = 0; sent <= 2 * depth; sent++)
				for (int turned = 0; turned < 2; turned++)
					for (uint64_t at = 1;
					     join_at(depth, count, sent, turned, at); at++)
						;
}

/* The publisher gets as far as `begun` accesses, the subscriber as far as `joined`; then the publisher ends
 * his step, then the subscriber. */
static bool join_and_overtake(uint32_t depth, uint32_t count, uint32_t sent, uint32_t begun,
			      uint32_t joined)
{
	bool reached;

	actors_begin(1);
	begin_writer(depth, KIND_BOTH);
	send_mixed(sent, 1);
	parts = count;
	(void)actor_add(send_parts, NULL);
	(void)actor_add(join_reliably, NULL);
	reached = actor_run_until(0, begun);
	reached |= actor_run_until(1, joined);
	(void)actor_run_until(0, UINT32_MAX);
	(void)actor_run_until(1, UINT32_MAX);
	expect_reliable(&world.reader[0], depth, count);
	world_end(&world);
	actors_end();
	return reached;
}

static void a_message_in_parts_and_a_join_that_overtake_each_other_lose_nothing(void)
{
	for (uint32_t depth = 3; depth <= 4; depth++)
		for (uint32_t count = 2; count <= depth; count++)
			for (uint32_t begun = 1;
			     join_and_overtake(depth, count, 2 * depth, begun, UINT32_MAX); begun++)
				for (uint32_t joined = 1; joined <= 60; joined++)
					(void)join_and_overtake(depth, count, 2 * depth, begun,
								joined);
}

/* Nothing is about to be sent any more: a history is as long as ever. */
static void what_was_not_sent_takes_no_history(void)
{
	struct reader *reader;

	begin_writer(4, KIND_BOTH);
	send_mixed(4, 1);
	reader = reader_join(&world, 0, READER(.history = 4, .policy = FLOE_POLICY_RELIABLE));
	expect_equal(writer_send_parts(writer, 3), 0);
	reader_join(&world, 1, READER(.history = 4, .policy = FLOE_POLICY_RELIABLE));
	reader_drain(&world.reader[1]);
	expect_equal(world.reader[1].account[0].received, 3);
	reader_drain(reader);
	world_end(&world);
}

/* Whatever a publisher says of itself: at most the history is shorter. */
static void an_end_that_is_none_costs_history_at_most(void)
{
	static const uint64_t ends[] = {1, 4, 5, 6, 8, 9, 260, SEQUENCE_MAX, UINT64_MAX};

	for (uint32_t i = 0; i < TEST_COUNT(ends); i++) {
		struct reader *reader;

		begin_writer(4, KIND_BOTH);
		send_mixed(4, 1);
		store_relaxed(&writer->publisher.ring.segment->parts_end, ends[i]);
		reader = reader_join(&world, 0,
				     READER(.history = 4, .policy = FLOE_POLICY_RELIABLE));
		reader_drain(reader);
		expect(reader->account[0].received <= 3);
		send_as(1);
		reader_drain(reader);
		expect_equal(reader->account[0].lost, 0);
		end_world(reader);
		world_end(&world);
	}
}

/* Who adopts has begun none. */
static void what_the_dead_had_begun_takes_no_history_from_who_joins_his_successor(void)
{
	begin_writer(4, KIND_BOTH);
	send_mixed(4, 1);
	store_relaxed(&writer->publisher.ring.segment->parts_end, 7);
	expect_equal(writer_adopt(writer), 0);
	reader_join(&world, 0, READER(.history = 4, .policy = FLOE_POLICY_RELIABLE));
	reader_drain(&world.reader[0]);
	expect_equal(world.reader[0].account[0].received, 3);
	world_end(&world);
}

/*
 * Waited for
 */

static void who_is_reliable_is_waited_for_until_all_parts_fit(void)
{
	struct publisher *pub;
	struct reader *reader;

	pub = &begin_writer(4, KIND_BOTH)->publisher;
	reader = reader_join(&world, 0, READER(.holds_max = 4, .policy = FLOE_POLICY_RELIABLE));
	send_as(2);
	expect_equal(writer_send_parts(writer, 3), 0);
	expect_equal(publisher_wait(pub, 2, 0), 1);
	expect_equal(publisher_wait(pub, 3, 0), 0);
	expect_equal(reader_take(reader), 1);
	expect_equal(publisher_wait(pub, 3, 0), 1);
	send_as(3);
	expect_equal(reader_take(reader), 1);
	reader_release_all(reader);
	expect_equal(reader_take_parts(reader), 3);
	reader_release_all(reader);
	expect_equal(reader->account[0].lost, 0);
	end_world(reader);
	world_end(&world);
}

/* When all loans are out, those of the message that was blocked are taken back together: one less, and it
 * could not be sent any more. */
static void a_blocked_message_is_taken_back_as_a_whole(void)
{
	struct floe_loan loan[3] = {0}, more[3] = {0};
	struct publisher *pub;

	pub = &begin_writer(4, KIND_BOTH)->publisher;
	reader_join(&world, 0, READER(.holds_max = 4, .policy = FLOE_POLICY_RELIABLE));
	send_as(2);
	for (int i = 0; i < 3; i++)
		expect_equal(publisher_loan(pub, 100, &loan[i]), 1);
	expect_equal(publisher_publish_parts(pub, loan, 3), 0);
	for (int i = 0; i < 2; i++)
		expect_equal(publisher_loan(pub, 100, &more[i]), 1);
	/* Those that are lent are still there. */
	expect_equal(publisher_publish_parts(pub, loan, 3), 0);
	expect_equal(publisher_loan(pub, 100, &more[2]), 1);
	expect_equal(publisher_count_loans(pub), 3);
	for (int i = 0; i < 3; i++)
		expect(!publisher_find(pub, &loan[i]) && publisher_find(pub, &more[i]));
	writer_check(writer);
	world_end(&world);
}

static const struct publisher_calls *calm;

/* Somebody comes or goes while the members are read, each time; or he only says so. */
static int refresh_in_unrest(void *user, struct publisher *pub)
{
	(void)add_seq_cst(&world.hints.subscribers, 1);
	return calm->refresh(user, pub);
}

static int drop_it(void *user)
{
	(void)user;
	return FLOE_DROP;
}

static void a_message_in_parts_does_not_wait_until_nobody_comes_or_goes(void)
{
	struct publisher_calls unrest;
	struct segment_shared *segment;
	struct publisher *pub;

	pub = &begin_writer(4, KIND_BOTH)->publisher;
	segment = pub->ring.segment;
	calm = pub->calls;
	unrest = *calm;
	unrest.refresh = refresh_in_unrest;
	pub->calls = &unrest;
	expect_equal(writer_send_parts(writer, 3), 0);
	expect_equal(load_relaxed(&segment->would_block), 1);
	expect_equal(load_relaxed(&segment->dropped), 0);
	unrest.would_block = drop_it;
	expect_equal(writer_send_parts(writer, 3), 0);
	expect_equal(load_relaxed(&segment->dropped), 3);
	expect_equal(load_relaxed(&segment->parts_end), 0);
	pub->calls = calm;
	send_as(3);
	writer_check(writer);
	world_end(&world);
}

/*
 * Death
 */

static void adopt(void *user)
{
	(void)user;
	expect_equal(writer_adopt(writer), 0);
}

/* A ring that went round some messages, read by one who holds the last, and by one who lags. */
static void begin_life(uint32_t depth, uint32_t sent, uint32_t most, uint32_t kinds)
{
	struct reader *holder;

	begin_writer(depth, kinds);
	holder = reader_join(&world, 0, READER(.holds_max = DEPTH_MAX));
	reader_join(&world, 1, READER(.holds_max = 1));
	for (uint32_t i = 0; i < sent; i++) {
		send_as(1 + i % most);
		reader_release_all(holder);
		expect(reader_take_parts(holder) > 0);
	}
}

/* What comes after is there at once, and lost to nobody who has read what came before. */
static void go_on(uint64_t before, uint32_t count)
{
	struct reader *holder = &world.reader[0];
	struct reader *lagging = &world.reader[1];
	uint64_t lost = 0;

	writer_check(writer);
	reader_check(holder);
	expect(writer->sent == before || writer->sent == before + count);
	reader_drain_parts(holder);
	reader_drain(lagging);
	expect_equal(holder->account[0].last, writer->sent);
	for (uint32_t i = 0; i < 2 * writer->plan.depth + 1; i++) {
		send_as(1 + (i % 3 == 2 ? i % writer->plan.depth : 0));
		writer_check(writer);
		reader_drain_parts(holder);
		reader_drain(lagging);
		expect_exact(holder, writer);
		expect_exact(lagging, writer);
		if (i == 0)
			lost = lagging->account[0].lost;
	}
	expect_equal(lagging->account[0].lost, lost);
	expect_equal(holder->account[0].lost, 0);
	expect_equal(world.refused, 0);
	world_end(&world);
}

static bool die_once(uint32_t depth, uint32_t count, uint32_t sent, uint32_t kinds, uint64_t at)
{
	uint64_t before;
	bool died;

	begin_life(depth, sent, depth, kinds);
	before = writer->sent;
	parts = count;
	died = world_kill_at(at, send_parts, NULL);
	adopt(NULL);
	go_on(before, count);
	return died;
}

static void a_publisher_that_dies_anywhere_has_sent_all_or_nothing(void)
{
	for (uint32_t kinds = KIND_INLINE; kinds <= KIND_BOTH; kinds++)
		for (uint32_t depth = 2; depth <= 4; depth++)
			for (uint32_t count = 2; count <= depth; count++)
				for (uint32_t sent = 0; sent <= depth + 1; sent++)
					for (uint64_t at = 1;
					     die_once(depth, count, sent, kinds, at); at++)
						;
}

static bool die_twice(uint32_t depth, uint32_t count, uint64_t at, uint64_t again)
{
	uint64_t before;
	bool died;

	begin_life(depth, depth + 1, depth, KIND_BOTH);
	before = writer->sent;
	parts = count;
	(void)world_kill_at(at, send_parts, NULL);
	died = world_kill_at(again, adopt, NULL);
	adopt(NULL);
	go_on(before, count);
	return died;
}

static void a_successor_that_dies_anywhere_leaves_it_at_that(void)
{
	for (uint32_t depth = 2; depth <= 3; depth++)
		for (uint32_t count = 2; count <= depth; count++)
			for (uint64_t at = 1; at < 50; at++)
				for (uint64_t again = 1; die_twice(depth, count, at, again);
				     again++)
					;
}

/* Each dies in a message of his own, one generation after the other, while the slots of those before
 * are still odd. */
static bool die_in_a_row(uint32_t depth, uint32_t count, uint64_t at)
{
	uint64_t before;
	bool died = false;

	begin_life(depth, depth + 1, depth, KIND_BOTH);
	for (int i = 0; i < 4; i++) {
		before = writer->sent;
		parts = count;
		died = world_kill_at(at, send_parts, NULL);
		adopt(NULL);
		expect(writer->sent == before || writer->sent == before + count);
		reader_drain_parts(&world.reader[0]);
		if (i % 2)
			send_as(1);
		reader_drain_parts(&world.reader[0]);
	}
	go_on(writer->sent, 0);
	return died;
}

static void generations_that_die_in_a_row_have_a_ring(void)
{
	for (uint32_t depth = 2; depth <= 4; depth++)
		for (uint32_t count = 2; count <= depth; count++)
			for (uint64_t at = 1; die_in_a_row(depth, count, at); at++)
				;
}

/* Messages whose slots are still theirs, of the first round. */
static uint32_t count_intact(void)
{
	const struct slot_shared *slots = writer->publisher.ring.slots;
	uint32_t count = 0;

	for (uint64_t i = 1; i <= writer->plan.depth; i++)
		count += load_relaxed(&slots[i % writer->plan.depth].sequence) == 2 * i;
	return count;
}

static bool is_sent(uint64_t sequence)
{
	const struct slot_shared *slots = writer->publisher.ring.slots;

	return load_relaxed(&slots[sequence % writer->plan.depth].sequence) == 2 * sequence;
}

/* An heir that sends one message leaves the slots of what was not sent as they are. */
static bool come_after_death(uint32_t depth, uint32_t count, uint64_t at, bool adopted)
{
	struct reader *lagging, *late;
	bool died, nothing_sent;

	begin_writer(depth, KIND_BOTH);
	lagging = reader_join(&world, 0, READER(.holds_max = 1));
	for (uint32_t i = 0; i < depth; i++)
		send_as(1);
	parts = count;
	died = world_kill_at(at, send_parts, NULL);
	nothing_sent = died && !is_sent(depth + 1);
	if (adopted) {
		adopt(NULL);
		send_as(1);
	}
	late = reader_join(&world, 1, READER(.holds_max = 1, .history = depth));
	reader_drain(lagging);
	reader_drain(late);
	if (nothing_sent) {
		expect_equal(lagging->account[0].received, count_intact() + adopted);
		expect_equal(late->account[0].received, count_intact() + adopted);
	}
	world_end(&world);
	return died;
}

static void what_was_not_overwritten_is_lost_to_nobody(void)
{
	for (uint32_t depth = 2; depth <= DEPTH_MAX; depth++)
		for (uint32_t count = 2; count <= depth; count++)
			for (int adopted = 0; adopted < 2; adopted++)
				for (uint64_t at = 1; come_after_death(depth, count, at, adopted);
				     at++)
					;
}

/*
 * Two at once
 */

static void take_whole(void *user)
{
	expect(reader_take_parts(user) >= 0);
}

static void take_one(void *user)
{
	expect(reader_take(user) >= 0);
}

static uint32_t burst;

static void send_burst(void *user)
{
	(void)user;
	for (uint32_t i = 0; i < burst; i++)
		send_as(parts);
}

static bool send_amid_taking(uint32_t depth, uint32_t lag_by, bool whole, uint64_t at)
{
	struct reader *reader;
	bool reached;

	begin_writer(depth, KIND_BOTH);
	reader = reader_join(&world, 0, READER(.holds_max = DEPTH_MAX));
	for (uint32_t i = 0; i < lag_by; i++)
		send_as(parts);
	reached = world_at(at, send_burst, whole ? take_whole : take_one, reader);
	reader_check(reader);
	send_as(1);
	reader_check(reader);
	writer_check(writer);
	reader_drain_parts(reader);
	end_world(reader);
	world_end(&world);
	return reached;
}

static void parts_sent_at_any_point_of_taking_disturb_nothing(void)
{
	for (uint32_t depth = 2; depth <= 4; depth++)
		for (uint32_t count = 2; count <= depth; count++)
			for (uint32_t lag_by = 0; lag_by <= 3; lag_by++)
				for (burst = 1; burst <= 3; burst++)
					for (int whole = 0; whole < 2; whole++)
						for (uint64_t at = 1;
						     parts = count, send_amid_taking(depth, lag_by,
										     whole, at);
						     at++)
							;
}

/* The publisher gets as far as `sent` accesses, the subscriber as far as `taken`; then the publisher
 * ends his step, then the subscriber. */
static bool overtake(uint32_t depth, uint32_t count, uint32_t lag_by, uint32_t sent, uint32_t taken)
{
	struct reader *reader;
	bool reached;

	actors_begin(1);
	begin_writer(depth, KIND_BOTH);
	reader = reader_join(&world, 0, READER(.holds_max = DEPTH_MAX));
	for (uint32_t i = 0; i < lag_by; i++)
		send_as(count);
	parts = count;
	(void)actor_add(send_parts, NULL);
	(void)actor_add(take_whole, reader);
	reached = actor_run_until(0, sent);
	reached |= actor_run_until(1, taken);
	(void)actor_run_until(0, UINT32_MAX);
	(void)actor_run_until(1, UINT32_MAX);
	reader_check(reader);
	reader_drain_parts(reader);
	end_world(reader);
	world_end(&world);
	actors_end();
	return reached;
}

static void a_message_in_parts_and_a_take_that_overtake_each_other_disturb_nothing(void)
{
	for (uint32_t depth = 2; depth <= 4; depth++)
		for (uint32_t count = 2; count <= depth; count++)
			for (uint32_t lag_by = 0; lag_by <= 3; lag_by++)
				for (uint32_t sent = 1;
				     overtake(depth, count, lag_by, sent, UINT32_MAX); sent++)
					for (uint32_t taken = 1; taken <= 40; taken += 2)
						(void)overtake(depth, count, lag_by, sent, taken);
}

/*
 * By chance
 */

static void come_or_go(uint32_t i, uint64_t *chance)
{
	struct reader *reader = &world.reader[i];

	if (!reader->present)
		reader_join(&world, i,
			    READER(.policy = bookkeeping_random(chance, 2), .holds_max = 3,
				   .depth = bookkeeping_random(chance, 4),
				   .history = bookkeeping_random(chance, 5)));
	else if (!reader->alive)
		reader_clean(reader);
	else if (bookkeeping_random(chance, 2))
		reader_leave(reader);
	else
		reader_die(reader);
}

static void act(uint64_t *chance)
{
	uint32_t i = bookkeeping_random(chance, READERS_MAX);
	struct reader *reader = &world.reader[i];
	uint32_t what = bookkeeping_random(chance, 100);

	parts = 1 + bookkeeping_random(chance, writer->plan.depth);
	if (what < 40)
		send_parts(NULL);
	else if (what < 43)
		(void)(world_kill_at(1 + bookkeeping_random(chance, 40), send_parts, NULL),
		       adopt(NULL));
	else if (what < 50 || !reader->alive)
		come_or_go(i, chance);
	else if (what < 70)
		expect(reader_take_parts(reader) >= -ENOBUFS);
	else if (what < 80)
		expect(reader_take(reader) >= -ENOBUFS);
	else if (reader->held_count)
		reader_release(reader, bookkeeping_random(chance, reader->held_count));
}

/* Who dies in a message may have taken the first slot of the last one: it is lost, and no later one has come
 * to tell of it. */
static void count_untold(struct reader *reader)
{
	uint64_t lost = reader->subscriber.feeds[0].lost;

	reader->account[0].lost += lost;
	reader->account[0].last += lost;
}

static void in_any_order_of_events_messages_are_whole(void)
{
	uint64_t chance = 11;

	for (uint32_t depth = 1; depth <= DEPTH_MAX; depth++) {
		begin_writer(depth, KIND_BOTH);
		for (int i = 0; i < 6000; i++) {
			act(&chance);
			writer_check(writer);
			for (uint32_t r = 0; r < READERS_MAX; r++)
				reader_check(&world.reader[r]);
		}
		for (uint32_t r = 0; r < READERS_MAX; r++) {
			if (!world.reader[r].alive)
				continue;
			reader_drain(&world.reader[r]);
			count_untold(&world.reader[r]);
			end_world(&world.reader[r]);
		}
		world_end(&world);
	}
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(parts_come_together_and_in_order),
		TEST(they_can_be_taken_as_messages),
		TEST(loss_is_exact_and_of_whole_messages_at_every_lag),
		TEST(too_many_parts_stay_where_they_are),
		TEST(a_rest_that_is_too_long_stays_the_next),
		TEST(a_rest_that_cannot_be_held_yet_stays_the_next),
		TEST(a_message_that_is_too_long_is_the_one_that_take_begins_with),
		TEST(a_message_is_no_longer_than_the_ring),
		TEST(a_loan_that_is_there_twice_is_refused),
		TEST(what_cannot_be_found_for_now_loses_nothing),
		TEST(a_part_that_says_it_is_relayed_is_no_part),
		TEST(parts_are_lent_for_any_size),
		TEST(who_joins_in_the_middle_begins_with_a_whole_message),
		TEST(a_history_of_one_is_the_last_message),
		TEST(who_is_reliable_joins_at_any_point_of_sending_and_loses_nothing),
		TEST(a_message_in_parts_and_a_join_that_overtake_each_other_lose_nothing),
		TEST(what_was_not_sent_takes_no_history),
		TEST(an_end_that_is_none_costs_history_at_most),
		TEST(what_the_dead_had_begun_takes_no_history_from_who_joins_his_successor),
		TEST(who_is_reliable_is_waited_for_until_all_parts_fit),
		TEST(a_blocked_message_is_taken_back_as_a_whole),
		TEST(a_message_in_parts_does_not_wait_until_nobody_comes_or_goes),
		TEST(a_publisher_that_dies_anywhere_has_sent_all_or_nothing),
		TEST(a_successor_that_dies_anywhere_leaves_it_at_that),
		TEST(generations_that_die_in_a_row_have_a_ring),
		TEST(what_was_not_overwritten_is_lost_to_nobody),
		TEST(parts_sent_at_any_point_of_taking_disturb_nothing),
		TEST(a_message_in_parts_and_a_take_that_overtake_each_other_disturb_nothing),
		TEST(in_any_order_of_events_messages_are_whole),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
