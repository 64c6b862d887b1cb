/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A board: two keys of the victim's, one of the survivor's. Each value says which one it is, and from
 * that all its bytes follow: who reads it sees whether it is whole, and not older than the last one
 * that was certainly written.
 */

#include <errno.h>
#include <string.h>

#include <floe/board.h>

#include "frame/frame.h"
#include "pattern.h"
#include "victim.h"

#define SMALL 0
#define LARGE 1
#define OWN 2 /* the survivor's */
#define KEYS 3
#define WORDS 25

static const struct floe_board_key keys[] = {
	{"small", 5 * sizeof(uint64_t), NULL},
	{"large", WORDS * sizeof(uint64_t), NULL},
	{"own", 9 * sizeof(uint64_t), NULL},
};

struct seen {
	uint64_t number, sequence;
};

/* A reader, and what it knows of each key. */
struct looking {
	struct floe_board_reader *reader;
	int key[KEYS];
	struct seen seen[KEYS];
};

static struct {
	struct floe_board_writer *writer;
	struct looking looking;
	struct floe_board_value value;
	uint64_t number; /* of the value that is prepared */
} self;

/*
 * Values
 */

static uint64_t word(unsigned key, uint64_t number, size_t i)
{
	return (number ^ (uint64_t)key << 50 ^ (uint64_t)i << 40) * 0x9e3779b97f4a7c15u;
}

static uint64_t make(unsigned key, uint64_t *ret)
{
	uint64_t number = atomic_fetch_add(&stage->begun[key], 1) + 1;

	ret[0] = number;
	for (size_t i = 1; i < keys[key].size / sizeof(*ret); i++)
		ret[i] = word(key, number, i);
	return number;
}

static void write_one(struct floe_board_writer *writer, uint32_t index, unsigned key)
{
	uint64_t value[WORDS], number = make(key, value);

	expect_equal(floe_board_write(writer, index, value, keys[key].size, NULL), 0);
	atomic_store(&stage->made[key], number);
}

/* made: how many were certainly written before it was read. */
static void check(struct seen *seen, unsigned key, const uint64_t *value, uint64_t sequence,
		  uint64_t made)
{
	uint64_t number = value[0];

	for (size_t i = 1; i < keys[key].size / sizeof(*value); i++)
		expect(value[i] == word(key, number, i));
	expect(number >= made);
	expect(number <= atomic_load(&stage->begun[key]));
	expect(sequence > 0);
	expect(sequence >= seen->sequence);
	if (key == OWN) /* it has had no other writer */
		expect_equal(number, sequence);
	if (seen->sequence)
		expect_equal(sequence == seen->sequence, number == seen->number);
	*seen = (struct seen){number, sequence};
}

/*
 * Looking
 */

static void look_open(struct looking *l)
{
	memset(l, 0, sizeof(*l));
	expect_equal(floe_board_reader_open(&l->reader, WORLD_TOPIC, NULL), 0);
	for (unsigned i = 0; i < KEYS; i++)
		l->key[i] = -1;
}

/* There is something to find, and it is found; or nobody has written yet. */
static void look_at(struct looking *l, unsigned key, bool must)
{
	uint64_t value[WORDS], sequence = 0, made = atomic_load(&stage->made[key]);
	int r;

	if (l->key[key] < 0)
		l->key[key] = floe_board_find(l->reader, keys[key].name, NULL, NULL);
	expect(l->key[key] >= 0 || l->key[key] == -ENOENT);
	r = l->key[key] < 0
		    ? 0
		    : floe_board_read(l->reader, l->key[key], value, sizeof(value), &sequence);
	expect(r == 0 || r == 1 || (r == -ENOENT && !must));
	if (r == 1)
		check(&l->seen[key], key, value, sequence, made);
	else
		expect(!must || made == 0);
}

/* Each key once. */
static void look_at_list(struct looking *l)
{
	struct floe_board_key_info info;
	unsigned found[KEYS] = {0};

	for (size_t i = 0; floe_board_list(l->reader, i, &info, sizeof(info)) == 1; i++)
		for (unsigned k = 0; k < KEYS; k++)
			found[k] += !strcmp(info.name, keys[k].name);
	for (unsigned k = 0; k < KEYS; k++)
		expect(found[k] <= 1);
}

static int open_writer(struct floe_board_writer **ret, const struct floe_board_key *key,
		       size_t count)
{
	return floe_board_writer_open(ret, WORLD_TOPIC,
				      &(struct floe_board_writer_options){
					      .size = sizeof(struct floe_board_writer_options),
					      .keys = key,
					      .keys_count = count});
}

/*
 * Victim
 */

void board_writer_open(void)
{
	int r = open_writer(&self.writer, keys, 2);

	expect_usual(r == 0);
	expect(r == 0 || r == -EEXIST);
}

void board_write_small(void)
{
	if (self.writer)
		write_one(self.writer, SMALL, SMALL);
}

void board_write_large(void)
{
	if (self.writer)
		write_one(self.writer, LARGE, LARGE);
}

void board_prepare(void)
{
	void *place;

	if (!self.writer)
		return;
	expect_equal(floe_board_prepare(self.writer, LARGE, &place), 0);
	self.number = make(LARGE, place);
}

void board_commit(void)
{
	if (!self.writer)
		return;
	expect_equal(floe_board_commit(self.writer, LARGE, NULL), 0);
	atomic_store(&stage->made[LARGE], self.number);
}

void board_writer_close(void)
{
	floe_board_writer_close(self.writer);
	self.writer = NULL;
}

void board_reader_open(void)
{
	look_open(&self.looking);
}

void board_find(void)
{
	self.looking.key[OWN] = floe_board_find(self.looking.reader, "own", NULL, NULL);
	expect(self.looking.key[OWN] >= 0);
}

void board_read(void)
{
	uint64_t value[WORDS], sequence = self.looking.seen[OWN].sequence;
	uint64_t made = atomic_load(&stage->made[OWN]);

	expect_equal(floe_board_read(self.looking.reader, self.looking.key[OWN], value,
				     sizeof(value), &sequence),
		     1);
	check(&self.looking.seen[OWN], OWN, value, sequence, made);
}

void board_read_again(void)
{
	uint64_t value[WORDS], sequence = self.looking.seen[OWN].sequence;
	int r = floe_board_read(self.looking.reader, self.looking.key[OWN], value, sizeof(value),
				&sequence);

	expect_usual(r == 0);
	expect(r == 0 || r == 1);
}

void board_borrow(void)
{
	uint64_t value[WORDS], made = atomic_load(&stage->made[OWN]);

	expect_equal(floe_board_borrow(self.looking.reader, self.looking.key[OWN], &self.value), 1);
	memcpy(value, self.value.data, keys[OWN].size);
	if (floe_board_kept(self.looking.reader, self.looking.key[OWN], &self.value) == 1)
		check(&self.looking.seen[OWN], OWN, value, self.value.sequence, made);
	else
		expect_usual(false);
}

void board_list(void)
{
	look_at_list(&self.looking);
}

void board_reader_close(void)
{
	floe_board_reader_close(self.looking.reader);
}

/*
 * Survivor
 */

static void open_all(void)
{
	memset(&self, 0, sizeof(self));
	look_open(&self.looking);
	expect_equal(open_writer(&self.writer, &keys[OWN], 1), 0);
	write_one(self.writer, 0, OWN);
}

static void act(int64_t what)
{
	expect_equal(what, ACT_WRITE);
	write_one(self.writer, 0, OWN);
}

/* What is written is read at once; what others wrote stays. */
static void go_on(void)
{
	for (int i = 0; i < 3; i++) {
		write_one(self.writer, 0, OWN);
		look_at(&self.looking, OWN, true);
		expect_equal(self.looking.seen[OWN].number, atomic_load(&stage->made[OWN]));
	}
	look_at(&self.looking, SMALL, true);
	look_at(&self.looking, LARGE, true);
	look_at_list(&self.looking);
}

static void close_all(void)
{
	floe_board_writer_close(self.writer);
	floe_board_reader_close(self.looking.reader);
}

/*
 * Visitor
 */

static void work(struct floe_board_writer *writer, struct looking *l)
{
	for (unsigned i = 0; i < 6; i++) {
		struct seen before = l->seen[i % 2];

		write_one(writer, i % 2, i % 2);
		look_at(l, i % 2, true);
		expect_equal(l->seen[i % 2].number, atomic_load(&stage->made[i % 2]));
		if (before.sequence)
			expect_equal(l->seen[i % 2].sequence, before.sequence + 1);
	}
}

/* Who stands still may have the keys. */
static void visit(bool lives)
{
	struct floe_board_writer *writer = NULL;
	struct looking l;
	int r;

	look_open(&l);
	look_at(&l, SMALL, lives);
	look_at(&l, LARGE, lives);
	look_at(&l, OWN, lives);
	r = open_writer(&writer, keys, 2);
	if (r != -EEXIST || !atomic_load(&stage->stands))
		expect_equal(r, 0);
	if (r == 0)
		work(writer, &l);
	look_at_list(&l);
	floe_board_writer_close(writer);
	floe_board_reader_close(l.reader);
}

const struct pattern pattern_board = {
	.open = open_all,
	.act = act,
	.go_on = go_on,
	.settle = go_on,
	.close = close_all,
	.visit = visit,
};
