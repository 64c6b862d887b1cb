/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunks of any size are to be had as long as the quota pays for them, whatever came before; memory
 * is behind each of them and goes when it is idle; an heir goes on with what he is told. Random
 * operations run beside a model of the file: which of its pages have memory, and whose they are.
 * FLOE_TEST_ELASTIC=N does N operations instead of some hundred thousand.
 */
#include "alloc/elastic.h"

#include <errno.h>

#include "unit/bookkeeping.h"

#define CHUNKS_MAX 70
#define SIZE_MOST 300000
#define QUOTA ((size_t)4 << 20)
#define START ELASTIC_PAGE

struct taken {
	uint64_t offset;
	size_t size; /* of its class */
};

static struct elastic e;
static struct bookkeeping memory;
static struct taken taken[CHUNKS_MAX + 1];
static uint32_t taken_count;
static unsigned char *has_memory; /* for each page of the file */
static size_t page_count;
static bool full; /* nothing can be reserved */
static size_t reserved_calls, punched_calls;

static size_t count_pages(void)
{
	size_t count = 0;

	for (size_t i = 0; i < page_count; i++)
		count += has_memory[i];
	return count;
}

static int reserve(void *user, uint64_t offset, size_t size)
{
	expect(user == &full && offset % ELASTIC_PAGE == 0 && size % ELASTIC_PAGE == 0 && size);
	expect(offset >= START && (offset + size) / ELASTIC_PAGE <= page_count);
	reserved_calls++;
	if (full)
		return -ENOSPC;
	memset(has_memory + offset / ELASTIC_PAGE, 1, size / ELASTIC_PAGE);
	return 0;
}

static bool meet(const struct taken *t, uint64_t offset, size_t size)
{
	return t->offset < offset + size && offset < t->offset + t->size;
}

static int punch(void *user, uint64_t offset, size_t size)
{
	expect(user == &full && offset % ELASTIC_PAGE == 0 && size % ELASTIC_PAGE == 0 && size);
	expect(offset >= START && (offset + size) / ELASTIC_PAGE <= page_count);
	punched_calls++;
	for (uint32_t i = 0; i < taken_count; i++)
		expect(!meet(&taken[i], offset, size));
	memset(has_memory + offset / ELASTIC_PAGE, 0, size / ELASTIC_PAGE);
	return 0;
}

static const struct elastic_calls calls = {reserve, punch};

static struct elastic_plan plan = {
	.offset = START,
	.size_max = SIZE_MOST,
	.quota = QUOTA,
	.chunks_max = CHUNKS_MAX,
};

static void start(void)
{
	memory = bookkeeping_make(elastic_memory_size(&plan));
	memset(memory.memory, 0, memory.size);
	expect_equal(elastic_init(&e, memory.memory, memory.size, &plan, &calls, &full), 0);
	expect_equal(elastic_check(&e), 0);
}

static void setup(void)
{
	page_count = (START + elastic_area_size(&plan)) / ELASTIC_PAGE;
	has_memory = calloc(page_count, 1);
	expect(has_memory);
	start();
}

static void teardown(void)
{
	expect_equal(elastic_check(&e), 0);
	bookkeeping_end(&memory);
	free(has_memory);
}

/* 1, or why not. What comes is whole, in memory, and nobody else's. */
static int take(size_t size)
{
	struct taken *t = &taken[taken_count];
	int r;

	t->offset = 0;
	r = elastic_take(&e, size, &t->offset);
	if (r == 0) {
		r = elastic_grow(&e, size);
		if (r == 1)
			expect_equal(elastic_take(&e, size, &t->offset), 1);
	}
	if (r < 1)
		return r;
	t->size = elastic_size_at(&e, t->offset);
	expect(t->size >= size && t->offset % FLOE_CACHELINE == 0);
	for (uint32_t i = 0; i < taken_count; i++)
		expect(!meet(&taken[i], t->offset, t->size));
	for (uint64_t at = t->offset / ELASTIC_PAGE; at <= (t->offset + t->size - 1) / ELASTIC_PAGE;
	     at++)
		expect(has_memory[at]);
	taken_count++;
	return 1;
}

static void give(uint32_t index)
{
	struct taken gone = taken[index];

	taken[index] = taken[--taken_count];
	expect_equal(elastic_give(&e, gone.offset), 0);
	expect_equal(elastic_give(&e, gone.offset), -EINVAL);
}

static void give_all(void)
{
	while (taken_count)
		give(0);
}

/* Classes */

static void every_size_has_a_class_that_is_little_larger(void)
{
	setup();
	for (size_t size = 1; size <= SIZE_MOST; size += size < 9000 ? 1 : 997) {
		size_t got;

		expect_equal(take(size), 1);
		got = taken[0].size;
		expect(got >= size);
		/* A fifth, and what rounding to lines and to pages costs. */
		expect(got - size < size / 4 + (size > ELASTIC_SMALL_MAX ? ELASTIC_PAGE : 383));
		expect(got % FLOE_CACHELINE == 0);
		expect(got <= ELASTIC_SMALL_MAX || got % ELASTIC_PAGE == 0);
		give(0);
	}
	teardown();
}

static void what_is_no_plan_is_refused(void)
{
	static const struct elastic_plan bad[] = {
		{START, 0, QUOTA, 5},
		{START, SIZE_MOST, QUOTA, 0},
		{START, SIZE_MOST, SIZE_MOST, 5}, /* rounded up it is more */
		{START, ((size_t)1 << 40) + 1, (size_t)1 << 42, 5},
	};
	struct elastic_plan moved = plan;

	for (size_t i = 0; i < TEST_COUNT(bad); i++) {
		expect(elastic_memory_size(&bad[i]) == SIZE_INVALID);
		expect(elastic_area_size(&bad[i]) == SIZE_INVALID);
		expect_equal(elastic_init(&e, &full, 0, &bad[i], &calls, &full), -EINVAL);
	}
	setup();
	expect_equal(elastic_init(&e, memory.memory, memory.size - 1, &plan, &calls, &full),
		     -ENOMEM);
	moved.offset = 0;
	expect_equal(elastic_init(&e, memory.memory, memory.size, &moved, &calls, &full), -EINVAL);
	moved.offset = START + 64;
	expect_equal(elastic_init(&e, memory.memory, memory.size, &moved, &calls, &full), -EINVAL);
	teardown();
}

static void only_what_was_taken_is_given(void)
{
	setup();
	expect_equal(take(200), 1);
	expect_equal(elastic_give(&e, taken[0].offset + 64), -EINVAL);
	expect_equal(elastic_give(&e, taken[0].offset + 256), -EINVAL);
	expect_equal(elastic_give(&e, 0), -EINVAL);
	expect_equal(elastic_give(&e, UINT64_MAX - 63), -EINVAL);
	expect_equal(elastic_size_at(&e, taken[0].offset + 64), 0);
	expect_equal(elastic_take(&e, SIZE_MOST * 2, &taken[1].offset), -EMSGSIZE);
	expect_equal(elastic_grow(&e, SIZE_MOST * 2), -EMSGSIZE);
	give_all();
	teardown();
}

/* Limits */

static void the_quota_is_the_most_and_all_of_it_is_to_be_had(void)
{
	size_t block = elastic_block_size(200000);

	setup();
	while (take(200000) == 1)
		;
	expect_equal(taken_count, QUOTA / block);
	expect_equal(take(200000), -EDQUOT);
	expect(e.solid <= QUOTA);
	/* The rest is somebody's. */
	while (take(ELASTIC_PAGE) == 1)
		;
	expect_equal(e.solid, QUOTA);
	expect_equal(count_pages(), QUOTA / ELASTIC_PAGE);
	/* All small, where all was large. */
	give_all();
	for (uint32_t i = 0; i < CHUNKS_MAX; i++)
		expect_equal(take(64), 1);
	expect_equal(take(64), 0);
	give_all();
	teardown();
}

static void a_full_file_system_takes_what_is_idle(void)
{
	setup();
	expect_equal(take(200000), 1);
	give(0);
	full = true;
	expect_equal(take(20000), -ENOSPC);
	expect_equal(e.solid, 0);
	expect_equal(count_pages(), 0);
	full = false;
	expect_equal(take(20000), 1);
	give(0);
	teardown();
}

/* Memory follows use */

static void what_was_needed_once_goes_at_once(void)
{
	setup();
	elastic_trim(&e, ELASTIC_KEEP_NS);
	for (int i = 0; i < 10; i++)
		expect_equal(take(64), 1);
	expect_equal(take(SIZE_MOST), 1);
	give(taken_count - 1);
	elastic_trim(&e, ELASTIC_KEEP_NS + 1);
	expect_equal(count_pages(), 1);
	give_all();
	teardown();
}

static void what_is_needed_again_and_again_stays_while_it_is(void)
{
	int64_t now = ELASTIC_KEEP_NS;
	size_t calls_before;

	setup();
	elastic_trim(&e, now);
	for (int i = 0; i < 3; i++) {
		expect_equal(take(SIZE_MOST), 1);
		give(0);
	}
	calls_before = reserved_calls;
	for (int i = 0; i < 100; i++) {
		expect_equal(take(SIZE_MOST), 1);
		give(0);
		now += ELASTIC_KEEP_NS / 3;
		elastic_trim(&e, now);
	}
	expect_equal(reserved_calls, calls_before);
	expect(count_pages() > 0);
	elastic_trim(&e, now + ELASTIC_KEEP_NS + 1);
	expect_equal(count_pages(), 0);
	teardown();
}

static void an_empty_neighbour_that_was_touched_is_punched_as_well(void)
{
	uint64_t offset;

	setup();
	expect_equal(take(100000), 1);
	expect_equal(take(100000), 1);
	offset = taken[1].offset;
	give(1);
	elastic_drain(&e);
	/* Somebody read it there. */
	has_memory[offset / ELASTIC_PAGE] = 1;
	give(0);
	elastic_drain(&e);
	expect_equal(count_pages(), 0);
	teardown();
}

/* An heir */

static void inherit(void)
{
	bookkeeping_end(&memory);
	start();
	for (uint32_t i = 0; i < taken_count; i++) {
		expect_equal(elastic_claim(&e, taken[i].offset), 1);
		expect_equal(elastic_claim(&e, taken[i].offset), 0);
	}
	expect_equal(elastic_claim(&e, START + 32), -EINVAL);
	expect_equal(elastic_settle(&e), 0);
	expect_equal(elastic_check(&e), 0);
	expect_equal(count_pages(), e.solid / ELASTIC_PAGE);
}

static void an_heir_knows_the_chunks_and_takes_the_rest_away(void)
{
	static const size_t sizes[] = {64, 200, 2000, 20000, 200000, 100};

	setup();
	for (size_t i = 0; i < TEST_COUNT(sizes); i++)
		expect_equal(take(sizes[i]), 1);
	expect_equal(take(SIZE_MOST), 1);
	give(taken_count - 1);
	inherit();
	expect_equal(e.live, TEST_COUNT(sizes));
	give_all();
	elastic_drain(&e);
	expect_equal(count_pages(), 0);
	expect_equal(e.solid, 0);
	teardown();
}

/* A hold is a peer's word: it may name a chunk that never was. */
static void memory_is_put_behind_what_was_only_said_to_have_it(void)
{
	uint64_t offset;

	setup();
	expect_equal(take(200), 1);
	offset = taken[0].offset;
	give(0);
	elastic_drain(&e);
	expect_equal(count_pages(), 0);
	expect_equal(elastic_claim(&e, offset), 1);
	taken[taken_count++] = (struct taken){offset, 256};
	expect_equal(take(200), 1);
	give_all();
	teardown();
}

static void a_scan_marks_what_is_taken(void)
{
	setup();
	expect_equal(take(64), 1);
	expect_equal(take(64), 1);
	elastic_begin_scan(&e);
	expect_equal(elastic_mark(&e, taken[1].offset), 1);
	expect_equal(elastic_mark(&e, taken[1].offset + 64), 0);
	expect_equal(elastic_mark(&e, taken[1].offset + 1), -EINVAL);
	expect(elastic_is_marked(&e, taken[1].offset));
	expect(!elastic_is_marked(&e, taken[0].offset));
	elastic_begin_scan(&e);
	expect(!elastic_is_marked(&e, taken[1].offset));
	expect_equal(elastic_mark(&e, taken[0].offset), 1);
	expect(!elastic_is_marked(&e, taken[1].offset));
	e.scan = UINT32_MAX;
	elastic_begin_scan(&e);
	expect(!elastic_is_marked(&e, taken[1].offset));
	give_all();
	teardown();
}

/* Random */

/* What the formula in the header promises, counted as if no two chunks shared a block. */
static bool must_succeed(size_t size)
{
	size_t needed = elastic_block_size(size);

	for (uint32_t i = 0; i < taken_count; i++)
		needed += elastic_block_size(taken[i].size);
	return taken_count < CHUNKS_MAX && needed <= QUOTA;
}

static size_t any_size(uint64_t *random)
{
	static const size_t sizes[] = {200, 2000, 20000, 200000};
	uint32_t kind = bookkeeping_random(random, 6);

	if (kind < TEST_COUNT(sizes))
		return sizes[kind];
	return 1 + bookkeeping_random(random, kind == 4 ? 4096 : SIZE_MOST);
}

static void do_anything(uint64_t *random, int64_t *now)
{
	uint32_t what = bookkeeping_random(random, 100);

	if (what < 48) {
		size_t size = any_size(random);
		bool must = must_succeed(size) && !full;
		int r = taken_count < CHUNKS_MAX ? take(size) : 0;

		expect(r == 1 || !must);
	} else if (what < 94 && taken_count) {
		give(bookkeeping_random(random, taken_count));
	} else if (what < 96) {
		*now += bookkeeping_random(random, ELASTIC_KEEP_NS);
		elastic_trim(&e, *now);
	} else if (what < 97) {
		full = !full && bookkeeping_random(random, 4) == 0;
	} else if (what < 98 && bookkeeping_random(random, 20) == 0) {
		inherit();
	} else if (what < 99 && bookkeeping_random(random, 100) == 0) {
		give_all();
	}
}

static void random_sizes_never_run_dry_and_memory_is_where_it_must_be(void)
{
	const char *wanted = getenv("FLOE_TEST_ELASTIC");
	long count = wanted ? atol(wanted) : 200000;
	uint64_t random = 4711;
	int64_t now = 0;

	setup();
	for (long i = 0; i < count; i++) {
		do_anything(&random, &now);
		expect(e.solid <= QUOTA);
		expect_equal(e.live, taken_count);
		if (i % 64 == 0) {
			expect_equal(elastic_check(&e), 0);
			expect_equal(count_pages(), e.solid / ELASTIC_PAGE);
		}
	}
	give_all();
	elastic_drain(&e);
	expect_equal(count_pages(), 0);
	teardown();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(every_size_has_a_class_that_is_little_larger),
		TEST(what_is_no_plan_is_refused),
		TEST(only_what_was_taken_is_given),
		TEST(the_quota_is_the_most_and_all_of_it_is_to_be_had),
		TEST(a_full_file_system_takes_what_is_idle),
		TEST(what_was_needed_once_goes_at_once),
		TEST(what_is_needed_again_and_again_stays_while_it_is),
		TEST(an_empty_neighbour_that_was_touched_is_punched_as_well),
		TEST(an_heir_knows_the_chunks_and_takes_the_rest_away),
		TEST(memory_is_put_behind_what_was_only_said_to_have_it),
		TEST(a_scan_marks_what_is_taken),
		TEST(random_sizes_never_run_dry_and_memory_is_where_it_must_be),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
