/* SPDX-License-Identifier: Apache-2.0 */
/* The words that others see: what is stored is loaded, and the futex half is the one that counts
 * up. */
#include "base/shared.h"

#include "frame/frame.h"

static void every_order_loads_what_was_stored(void)
{
	shared_u64 word = 0;

	store_relaxed(&word, 1);
	expect_equal(load_seq_cst(&word), 1);
	store_release(&word, 2);
	expect_equal(load_acquire(&word), 2);
	store_seq_cst(&word, 3);
	expect_equal(load_relaxed(&word), 3);
	expect_equal(add_seq_cst(&word, 4), 3);
	expect_equal(load_relaxed(&word), 7);
	bump(&word, 5);
	expect_equal(load_relaxed(&word), 12);
}

static void counters_wrap_without_trapping(void)
{
	shared_u64 word = UINT64_MAX;

	bump(&word, 2);
	expect_equal(load_relaxed(&word), 1);
}

static void the_futex_half_changes_with_every_count(void)
{
	shared_u64 word = 0x11111111fffffffe;

	expect_equal(*futex_half(&word), 0xfffffffe);
	bump(&word, 1);
	expect_equal(*futex_half(&word), 0xffffffff);
	bump(&word, 1);
	expect_equal(*futex_half(&word), 0);
	expect_equal(load_relaxed(&word), 0x1111111200000000);
}

static void copy_once_copies_just_its_bytes(void)
{
	const char from[] = "abcdef";
	char to[] = "......";

	copy_once(to + 1, from + 2, 3);
	expect_equal(memcmp(to, ".cde..", sizeof(to)), 0);
	copy_once(to, from, 0);
	expect_equal(memcmp(to, ".cde..", sizeof(to)), 0);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(every_order_loads_what_was_stored),
		TEST(counters_wrap_without_trapping),
		TEST(the_futex_half_changes_with_every_count),
		TEST(copy_once_copies_just_its_bytes),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
