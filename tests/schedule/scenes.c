/* SPDX-License-Identifier: Apache-2.0 */
#include "scenes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "frame/frame.h"
#include "mutants.h"
#include "unit/channel_world.h"

#define WRITER(...) (&(struct writer_options){__VA_ARGS__})
#define READER(...) (&(struct reader_options){__VA_ARGS__})

#define ALIVE_NS 2000000
#define UNFIT_MAX 32

static struct world *world;

/* What an actor is to do. */
struct duty {
	struct writer *writer;
	struct reader *reader;
	struct reader_options options; /* who joins */
	uint64_t goal;                 /* sequence to send up to, or to wait for */
	uint32_t takes;                /* tries */
};

/* Who has the lock of a dead one: the kernel gives it to one, and takes it away with his life. */
struct lock {
	const struct actor *owner;
	bool taken;
};

static struct lock *locks; /* [READERS_MAX] */
static bool *writer_died;
static bool *writer_stopped;
static bool *reader_stopped; /* [READERS_MAX] */
static uint32_t at_once;     /* parts of each message that the first publisher sends in its turns */
static uint32_t heir_at_once; /* of the first one of each successor */
static bool *unfit;           /* [UNFIT_MAX]: by sequence, what no lane has room for */
static bool has_room;         /* lanes are never full until the end */
const uint64_t *schedule_head;

/*
 * How words are called
 */

static bool is_within(const void *address, const void *from, size_t size)
{
	return (uintptr_t)address >= (uintptr_t)from && (uintptr_t)address < (uintptr_t)from + size;
}

static struct word_name name_slot(const struct writer *writer, size_t offset)
{
	size_t index = offset / sizeof(struct slot_shared);
	size_t word = offset % sizeof(struct slot_shared) / 8;
	struct word_name name = {.word = word == 0   ? WORD_SEQUENCE
					 : word == 1 ? WORD_WHAT
						     : WORD_OTHER};

	if (index >= writer->plan.depth) {
		name.word = WORD_OTHER;
		(void)snprintf(name.text, sizeof(name.text), "receipt or relay +%zu", offset);
		return name;
	}
	if (word >= 2 && writer->kinds == KIND_INLINE)
		name.word = WORD_INLINE;
	if (word == 2 + SLOT_CHUNK_MARK && writer->kinds == KIND_CHUNK)
		name.word = WORD_MARK;
	(void)snprintf(name.text, sizeof(name.text),
		       word == 0   ? "slot %zu sequence"
		       : word == 1 ? "slot %zu what"
				   : "slot %zu word %zu",
		       index, word - 2);
	return name;
}

static struct word_name name_lane(const struct writer *writer, size_t offset)
{
	uint32_t depth = writer->plan.lane_depth;
	size_t in = offset % lane_size(depth);
	size_t slots = offsetof(struct lane_shared, slot);
	size_t origins = slots + depth * sizeof(struct slot_shared);
	struct word_name name = {.word = WORD_OTHER};

	if (in >= origins)
		name.word = WORD_ORIGIN;
	else if (in >= slots && (in - slots) % sizeof(struct slot_shared) == 0)
		name.word = WORD_LANE;
	(void)snprintf(name.text, sizeof(name.text), "lane %zu +%zu", offset / lane_size(depth),
		       in);
	return name;
}

static struct word_name name_segment(const struct writer *writer, size_t offset)
{
	const struct segment_shared *segment = (const void *)writer->memory;
	size_t chunks = writer->plan.pool[0].offset;
	size_t lanes = segment_lanes_offset(segment);
	struct word_name name = {.word = WORD_OTHER};

	if (offset >= chunks) {
		name.word = WORD_PAYLOAD;
		(void)snprintf(name.text, sizeof(name.text), "chunk %zu +%zu",
			       (offset - chunks) / CHUNK_SIZE, (offset - chunks) % CHUNK_SIZE);
	} else if (offset >= lanes &&
		   offset < lanes + lanes_size(segment->lanes_max, segment->lane_depth)) {
		return name_lane(writer, offset - lanes);
	} else if (offset >= segment->slots_offset) {
		return name_slot(writer, offset - segment->slots_offset);
	} else {
		if (offset == offsetof(struct segment_shared, head))
			name.word = WORD_HEAD;
		(void)snprintf(name.text, sizeof(name.text), "%s",
			       name.word == WORD_HEAD ? "head" : "segment");
	}
	return name;
}

static struct word_name name_port(size_t offset)
{
	struct word_name name = {.word = WORD_OTHER};
	const size_t hold = offsetof(struct port_shared, hold);

	if (offset >= hold) {
		name.word = WORD_HOLD;
		(void)snprintf(name.text, sizeof(name.text), "hold %zu", (offset - hold) / 8);
	} else if (offset == offsetof(struct port_shared, life)) {
		name = (struct word_name){WORD_LIFE, "life"};
	} else if (offset >= offsetof(struct port_shared, cursor)) {
		name = (struct word_name){WORD_CURSOR, "cursor"};
	} else {
		(void)snprintf(name.text, sizeof(name.text), "%s",
			       offset == offsetof(struct port_shared, sleeping) ? "sleeping"
										: "port");
	}
	return name;
}

struct word_name scene_name_word(const struct world *of, const void *address)
{
	const struct writer *writer = &of->writer[0];
	struct word_name name = {.word = WORD_OTHER};

	if (is_within(address, writer->memory, writer->size))
		return name_segment(writer,
				    (size_t)((const unsigned char *)address - writer->memory));
	for (uint32_t i = 0; i < READERS_MAX; i++) {
		const struct reader *reader = &of->reader[i];

		if (reader->port && is_within(address, reader->port, reader->port->size))
			return name_port((size_t)((const unsigned char *)address -
						  (const unsigned char *)reader->port));
		if (address == &reader->present)
			(void)snprintf(name.text, sizeof(name.text), "name of reader %u", i);
	}
	if (is_within(address, &of->hints, sizeof(of->hints)))
		(void)snprintf(name.text, sizeof(name.text), "%s",
			       address == &of->hints.publishers    ? "publishers"
			       : address == &of->hints.subscribers ? "subscribers"
								   : "sleepers");
	return name;
}

static struct word_name name_word(const void *address)
{
	return scene_name_word(world, address);
}

/*
 * Writers
 */

static void send_until(struct writer *writer, uint64_t goal, uint32_t parts)
{
	while (writer->sent < goal) {
		int r = parts == 1 ? writer_send(writer) : writer_send_parts(writer, parts);

		expect(r >= 0);
		if (r == 0)
			expect_equal(publisher_wait(&writer->publisher, parts, -1), 1);
	}
}

static void play_writer(void *user)
{
	const struct duty *duty = user;

	send_until(duty->writer, duty->goal, at_once);
}

static void take_over(struct writer *writer)
{
	uint64_t before = writer->sent;

	expect_equal(writer_adopt(writer), 0);
	expect(writer->sent == before || writer->sent == before + 1 ||
	       writer->sent == before + at_once || writer->sent == before + heir_at_once);
}

static void play_successor(void *user)
{
	const struct duty *duty = user;

	take_over(duty->writer);
	if (duty->writer->plan.lanes_max && heir_at_once > duty->writer->plan.lane_depth)
		for (uint64_t i = 1; i <= heir_at_once; i++)
			unfit[(duty->writer->sent + i) % UNFIT_MAX] = true;
	if (duty->writer->sent < duty->goal)
		send_until(duty->writer, duty->writer->sent + 1, heir_at_once);
	send_until(duty->writer, duty->goal, 1);
}

static void writer_dies(void *user)
{
	(void)user;
	*writer_died = true;
}

static void writer_stops(void *user)
{
	(void)user;
	*writer_stopped = true;
}

/*
 * Readers
 */

static bool is_dropper(const struct reader *reader)
{
	return reader->port->policy == FLOE_POLICY_DROP_NEWEST;
}

/* Nobody gets by his lane what was not sent, or sent as something else. */
static void expect_sent(const struct reader *reader)
{
	const struct writer *writer = &world->writer[0];
	const struct segment_shared *segment = (const void *)writer->memory;
	const struct slot_shared *slots = (const void *)(writer->memory + segment->slots_offset);
	uint64_t last = reader->account[0].last;
	uint64_t sequence;

	memcpy(&sequence, (const void *)&slots[last % writer->plan.depth].sequence,
	       sizeof(sequence));
	expect(sequence >= 2 * last);
	expect(!unfit[last % UNFIT_MAX] || reader->account[0].part.count > 1);
}

/* Takes, looks, gives back. */
static int take_one(struct reader *reader)
{
	int r = reader_take(reader);

	expect(r >= 0);
	if (r == 1 && is_dropper(reader))
		expect_sent(reader);
	reader_release_all(reader);
	return r;
}

static void play_reader(void *user)
{
	const struct duty *duty = user;

	for (uint32_t i = 0; i < duty->takes; i++)
		(void)take_one(duty->reader);
}

/* All parts of a message, or none. */
static void play_whole_reader(void *user)
{
	const struct duty *duty = user;

	for (uint32_t i = 0; i < duty->takes; i++) {
		expect(reader_take_parts(duty->reader) >= 0);
		reader_release_all(duty->reader);
	}
}

/* Keeps what it took as long as it can. */
static void play_holder(void *user)
{
	const struct duty *duty = user;
	struct reader *reader = duty->reader;

	for (uint32_t i = 0; i < duty->takes; i++) {
		if (reader->held_count == reader->port->holds_max)
			reader_release(reader, 0);
		expect(reader_take(reader) >= 0);
	}
	reader_release_all(reader);
}

/* Has what it took until the end. */
static void play_keeper(void *user)
{
	const struct duty *duty = user;

	for (uint32_t i = 0; i < duty->takes; i++)
		expect(reader_take(duty->reader) >= 0);
}

static void play_waiter(void *user)
{
	const struct duty *duty = user;
	struct reader *reader = duty->reader;

	while (reader->account[0].last < duty->goal)
		if (take_one(reader) == 0)
			expect_equal(subscriber_wait(&reader->subscriber, -1), 1);
}

static void play_joiner(void *user)
{
	const struct duty *duty = user;

	reader_join(world, (uint32_t)(duty->reader - world->reader), &duty->options);
	play_waiter(user);
}

/* Leaves with something in his hands, then comes once more, and gets the same port. */
static void play_guest(void *user)
{
	struct duty *duty = user;

	reader_join(world, (uint32_t)(duty->reader - world->reader), &duty->options);
	for (uint32_t i = 0; i < duty->options.holds_max; i++)
		expect(reader_take(duty->reader) >= 0);
	duty->options.port = duty->reader->port;
	duty->options.dirty = mutant == JOIN_DOES_NOT_CLEAN;
	reader_leave(duty->reader);
	reader_join(world, (uint32_t)(duty->reader - world->reader), &duty->options);
	play_reader(user);
}

static void reader_dies(void *user)
{
	const struct duty *duty = user;

	reader_die(duty->reader);
}

static void reader_stops(void *user)
{
	const struct duty *duty = user;

	reader_stopped[duty->reader - world->reader] = true;
}

static bool try_lock(struct lock *lock)
{
	if (lock->taken && !schedule_is_dead(lock->owner))
		return false;
	*lock = (struct lock){schedule_actor(), true};
	return true;
}

/* Under the lock that the kernel took from the dead, he looks again: another one may have been
 * faster. */
static void play_cleaner(void *user)
{
	const struct duty *duty = user;
	struct lock *lock = &locks[duty->reader - world->reader];

	if (!load_seq_cst(&duty->reader->present) || !try_lock(lock))
		return;
	if (load_seq_cst(&duty->reader->present))
		reader_clean(duty->reader);
	lock->taken = false;
}

/* Of who cleans up. */
static void nobody_cares(void *user)
{
	(void)user;
}

/*
 * Beginning and end
 */

static struct duty *duty_make(struct duty duty)
{
	struct duty *made = schedule_allocate(sizeof(*made));

	*made = duty;
	return made;
}

#define DUTY(...) duty_make((struct duty){__VA_ARGS__})

static const struct actor *add(const char *name, enum role role, void (*play)(void *user),
			       void (*died)(void *user), struct duty *duty,
			       const struct actor *after)
{
	void (*const stopped[])(void *user) = {
		[ROLE_WRITER] = writer_stops,
		[ROLE_READER] = reader_stops,
		[ROLE_OTHER] = nobody_cares,
	};

	return schedule_add(&(struct play){name, role, play, died, stopped[role], duty, after});
}

static void begin(const struct writer_options *options)
{
	at_once = heir_at_once = 1;
	has_room = false;
	unfit = schedule_allocate(UNFIT_MAX * sizeof(*unfit));
	schedule_name = name_word;
	world = schedule_allocate(sizeof(*world));
	locks = schedule_allocate(READERS_MAX * sizeof(*locks));
	writer_died = schedule_allocate(sizeof(*writer_died));
	writer_stopped = schedule_allocate(sizeof(*writer_stopped));
	reader_stopped = schedule_allocate(READERS_MAX * sizeof(*reader_stopped));
	world_begin(world);
	world->allocate = schedule_allocate;
	writer_begin(world, 0, options);
	schedule_head =
		(const void *)&(
			(const struct segment_shared *)(const void *)world->writer[0].memory)
			->head;
	schedule_keep(&world->writer[1], &world->writer[WRITERS_MAX]);
}

/* All but the first feed of a subscriber stays unused. */
static struct reader *join(uint32_t i, const struct reader_options *options)
{
	struct reader *reader = reader_join(world, i, options);

	schedule_keep(&reader->subscriber.feeds[2], &reader->subscriber.feeds[FLOE_PUBLISHERS_MAX]);
	return reader;
}

static void send_before(uint32_t count)
{
	writer_send_many(&world->writer[0], count);
}

/* Has the process of this one, and is not stopped. */
static bool is_going(uint32_t i)
{
	return world->reader[i].alive && !reader_stopped[i];
}

static void drain_all(void)
{
	for (uint32_t i = 0; i < READERS_MAX; i++)
		if (is_going(i))
			reader_drain(&world->reader[i]);
}

static void expect_nothing_held(const struct reader *reader)
{
	for (uint32_t i = 0; i < reader->port->holds_max; i++)
		expect(load_relaxed(&reader->port->hold[i]) == HOLD_NONE);
	if (reader->port->policy == FLOE_POLICY_RELIABLE)
		expect_equal(reader->account[0].lost, 0);
}

/* Is anybody waited for who stands still? */
static bool is_held_up(void)
{
	for (uint32_t i = 0; i < READERS_MAX; i++)
		if (reader_stopped[i] && world->reader[i].port &&
		    world->reader[i].port->policy == FLOE_POLICY_RELIABLE)
			return true;
	return false;
}

static void send_once(struct writer *writer)
{
	drain_all();
	if (is_held_up())
		return;
	/* A dead one that nobody removed: whoever is blocked asks the kernel now and then. */
	if (writer_send(writer) == 0) {
		schedule_pass_time(ALIVE_NS);
		expect_equal(writer_send(writer), 1);
	}
}

static uint64_t count_lost(void)
{
	uint64_t lost = 0;

	for (uint32_t i = 0; i < READERS_MAX; i++)
		lost += is_going(i) ? world->reader[i].account[0].lost : 0;
	return lost;
}

/* When nobody lags nothing is lost, once it is told what was lost before. */
static void send_enough(struct writer *writer)
{
	uint32_t count = writer->plan.depth + 1;
	uint64_t lost;

	if (schedule_losses())
		count = writer->plan.pool[0].chunk_count + 2;
	writer_check(writer);
	send_once(writer);
	drain_all();
	lost = count_lost();
	while (count--)
		send_once(writer);
	drain_all();
	expect_equal(count_lost(), lost);
	writer_check(writer);
}

static void end_reader(const struct reader *reader, const struct writer *writer)
{
	expect_nothing_held(reader);
	/* What was lost is told with the next sample. */
	if (*writer_stopped)
		return;
	expect_exact(reader, writer);
	if (has_room && is_dropper(reader))
		expect_equal(reader->account[0].lost, 0);
	expect_equal(load_relaxed(&reader->port->lost), reader->account[0].lost);
}

/* Everybody who lives and is not stopped goes on, in peace. */
static void end(void)
{
	struct writer *writer = &world->writer[0];

	for (uint32_t i = 0; i < READERS_MAX; i++)
		if (world->reader[i].present && !world->reader[i].alive)
			reader_clean(&world->reader[i]);
	if (*writer_died && !*writer_stopped)
		take_over(writer);
	if (!*writer_stopped)
		send_enough(writer);
	drain_all();
	for (uint32_t i = 0; i < READERS_MAX; i++) {
		reader_check(&world->reader[i]);
		if (is_going(i) && world->reader[i].port)
			end_reader(&world->reader[i], writer);
	}
	expect_equal(world->refused, 0);
}

/*
 * Scenes
 */

static void begin_lap(void)
{
	begin(WRITER(.depth = 1, .holds = 1, .kinds = KIND_CHUNK));
	join(0, READER(.holds_max = 1));
	send_before(1);
	add("writer", ROLE_WRITER, play_writer, NULL, DUTY(&world->writer[0], .goal = 5), NULL);
	add("reader", ROLE_READER, play_reader, NULL, DUTY(.reader = &world->reader[0], .takes = 2),
	    NULL);
}

static void begin_two_readers(void)
{
	begin(WRITER(.depth = 2, .holds = 3, .kinds = KIND_CHUNK));
	join(0, READER(.holds_max = 1));
	join(1, READER(.holds_max = 2));
	send_before(2);
	add("writer", ROLE_WRITER, play_writer, NULL, DUTY(&world->writer[0], .goal = 8), NULL);
	add("reader", ROLE_READER, play_reader, NULL, DUTY(.reader = &world->reader[0], .takes = 2),
	    NULL);
	add("holder", ROLE_READER, play_holder, NULL, DUTY(.reader = &world->reader[1], .takes = 3),
	    NULL);
}

static void begin_inline(void)
{
	begin(WRITER(.depth = 1, .holds = 1, .kinds = KIND_INLINE));
	join(0, READER(.holds_max = 1));
	send_before(1);
	add("writer", ROLE_WRITER, play_writer, NULL, DUTY(&world->writer[0], .goal = 3), NULL);
	add("reader", ROLE_READER, play_reader, NULL, DUTY(.reader = &world->reader[0], .takes = 2),
	    NULL);
}

static void begin_mixed(void)
{
	begin(WRITER(.depth = 2, .holds = 2, .kinds = KIND_BOTH));
	join(0, READER(.holds_max = 2, .depth = 1));
	send_before(1);
	add("writer", ROLE_WRITER, play_writer, NULL, DUTY(&world->writer[0], .goal = 4), NULL);
	add("reader", ROLE_READER, play_holder, NULL, DUTY(.reader = &world->reader[0], .takes = 3),
	    NULL);
}

/* A publisher that dies, its successor, and the successor's. */
static void add_dynasty(uint64_t goal)
{
	struct duty *duty = DUTY(&world->writer[0], .goal = goal);
	const struct actor *first, *second;

	first = add("writer", ROLE_WRITER, play_writer, writer_dies, duty, NULL);
	second = add("successor", ROLE_WRITER, play_successor, writer_dies, duty, first);
	add("third", ROLE_WRITER, play_successor, NULL, duty, second);
}

static void begin_succession(void)
{
	begin(WRITER(.depth = 2, .holds = 1, .kinds = KIND_CHUNK));
	join(0, READER(.holds_max = 1));
	send_before(3);
	add_dynasty(6);
	add("reader", ROLE_READER, play_reader, NULL, DUTY(.reader = &world->reader[0], .takes = 2),
	    NULL);
}

static void begin_succession_of_one(void)
{
	begin(WRITER(.depth = 1, .holds = 1, .kinds = KIND_BOTH));
	join(0, READER(.holds_max = 1));
	send_before(1);
	add_dynasty(4);
	add("reader", ROLE_READER, play_reader, NULL, DUTY(.reader = &world->reader[0], .takes = 2),
	    NULL);
}

/* Of two parts each. Who takes them one after the other begins with the first of two. */
static void begin_parts(void)
{
	begin(WRITER(.depth = 3, .loans_max = 2, .holds = 3, .kinds = KIND_CHUNK));
	at_once = 2;
	join(0, READER(.holds_max = 2));
	join(1, READER(.holds_max = 1));
	expect_equal(writer_send_parts(&world->writer[0], 2), 1);
	add("writer", ROLE_WRITER, play_writer, NULL, DUTY(&world->writer[0], .goal = 6), NULL);
	add("reader", ROLE_READER, play_whole_reader, NULL,
	    DUTY(.reader = &world->reader[0], .takes = 2), NULL);
	add("second", ROLE_READER, play_reader, NULL, DUTY(.reader = &world->reader[1], .takes = 2),
	    NULL);
}

static void begin_succession_of_parts(void)
{
	begin(WRITER(.depth = 3, .loans_max = 2, .holds = 2, .kinds = KIND_BOTH));
	join(0, READER(.holds_max = 2));
	send_before(2);
	at_once = 2;
	add_dynasty(6);
	add("reader", ROLE_READER, play_whole_reader, NULL,
	    DUTY(.reader = &world->reader[0], .takes = 2), NULL);
}

/* Whoever begins while a message of two parts is sent over what he asks for. */
static void begin_reliable_joining_of_parts(void)
{
	begin(WRITER(.depth = 3, .loans_max = 2, .holds = 1, .kinds = KIND_CHUNK));
	send_before(3);
	at_once = 2;
	add("writer", ROLE_WRITER, play_writer, NULL, DUTY(&world->writer[0], .goal = 7), NULL);
	add("joiner", ROLE_READER, play_joiner, NULL,
	    DUTY(.reader = &world->reader[0],
		 .options = {.policy = FLOE_POLICY_RELIABLE, .holds_max = 1, .history = 2},
		 .goal = 7),
	    NULL);
}

static void begin_cleaning(void)
{
	const struct actor *dead;
	struct duty *duty;

	begin(WRITER(.depth = 1, .holds = 2, .kinds = KIND_CHUNK));
	join(0, READER(.holds_max = 1));
	join(1, READER(.holds_max = 1));
	duty = DUTY(.reader = &world->reader[0], .takes = 2);
	add("writer", ROLE_WRITER, play_writer, NULL, DUTY(&world->writer[0], .goal = 4), NULL);
	dead = add("mortal", ROLE_READER, play_reader, reader_dies, duty, NULL);
	add("reader", ROLE_READER, play_reader, NULL, DUTY(.reader = &world->reader[1], .takes = 1),
	    NULL);
	add("cleaner", ROLE_OTHER, play_cleaner, nobody_cares, duty, dead);
	add("second", ROLE_OTHER, play_cleaner, nobody_cares, duty, dead);
}

static void begin_joining(void)
{
	begin(WRITER(.depth = 2, .holds = 2, .kinds = KIND_CHUNK));
	send_before(2);
	add("writer", ROLE_WRITER, play_writer, NULL, DUTY(&world->writer[0], .goal = 6), NULL);
	add("guest", ROLE_READER, play_guest, NULL,
	    DUTY(.reader = &world->reader[0], .options = {.holds_max = 2, .history = 2},
		 .takes = 1),
	    NULL);
}

/* Whoever begins while the first messages are sent. */
static void begin_reliable_joining(void)
{
	begin(WRITER(.depth = 2, .holds = 1, .kinds = KIND_CHUNK));
	send_before(1);
	add("writer", ROLE_WRITER, play_writer, NULL, DUTY(&world->writer[0], .goal = 4), NULL);
	add("joiner", ROLE_READER, play_joiner, NULL,
	    DUTY(.reader = &world->reader[0],
		 .options = {.policy = FLOE_POLICY_RELIABLE, .holds_max = 1, .history = 1},
		 .goal = 4),
	    NULL);
}

static void begin_waiting(void)
{
	begin(WRITER(.depth = 2, .holds = 1, .kinds = KIND_CHUNK));
	join(0, READER(.holds_max = 1));
	add("writer", ROLE_WRITER, play_writer, NULL, DUTY(&world->writer[0], .goal = 3), NULL);
	add("waiter", ROLE_READER, play_waiter, NULL, DUTY(.reader = &world->reader[0], .goal = 3),
	    NULL);
}

static void begin_waiting_together(void)
{
	begin(WRITER(.depth = 2, .holds = 2, .kinds = KIND_CHUNK));
	join(0, READER(.holds_max = 1));
	join(1, READER(.holds_max = 1));
	add("writer", ROLE_WRITER, play_writer, NULL, DUTY(&world->writer[0], .goal = 2), NULL);
	add("waiter", ROLE_READER, play_waiter, NULL, DUTY(.reader = &world->reader[0], .goal = 2),
	    NULL);
	add("second", ROLE_READER, play_waiter, NULL, DUTY(.reader = &world->reader[1], .goal = 2),
	    NULL);
}

static void begin_waiting_for_the_dead(void)
{
	begin(WRITER(.depth = 2, .holds = 1, .kinds = KIND_CHUNK));
	join(0, READER(.holds_max = 1));
	add_dynasty(2);
	add("waiter", ROLE_READER, play_waiter, NULL, DUTY(.reader = &world->reader[0], .goal = 2),
	    NULL);
}

static void begin_reliable(void)
{
	begin(WRITER(.depth = 1, .holds = 1, .kinds = KIND_CHUNK));
	join(0, READER(.policy = FLOE_POLICY_RELIABLE, .holds_max = 1));
	add("writer", ROLE_WRITER, play_writer, NULL, DUTY(&world->writer[0], .goal = 3), NULL);
	add("waiter", ROLE_READER, play_waiter, NULL, DUTY(.reader = &world->reader[0], .goal = 3),
	    NULL);
}

/* A blocked publisher goes on when who blocks it dies. */
static void begin_reliable_until_death(void)
{
	const struct actor *dead;
	struct duty *duty;

	begin(WRITER(.depth = 1, .holds = 1, .kinds = KIND_CHUNK));
	join(0, READER(.policy = FLOE_POLICY_RELIABLE, .holds_max = 1));
	duty = DUTY(.reader = &world->reader[0], .goal = 3);
	add("writer", ROLE_WRITER, play_writer, NULL, DUTY(&world->writer[0], .goal = 3), NULL);
	dead = add("waiter", ROLE_READER, play_waiter, reader_dies, duty, NULL);
	add("cleaner", ROLE_OTHER, play_cleaner, nobody_cares, duty, dead);
}

/* A queue that is soon full, beside a ring that is soon over. */
static void begin_lane(void)
{
	begin(WRITER(.depth = 1, .holds = 1, .lanes = 1, .lane_depth = 2, .kinds = KIND_CHUNK));
	join(0, READER(.policy = FLOE_POLICY_DROP_NEWEST, .holds_max = 1));
	send_before(1);
	add("writer", ROLE_WRITER, play_writer, NULL, DUTY(&world->writer[0], .goal = 6), NULL);
	add("reader", ROLE_READER, play_holder, NULL, DUTY(.reader = &world->reader[0], .takes = 3),
	    NULL);
}

/* What it has taken from there is not lent again. */
static void begin_lane_and_hold(void)
{
	begin(WRITER(.depth = 1, .holds = 1, .lanes = 1, .lane_depth = 2, .kinds = KIND_CHUNK));
	join(0, READER(.policy = FLOE_POLICY_DROP_NEWEST, .holds_max = 1));
	send_before(2);
	add("writer", ROLE_WRITER, play_writer, NULL, DUTY(&world->writer[0], .goal = 9), NULL);
	add("keeper", ROLE_READER, play_keeper, NULL, DUTY(.reader = &world->reader[0], .takes = 1),
	    NULL);
}

/* Whatever is sent is in the queue, whoever dies. */
static void begin_lane_of_the_dead(void)
{
	begin(WRITER(.depth = 1, .holds = 1, .lanes = 1, .lane_depth = 8, .kinds = KIND_BOTH));
	join(0, READER(.policy = FLOE_POLICY_DROP_NEWEST, .holds_max = 1));
	has_room = true;
	send_before(1);
	add_dynasty(4);
	add("reader", ROLE_READER, play_reader, NULL, DUTY(.reader = &world->reader[0], .takes = 2),
	    NULL);
}

static void begin_lane_of_parts(void)
{
	begin(WRITER(.depth = 3, .loans_max = 2, .holds = 2, .lanes = 1, .lane_depth = 10,
		     .kinds = KIND_BOTH));
	join(0, READER(.policy = FLOE_POLICY_DROP_NEWEST, .holds_max = 2));
	has_room = true;
	send_before(2);
	at_once = 2;
	add_dynasty(6);
	add("reader", ROLE_READER, play_whole_reader, NULL,
	    DUTY(.reader = &world->reader[0], .takes = 2), NULL);
}

/* What the dead one had put there has another message's number when it is sent: the first one of the
 * successor never fits. */
static void begin_lane_of_one(void)
{
	begin(WRITER(.depth = 3, .loans_max = 2, .holds = 1, .lanes = 1, .lane_depth = 1,
		     .kinds = KIND_CHUNK));
	join(0, READER(.policy = FLOE_POLICY_DROP_NEWEST, .holds_max = 1));
	heir_at_once = 2;
	add_dynasty(4);
	add("reader", ROLE_READER, play_reader, NULL, DUTY(.reader = &world->reader[0], .takes = 3),
	    NULL);
}

static void begin_lane_joining(void)
{
	begin(WRITER(.depth = 2, .holds = 2, .lanes = 1, .lane_depth = 2, .kinds = KIND_CHUNK));
	send_before(2);
	add("writer", ROLE_WRITER, play_writer, NULL, DUTY(&world->writer[0], .goal = 6), NULL);
	add("guest", ROLE_READER, play_guest, NULL,
	    DUTY(.reader = &world->reader[0],
		 .options = {.policy = FLOE_POLICY_DROP_NEWEST, .holds_max = 2, .history = 2},
		 .takes = 1),
	    NULL);
}

static void begin_lane_waiting(void)
{
	begin(WRITER(.depth = 1, .holds = 1, .lanes = 1, .lane_depth = 4, .kinds = KIND_CHUNK));
	join(0, READER(.policy = FLOE_POLICY_DROP_NEWEST, .holds_max = 1));
	has_room = true;
	add_dynasty(2);
	add("waiter", ROLE_READER, play_waiter, NULL, DUTY(.reader = &world->reader[0], .goal = 2),
	    NULL);
}

const struct scene scenes[] = {
	{"lap", begin_lap, end},
	{"two readers", begin_two_readers, end},
	{"inline", begin_inline, end},
	{"mixed", begin_mixed, end},
	{"succession", begin_succession, end},
	{"succession of one", begin_succession_of_one, end},
	{"parts", begin_parts, end},
	{"succession of parts", begin_succession_of_parts, end},
	{"cleaning", begin_cleaning, end},
	{"joining", begin_joining, end},
	{"reliable joining", begin_reliable_joining, end},
	{"reliable joining of parts", begin_reliable_joining_of_parts, end},
	{"waiting", begin_waiting, end},
	{"waiting together", begin_waiting_together, end},
	{"waiting for the dead", begin_waiting_for_the_dead, end},
	{"reliable", begin_reliable, end},
	{"reliable until death", begin_reliable_until_death, end},
	{"lane", begin_lane, end},
	{"lane and hold", begin_lane_and_hold, end},
	{"lane of the dead", begin_lane_of_the_dead, end},
	{"lane of parts", begin_lane_of_parts, end},
	{"lane of one", begin_lane_of_one, end},
	{"lane joining", begin_lane_joining, end},
	{"lane waiting", begin_lane_waiting, end},
	{"board", scene_begin_board, scene_end_board},
	{"board of the dead", scene_begin_board_of_the_dead, scene_end_board},
	{"event", scene_begin_event, scene_end_event},
	{"event of the dead", scene_begin_event_of_the_dead, scene_end_event},
	{"marks", scene_begin_marks, scene_end_marks},
	{"service", scene_begin_service, scene_end_service},
	{"relay", scene_begin_relay, scene_end_relay},
	{"relay of the dead", scene_begin_relay_of_the_dead, scene_end_relay},
};
const unsigned scene_count = FLOE_COUNT(scenes);

const struct scene *scene_find(const char *name)
{
	for (unsigned i = 0; i < scene_count; i++)
		if (strcmp(scenes[i].name, name) == 0)
			return &scenes[i];
	return NULL;
}
