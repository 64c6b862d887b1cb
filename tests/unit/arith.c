/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes never wrap, and what is out of range stays so. */
#include "base/arith.h"

#include "frame/frame.h"

static void sums_are_exact_until_they_wrap(void)
{
	expect(size_add(0, 0) == 0);
	expect(size_add(3, 4) == 7);
	expect(size_add(SIZE_MAX - 1, 0) == SIZE_MAX - 1);
	expect(size_add(SIZE_MAX - 2, 1) == SIZE_MAX - 1);
	expect(size_add(SIZE_MAX - 1, 1) == SIZE_INVALID);
	expect(size_add(SIZE_MAX - 1, 2) == SIZE_INVALID);
	expect(size_add(SIZE_MAX / 2 + 1, SIZE_MAX / 2 + 1) == SIZE_INVALID);
}

static void products_are_exact_until_they_wrap(void)
{
	expect(size_mul(0, SIZE_MAX - 1) == 0);
	expect(size_mul(6, 7) == 42);
	expect(size_mul((size_t)1 << 31, (size_t)1 << 32) == (size_t)1 << 63);
	expect(size_mul((size_t)1 << 32, (size_t)1 << 32) == SIZE_INVALID);
	expect(size_mul(SIZE_MAX - 1, 2) == SIZE_INVALID);
}

static void an_invalid_size_stays_invalid(void)
{
	expect(size_add(SIZE_INVALID, 0) == SIZE_INVALID);
	expect(size_add(0, SIZE_INVALID) == SIZE_INVALID);
	expect(size_mul(SIZE_INVALID, 0) == SIZE_INVALID);
	expect(size_mul(0, SIZE_INVALID) == SIZE_INVALID);
	expect(size_mul(SIZE_INVALID, 1) == SIZE_INVALID);
	expect(size_align(SIZE_INVALID, 64) == SIZE_INVALID);
}

static void aligning_rounds_up(void)
{
	expect(size_align(0, 64) == 0);
	expect(size_align(1, 64) == 64);
	expect(size_align(64, 64) == 64);
	expect(size_align(65, 64) == 128);
	expect(size_align(7, 1) == 7);
	expect(size_align(SIZE_MAX - 127, 64) == SIZE_MAX - 127);
	expect(size_align(SIZE_MAX - 62, 64) == SIZE_INVALID);
	expect(size_align(SIZE_MAX - 1, 64) == SIZE_INVALID);
}

static void powers_of_two_are_told_from_other_numbers(void)
{
	for (unsigned bit = 0; bit < 64; bit++)
		expect(is_power_of_two((size_t)1 << bit));
	expect(!is_power_of_two(0));
	expect(!is_power_of_two(3));
	expect(!is_power_of_two(SIZE_MAX));
	expect(!is_power_of_two(((size_t)1 << 63) + 1));
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(sums_are_exact_until_they_wrap),
		TEST(products_are_exact_until_they_wrap),
		TEST(an_invalid_size_stays_invalid),
		TEST(aligning_rounds_up),
		TEST(powers_of_two_are_told_from_other_numbers),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
