/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Who comes at the same moment for the same keys of a board: exactly one gets them, and goes on where
 * the last one stood.
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include <floe/board.h>

#include "frame/frame.h"
#include "os/os.h"

#define ROUNDS 30

static struct os table;
static _Atomic unsigned arrived, named, looking, through;
static _Thread_local bool has_looked;
static struct floe_board_writer *opened[2];
static int result[2];

static int open_writer(struct floe_board_writer **ret, const char *name, const char *second)
{
	struct floe_board_key keys[2] = {{"k", 8, NULL}, {second, 8, NULL}};

	return floe_board_writer_open(ret, name,
				      &(struct floe_board_writer_options){
					      .size = sizeof(struct floe_board_writer_options),
					      .keys = keys,
					      .keys_count = second ? 2 : 1});
}

/*
 * Two that make a board of their own
 */

/* Both, but for one that is through already. */
static void await_both(_Atomic unsigned *count)
{
	atomic_fetch_add(count, 1);
	while (atomic_load(count) + atomic_load(&through) < 2)
		(void)sched_yield();
}

/* None has a name before both want one; both have theirs before one of them looks. */
static int link_and_await(int fd, int dir, const char *name)
{
	bool is_board = !strncmp(name, "board.", 6);
	int r;

	if (is_board)
		await_both(&arrived);
	r = os_real.link_fd(fd, dir, name);
	if (is_board && r == 0) {
		await_both(&named);
		has_looked = false;
	}
	return r;
}

/* Both know who has the other one's board, and ask whether he lives, before one of them goes on. */
static int open_and_await(int dir, const char *name, int flags, mode_t mode)
{
	if (strstr(name, "nodes/") && atomic_load(&named) == 2 && !has_looked) {
		has_looked = true;
		await_both(&looking);
	}
	return os_real.open(dir, name, flags, mode);
}

static const char *seconds[2];

static void *come(void *argument)
{
	size_t i = (size_t)(uintptr_t)argument;

	result[i] = open_writer(&opened[i], "b", seconds[i]);
	atomic_fetch_add(&through, 1);
	return NULL;
}

static void race(void)
{
	pthread_t other;

	arrived = named = looking = through = 0;
	expect_equal(pthread_create(&other, NULL, come, (void *)1), 0);
	come((void *)0);
	expect_equal(pthread_join(other, NULL), 0);
	expect(result[0] == 0 || result[0] == -EEXIST);
	expect(result[1] == 0 || result[1] == -EEXIST);
	expect_equal((result[0] == 0) + (result[1] == 0), 1);
	for (size_t i = 0; i < 2; i++) {
		if (result[i] == 0)
			floe_board_writer_close(opened[i]);
	}
}

static void begin(void)
{
	table = os_real;
	os = &table;
}

static void end(void)
{
	os = &os_real;
}

static void one_of_two_newcomers_has_the_keys(void)
{
	begin();
	table.link_fd = link_and_await;
	table.open = open_and_await;
	for (int i = 0; i < ROUNDS; i++)
		race();
	end();
}

static void one_of_two_with_a_key_in_common_has_it(void)
{
	begin();
	table.link_fd = link_and_await;
	table.open = open_and_await;
	seconds[0] = "left";
	seconds[1] = "right";
	for (int i = 0; i < ROUNDS; i++)
		race();
	end();
}

/*
 * Two that would take over the same one
 */

static int64_t slept_ns;

static int64_t tell_time(void)
{
	return os_real.now_ns() + slept_ns;
}

static void pass_time(int64_t ns)
{
	slept_ns += ns;
}

/* While one has the lock and is not yet the owner the other one comes, and must not begin anew. */
static int lock_and_meet(int fd, enum os_lock kind)
{
	int r = os_real.try_lock(fd, kind);

	if (kind != OS_LOCK_EXCLUSIVE || r != 1)
		return r;
	table.try_lock = os_real.try_lock;
	result[1] = open_writer(&opened[1], "b", NULL);
	return r;
}

static void write_and_read(struct floe_board_writer *writer, struct floe_board_reader *reader,
			   uint64_t value, uint64_t expected)
{
	uint64_t found, sequence;
	int key;

	expect_equal(floe_board_write(writer, 0, &value, sizeof(value), &sequence), 0);
	expect_equal(sequence, expected);
	key = floe_board_find(reader, "k", NULL, NULL);
	expect(key >= 0);
	sequence = 0;
	expect_equal(floe_board_read(reader, key, &found, sizeof(found), &sequence), 1);
	expect_equal(found, value);
	expect_equal(sequence, expected);
}

static void who_takes_over_is_not_disturbed_by_another_one(void)
{
	struct floe_board_reader *reader;
	struct floe_board_writer *first;

	begin();
	table.sleep_ns = pass_time;
	table.now_ns = tell_time;
	expect_equal(floe_board_reader_open(&reader, "b", NULL), 0);
	expect_equal(open_writer(&first, "b", NULL), 0);
	write_and_read(first, reader, 5, 1);
	write_and_read(first, reader, 6, 2);
	floe_board_writer_close(first);
	table.try_lock = lock_and_meet;
	result[1] = 1;
	expect_equal(open_writer(&opened[0], "b", NULL), 0);
	expect_equal(result[1], -EEXIST);
	write_and_read(opened[0], reader, 7, 3);
	floe_board_writer_close(opened[0]);
	floe_board_reader_close(reader);
	end();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(one_of_two_newcomers_has_the_keys),
		TEST(one_of_two_with_a_key_in_common_has_it),
		TEST(who_takes_over_is_not_disturbed_by_another_one),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
