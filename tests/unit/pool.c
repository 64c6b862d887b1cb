/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pool gives each chunk to one taker at a time and tells wrong returns from right ones. Random
 * operations run beside a model that is nothing but a list of flags, with the walker after each.
 */
#include "alloc/pool.h"

#include <stdbool.h>

#include "unit/bookkeeping.h"

#define OFFSET 4096
#define CHUNK_SIZE 256

static struct bookkeeping memory;
static struct pool pool;

static void setup_growing(uint32_t count, uint32_t count_max)
{
	memory = bookkeeping_make(pool_memory_size(count_max));
	expect_equal(
		pool_init(&pool, memory.memory, memory.size, OFFSET, CHUNK_SIZE, count, count_max),
		0);
	expect_equal(pool_check(&pool), 0);
}

static void setup(uint32_t count)
{
	setup_growing(count, count);
}

static void teardown(void)
{
	expect_equal(pool_check(&pool), 0);
	pool_deinit(&pool);
	expect(!pool.free);
	bookkeeping_end(&memory);
}

static uint32_t take(void)
{
	uint32_t index = UINT32_MAX;

	expect_equal(pool_take(&pool, &index), 1);
	expect(index < pool.chunk_count);
	return index;
}

/* Sizes */

static void the_size_is_exact(void)
{
	expect_equal(pool_memory_size(0), 0);
	expect_equal(pool_memory_size(1), 8);
	expect_equal(pool_memory_size(1000), 8000);
	expect_equal(pool_memory_size(UINT32_MAX), 8LL * UINT32_MAX);
}

/* The guard behind the memory shows that no more is used, this that no less is enough. */
static void one_byte_less_is_refused_and_nothing_touched(void)
{
	struct pool before;

	for (uint32_t count = 1; count < 200; count++) {
		memory = bookkeeping_make(pool_memory_size(count));
		memset(&pool, BOOKKEEPING_FILL, sizeof(pool));
		before = pool;
		expect_equal(pool_init(&pool, memory.memory, memory.size - 1, OFFSET, CHUNK_SIZE,
				       count, count),
			     -ENOMEM);
		expect(bookkeeping_is_untouched(memory.memory, memory.memory + memory.size));
		expect_equal(memcmp(&pool, &before, sizeof(pool)), 0);
		expect_equal(pool_init(&pool, memory.memory, memory.size, OFFSET, CHUNK_SIZE, count,
				       count),
			     0);
		for (uint32_t i = 0; i < count; i++)
			(void)take();
		for (uint32_t i = 0; i < count; i++)
			expect_equal(pool_give(&pool, i), 0);
		teardown();
	}
}

static int init(size_t shift, uint64_t offset, size_t chunk_size, uint32_t count,
		uint32_t count_max)
{
	return pool_init(&pool, memory.memory + shift, memory.size - shift, offset, chunk_size,
			 count, count_max);
}

static void what_cannot_be_a_pool_is_refused(void)
{
	memory = bookkeeping_make(pool_memory_size(20));
	expect_equal(init(0, 0, 0, 10, 10), -EINVAL);
	expect_equal(init(0, 0, 63, 10, 10), -EINVAL);
	expect_equal(init(0, 0, 65, 10, 10), -EINVAL);
	expect_equal(init(0, 32, 64, 10, 10), -EINVAL);
	expect_equal(init(0, 0, 64, 0, 0), -EINVAL);
	expect_equal(init(0, 0, 64, 11, 10), -EINVAL);
	expect_equal(init(1, 0, 64, 10, 10), -EINVAL);
	expect_equal(init(2, 0, 64, 10, 10), -EINVAL);
	expect_equal(init(0, UINT64_MAX - 63, 64, 1, 1), -EINVAL);
	expect_equal(init(0, UINT64_MAX - 127, 64, 1, 2), -EINVAL);
	expect_equal(init(0, 64, (size_t)1 << 63, 1, 2), -EINVAL);
	expect(bookkeeping_is_untouched(memory.memory, memory.memory + memory.size));
	expect_equal(init(4, 0, 64, 10, 10), 0);
	expect_equal(init(0, UINT64_MAX - 127, 64, 1, 1), 0);
	bookkeeping_end(&memory);
}

static void offsets_lie_side_by_side(void)
{
	setup(3);
	expect_equal(pool_offset(&pool, 0), OFFSET);
	expect_equal(pool_offset(&pool, 1), OFFSET + CHUNK_SIZE);
	expect_equal(pool_offset(&pool, 2), OFFSET + 2 * CHUNK_SIZE);
	pool.chunk_size = (size_t)1 << 40;
	expect_equal(pool_offset(&pool, 3), OFFSET + ((uint64_t)3 << 40));
	teardown();
}

/* Order and outcomes */

static void chunks_are_taken_in_order_until_none_is_left(void)
{
	uint32_t index = 77;

	setup(5);
	for (uint32_t i = 0; i < 5; i++)
		expect_equal(take(), i);
	expect_equal(pool_take(&pool, &index), 0);
	expect_equal(index, 77);
	expect_equal(pool.used, 5);
	teardown();
}

static void the_chunk_given_last_comes_first(void)
{
	setup(5);
	for (int i = 0; i < 4; i++)
		(void)take();
	expect_equal(pool_give(&pool, 2), 0);
	expect_equal(pool_give(&pool, 0), 0);
	expect_equal(pool_give(&pool, 3), 0);
	expect_equal(take(), 3);
	expect_equal(take(), 0);
	expect_equal(take(), 2);
	expect_equal(take(), 4);
	teardown();
}

static void giving_twice_is_noticed(void)
{
	setup(3);
	(void)take();
	(void)take();
	expect_equal(pool_give(&pool, 1), 0);
	expect_equal(pool_give(&pool, 1), -EINVAL);
	expect_equal(pool.used, 1);
	expect_equal(pool_check(&pool), 0);
	expect_equal(pool_give(&pool, 0), 0);
	expect_equal(pool_give(&pool, 0), -EINVAL);
	expect_equal(pool.used, 0);
	teardown();
}

static void a_chunk_that_was_never_taken_cannot_be_given(void)
{
	setup(3);
	for (uint32_t i = 0; i < 3; i++)
		expect_equal(pool_give(&pool, i), -EINVAL);
	teardown();
}

static void foreign_indexes_are_refused(void)
{
	setup_growing(3, 6);
	for (int i = 0; i < 3; i++)
		(void)take();
	expect_equal(pool_give(&pool, 3), -EINVAL);
	expect_equal(pool_give(&pool, 6), -EINVAL);
	expect_equal(pool_give(&pool, UINT32_MAX), -EINVAL);
	expect_equal(pool_claim(&pool, 3), -EINVAL);
	expect_equal(pool_claim(&pool, UINT32_MAX), -EINVAL);
	expect_equal(pool.used, 3);
	teardown();
}

static void the_high_water_mark_only_rises(void)
{
	setup(4);
	(void)take();
	(void)take();
	expect_equal(pool.used_high, 2);
	expect_equal(pool_give(&pool, 0), 0);
	expect_equal(pool.used_high, 2);
	(void)take();
	expect_equal(pool.used_high, 2);
	expect_equal(pool_claim(&pool, 3), 1);
	expect_equal(pool.used_high, 3);
	teardown();
}

/* Claiming */

static void a_claimed_chunk_is_not_given_to_others(void)
{
	for (uint32_t claimed = 0; claimed < 4; claimed++) {
		bool seen[4] = {false};

		setup(4);
		expect_equal(pool_claim(&pool, claimed), 1);
		expect_equal(pool_claim(&pool, claimed), 0);
		expect_equal(pool_check(&pool), 0);
		for (int i = 0; i < 3; i++)
			seen[take()] = true;
		for (uint32_t i = 0; i < 4; i++)
			expect_equal(seen[i], i != claimed);
		expect_equal(pool_give(&pool, claimed), 0);
		expect_equal(take(), claimed);
		teardown();
	}
}

static void everything_can_be_claimed_in_any_order(void)
{
	setup(100);
	for (uint32_t i = 0; i < 100; i++)
		expect_equal(pool_claim(&pool, (i * 37) % 100), 1);
	expect_equal(pool.used, 100);
	expect_equal(pool_check(&pool), 0);
	for (uint32_t i = 0; i < 100; i++)
		expect_equal(pool_claim(&pool, i), 0);
	teardown();
}

/* A ring may have a million slots, each with a chunk to be claimed. */
static void a_million_claims_take_no_time(void)
{
	setup(1 << 20);
	for (uint32_t i = 0; i < 1 << 20; i++)
		expect_equal(pool_claim(&pool, (1 << 20) - 1 - i), 1);
	teardown();
}

/* Growing */

static void new_chunks_come_after_those_that_are_free(void)
{
	setup_growing(3, 6);
	expect_equal(take(), 0);
	expect_equal(pool_grow(&pool, 5), 0);
	expect_equal(pool_check(&pool), 0);
	for (uint32_t i = 1; i < 5; i++)
		expect_equal(take(), i);
	expect_equal(pool_grow(&pool, 6), 0);
	expect_equal(take(), 5);
	teardown();
}

static void growing_from_nothing_works(void)
{
	uint32_t index;

	setup_growing(0, 4);
	expect_equal(pool_take(&pool, &index), 0);
	expect_equal(pool_grow(&pool, 4), 0);
	for (uint32_t i = 0; i < 4; i++)
		expect_equal(take(), i);
	teardown();
}

static void growing_by_nothing_changes_nothing(void)
{
	setup_growing(3, 6);
	(void)take();
	expect_equal(pool_grow(&pool, 3), 0);
	expect_equal(pool_grow(&pool, 0), 0);
	expect_equal(pool_grow(&pool, 7), -EINVAL);
	expect_equal(pool_grow(&pool, UINT32_MAX), -EINVAL);
	expect_equal(pool.chunk_count, 3);
	expect_equal(pool.used, 1);
	teardown();
}

/* The walker */

static void the_walker_sees_every_broken_rule(void)
{
	struct pool good;

	setup_growing(6, 8);
	(void)take();
	(void)take();
	good = pool;
	pool.used = 1;
	expect_equal(pool_check(&pool), -EPROTO);
	pool.used = 3;
	expect_equal(pool_check(&pool), -EPROTO);
	pool.used = 7;
	expect_equal(pool_check(&pool), -EPROTO);
	pool = good;
	pool.used_high = 1;
	expect_equal(pool_check(&pool), -EPROTO);
	pool.used_high = 7;
	expect_equal(pool_check(&pool), -EPROTO);
	pool = good;
	pool.chunk_count = 9;
	expect_equal(pool_check(&pool), -EPROTO);
	pool = good;
	teardown();
}

static void the_walker_sees_every_broken_entry(void)
{
	setup_growing(6, 8);
	(void)take();
	(void)take();
	for (uint32_t i = 0; i < pool.chunk_count - pool.used; i++) {
		uint32_t good = pool.free[i];

		for (uint32_t bad = 0; bad < 10; bad++) {
			pool.free[i] = bad;
			expect_equal(pool_check(&pool), bad == good ? 0 : -EPROTO);
		}
		pool.free[i] = good;
	}
	for (uint32_t i = 0; i < pool.chunk_count; i++) {
		uint32_t good = pool.place[i];

		pool.place[i] = good == POOL_TAKEN ? 0 : POOL_TAKEN;
		expect_equal(pool_check(&pool), -EPROTO);
		pool.place[i] = good;
	}
	teardown();
}

/* The model */

#define MODEL_COUNT 48

static bool taken[MODEL_COUNT];
static uint32_t taken_count, taken_high;

static void model_take(uint32_t index)
{
	expect(!taken[index]);
	taken[index] = true;
	taken_count++;
	taken_high = taken_count > taken_high ? taken_count : taken_high;
}

static void try_take(void)
{
	uint32_t index = UINT32_MAX;
	int r = pool_take(&pool, &index);

	expect_equal(r, taken_count < pool.chunk_count);
	if (r)
		model_take(index);
}

static void try_give(uint32_t index)
{
	bool right = index < pool.chunk_count && taken[index];

	expect_equal(pool_give(&pool, index), right ? 0 : -EINVAL);
	if (!right)
		return;
	taken[index] = false;
	taken_count--;
}

static void try_claim(uint32_t index)
{
	if (index >= pool.chunk_count) {
		expect_equal(pool_claim(&pool, index), -EINVAL);
		return;
	}
	expect_equal(pool_claim(&pool, index), !taken[index]);
	if (!taken[index])
		model_take(index);
}

static void try_grow(uint32_t count)
{
	uint32_t before = pool.chunk_count;

	expect_equal(pool_grow(&pool, count), count > MODEL_COUNT ? -EINVAL : 0);
	expect_equal(pool.chunk_count, count > MODEL_COUNT || count < before ? before : count);
}

static void try_anything(uint64_t *random)
{
	uint32_t index = bookkeeping_random(random, MODEL_COUNT + 2);
	uint32_t dice = bookkeeping_random(random, 128);

	if (dice < 1)
		try_grow(pool.chunk_count + bookkeeping_random(random, 4));
	else if (dice < 8)
		try_claim(index);
	else if (dice < 64)
		try_take();
	else
		try_give(index);
}

static void random_operations_agree_with_a_model(void)
{
	uint64_t random = 88172645463325252;

	for (int round = 0; round < 200; round++) {
		setup_growing(bookkeeping_random(&random, 9), MODEL_COUNT);
		memset(taken, 0, sizeof(taken));
		taken_count = taken_high = 0;
		for (int i = 0; i < 1000; i++) {
			try_anything(&random);
			expect_equal(pool.used, taken_count);
			expect_equal(pool.used_high, taken_high);
			expect_equal(pool_check(&pool), 0);
		}
		teardown();
	}
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(the_size_is_exact),
		TEST(one_byte_less_is_refused_and_nothing_touched),
		TEST(what_cannot_be_a_pool_is_refused),
		TEST(offsets_lie_side_by_side),
		TEST(chunks_are_taken_in_order_until_none_is_left),
		TEST(the_chunk_given_last_comes_first),
		TEST(giving_twice_is_noticed),
		TEST(a_chunk_that_was_never_taken_cannot_be_given),
		TEST(foreign_indexes_are_refused),
		TEST(the_high_water_mark_only_rises),
		TEST(a_claimed_chunk_is_not_given_to_others),
		TEST(everything_can_be_claimed_in_any_order),
		TEST(a_million_claims_take_no_time),
		TEST(new_chunks_come_after_those_that_are_free),
		TEST(growing_from_nothing_works),
		TEST(growing_by_nothing_changes_nothing),
		TEST(the_walker_sees_every_broken_rule),
		TEST(the_walker_sees_every_broken_entry),
		TEST(random_operations_agree_with_a_model),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
