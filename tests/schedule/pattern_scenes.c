/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Scenes of boards and of events.
 *
 * A board's value says which one it is, and all its words follow from that. Ids of an event are counted
 * by who notifies; in the end the listener has been told as many, and it does not sleep while there is
 * one that it has not been told.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "channel/board.h"
#include "channel/listener.h"
#include "channel/notifier.h"
#include "frame/frame.h"
#include "scenes.h"

#define VALUE_WORDS 2
#define SLOTS 2
#define IDS 2
#define OWNERS 4 /* 0 is nobody */

static struct {
	bool died, stopped; /* who writes or notifies */
} * fate;

static void dies(void *user)
{
	(void)user;
	fate->died = true;
}

static void stops(void *user)
{
	(void)user;
	fate->stopped = true;
}

static void nobody_cares(void *user)
{
	(void)user;
}

static const struct actor *add(const char *name, enum role role, void (*play)(void *user),
			       void (*died)(void *user), void *user, const struct actor *after)
{
	return schedule_add(&(struct play){.name = name,
					   .role = role,
					   .play = play,
					   .died = died,
					   .stopped = role == ROLE_WRITER ? stops : nobody_cares,
					   .user = user,
					   .after = after});
}

/*
 * Boards
 */

struct board_part {
	uint64_t goal;  /* to write up to */
	uint32_t tries; /* to read */
	uint64_t seen;
};

static struct cell *cell;
static uint64_t *written; /* certainly */

static struct word_name name_cell(const void *address)
{
	const unsigned char *base = (const unsigned char *)cell->shared;
	size_t offset = (size_t)((const unsigned char *)address - base);
	struct word_name name = {.word = offset == 0   ? WORD_BEGUN
					 : offset == 8 ? WORD_DONE
						       : WORD_BYTES};

	(void)snprintf(name.text, sizeof(name.text),
		       offset == 0   ? "begun"
		       : offset == 8 ? "done"
				     : "value +%zu",
		       offset - offsetof(struct cell_shared, slot));
	return name;
}

static uint64_t value_word(uint64_t number, size_t i)
{
	return (number + i) * 0x9e3779b97f4a7c15u;
}

static void write_until(uint64_t goal)
{
	while (*written < goal) {
		uint64_t value[VALUE_WORDS], next = *written + 1;

		for (size_t i = 0; i < VALUE_WORDS; i++)
			value[i] = value_word(next, i);
		expect_equal(cell_write(cell, value), next);
		*written = next;
	}
}

static void play_board_writer(void *user)
{
	const struct board_part *part = user;

	write_until(part->goal);
}

/* The one before died before he had written, or after. */
static void take_board_over(void)
{
	uint64_t done = cell_look(cell);

	expect(done == *written || done == *written + 1);
	*written = done;
}

static void play_board_heir(void *user)
{
	const struct board_part *part = user;

	take_board_over();
	write_until(part->goal);
}

static void read_once(struct board_part *part)
{
	uint64_t value[VALUE_WORDS], sequence = part->seen;
	int r = cell_read(cell, value, &sequence);

	expect(r == 0 || r == 1 || r == -EAGAIN);
	if (r != 1)
		return;
	expect(sequence > part->seen);
	for (size_t i = 0; i < VALUE_WORDS; i++)
		expect(value[i] == value_word(sequence, i));
	part->seen = sequence;
}

static void play_board_reader(void *user)
{
	struct board_part *part = user;

	for (uint32_t i = 0; i < part->tries; i++)
		read_once(part);
}

static struct board_part *board_part(uint64_t goal, uint32_t tries)
{
	struct board_part *part = schedule_allocate(sizeof(*part));

	*part = (struct board_part){.goal = goal, .tries = tries};
	return part;
}

static void begin_board(uint64_t before)
{
	size_t size = sizeof(struct cell_shared) + SLOTS * FLOE_CACHELINE;

	schedule_name = name_cell;
	fate = schedule_allocate(sizeof(*fate));
	written = schedule_allocate(sizeof(*written));
	cell = schedule_allocate(sizeof(*cell));
	*cell = cell_make(schedule_allocate(size), 0, VALUE_WORDS * sizeof(uint64_t), SLOTS);
	write_until(before);
}

void scene_begin_board(void)
{
	begin_board(1);
	add("reader", ROLE_READER, play_board_reader, NULL, board_part(0, 2), NULL);
	add("writer", ROLE_WRITER, play_board_writer, NULL, board_part(4, 0), NULL);
}

void scene_begin_board_of_the_dead(void)
{
	struct board_part *part;
	const struct actor *first, *second;

	begin_board(1);
	part = board_part(3, 0);
	first = add("writer", ROLE_WRITER, play_board_writer, dies, part, NULL);
	second = add("heir", ROLE_WRITER, play_board_heir, dies, part, first);
	add("third", ROLE_WRITER, play_board_heir, NULL, part, second);
	add("reader", ROLE_READER, play_board_reader, NULL, board_part(0, 2), NULL);
}

/* The value is there, whoever died; the next one comes after it. */
void scene_end_board(void)
{
	struct board_part late = {.seen = 0};

	if (fate->died && !fate->stopped)
		take_board_over();
	read_once(&late);
	expect(late.seen == *written || (fate->stopped && late.seen == *written + 1));
	if (fate->stopped)
		return;
	write_until(*written + SLOTS + 1);
	read_once(&late);
	expect_equal(late.seen, *written);
}

/*
 * Events
 */

struct event_part {
	uint64_t goal; /* of each id */
	uint64_t owner;
};

static struct {
	struct event_shared *event;
	struct hints_shared *hints;
	struct notifier *notifier;
	struct listener *listener;
	struct voice *voice;
	uint64_t sent[IDS]; /* certainly */
	uint64_t told[IDS];
	uint64_t created, died;
	bool alive[OWNERS];
} * ear;

static struct word_name name_event(const void *address)
{
	struct word_name name = {.word = WORD_OTHER};

	if (address == &ear->event->total)
		name.word = WORD_TOTAL;
	else if (address == &ear->hints->listeners)
		name.word = WORD_LISTENERS;
	else if (address == &ear->event->word[1] || address == &ear->event->word[2])
		name.word = WORD_COUNT;
	(void)snprintf(name.text, sizeof(name.text), "%s",
		       name.word == WORD_TOTAL                   ? "total"
		       : name.word == WORD_LISTENERS             ? "listeners"
		       : name.word == WORD_COUNT                 ? "count"
		       : address == &ear->event->word[0]         ? "group"
		       : address == &ear->event->seat.owner      ? "owner"
		       : address == &ear->event->seat.generation ? "generation"
								 : "seat");
	return name;
}

static void notify_until(uint64_t goal)
{
	for (uint32_t id = 0; id < IDS; id++)
		while (ear->sent[id] < goal) {
			expect(notifier_notify(ear->notifier, id) >= 0);
			ear->sent[id]++;
		}
}

static void play_notifier(void *user)
{
	const struct event_part *part = user;

	notify_until(part->goal);
}

/* As seat_file.c: take_over, and then floe_notifier_open. */
static void take_event_over(uint64_t owner)
{
	struct event_shared *event = ear->event;

	ear->alive[owner] = true;
	store_release(&event->seat.owner, owner);
	store_release(&event->seat.generation, load_relaxed(&event->seat.generation) + 1);
	(void)add_seq_cst(&ear->hints->seats, 1);
	(void)os->wake(futex_half(&ear->hints->seats), 1);
	notifier_init(ear->notifier, event, IDS, ear->hints, 0);
	for (uint32_t id = 0; id < IDS; id++) {
		uint64_t count = load_relaxed(&ear->notifier->count[id]);

		expect(count == ear->sent[id] || count == ear->sent[id] + 1);
		ear->sent[id] = count;
	}
}

static void play_event_heir(void *user)
{
	const struct event_part *part = user;

	take_event_over(part->owner);
	notify_until(part->goal);
}

static void event_owner_dies(void *user)
{
	const struct event_part *part = user;

	ear->alive[part->owner] = false;
	fate->died = true;
}

static bool take_event(void)
{
	struct floe_event event;
	int r = listener_take(ear->listener, &event);

	expect(r == 0 || r == 1);
	if (r == 0)
		return false;
	expect(event.count > 0);
	if (event.kind == FLOE_EVENT_NOTIFIED)
		ear->told[event.id] += event.count;
	ear->created += event.kind == FLOE_EVENT_CREATED ? event.count : 0;
	ear->died += event.kind == FLOE_EVENT_DIED ? event.count : 0;
	return true;
}

static bool has_heard(uint64_t goal)
{
	for (uint32_t id = 0; id < IDS; id++)
		if (ear->told[id] < goal)
			return false;
	return true;
}

static void play_listener(void *user)
{
	const struct event_part *part = user;

	while (!has_heard(part->goal))
		if (!take_event())
			expect_equal(listener_wait(ear->listener, -1), 1);
}

/*
 * What its listener asks
 */

static int refresh(void *user, struct listener *listener)
{
	(void)user;
	for (uint32_t i = 0; i < listener->voice_count; i++)
		listener->voice[i].is_present = true;
	return 0;
}

static int is_alive(void *user, uint64_t owner)
{
	(void)user;
	return ear->alive[owner];
}

static void do_nothing(void *user, struct voice *voice)
{
	(void)user;
	(void)voice;
}

static const struct listener_calls calls = {
	.refresh = refresh,
	.is_alive = is_alive,
	.look_at_life = do_nothing,
	.detach = do_nothing,
};

static void begin_event(void)
{
	struct voice voice = {.region = REGION_NULL, .life = REGION_NULL, .ids = IDS};

	ear = schedule_allocate(sizeof(*ear));
	fate = schedule_allocate(sizeof(*fate));
	ear->event = schedule_allocate(event_size(IDS));
	ear->hints = schedule_allocate(sizeof(*ear->hints));
	ear->notifier = schedule_allocate(sizeof(*ear->notifier));
	ear->listener = schedule_allocate(sizeof(*ear->listener));
	schedule_name = name_event;
	event_format(ear->event, IDS);
	ear->alive[1] = true;
	store_relaxed(&ear->event->seat.owner, 1);
	store_relaxed(&ear->event->seat.generation, 1);
	notifier_init(ear->notifier, ear->event, IDS, ear->hints, 0);
	listener_init(ear->listener, ear->hints, 1, &calls, NULL);
	expect_equal(listener_refresh(ear->listener), 0);
	voice.event = ear->event;
	voice.group = ear->event->word;
	voice.count = ear->event->word + 1;
	voice.groups_seen = schedule_allocate((IDS + 1) * sizeof(uint64_t));
	voice.counts_seen = voice.groups_seen + 1;
	expect_equal(listener_add_voice(ear->listener, &voice, true), 0);
	schedule_keep(&ear->listener->voice[1], &ear->listener->voice[FLOE_NOTIFIERS_MAX]);
}

static struct event_part *event_part(uint64_t goal, uint64_t owner)
{
	struct event_part *part = schedule_allocate(sizeof(*part));

	*part = (struct event_part){goal, owner};
	return part;
}

void scene_begin_event(void)
{
	begin_event();
	add("notifier", ROLE_WRITER, play_notifier, NULL, event_part(2, 1), NULL);
	add("listener", ROLE_READER, play_listener, NULL, event_part(2, 0), NULL);
}

void scene_begin_event_of_the_dead(void)
{
	const struct actor *first, *second;

	begin_event();
	first = add("notifier", ROLE_WRITER, play_notifier, event_owner_dies, event_part(1, 1),
		    NULL);
	second = add("heir", ROLE_WRITER, play_event_heir, event_owner_dies, event_part(1, 2),
		     first);
	add("third", ROLE_WRITER, play_event_heir, NULL, event_part(1, 3), second);
	add("listener", ROLE_READER, play_listener, NULL, event_part(1, 0), NULL);
}

/* Whoever died, in the end all counts are told, and each end that there was. */
void scene_end_event(void)
{
	if (fate->stopped)
		return;
	ear->listener->seats_seen--; /* looks around */
	while (take_event())
		;
	for (uint32_t id = 0; id < IDS; id++) {
		expect_equal(ear->told[id], load_relaxed(&ear->event->word[1 + id]));
		expect(ear->told[id] >= ear->sent[id]);
	}
	/* The first one was there before. */
	expect_equal(ear->created + 1, load_relaxed(&ear->event->seat.generation));
	expect_equal(ear->died,
		     ear->created + 1 - ear->alive[load_relaxed(&ear->event->seat.owner)]);
}
