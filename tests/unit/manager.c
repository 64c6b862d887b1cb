/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A manager gives the first pool that fits and tells its outcomes apart. Random operations run
 * beside a model that marks the bytes of each chunk, so that two owners of one byte are seen.
 */
#include "alloc/manager.h"

#include "unit/bookkeeping.h"

static struct bookkeeping memory;
static struct manager manager;

/* 4 of 64 bytes, 3 of 256 that can become 5, 2 of 1024; not in the order of their offsets. */
static const struct pool_plan plans[] = {
	{.offset = 4096, .chunk_size = 64, .chunk_count = 4, .chunk_count_max = 4},
	{.offset = 64, .chunk_size = 256, .chunk_count = 3, .chunk_count_max = 5},
	{.offset = 8192, .chunk_size = 1024, .chunk_count = 2, .chunk_count_max = 2},
};

static void setup_plans(const struct pool_plan *from, uint32_t count)
{
	memory = bookkeeping_make(manager_memory_size(from, count));
	expect_equal(manager_init(&manager, memory.memory, memory.size, from, count), 0);
	expect_equal(manager_check(&manager), 0);
}

static void setup(void)
{
	setup_plans(plans, TEST_COUNT(plans));
}

static void teardown(void)
{
	expect_equal(manager_check(&manager), 0);
	manager_deinit(&manager);
	expect_equal(manager.pool_count, 0);
	bookkeeping_end(&memory);
}

static struct chunk take(size_t size)
{
	struct chunk chunk = {0};

	expect_equal(manager_take(&manager, size, &chunk), 1);
	expect(chunk.size >= size);
	expect_equal(manager_offset(&manager, chunk.number), chunk.offset);
	return chunk;
}

/* Plans */

static void the_size_is_the_sum_of_the_pools(void)
{
	struct pool_plan many[FLOE_POOLS_MAX + 1];

	expect_equal(manager_memory_size(plans, 0), 0);
	expect_equal(manager_memory_size(plans, 3), pool_memory_size(4 + 5 + 2));
	for (size_t i = 0; i < TEST_COUNT(many); i++)
		many[i] = plans[0];
	expect_equal(manager_memory_size(many, FLOE_POOLS_MAX),
		     FLOE_POOLS_MAX * pool_memory_size(4));
	expect(manager_memory_size(many, FLOE_POOLS_MAX + 1) == SIZE_INVALID);
}

static bool is_refused(const struct pool_plan *from, uint32_t count, int code)
{
	struct manager before;

	memset(&manager, BOOKKEEPING_FILL, sizeof(manager));
	before = manager;
	expect_equal(manager_init(&manager, memory.memory, memory.size, from, count), code);
	expect(bookkeeping_is_untouched(memory.memory, memory.memory + memory.size));
	return !memcmp(&manager, &before, sizeof(manager));
}

static void one_byte_less_is_refused_and_nothing_touched(void)
{
	memory = bookkeeping_make(manager_memory_size(plans, TEST_COUNT(plans)));
	memory.size--;
	expect(is_refused(plans, TEST_COUNT(plans), -ENOMEM));
	memory.size++;
	expect_equal(manager_init(&manager, memory.memory, memory.size, plans, TEST_COUNT(plans)),
		     0);
	teardown();
}

static void memory_must_be_aligned(void)
{
	memory = bookkeeping_make(manager_memory_size(plans, TEST_COUNT(plans)) + 1);
	expect(is_refused(plans, TEST_COUNT(plans), -EINVAL));
	bookkeeping_end(&memory);
}

/* Each changes one good plan into one that is not. */
static void plans_that_do_not_go_together_are_refused(void)
{
	struct pool_plan bad[FLOE_POOLS_MAX + 1];

	memory = bookkeeping_make(manager_memory_size(plans, TEST_COUNT(plans)));
#define EXPECT_REFUSED(change) \
	do { \
		memcpy(bad, plans, sizeof(plans)); \
		change; \
		expect(is_refused(bad, TEST_COUNT(plans), -EINVAL)); \
	} while (0)

	EXPECT_REFUSED(bad[1].chunk_size = 64);
	EXPECT_REFUSED(bad[2].chunk_size = 128);
	EXPECT_REFUSED(bad[1].offset = 4096);
	EXPECT_REFUSED(bad[1].offset = 4096 + 192);
	EXPECT_REFUSED(bad[1].offset = 4096 - 5 * 256 + 64);
	EXPECT_REFUSED(bad[2].offset = 4096 - 1024);
	EXPECT_REFUSED(bad[2].offset = 64);
	EXPECT_REFUSED(bad[0].chunk_size = 0);
	EXPECT_REFUSED(bad[2].chunk_size = 1025);
	EXPECT_REFUSED(bad[2].offset = 8200);
	EXPECT_REFUSED(bad[2].chunk_count = 3);
	EXPECT_REFUSED(bad[2].chunk_count_max = 0);
	EXPECT_REFUSED(bad[2].offset = UINT64_MAX - 1023);
	EXPECT_REFUSED((bad[1].chunk_count_max = UINT32_MAX, bad[1].offset = (uint64_t)1 << 50));
#undef EXPECT_REFUSED
	memset(bad, 0, sizeof(bad));
	expect(is_refused(bad, TEST_COUNT(bad), -EINVAL));
	bookkeeping_end(&memory);
}

/* Four thousand million chunks need more memory than there is here: a limit of its own. */
static void numbers_end_where_they_do_not_fit_in_32_bits(void)
{
	struct pool_plan many[] = {plans[0], plans[2]};

	memory = bookkeeping_make(64);
	many[1].chunk_count_max = UINT32_MAX - 4;
	expect(is_refused(many, 2, -ENOMEM));
	many[1].chunk_count_max = UINT32_MAX - 3;
	expect(is_refused(many, 2, -EINVAL));
	bookkeeping_end(&memory);
}

static void pools_may_touch_each_other(void)
{
	static const struct pool_plan tight[] = {
		{.offset = 64 + 5 * 256, .chunk_size = 64, .chunk_count = 1, .chunk_count_max = 4},
		{.offset = 64, .chunk_size = 256, .chunk_count = 3, .chunk_count_max = 5},
		{.offset = 64 + 6 * 256, .chunk_size = 512, .chunk_count = 1, .chunk_count_max = 1},
	};

	setup_plans(tight, TEST_COUNT(tight));
	teardown();
}

static void eight_pools_work(void)
{
	struct pool_plan eight[FLOE_POOLS_MAX];

	for (uint32_t i = 0; i < FLOE_POOLS_MAX; i++)
		eight[i] = (struct pool_plan){
			.offset = (uint64_t)i << 20,
			.chunk_size = (size_t)64 << i,
			.chunk_count = 2,
			.chunk_count_max = 2,
		};
	setup_plans(eight, FLOE_POOLS_MAX);
	for (uint32_t i = 0; i < FLOE_POOLS_MAX; i++) {
		struct chunk chunk = take((size_t)64 << i);

		expect_equal(chunk.number, 2 * i);
		expect_equal(chunk.offset, (uint64_t)i << 20);
		expect_equal(manager_give(&manager, chunk.number), 0);
	}
	manager.spill = true;
	for (uint32_t i = 0; i < 2 * FLOE_POOLS_MAX; i++)
		expect_equal(take(64).number, i);
	expect_equal(manager_take(&manager, 64, &(struct chunk){0}), 0);
	teardown();
}

/* Outcomes */

static void the_first_pool_that_fits_serves(void)
{
	static const size_t sizes[][2] = {
		{0, 64}, {1, 64}, {64, 64}, {65, 256}, {256, 256}, {257, 1024}, {1024, 1024},
	};

	setup();
	for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
		struct chunk chunk = take(sizes[i][0]);

		expect_equal(chunk.size, sizes[i][1]);
		expect_equal(manager_give(&manager, chunk.number), 0);
	}
	teardown();
}

static void outcomes_are_told_apart(void)
{
	struct chunk chunk = {.number = 77};

	setup();
	expect_equal(manager_take(&manager, 1025, &chunk), -EMSGSIZE);
	expect_equal(manager_take(&manager, SIZE_MAX, &chunk), -EMSGSIZE);
	for (int i = 0; i < 4; i++)
		(void)take(64);
	expect_equal(manager_take(&manager, 64, &chunk), 0);
	expect_equal(chunk.number, 77);
	expect_equal(take(65).size, 256);
	expect_equal(manager.spilled, 0);
	teardown();
}

static void no_pools_is_a_manager_with_nothing_to_give(void)
{
	struct chunk chunk;
	uint32_t number;

	setup_plans(NULL, 0);
	expect_equal(manager_take(&manager, 0, &chunk), -ENODEV);
	expect_equal(manager_take(&manager, 64, &chunk), -ENODEV);
	expect_equal(manager_give(&manager, 0), -EINVAL);
	expect_equal(manager_claim(&manager, 0), -EINVAL);
	expect_equal(manager_grow(&manager, 0, 1), -EINVAL);
	expect_equal(manager_find(&manager, 0, &number), 0);
	teardown();
}

static void spilling_goes_to_larger_pools_and_is_counted(void)
{
	struct chunk chunk;

	setup();
	manager.spill = true;
	for (int i = 0; i < 4; i++)
		expect_equal(take(64).size, 64);
	expect_equal(manager.spilled, 0);
	for (int i = 0; i < 3; i++)
		expect_equal(take(64).size, 256);
	for (int i = 0; i < 2; i++)
		expect_equal(take(64).size, 1024);
	expect_equal(manager.spilled, 5);
	expect_equal(manager_take(&manager, 64, &chunk), 0);
	expect_equal(manager_take(&manager, 1025, &chunk), -EMSGSIZE);
	expect_equal(manager.spilled, 5);
	expect_equal(manager_give(&manager, 0), 0);
	expect_equal(manager_take(&manager, 65, &chunk), 0);
	expect_equal(take(64).number, 0);
	teardown();
}

/* Numbers */

static void numbers_run_through_all_pools(void)
{
	setup();
	expect_equal(take(64).number, 0);
	expect_equal(take(256).number, 4);
	expect_equal(take(1024).number, 9);
	expect_equal(take(1024).number, 10);
	expect_equal(manager_offset(&manager, 3), 4096 + 3 * 64);
	expect_equal(manager_offset(&manager, 4), 64);
	expect_equal(manager_offset(&manager, 6), 64 + 2 * 256);
	expect_equal(manager_offset(&manager, 9), 8192);
	expect_equal(manager_offset(&manager, 10), 8192 + 1024);
	teardown();
}

static void wrong_numbers_are_not_given(void)
{
	setup();
	(void)take(256);
	for (uint32_t number = 0; number < 20; number++)
		expect_equal(manager_give(&manager, number), number == 4 ? 0 : -EINVAL);
	expect_equal(manager_give(&manager, UINT32_MAX), -EINVAL);
	expect_equal(manager_give(&manager, 4), -EINVAL);
	teardown();
}

static void a_chunk_is_found_by_its_first_byte_only(void)
{
	setup();
	for (uint64_t offset = 0; offset < 20000; offset++) {
		uint32_t number = UINT32_MAX;
		int r = manager_find(&manager, offset, &number);

		if (r == 1)
			expect_equal(manager_offset(&manager, number), offset);
		else
			expect_equal(number, UINT32_MAX);
	}
	for (uint32_t number = 0; number < 11; number++) {
		bool usable = number != 7 && number != 8;
		uint32_t found = UINT32_MAX;

		expect_equal(manager_find(&manager, manager_offset(&manager, number), &found),
			     usable);
		expect_equal(found, usable ? number : UINT32_MAX);
	}
	expect_equal(manager_find(&manager, UINT64_MAX, &(uint32_t){0}), 0);
	expect_equal(manager_find(&manager, ((uint64_t)1 << 40) + 64, &(uint32_t){0}), 0);
	teardown();
}

static void a_grown_pool_keeps_all_numbers(void)
{
	uint32_t number;

	setup();
	(void)take(1024);
	for (int i = 0; i < 3; i++)
		(void)take(256);
	expect_equal(manager_grow(&manager, 1, 6), -EINVAL);
	expect_equal(manager_grow(&manager, 3, 0), -EINVAL);
	expect_equal(manager_grow(&manager, 1, 5), 0);
	expect_equal(take(256).number, 7);
	expect_equal(take(256).number, 8);
	expect_equal(manager_find(&manager, 64 + 4 * 256, &number), 1);
	expect_equal(number, 8);
	expect_equal(manager_give(&manager, 9), 0);
	teardown();
}

static void claimed_numbers_are_taken(void)
{
	setup();
	expect_equal(manager_claim(&manager, 5), 1);
	expect_equal(manager_claim(&manager, 5), 0);
	expect_equal(manager_claim(&manager, 7), -EINVAL);
	expect_equal(manager_claim(&manager, 11), -EINVAL);
	expect_equal(manager_claim(&manager, UINT32_MAX), -EINVAL);
	expect(take(256).number != 5);
	expect(take(256).number != 5);
	expect_equal(manager_give(&manager, 5), 0);
	expect_equal(take(256).number, 5);
	teardown();
}

/* The walker */

static void the_walker_sees_every_broken_rule(void)
{
	struct manager good;

	setup();
	good = manager;
#define EXPECT_BROKEN(change) \
	do { \
		change; \
		expect_equal(manager_check(&manager), -EPROTO); \
		manager = good; \
	} while (0)

	EXPECT_BROKEN(manager.pool_count = FLOE_POOLS_MAX + 1);
	EXPECT_BROKEN(manager.first[0] = 1);
	EXPECT_BROKEN(manager.first[1] = 3);
	EXPECT_BROKEN(manager.first[2] = 10);
	EXPECT_BROKEN(manager.pool[1].chunk_size = 64);
	EXPECT_BROKEN(manager.pool[0].used = 1);
	EXPECT_BROKEN(manager.pool[2].used = 1);
	EXPECT_BROKEN(manager.pool[0].chunk_count_max = 3);
#undef EXPECT_BROKEN
	teardown();
}

/* The model: who owns each line of 64 bytes. */

#define LINES 400
#define NOBODY UINT32_MAX

static uint32_t owner[LINES];

static void set_owner(uint64_t offset, size_t size, uint32_t from, uint32_t to)
{
	for (uint64_t line = offset / 64; line < (offset + size) / 64; line++) {
		expect(line < LINES);
		expect_equal(owner[line], from);
		owner[line] = to;
	}
}

static bool is_owned(uint32_t number)
{
	for (uint32_t line = 0; line < LINES; line++)
		if (owner[line] == number)
			return true;
	return false;
}

static size_t get_size(uint32_t number)
{
	return number < 4 ? 64 : number < 9 ? 256 : 1024;
}

static bool has_free(size_t size)
{
	for (uint32_t i = 0; i < manager.pool_count; i++)
		if (manager.pool[i].chunk_size >= size)
			return manager.pool[i].used < manager.pool[i].chunk_count;
	return false;
}

static void try_take(size_t size)
{
	bool possible = has_free(size);
	struct chunk chunk;
	int r = manager_take(&manager, size, &chunk);

	if (size > 1024) {
		expect_equal(r, -EMSGSIZE);
		return;
	}
	expect(r == 1 || !possible);
	expect(r == 0 || possible || manager.spill);
	if (r == 1)
		set_owner(chunk.offset, chunk.size, NOBODY, chunk.number);
}

static void try_give(uint32_t number)
{
	bool right = is_owned(number);

	expect_equal(manager_give(&manager, number), right ? 0 : -EINVAL);
	if (right)
		set_owner(manager_offset(&manager, number), get_size(number), number, NOBODY);
}

static void try_claim(uint32_t number)
{
	bool right = !is_owned(number);
	int r = manager_claim(&manager, number);

	if (r == -EINVAL) {
		expect(number == 7 || number == 8 || number > 10);
		return;
	}
	expect_equal(r, right);
	if (right)
		set_owner(manager_offset(&manager, number), get_size(number), NOBODY, number);
}

static void try_anything(uint64_t *random)
{
	uint32_t number = bookkeeping_random(random, 13);
	uint32_t dice = bookkeeping_random(random, 128);

	if (dice < 1)
		expect_equal(manager_grow(&manager, 1, 4 + number % 2), 0);
	else if (dice < 4)
		manager.spill = dice % 2;
	else if (dice < 12)
		try_claim(number);
	else if (dice < 70)
		try_take(bookkeeping_random(random, 1200));
	else
		try_give(number);
}

static void random_operations_agree_with_a_model(void)
{
	uint64_t random = 88172645463325252;

	for (int round = 0; round < 100; round++) {
		setup();
		memset(owner, 0xff, sizeof(owner));
		for (int i = 0; i < 1000; i++) {
			try_anything(&random);
			expect_equal(manager_check(&manager), 0);
		}
		teardown();
	}
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(the_size_is_the_sum_of_the_pools),
		TEST(one_byte_less_is_refused_and_nothing_touched),
		TEST(memory_must_be_aligned),
		TEST(plans_that_do_not_go_together_are_refused),
		TEST(numbers_end_where_they_do_not_fit_in_32_bits),
		TEST(pools_may_touch_each_other),
		TEST(eight_pools_work),
		TEST(the_first_pool_that_fits_serves),
		TEST(outcomes_are_told_apart),
		TEST(no_pools_is_a_manager_with_nothing_to_give),
		TEST(spilling_goes_to_larger_pools_and_is_counted),
		TEST(numbers_run_through_all_pools),
		TEST(wrong_numbers_are_not_given),
		TEST(a_chunk_is_found_by_its_first_byte_only),
		TEST(a_grown_pool_keeps_all_numbers),
		TEST(claimed_numbers_are_taken),
		TEST(the_walker_sees_every_broken_rule),
		TEST(random_operations_agree_with_a_model),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
