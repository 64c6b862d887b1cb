/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Scenes of two topics.
 *
 * What goes on from one to the other without a copy: who reads it there reads a chunk of the source, by
 * the hold of who relays it. That one may die; who cleans up behind him plays what registry/relays.c does
 * when nobody finds the ring any more in which the relay is named.
 *
 * What is sent with marks, and a service: its client's requests on one topic, responses with the marks of
 * their requests on the other.
 */

#include "channel/port_layout.h"
#include "frame/frame.h"
#include "mutants.h"
#include "scenes.h"
#include "unit/channel_world.h"

#define WRITER(...) (&(struct writer_options){__VA_ARGS__})
#define READER(...) (&(struct reader_options){__VA_ARGS__})

#define RELAYED_MAX 32

/* Of the relays, and of the responses, is the second. */
static struct world *first, *second;

static struct {
	bool source_stopped, relay_died, relay_stopped, reader_stopped;
	uint64_t taken, served;
	uint64_t relayed[RELAYED_MAX]; /* by sequence: which message of the source */
} * so_far;

static struct word_name name_word(const void *address)
{
	struct word_name name = scene_name_word(first, address);

	return name.text[0] || !second ? name : scene_name_word(second, address);
}

static struct world *begin_world(const struct writer_options *options)
{
	struct world *world = schedule_allocate(sizeof(*world));

	world_begin(world);
	world->allocate = schedule_allocate;
	writer_begin(world, 0, options);
	schedule_keep(&world->writer[1], &world->writer[WRITERS_MAX]);
	return world;
}

static void begin(const struct writer_options *of_first, const struct writer_options *of_second)
{
	schedule_name = name_word;
	so_far = schedule_allocate(sizeof(*so_far));
	first = begin_world(of_first);
	second = of_second ? begin_world(of_second) : NULL;
	schedule_head =
		(const void *)&(
			(const struct segment_shared *)(const void *)first->writer[0].memory)
			->head;
}

static struct reader *join(struct world *world, const struct reader_options *options)
{
	struct reader *reader = reader_join(world, 0, options);

	schedule_keep(&reader->subscriber.feeds[2], &reader->subscriber.feeds[FLOE_PUBLISHERS_MAX]);
	return reader;
}

/*
 * Relays
 */

#define RELAYS 2
#define SOURCE_CHUNKS (1 + 1 + RELAYS + 1) /* in its ring, lent, held */
#define SOURCE_BEFORE SOURCE_CHUNKS        /* none of them is free, and all but one can be: */
#define SOURCE_GOAL (SOURCE_BEFORE + SOURCE_CHUNKS - 1)

static void play_source(void *user)
{
	struct writer *source = user;

	while (source->sent < SOURCE_GOAL)
		expect_equal(writer_send(source), 1);
}

static void stop_source(void *user)
{
	(void)user;
	so_far->source_stopped = true;
}

/* What cannot go on is given back. */
static void relay_one(void)
{
	struct reader *from = &first->reader[0];
	int r = reader_take(from);

	expect(r == 0 || r == 1);
	if (r == 0)
		return;
	expect(second->writer[0].publisher.ring.next < RELAYED_MAX);
	so_far->relayed[second->writer[0].publisher.ring.next] = from->held[0].sequence;
	if (writer_relay(&second->writer[0], from, 0) != 1)
		reader_release_all(from);
}

static void play_relay(void *user)
{
	(void)user;
	relay_one();
	relay_one();
}

static void relay_dies(void *user)
{
	(void)user;
	so_far->relay_died = true;
	reader_die(&first->reader[0]);
}

static void stop_relay(void *user)
{
	(void)user;
	so_far->relay_stopped = true;
}

static bool is_relay_held(void)
{
	const struct port_shared *port = second->reader[0].port;

	for (uint32_t i = 0; i < port->holds_max; i++)
		if (load_acquire(&port->hold[i]) & SLOT_FOREIGN)
			return true;
	return false;
}

/* As relays_withdraw, of a ring that has lost its name; then its place goes. */
static void withdraw(void *user)
{
	struct reader *dead = user;
	struct port_shared *port = dead->port;

	store_seq_cst(&port->life, load_relaxed(&port->life) | PORT_WITHDRAWN);
	fence_seq_cst();
	if (!is_relay_held())
		reader_clean(dead);
}

static void play_cleaner(void *user)
{
	if (!is_relay_held())
		withdraw(user);
}

static void nobody_cares(void *user)
{
	(void)user;
}

/* It is the source's message that was relayed as this one, and stays so while it is held. */
static int read_one(void)
{
	struct subscriber *sub = &second->reader[0].subscriber;
	struct floe_sample sample = {0};
	int r = subscriber_take(sub, &sample);

	expect(r == 0 || r == 1);
	if (r == 0)
		return 0;
	expect(message_is(sample.data, sample.size, so_far->relayed[sample.sequence]));
	so_far->taken += 1 + sample.lost;
	subscriber_release(sub, &sample);
	return 1;
}

static void play_reader(void *user)
{
	(void)user;
	(void)read_one();
	(void)read_one();
}

static void stop_reader(void *user)
{
	(void)user;
	so_far->reader_stopped = true;
}

static void begin_relay(void)
{
	struct reader *from, *reader;

	begin(WRITER(.depth = 1, .holds = RELAYS + 1, .kinds = KIND_CHUNK),
	      WRITER(.depth = 1, .relays = RELAYS, .kinds = KIND_CHUNK));
	from = join(first, READER(.holds_max = RELAYS + 1));
	reader = join(second, READER(.holds_max = 1));
	reader->origin = (struct origin){
		.base = first->writer[0].memory,
		.reserved = first->writer[0].size,
		.life = &from->port->life,
	};
	expect_equal(writer_send(&first->writer[0]), 1);
	relay_one();
	expect_equal(second->writer[0].sent, 1);
	writer_send_many(&first->writer[0], SOURCE_BEFORE - 1);
	expect_equal(first->writer[0].plan.pool[0].chunk_count, SOURCE_CHUNKS);
	schedule_add(&(struct play){.name = "source",
				    .role = ROLE_WRITER,
				    .play = play_source,
				    .stopped = stop_source,
				    .user = &first->writer[0]});
	schedule_add(&(struct play){.name = "reader",
				    .role = ROLE_READER,
				    .play = play_reader,
				    .stopped = stop_reader});
}

static void add_cleaner(void (*play)(void *user), const struct actor *after)
{
	schedule_add(&(struct play){.name = "cleaner",
				    .role = ROLE_OTHER,
				    .play = play,
				    .died = nobody_cares,
				    .user = &first->reader[0],
				    .after = after});
}

void scene_begin_relay(void)
{
	begin_relay();
	add_cleaner(play_cleaner, schedule_add(&(struct play){.name = "relay",
							      .role = ROLE_WRITER,
							      .play = play_relay,
							      .died = relay_dies,
							      .stopped = stop_relay}));
}

/* Who cleans has looked once before. */
void scene_begin_relay_of_the_dead(void)
{
	begin_relay();
	relay_dies(NULL);
	add_cleaner(withdraw, NULL);
}

/* Nobody holds anything: the source lends as ever, and who relays has all its relays. */
static void expect_all_lent(void)
{
	struct writer *source = &first->writer[0];

	for (uint32_t i = 0; i < source->plan.pool[0].chunk_count + 2; i++) {
		expect_equal(writer_send(source), 1);
		if (so_far->relay_died || so_far->relay_stopped)
			continue;
		relay_one();
		expect_equal(read_one(), 1);
	}
	writer_check(source);
}

void scene_end_relay(void)
{
	if (so_far->reader_stopped)
		return;
	while (read_one())
		;
	if (so_far->relay_died && first->reader[0].present)
		play_cleaner(&first->reader[0]);
	expect(!so_far->relay_died || !first->reader[0].present);
	if (so_far->source_stopped)
		return;
	expect_all_lent();
	if (so_far->relay_died || so_far->relay_stopped)
		return;
	expect_equal(so_far->taken, second->writer[0].sent);
	writer_check(&second->writer[0]);
}

/*
 * Marks
 */

static uint64_t mark_of(uint64_t number)
{
	return number * 0x10001;
}

static void send_marked(struct writer *writer, uint64_t mark)
{
	uint64_t sequence = writer->publisher.ring.next;
	struct floe_loan loan;

	expect_equal(publisher_loan(&writer->publisher, message_size(writer, sequence), &loan), 1);
	message_fill(loan.data, loan.size, sequence);
	while (publisher_publish_marked(&writer->publisher, &loan, mark) == 0)
		expect_equal(publisher_wait(&writer->publisher, 1, -1), 1);
	writer->sent = sequence;
}

static bool take_marked(struct reader *reader, uint64_t *ret_sequence, uint64_t *ret_mark)
{
	struct floe_sample sample = {0};
	struct feed *feed;
	int r = subscriber_take_marked(&reader->subscriber, &sample, ret_mark, &feed);

	expect(r == 0 || r == 1);
	if (r == 0)
		return false;
	expect(message_is(sample.data, sample.size, sample.sequence));
	*ret_sequence = sample.sequence;
	so_far->taken += 1 + sample.lost;
	subscriber_release(&reader->subscriber, &sample);
	return true;
}

#define MARKS_GOAL 4

static void play_marker(void *user)
{
	struct writer *writer = user;

	while (writer->sent < MARKS_GOAL)
		send_marked(writer, mark_of(writer->sent + 1));
}

static bool take_one_marked(struct reader *reader)
{
	uint64_t sequence, mark;

	if (!take_marked(reader, &sequence, &mark))
		return false;
	expect_equal(mark, mark_of(sequence));
	return true;
}

static void play_marks_reader(void *user)
{
	(void)take_one_marked(user);
	(void)take_one_marked(user);
}

void scene_begin_marks(void)
{
	begin(WRITER(.depth = 1, .holds = 1, .kinds = KIND_CHUNK), NULL);
	join(first, READER(.holds_max = 1));
	send_marked(&first->writer[0], mark_of(1));
	schedule_add(&(struct play){.name = "writer",
				    .role = ROLE_WRITER,
				    .play = play_marker,
				    .user = &first->writer[0]});
	schedule_add(&(struct play){.name = "reader",
				    .role = ROLE_READER,
				    .play = play_marks_reader,
				    .user = &first->reader[0]});
}

void scene_end_marks(void)
{
	while (take_one_marked(&first->reader[0]))
		;
	expect_equal(so_far->taken, first->writer[0].sent);
	writer_check(&first->writer[0]);
}

/*
 * A service
 */

#define REQUESTS 2

static void await_marked(struct reader *reader, uint64_t *ret_sequence, uint64_t *ret_mark)
{
	while (!take_marked(reader, ret_sequence, ret_mark))
		expect_equal(subscriber_wait(&reader->subscriber, -1), 1);
}

/* One after the other; each answer is that of its request. */
static void play_client(void *user)
{
	uint64_t sequence, mark;

	(void)user;
	for (uint64_t i = 1; i <= REQUESTS; i++) {
		send_marked(&first->writer[0], mark_of(i));
		await_marked(&second->reader[0], &sequence, &mark);
		expect_equal(sequence, i);
		expect_equal(mark, mark_of(i));
	}
}

static void play_server(void *user)
{
	uint64_t sequence, mark;

	(void)user;
	while (so_far->served < REQUESTS) {
		await_marked(&first->reader[0], &sequence, &mark);
		expect_equal(mark, mark_of(sequence));
		send_marked(&second->writer[0], mark);
		so_far->served++;
	}
}

void scene_begin_service(void)
{
	begin(WRITER(.depth = 1, .holds = 1, .kinds = KIND_CHUNK),
	      WRITER(.depth = 1, .holds = 1, .kinds = KIND_INLINE));
	join(first, READER(.policy = FLOE_POLICY_RELIABLE, .holds_max = 1));
	join(second, READER(.policy = FLOE_POLICY_RELIABLE, .holds_max = 1));
	schedule_add(&(struct play){.name = "client", .role = ROLE_WRITER, .play = play_client});
	schedule_add(&(struct play){.name = "server", .role = ROLE_READER, .play = play_server});
}

void scene_end_service(void)
{
	expect_equal(so_far->served, REQUESTS);
	expect_equal(so_far->taken, 2 * REQUESTS);
	writer_check(&first->writer[0]);
	writer_check(&second->writer[0]);
}
