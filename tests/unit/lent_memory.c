/* SPDX-License-Identifier: Apache-2.0 */

/* A block that is lent is its owner's again when nobody looks into it any more, and not before. */

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "frame/frame.h"
#include "registry/lent_memory.h"

#define FILE_NUMBER 7
/* One who does not wait has long removed it then. */
#define WHILE_NS 50000000

static unsigned char block[4096];
static atomic_bool begun, removed;

static void *remove_it(void *user)
{
	atomic_store(&begun, true);
	lent_memory_remove(FILE_NUMBER);
	atomic_store(&removed, true);
	return user;
}

static void rest(void)
{
	expect_equal(nanosleep(&(struct timespec){.tv_nsec = WHILE_NS}, NULL), 0);
}

static void lend_and_look(int looks)
{
	expect_equal(lent_memory_add(FILE_NUMBER, block, sizeof(block)), 0);
	for (int i = 0; i < looks; i++)
		expect(lent_memory_hold(FILE_NUMBER));
}

static pthread_t begin_to_remove(void)
{
	pthread_t thread;

	expect_equal(pthread_create(&thread, NULL, remove_it, NULL), 0);
	while (!atomic_load(&begun))
		rest();
	rest();
	return thread;
}

static void who_removes_a_block_waits_for_all_who_look_into_it(void)
{
	pthread_t thread;

	lend_and_look(2);
	thread = begin_to_remove();
	expect(!atomic_load(&removed));
	lent_memory_release(FILE_NUMBER);
	rest();
	expect(!atomic_load(&removed));
	lent_memory_release(FILE_NUMBER);
	expect_equal(pthread_join(thread, NULL), 0);
	expect(atomic_load(&removed));
	expect(!lent_memory_hold(FILE_NUMBER));
}

static void what_nobody_looks_into_is_removed_at_once(void)
{
	lend_and_look(1);
	lent_memory_release(FILE_NUMBER);
	lent_memory_remove(FILE_NUMBER);
	expect(!lent_memory_hold(FILE_NUMBER));
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(who_removes_a_block_waits_for_all_who_look_into_it),
		TEST(what_nobody_looks_into_is_removed_at_once),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
