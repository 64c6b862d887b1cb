/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Boards: a reader gets a whole value or none, whoever writes, dies or follows; each key has one
 * writer; what was written stays readable.
 */

#include <errno.h>
#include <floe/board.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folder.h"
#include "peer.h"
#include "steps.h"

#define SPEED 0
#define MAP 1
#define MAP_SIZE 1000

#define WRITER(...) \
	(&(struct floe_board_writer_options){.size = sizeof(struct floe_board_writer_options), \
					     __VA_ARGS__})

static const struct floe_type speed_type = {.name = "speed", .size = 8, .alignment = 8, .hash = 5};

static const struct floe_board_key keys[] = {
	[SPEED] = {"speed", sizeof(uint64_t), &speed_type},
	[MAP] = {"map", MAP_SIZE, NULL},
};
#define KEYS .keys = keys, .keys_count = COUNT(keys)

static struct floe_board_writer *writer(void)
{
	struct floe_board_writer *opened = NULL;
	struct floe_error error = {{0}};
	int r = floe_board_writer_open(&opened, "car", WRITER(KEYS, .error = &error));

	if (r < 0)
		printf("%s\n", error.text);
	expect_equal(r, 0);
	return opened;
}

static struct floe_board_reader *reader(void)
{
	struct floe_board_reader *opened = NULL;

	expect_equal(floe_board_reader_open(&opened, "car", NULL), 0);
	return opened;
}

static void write_speed(struct floe_board_writer *w, uint64_t speed, uint64_t expected)
{
	uint64_t sequence = 0;

	expect_equal(floe_board_write(w, SPEED, &speed, sizeof(speed), &sequence), 0);
	expect_equal(sequence, expected);
}

static void write_map(struct floe_board_writer *w, uint64_t seed)
{
	unsigned char map[MAP_SIZE];

	fill(map, sizeof(map), seed);
	expect_equal(floe_board_write(w, MAP, map, sizeof(map), NULL), 0);
}

static void expect_speed(struct floe_board_reader *b, int key, uint64_t speed)
{
	uint64_t seen = 0;

	expect_equal(floe_board_read(b, key, &seen, sizeof(seen), NULL), 1);
	expect_equal(seen, speed);
}

static void the_latest_value_is_read(void)
{
	struct floe_board_writer *w = writer();
	struct floe_board_reader *b = reader();
	uint64_t sequence = 0, speed = 0;
	int key = floe_board_find(b, "speed", &speed_type, NULL);

	expect(key >= 0);
	expect_equal(floe_board_find(b, "speed", &speed_type, NULL), key);
	expect_equal(floe_board_read(b, key, &speed, sizeof(speed), &sequence), 0);
	expect_equal(floe_board_read(b, key, &speed, sizeof(speed), NULL), 0);
	for (uint64_t i = 1; i < 10; i++) {
		write_speed(w, i * 10, i);
		expect_equal(floe_board_look(b, key, &sequence), 0);
		expect_equal(sequence, i);
		sequence--;
		expect_equal(floe_board_read(b, key, &speed, sizeof(speed), &sequence), 1);
		expect_equal(speed, i * 10);
		expect_equal(sequence, i);
		expect_equal(floe_board_read(b, key, &speed, sizeof(speed), &sequence), 0);
	}
	floe_board_reader_close(b);
	floe_board_writer_close(w);
	expect_folder_empty();
}

static void large_values_are_written_and_read_where_they_lie(void)
{
	struct floe_board_writer *w = writer();
	struct floe_board_reader *b = reader();
	int key = floe_board_find(b, "map", NULL, NULL);
	struct floe_board_value value;
	uint64_t sequence;
	void *place;

	expect(key >= 0);
	expect_equal(floe_board_borrow(b, key, &value), 0);
	expect_equal(floe_board_commit(w, MAP, NULL), -EINVAL);
	expect_equal(floe_board_prepare(w, MAP, &place), 0);
	fill(place, MAP_SIZE, 7);
	expect_equal(floe_board_commit(w, MAP, &sequence), 0);
	expect_equal(sequence, 1);
	expect_equal(floe_board_borrow(b, key, &value), 1);
	expect_equal(value.size, MAP_SIZE);
	expect(is_filled(value.data, MAP_SIZE, 7));
	expect_equal(floe_board_kept(b, key, &value), 1);
	/* The next one goes elsewhere; the one after it, from its first byte on, does not. */
	write_map(w, 8);
	expect_equal(floe_board_kept(b, key, &value), 1);
	expect(is_filled(value.data, MAP_SIZE, 7));
	expect_equal(floe_board_prepare(w, MAP, &place), 0);
	expect_equal(floe_board_kept(b, key, &value), 0);
	floe_board_reader_close(b);
	floe_board_writer_close(w);
}

static void more_slots_keep_a_value_longer(void)
{
	struct floe_board_writer *w = NULL;
	struct floe_board_reader *b;
	struct floe_board_value value;
	int key;

	expect_equal(floe_board_writer_open(&w, "car", WRITER(KEYS, .slots = 5)), 0);
	b = reader();
	key = floe_board_find(b, "map", NULL, NULL);
	write_map(w, 0);
	expect_equal(floe_board_borrow(b, key, &value), 1);
	for (uint64_t i = 1; i < 5; i++) {
		write_map(w, i);
		expect_equal(floe_board_kept(b, key, &value), 1);
		expect(is_filled(value.data, MAP_SIZE, 0));
	}
	write_map(w, 5);
	expect_equal(floe_board_kept(b, key, &value), 0);
	floe_board_reader_close(b);
	floe_board_writer_close(w);
}

/* All words of the map are the same number, which only grows. */
static void write_without_end(int wire, void *argument)
{
	struct floe_board_writer *w = writer();
	uint64_t map[MAP_SIZE / 8];

	(void)argument;
	tell(wire, 1);
	for (uint64_t n = 1;; n++) {
		for (size_t i = 0; i < COUNT(map); i++)
			map[i] = n;
		(void)floe_board_write(w, MAP, map, sizeof(map), NULL);
	}
}

static void no_read_is_torn_while_somebody_writes(void)
{
	struct peer peer = peer_start(write_without_end, NULL);
	struct floe_board_reader *b;
	uint64_t map[MAP_SIZE / 8], last = 0, sequence = 0;
	int key, read = 0;
	int64_t end = now_ns() + 300000000;

	hear(peer.wire);
	b = reader();
	key = floe_board_find(b, "map", NULL, NULL);
	while (now_ns() < end || read < 10) {
		int r = floe_board_read(b, key, map, sizeof(map), &sequence);

		expect(r == 1 || r == 0 || r == -EAGAIN);
		if (r != 1)
			continue;
		for (size_t i = 1; i < COUNT(map); i++)
			expect_equal(map[i], map[0]);
		expect(map[0] > last);
		last = map[0];
		read++;
	}
	peer_kill(&peer);
	/* Dead, and still readable. */
	expect_equal(floe_board_read(b, key, map, sizeof(map), NULL), 1);
	expect(map[0] >= last);
	floe_board_reader_close(b);
	expect_folder_empty();
}

/*
 * Death at each instruction
 */

static void write_traced(const uint64_t *map, struct floe_board_writer *w)
{
	(void)floe_board_write(w, MAP, map, MAP_SIZE, NULL);
}

/* A writer that writes `n` in all words, with a stop before and after. */
static _Noreturn void live_traced(uint64_t n)
{
	struct floe_board_writer *w = writer();
	uint64_t map[MAP_SIZE / 8];

	for (size_t i = 0; i < COUNT(map); i++)
		map[i] = n;
	(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	(void)raise(SIGSTOP);
	write_traced(map, w);
	(void)raise(SIGUSR1);
	_exit(1);
}

/* Goes `steps` instructions on from the first stop and dies there. False: it had written before. */
static bool die_after(uint64_t n, unsigned steps)
{
	pid_t pid = fork();
	bool inside = true;
	int status = 0;

	expect(pid >= 0);
	if (pid == 0)
		live_traced(n);
	expect_equal(waitpid(pid, &status, 0), pid);
	expect(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	for (unsigned i = 0; i < steps && inside; i++) {
		expect_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
		expect_equal(waitpid(pid, &status, 0), pid);
		inside = WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP;
	}
	kill(pid, SIGKILL);
	expect_equal(waitpid(pid, &status, 0), pid);
	return inside;
}

/* Each writer succeeds the one before, who died some instructions later than his own predecessor, at
 * other ones in each run. Its
 * value is the last one or the new one, whole, and the sequence says which. */
static void a_writer_that_dies_anywhere_leaves_a_whole_value(void)
{
	struct floe_board_reader *b = reader();
	struct floe_board_writer *w = writer();
	uint64_t map[MAP_SIZE / 8] = {0}, last = 1, before = 0, sequence = 0;
	uint64_t state = random_seed() + (uint64_t)getpid();
	unsigned old = 0, new = 0, steps = 0;
	int key = floe_board_find(b, "map", NULL, NULL);

	for (size_t i = 0; i < COUNT(map); i++)
		map[i] = last;
	expect_equal(floe_board_write(w, MAP, map, sizeof(map), &before), 0);
	floe_board_writer_close(w);
	for (uint64_t n = 2;; n++, steps += 1 + (unsigned)(random_next(&state) % (1 + steps / 8))) {
		bool inside = die_after(n, steps);

		expect_equal(floe_board_read(b, key, map, sizeof(map), NULL), 1);
		for (size_t i = 1; i < COUNT(map); i++)
			expect_equal(map[i], map[0]);
		expect_equal(floe_board_look(b, key, &sequence), 0);
		expect(map[0] == last || map[0] == n);
		expect_equal(sequence, before + (map[0] == n));
		old += map[0] == last;
		new += map[0] == n;
		last = map[0];
		before = sequence;
		if (!inside)
			break;
	}
	/* It has seen deaths on both sides of the store that counts. */
	expect(old > 5 && new > 0);
	expect(folder_count_files() <=
	       4); /* our node, perhaps the last dead one, topic, one board */
	floe_board_reader_close(b);
	expect_folder_empty();
}

/*
 * Who writes what
 */

static void a_key_has_one_writer(void)
{
	static const struct floe_board_key others[] = {{"map", 10, NULL}, {"more", 10, NULL}};
	struct floe_board_writer *w = writer();
	struct floe_board_writer *second = NULL;
	struct floe_error error = {{0}};

	expect_equal(floe_board_writer_open(&second, "car", WRITER(KEYS, .error = &error)),
		     -EEXIST);
	expect(strstr(error.text, "'speed'") && strstr(error.text, "'car'"));
	expect_equal(
		floe_board_writer_open(&second, "car",
				       WRITER(.keys = others, .keys_count = 2, .error = &error)),
		-EEXIST);
	expect(strstr(error.text, "'map'"));
	expect_equal(folder_count_files(), 3);
	/* Not the same key: it is one writer more. */
	expect_equal(
		floe_board_writer_open(&second, "car", WRITER(.keys = others + 1, .keys_count = 1)),
		0);
	floe_board_writer_close(w);
	/* Now it may, and what was left of the old map goes. */
	expect_equal(floe_board_writer_open(&w, "car", WRITER(.keys = others, .keys_count = 1)), 0);
	floe_board_writer_close(second);
	floe_board_writer_close(w);
	expect_folder_empty();
}

static void several_writers_make_up_a_board(void)
{
	static const struct floe_board_key more[] = {{"more", 8, NULL}};
	struct floe_board_writer *w = writer();
	struct floe_board_writer *second = NULL;
	struct floe_board_reader *b = reader();
	struct floe_board_key_info info;
	unsigned count = 0;
	int speed = floe_board_find(b, "speed", NULL, NULL);
	int key;

	expect_equal(floe_board_find(b, "more", NULL, NULL), -ENOENT);
	expect_equal(floe_board_writer_open(&second, "car", WRITER(.keys = more, .keys_count = 1)),
		     0);
	key = floe_board_find(b, "more", NULL, NULL);
	expect(key >= 0 && key != speed);
	write_speed(w, 1, 1);
	write_speed(second, 2, 1); /* its key 0 is "more" */
	expect_speed(b, speed, 1);
	expect_speed(b, key, 2);
	while (floe_board_list(b, count, &info, sizeof(info)) == 1) {
		expect_equal(info.is_alive, 1);
		count++;
	}
	expect_equal(count, 3);
	floe_board_writer_close(second);
	expect_speed(b, key, 2);
	floe_board_writer_close(w);
	expect_speed(b, speed, 1);
	floe_board_reader_close(b);
	expect_folder_empty();
}

static void a_successor_goes_on_with_values_and_sequences(void)
{
	struct floe_board_writer *w = writer();
	struct floe_board_reader *b = reader();
	int key = floe_board_find(b, "speed", NULL, NULL);

	write_speed(w, 10, 1);
	write_speed(w, 20, 2);
	floe_board_writer_close(w);
	expect_speed(b, key, 20);
	w = writer();
	expect_speed(b, key, 20);
	write_speed(w, 30, 3);
	expect_speed(b, key, 30);
	floe_board_writer_close(w);
	floe_board_reader_close(b);
}

static void types_that_differ_are_told_in_a_sentence(void)
{
	static const struct floe_type other = {.name = "velocity", .size = 8};
	static const struct floe_board_key changed[] = {{"speed", 8, &other}};
	struct floe_board_writer *w = writer();
	struct floe_board_reader *b = reader();
	struct floe_error error = {{0}};
	uint64_t speed;
	int key = floe_board_find(b, "speed", &speed_type, NULL);

	expect(key >= 0);
	expect_equal(floe_board_find(b, "speed", &other, &error), -EPROTOTYPE);
	expect(strstr(error.text, "'velocity'") && strstr(error.text, "'speed'"));
	expect_equal(floe_board_find(b, "height", NULL, &error), -ENOENT);
	expect(strstr(error.text, "'height'") && strstr(error.text, "'car'"));
	floe_board_writer_close(w);
	/* Another writer gives the key another type: the number stays, the value does not fit. */
	expect_equal(floe_board_writer_open(&w, "car", WRITER(.keys = changed, .keys_count = 1)),
		     0);
	expect_equal(floe_board_read(b, key, &speed, sizeof(speed), NULL), -EPROTOTYPE);
	floe_board_writer_close(w);
	w = writer();
	write_speed(w, 1, 1);
	expect_speed(b, key, 1);
	floe_board_writer_close(w);
	floe_board_reader_close(b);
	expect_folder_empty();
}

/*
 * Rules
 */

static void bad_arguments_are_refused(void)
{
	static const struct floe_board_key twice[] = {{"a", 8, NULL}, {"a", 8, NULL}};
	static const struct floe_board_key empty[] = {{"a", 0, NULL}};
	static const struct floe_board_key slash[] = {{"a/b", 8, NULL}};
	struct floe_board_writer *w = writer(), *none = NULL;
	struct floe_board_reader *b = reader();
	struct floe_board_writer *no_writer = (struct floe_board_writer *)(void *)b;
	struct floe_board_reader *no_reader = (struct floe_board_reader *)(void *)w;
	struct floe_board_key_info info;
	struct floe_board_value value;
	uint64_t speed = 0;
	int key = floe_board_find(b, "speed", NULL, NULL);

	expect_equal(floe_board_writer_open(&none, "x", NULL), -EINVAL);
	expect_equal(floe_board_writer_open(NULL, "x", WRITER(KEYS)), -EINVAL);
	expect_equal(floe_board_writer_open(&none, "a/b", WRITER(KEYS)), -EINVAL);
	expect_equal(floe_board_writer_open(&none, "x", WRITER(.keys = twice, .keys_count = 2)),
		     -EINVAL);
	expect_equal(floe_board_writer_open(&none, "x", WRITER(.keys = empty, .keys_count = 1)),
		     -EINVAL);
	expect_equal(floe_board_writer_open(&none, "x", WRITER(.keys = slash, .keys_count = 1)),
		     -EINVAL);
	expect_equal(floe_board_writer_open(&none, "x", WRITER(KEYS, .slots = 1)), -EINVAL);
	expect_equal(floe_board_writer_open(&none, "x", WRITER(KEYS, .slots = 17)), -EINVAL);
	expect_equal(floe_board_writer_open(&none, "x", WRITER(KEYS, .flags = 1)), -EINVAL);
	expect_equal(floe_board_write(w, 2, &speed, 8, NULL), -EINVAL);
	expect_equal(floe_board_write(w, SPEED, &speed, 7, NULL), -EINVAL);
	expect_equal(floe_board_write(w, SPEED, NULL, 8, NULL), -EINVAL);
	expect_equal(floe_board_write(NULL, SPEED, &speed, 8, NULL), -EINVAL);
	expect_equal(floe_board_write(no_writer, SPEED, &speed, 8, NULL), -EINVAL);
	expect_equal(floe_board_prepare(w, SPEED, NULL), -EINVAL);
	expect_equal(floe_board_reader_open(NULL, "x", NULL), -EINVAL);
	expect_equal(floe_board_find(b, NULL, NULL, NULL), -EINVAL);
	expect_equal(floe_board_find(no_reader, "speed", NULL, NULL), -EINVAL);
	expect_equal(floe_board_read(b, -1, &speed, 8, NULL), -EINVAL);
	expect_equal(floe_board_read(b, 99, &speed, 8, NULL), -EINVAL);
	expect_equal(floe_board_read(b, key, NULL, 8, NULL), -EINVAL);
	expect_equal(floe_board_read(b, key, &speed, 7, NULL), -EMSGSIZE);
	expect_equal(floe_board_read(no_reader, key, &speed, 8, NULL), -EINVAL);
	expect_equal(floe_board_look(b, key, NULL), -EINVAL);
	expect_equal(floe_board_borrow(b, key, NULL), -EINVAL);
	expect_equal(floe_board_kept(b, key, NULL), -EINVAL);
	expect_equal(floe_board_list(b, 0, NULL, 8), -EINVAL);
	expect_equal(floe_board_list(b, 99, &info, sizeof(info)), 0);
	floe_board_writer_close(NULL);
	floe_board_reader_close(NULL);
	floe_board_writer_close(no_writer);
	floe_board_reader_close(b);
	floe_board_writer_close(w);
	expect_equal(floe_board_read(b, key, &speed, 8, NULL), -EINVAL);
	expect_equal(floe_board_borrow(b, key, &value), -EINVAL);
	expect_equal(floe_board_write(w, SPEED, &speed, 8, NULL), -EINVAL);
}

static void the_file_is_as_large_as_was_said(void)
{
	static struct folder before, after;
	struct floe_board_reader *b = reader();
	struct floe_board_writer *w = NULL;
	struct stat seen;

	folder_list(&before);
	expect_equal(floe_board_writer_open(&w, "car", WRITER(KEYS, .mode = 0644, .slots = 3)), 0);
	folder_list(&after);
	expect_equal(stat(folder_new_file(&before, &after), &seen), 0);
	expect_equal(seen.st_size, floe_board_writer_memory_size(WRITER(KEYS, .slots = 3)));
	expect_equal(seen.st_mode & 07777, 0644);
	expect_equal(floe_board_writer_memory_size(WRITER(KEYS, .slots = 1)), -EINVAL);
	floe_board_writer_close(w);
	floe_board_reader_close(b);
}

static void a_child_has_no_handles(void)
{
	struct floe_board_writer *w = writer();
	struct floe_board_reader *b = reader();
	int key = floe_board_find(b, "speed", NULL, NULL);
	pid_t child = fork();
	uint64_t speed = 9;
	int status = 0;

	if (child == 0)
		_exit(floe_board_write(w, SPEED, &speed, 8, NULL) == -EINVAL &&
				      floe_board_read(b, key, &speed, 8, NULL) == -EINVAL
			      ? 0
			      : 1);
	expect_equal(waitpid(child, &status, 0), child);
	expect_equal(status, 0);
	write_speed(w, 1, 1);
	expect_speed(b, key, 1);
	floe_board_reader_close(b);
	floe_board_writer_close(w);
}

/* A writer's file with other bytes in it: each call returns, and keeps inside the buffer. */
static void a_writer_that_writes_nonsense_harms_nobody(void)
{
	uint64_t state = random_seed();
	size_t size = (size_t)floe_board_writer_memory_size(WRITER(KEYS));

	for (int round = 0; round < 300; round++) {
		static struct folder before, after;
		struct floe_board_writer *w, *next = NULL;
		struct floe_board_reader *b = NULL;
		struct floe_board_value value;
		uint64_t map[MAP_SIZE / 8 + 1];
		int found[2];

		folder_list(&before);
		w = writer();
		folder_list(&after);
		write_map(w, 1);
		if (round % 2)
			b = reader();
		for (int i = 0; i < 12; i++) {
			uint64_t word = random_next(&state) >> (random_next(&state) % 64);

			file_write(folder_new_file(&before, &after),
				   random_next(&state) % (size / 8) * 8, &word, 8);
		}
		if (!b && floe_board_reader_open(&b, "car", NULL) < 0)
			b = NULL;
		found[0] = b ? floe_board_find(b, "map", NULL, NULL) : -1;
		found[1] = b ? floe_board_find(b, "speed", NULL, NULL) : -1;
		for (int i = 0; i < 2; i++) {
			map[MAP_SIZE / 8] = 0x5555;
			(void)floe_board_read(b, found[i], map, MAP_SIZE, NULL);
			expect_equal(map[MAP_SIZE / 8], 0x5555);
			if (floe_board_borrow(b, found[i], &value) == 1) {
				volatile unsigned char last;

				last = ((const unsigned char *)value.data)[value.size - 1];
				(void)last;
				(void)floe_board_kept(b, found[i], &value);
			}
		}
		floe_board_writer_close(w);
		/* Who comes then writes, in this file or in one of its own. */
		if (floe_board_writer_open(&next, "car", WRITER(KEYS)) == 0)
			write_map(next, 2);
		floe_board_writer_close(next);
		floe_board_reader_close(b);
		folder_wipe();
	}
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(the_latest_value_is_read),
		TEST(large_values_are_written_and_read_where_they_lie),
		TEST(more_slots_keep_a_value_longer),
		TEST(no_read_is_torn_while_somebody_writes),
		TEST(a_writer_that_dies_anywhere_leaves_a_whole_value),
		TEST(a_key_has_one_writer),
		TEST(several_writers_make_up_a_board),
		TEST(a_successor_goes_on_with_values_and_sequences),
		TEST(types_that_differ_are_told_in_a_sentence),
		TEST(bad_arguments_are_refused),
		TEST(the_file_is_as_large_as_was_said),
		TEST(a_child_has_no_handles),
		TEST(a_writer_that_writes_nonsense_harms_nobody),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
