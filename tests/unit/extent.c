/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An extent gives each page to one run at a time. Random takes, gives and resizes run beside a model
 * that knows the owner of each page, in memory between guard pages, with the walker in between.
 */
#include "alloc/extent.h"

#include <string.h>
#include <sys/mman.h>

#include "frame/frame.h"

#define PAGE 4096
#define RUNS 64

static unsigned char *guarded;
static size_t guarded_size;
static struct extent *extent;
static struct span *run[RUNS];
static uint64_t seed = 88172645463325252u;

static uint64_t random_number(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* The block ends where nothing can be written; its first byte follows such a page if `size` is
 * whole pages. */
static void *make_block(size_t size)
{
	size_t pages = (size + PAGE - 1) / PAGE;

	guarded_size = (pages + 2) * PAGE;
	guarded = mmap(NULL, guarded_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	expect(guarded != MAP_FAILED);
	expect(mprotect(guarded + PAGE, pages * PAGE, PROT_READ | PROT_WRITE) == 0);
	memset(guarded + PAGE, 0xa5, pages * PAGE);
	return guarded + PAGE + pages * PAGE - size;
}

static void setup(size_t size)
{
	void *memory = make_block(size);
	struct extent_plan plan = extent_lay_out(memory, size);

	expect(plan.page_count > 0);
	extent = extent_format(memory, size, &plan, plan.page_count, false);
	memset(run, 0, sizeof(run));
	expect_equal(extent_check(extent), 0);
	expect_equal(extent->free_count, plan.page_count);
}

static void teardown(void)
{
	munmap(guarded, guarded_size);
}

static struct span *take(uint32_t count, size_t alignment)
{
	struct span *span = extent_take(extent, count, alignment, true);

	if (!span)
		return NULL;
	expect_equal(span->page_count, count);
	expect_equal(span->start & (alignment - 1), 0);
	extent_mark_first(extent, span, PAGE_LARGE);
	memset((void *)span->start, 0x5a, (size_t)count << extent->shift);
	return span;
}

static void give(struct span *span)
{
	extent_unmark(extent, span);
	extent_give(extent, span);
}

static void every_size_that_has_a_page_works(void)
{
	for (size_t size = 64; size < 300000; size += 64 + size / 16 / 64 * 64) {
		void *memory = make_block(size);
		struct extent_plan plan = extent_lay_out(memory, size);

		if (plan.page_count == 0) {
			expect(size < 2048);
			teardown();
			continue;
		}
		teardown();
		setup(size);
		expect(take(plan.page_count, 1));
		expect(!take(1, 1));
		expect_equal(extent_check(extent), 0);
		teardown();
	}
}

static void neighbours_become_one_run(void)
{
	setup(1 << 20);
	for (int i = 0; i < 8; i++)
		run[i] = take(5, 1);
	give(run[1]);
	give(run[3]);
	expect_equal(extent_check(extent), 0);
	give(run[2]);
	expect_equal(extent_check(extent), 0);
	expect_equal(run[1]->page_count, 15);
	expect(take(15, 1) == run[1]);
	teardown();
}

static void alignment_wastes_nothing(void)
{
	uint32_t before;

	setup(4 << 20);
	before = extent->free_count;
	for (size_t alignment = PAGE; alignment <= 1 << 20; alignment *= 2)
		expect(take(3, alignment));
	expect_equal(extent->free_count, before - 3 * 9);
	expect_equal(extent_check(extent), 0);
	teardown();
}

static void a_large_object_grows_into_what_is_free(void)
{
	setup(1 << 20);
	run[0] = take(5, 1);
	run[1] = take(5, 1);
	run[2] = take(5, 1);
	expect(!extent_resize(extent, run[0], 6));
	give(run[1]);
	expect(!extent_resize(extent, run[0], 11));
	expect(extent_resize(extent, run[0], 10));
	expect_equal(extent_check(extent), 0);
	expect(extent_resize(extent, run[0], 2));
	expect_equal(extent_check(extent), 0);
	expect(take(8, 1) == run[0] + 2);
	teardown();
}

static void clean_pages_stay_clean_until_given(void)
{
	struct span *span;

	setup(1 << 20);
	expect(!extent_take_dirty(extent));
	span = take(7, 1);
	expect(span->clean);
	span->clean = 0;
	give(span);
	span = extent_take_dirty(extent);
	expect(span && !span->clean);
	span->clean = 1;
	extent_give(extent, span);
	expect(!extent_take_dirty(extent));
	expect_equal(extent_check(extent), 0);
	teardown();
}

static void random_step(void)
{
	size_t i = random_number() % RUNS;
	uint32_t count = (uint32_t)(1 + random_number() % (random_number() % 4 ? 20 : 90));

	if (!run[i]) {
		run[i] = take(count, (size_t)1 << (12 + random_number() % 8 / 2));
	} else if (random_number() % 4 == 0) {
		(void)extent_resize(extent, run[i], count);
	} else {
		run[i]->clean = random_number() % 4 == 0;
		give(run[i]);
		run[i] = NULL;
	}
	if (random_number() % 8 == 0)
		extent_begin_idle(extent);
}

/* No two runs have a page in common, and together with the free ones they are all pages. */
static void compare(void)
{
	size_t used = 0;

	for (size_t i = 0; i < RUNS; i++) {
		if (!run[i])
			continue;
		used += run[i]->page_count;
		for (size_t j = 0; j < i; j++)
			expect(!run[j] || run[j] + run[j]->page_count <= run[i] ||
			       run[i] + run[i]->page_count <= run[j]);
	}
	expect_equal(used + extent->free_count, extent->page_count);
}

static void any_order_keeps_the_formulas(void)
{
	static const size_t sizes[] = {6000, 64 << 10, 200000, 1 << 20, 8 << 20};

	for (size_t s = 0; s < TEST_COUNT(sizes); s++) {
		setup(sizes[s] / 64 * 64);
		for (int i = 0; i < 3000; i++) {
			random_step();
			if (i % 16)
				continue;
			expect_equal(extent_check(extent), 0);
			compare();
		}
		teardown();
	}
}

static void the_walker_sees_damage(void)
{
	setup(1 << 20);
	run[0] = take(5, 1);
	run[1] = take(5, 1);
	give(run[0]);
	extent->free_count++;
	expect(extent_check(extent) < 0);
	extent->free_count--;
	expect_equal(extent_check(extent), 0);
	run[0]->page_count++;
	expect(extent_check(extent) < 0);
	run[0]->page_count--;
	run[0]->start += PAGE;
	expect(extent_check(extent) < 0);
	run[0]->start -= PAGE;
	atomic_store(&extent->state[extent_index(extent, run[1]) + 1], PAGE_FREE);
	expect(extent_check(extent) < 0);
	teardown();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(every_size_that_has_a_page_works),
		TEST(neighbours_become_one_run),
		TEST(alignment_wastes_nothing),
		TEST(a_large_object_grows_into_what_is_free),
		TEST(clean_pages_stay_clean_until_given),
		TEST(any_order_keeps_the_formulas),
		TEST(the_walker_sees_damage),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
