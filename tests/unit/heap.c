/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A heap of each kind does random things beside a model: a list of what is allocated, each object
 * filled with bytes of its own, so that two that overlap are found. The walker runs in between.
 * Injected blocks lie between pages that cannot be touched.
 */
#include "alloc/heap.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "alloc/caches.h"
#include "alloc/inject.h"
#include "alloc/pages.h"
#include "frame/frame.h"
#include "unit/failing_os.h"

#define PAGE 4096
#define OBJECTS 600
#define BLOCKS 12

struct object {
	unsigned char *at;
	size_t size;
	unsigned char fill;
};

struct block {
	unsigned char *map; /* guard, memory, guard */
	unsigned char *memory;
	size_t size;
	bool injected;
};

static struct heap *heap;
static struct object object[OBJECTS];
static struct block block[BLOCKS];
static uint64_t seed;
static size_t size_max; /* of what is asked for */
static size_t told;

static uint32_t random_below(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 11) % below;
}

static void hear(void *user, const char *sentence)
{
	(void)user;
	expect(strlen(sentence) > 10);
	told++;
}

static struct block make_block(size_t size)
{
	struct block made = {.size = size};

	made.map = mmap(NULL, size + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	expect(made.map != MAP_FAILED);
	made.memory = made.map + PAGE;
	expect(mprotect(made.memory, size, PROT_READ | PROT_WRITE) == 0);
	memset(made.memory, 0xe7, size);
	return made;
}

static void end_block(struct block *made)
{
	expect(munmap(made->map, made->size + 2 * PAGE) == 0);
	*made = (struct block){0};
}

static void setup(const struct heap_plan *plan)
{
	struct floe_error error = {""};
	int r = heap_create(&heap, plan, &error);

	expect_equal(r, 0);
	heap->tell = hear;
	seed = 88172645463325252u;
	size_max = 100000;
	told = 0;
	memset(object, 0, sizeof(object));
	expect_equal(heap_check(heap), 0);
}

/* Like most programs: mostly small. */
static size_t random_size(void)
{
	uint32_t kind = random_below(100);

	if (kind < 60)
		return random_below(300);
	if (kind < 90)
		return random_below(5000);
	return random_below((uint32_t)size_max);
}

static void check_fill(const struct object *o, size_t size)
{
	for (size_t i = 0; i < size; i++)
		expect_equal(o->at[i], o->fill);
}

static void fill(struct object *o, size_t size)
{
	expect((uintptr_t)o->at % 16 == 0);
	expect(heap_owns(heap, o->at));
	expect(heap_usable_size(heap, o->at) >= size);
	o->size = size;
	o->fill = (unsigned char)random_below(256);
	memset(o->at, o->fill, size);
}

static void allocate(struct object *o)
{
	size_t size = random_size();
	size_t alignment = (size_t)1 << random_below(14);

	switch (random_below(8)) {
	case 0:
		o->at = heap_alloc_aligned(heap, alignment, size);
		expect((uintptr_t)o->at % alignment == 0);
		break;
	case 1:
		o->at = heap_alloc_zeroed(heap, size);
		for (size_t i = 0; o->at && i < size; i++)
			expect_equal(o->at[i], 0);
		break;
	default:
		o->at = heap_alloc(heap, size);
	}
	if (o->at)
		fill(o, size);
	else
		expect_equal(errno, ENOMEM);
}

static void resize(struct object *o)
{
	size_t size = random_size();
	unsigned char *at = heap_resize(heap, o->at, size);

	if (!at) {
		check_fill(o, o->size);
		return;
	}
	o->at = at;
	check_fill(o, size < o->size ? size : o->size);
	fill(o, size);
}

static void end_object(struct object *o)
{
	check_fill(o, o->size);
	if (random_below(2))
		heap_free(heap, o->at);
	else
		expect_equal(heap_try_free(heap, o->at), 0);
	o->at = NULL;
}

static void step(void)
{
	struct object *o = &object[random_below(OBJECTS)];

	if (!o->at)
		allocate(o);
	else if (random_below(4) == 0)
		resize(o);
	else
		end_object(o);
}

static void keep_house(void)
{
	switch (random_below(12)) {
	case 0:
		(void)pages_release(heap, SIZE_MAX);
		break;
	case 1:
		heap_leave(heap);
		break;
	case 2:
		caches_gather(heap);
		break;
	default:
		break;
	}
}

static size_t count_objects(void)
{
	size_t count = 0;

	for (size_t i = 0; i < OBJECTS; i++)
		count += object[i].at != NULL;
	return count;
}

static void compare(void)
{
	expect_equal(heap_check(heap), 0);
	expect_equal(heap_count_allocated(heap), count_objects());
	expect_equal(load_relaxed(&heap->misfrees), 0);
	expect_equal(told, 0);
}

static void play(int steps)
{
	for (int i = 0; i < steps; i++) {
		step();
		if (i % 97)
			continue;
		keep_house();
		compare();
	}
}

static void end_all_objects(void)
{
	for (size_t i = 0; i < OBJECTS; i++)
		if (object[i].at)
			end_object(&object[i]);
	compare();
}

/* All of it is free pages again, apart from what the heap needs for itself. */
static void expect_all_free(void)
{
	end_all_objects();
	caches_gather(heap);
	caches_gather(heap);
	compare();
	for (const struct extent *e = heap->extents; e; e = e->next)
		expect_equal((size_t)(e->page_count - e->free_count) << e->shift,
			     heap->transfer ? heap->own : 0);
}

/*
 * Random, in every kind of heap
 */

static void a_block_of_any_size_keeps_the_formulas(void)
{
	static const size_t sizes[] = {4096, 10000, 65536, 300000, 1 << 20, 5 << 20, 20 << 20};

	for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
		struct block made = make_block((sizes[i] + PAGE - 1) / PAGE * PAGE);
		struct heap_plan plan = {.memory = made.memory, .memory_size = sizes[i]};

		setup(&plan);
		size_max = sizes[i] / 20 + 1;
		play(4000);
		expect_all_free();
		expect_equal(heap_destroy(heap), 0);
		for (size_t at = sizes[i]; at < made.size; at++)
			expect_equal(made.memory[at], 0xe7);
		end_block(&made);
	}
}

static void a_growing_heap_keeps_the_formulas(void)
{
	struct heap_plan plan = {.system = true};

	setup(&plan);
	play(15000);
	expect_all_free();
	expect_equal(heap_destroy(heap), 0);
}

static void a_bounded_heap_keeps_the_formulas(void)
{
	struct block made = make_block(1 << 20);
	struct heap_plan plan = {
		.memory = made.memory,
		.memory_size = made.size,
		.flags = FLOE_HEAP_BOUNDED,
	};

	setup(&plan);
	size_max = 50000;
	play(10000);
	expect_all_free();
	expect_equal(heap_destroy(heap), 0);
	end_block(&made);
}

static void a_hardened_heap_keeps_the_formulas(void)
{
	struct block made = make_block(8 << 20);
	struct heap_plan plans[] = {
		{.system = true, .flags = FLOE_HEAP_HARDENED},
		{.memory = made.memory, .memory_size = made.size, .flags = FLOE_HEAP_HARDENED},
		{.memory = made.memory, .memory_size = 20000, .flags = FLOE_HEAP_HARDENED},
	};

	for (size_t i = 0; i < TEST_COUNT(plans); i++) {
		setup(&plans[i]);
		play(4000);
		expect_all_free();
		expect_equal(heap_destroy(heap), 0);
	}
	end_block(&made);
}

/* Blocks come and go while objects lie in them. */
static void exchange_block(void)
{
	struct block *b = &block[random_below(BLOCKS)];
	int r;

	if (!b->map) {
		*b = make_block((size_t)PAGE << random_below(9));
		r = inject_add(heap, b->memory, b->size, random_below(2));
		expect_equal(r, 0);
		return;
	}
	r = inject_remove(heap, b->memory);
	expect(r == 0 || r == 1);
	if (r == 1)
		end_block(b);
	else if (random_below(2))
		expect_equal(inject_undrain(heap, b->memory), 0);
}

static void injected_blocks_come_and_go(void)
{
	struct heap_plan plan = {.source = {.fd = -1}};

	setup(&plan);
	size_max = 30000;
	for (int i = 0; i < 250; i++) {
		exchange_block();
		play(60);
		compare();
	}
	end_all_objects();
	for (size_t i = 0; i < BLOCKS; i++) {
		if (!block[i].map)
			continue;
		expect_equal(inject_remove(heap, block[i].memory), 1);
		end_block(&block[i]);
	}
	expect(!heap->extents);
	expect(!heap_alloc(heap, 1));
	expect_equal(heap->injected, 0);
	expect_equal(heap_destroy(heap), 0);
}

/*
 * Memory that runs out
 */

static size_t fill_up(size_t size)
{
	size_t count = 0;

	while (heap_alloc(heap, size))
		count++;
	return count * size;
}

static void most_of_a_block_becomes_payload(void)
{
	static const struct {
		size_t size;
		size_t percent;
	} cases[] = {{4096, 25}, {65536, 80}, {1 << 20, 85}, {64 << 20, 97}};

	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		struct block made = make_block(cases[i].size);
		struct heap_plan plan = {.memory = made.memory, .memory_size = made.size};

		setup(&plan);
		expect(fill_up(64) * 100 >= cases[i].size * cases[i].percent);
		expect_equal(heap_check(heap), 0);
		(void)heap_destroy(heap);
		end_block(&made);
	}
}

/* However far from a page's border it begins. */
static void the_least_block_is_enough_and_a_byte_less_is_not(void)
{
	struct block made = make_block(2 * PAGE);

	for (size_t shift = 0; shift < PAGE; shift += 64) {
		struct heap_plan plan = {
			.memory = made.memory + shift,
			.memory_size = heap_memory_size() - 1,
		};

		memset(made.memory, 0xe7, made.size);
		expect_equal(heap_create(&heap, &plan, NULL), -ENOMEM);
		for (size_t i = 0; i < made.size; i++)
			expect_equal(made.memory[i], 0xe7);
		plan.memory_size++;
		setup(&plan);
		expect(heap_alloc(heap, 64));
		(void)heap_destroy(heap);
		for (size_t i = 0; i < shift; i++)
			expect_equal(made.memory[i], 0xe7);
		for (size_t i = shift + plan.memory_size; i < made.size; i++)
			expect_equal(made.memory[i], 0xe7);
	}
	end_block(&made);
}

static void what_is_missing_is_found_in_caches(void)
{
	struct block made = make_block(1 << 20);
	struct heap_plan plan = {.memory = made.memory, .memory_size = made.size};
	void *p, *list = NULL;

	setup(&plan);
	while ((p = heap_alloc(heap, 1000))) {
		*(void **)p = list;
		list = p;
	}
	while ((p = list)) {
		list = *(void **)p;
		heap_free(heap, p);
	}
	expect(heap_alloc(heap, 900000));
	(void)heap_destroy(heap);
	end_block(&made);
}

static void a_limit_is_kept(void)
{
	struct heap_plan plan = {.system = true, .limit = 3 << 20};

	setup(&plan);
	expect(!heap_alloc(heap, 4 << 20));
	expect(heap_alloc(heap, 2 << 20));
	expect(!heap_alloc(heap, 2 << 20));
	expect(heap->obtained <= 3 << 20);
	while (heap_alloc(heap, 500))
		;
	expect(heap->obtained <= 3 << 20);
	expect(heap->obtained > (3 << 20) - (64 << 10));
	expect_equal(heap_check(heap), 0);
	(void)heap_destroy(heap);
}

static void sizes_that_cannot_be_are_out_of_memory(void)
{
	static const size_t sizes[] = {
		SIZE_MAX,        SIZE_MAX - 4095, (size_t)PTRDIFF_MAX + 1, (size_t)PTRDIFF_MAX,
		(size_t)1 << 47, (size_t)1 << 60};
	struct heap_plan plan = {.system = true};
	void *p;

	setup(&plan);
	p = heap_alloc(heap, 100);
	for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
		errno = 0;
		expect(!heap_alloc(heap, sizes[i]));
		expect_equal(errno, ENOMEM);
		expect(!heap_alloc_zeroed(heap, sizes[i]));
		expect(!heap_alloc_aligned(heap, 4096, sizes[i]));
		expect(!heap_alloc_aligned(heap, (size_t)1 << 62, 1));
		expect(!heap_resize(heap, p, sizes[i]));
		expect_equal(heap_check(heap), 0);
	}
	expect_equal(heap_count_allocated(heap), 1);
	(void)heap_destroy(heap);
}

/*
 * Wrong frees
 */

static void expect_misfree(void *p, size_t number)
{
	expect_equal(heap_try_free(heap, p), -EINVAL);
	expect_equal(told, number);
	expect_equal(heap_check(heap), 0);
}

static void wrong_frees_are_found(void)
{
	struct heap_plan plan = {.system = true};
	char *small, *large, here;

	setup(&plan);
	small = heap_alloc(heap, 1000);
	large = heap_alloc(heap, 100000);
	expect_misfree(&here, 1);
	expect_misfree(small + 16, 2);
	expect_misfree(small + 1, 3);
	expect_misfree(large + 16, 4);
	expect_misfree(large + PAGE, 5);
	expect_misfree((void *)(uintptr_t)16, 6);
	expect_misfree((void *)(uintptr_t)-16, 7);
	expect_misfree(heap->extents, 8);
	expect_equal(heap_try_free(heap, small), 0);
	expect_misfree(small, 9);
	expect_equal(heap_try_free(heap, large), 0);
	expect_misfree(large, 10);
	heap_leave(heap);
	expect_misfree(small, 11);
	expect_equal(heap_try_free(heap, NULL), 0);
	expect_equal(load_relaxed(&heap->misfrees), 11);
	expect_equal(heap_destroy(heap), 0);
}

/* Each byte that is not the program's, and sizes of all kinds. */
static void a_hardened_heap_finds_a_byte_too_much(void)
{
	struct heap_plan plan = {.system = true, .flags = FLOE_HEAP_HARDENED};

	for (size_t size = 1; size < 100000; size = size * 2 + 1) {
		unsigned char *p;
		size_t has;

		setup(&plan);
		for (size_t beyond = 0; beyond < 40; beyond++) {
			p = heap_alloc(heap, size);
			expect_equal(heap_usable_size(heap, p), size);
			has = size <= CLASS_SIZE_MAX - 16 ? size_class[class_of(size + 16)].size
							  : (size + 16 + 4095) / 4096 * 4096;
			if (size + beyond >= has) {
				heap_free(heap, p);
				break;
			}
			p[size + beyond] ^= 1;
			expect_misfree(p, beyond + 1);
			expect_equal(heap_usable_size(heap, p), 0);
			p[size + beyond] ^= 1;
			expect_equal(heap_try_free(heap, p), 0);
		}
		expect_equal(heap_destroy(heap), 0);
	}
}

static void a_hardened_heap_finds_every_wrong_free(void)
{
	struct heap_plan plan = {.system = true, .flags = FLOE_HEAP_HARDENED};
	char *small, *large, here;

	setup(&plan);
	small = heap_alloc(heap, 1000);
	large = heap_alloc(heap, 100000);
	expect_misfree(&here, 1);
	expect_misfree(small + 16, 2);
	expect_misfree(large + 16, 3);
	expect_misfree(large + PAGE, 4);
	expect_equal(heap_try_free(heap, small), 0);
	expect_equal(heap_try_free(heap, large), 0);
	expect_misfree(small, 5);
	expect_misfree(large, 6);
	expect(!heap_resize(heap, small, 10));
	expect_equal(told, 7);
	caches_gather(heap);
	expect_misfree(small, 8);
	expect_misfree(large, 9);
	expect_equal(heap_destroy(heap), 0);
}

static void a_hardened_heap_finds_who_writes_to_what_was_freed(void)
{
	struct heap_plan plan = {.system = true, .flags = FLOE_HEAP_HARDENED};
	char *p;

	setup(&plan);
	for (size_t size = 1; size < 100000; size = size * 2 + 1) {
		size_t before = told;

		p = heap_alloc(heap, size);
		heap_free(heap, p);
		expect(heap_alloc(heap, size) != p);
		p[size / 2] ^= 1;
		caches_gather(heap);
		expect_equal(told, before + 1);
		expect_equal(heap_check(heap), 0);
	}
	(void)heap_destroy(heap);
}

static void behind_a_large_object_nothing_can_be_touched(void)
{
	struct heap_plan plan = {.system = true, .flags = FLOE_HEAP_HARDENED};
	volatile char *p;
	int status;
	pid_t child;

	setup(&plan);
	p = heap_alloc(heap, 100000);
	child = fork();
	expect(child >= 0);
	if (child == 0) {
		/* Not a sanitizer's. */
		(void)signal(SIGSEGV, SIG_DFL);
		p[102400] = 1;
		_exit(0);
	}
	expect(waitpid(child, &status, 0) == child);
	expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	heap_free(heap, (char *)(uintptr_t)p);
	caches_gather(heap);
	p = heap_alloc(heap, 300000);
	memset((char *)(uintptr_t)p, 1, 300000);
	heap_free(heap, (char *)(uintptr_t)p);
	expect_equal(heap_destroy(heap), 0);
	expect_equal(told, 0);
}

/* Not looked at when freed, but when it leaves the cache: what is in the spans stays whole. */
static void a_wrong_free_never_gets_into_a_span(void)
{
	struct heap_plan plan = {.system = true};
	char *p, *q;

	setup(&plan);
	p = heap_alloc(heap, 1000);
	q = heap_alloc(heap, 1000);
	(void)q;
	heap_free_slow(heap, p + 16);
	heap_free_slow(heap, p);
	heap_free_slow(heap, p);
	heap_leave(heap);
	expect_equal(told, 2);
	expect_equal(heap_check(heap), 0);
	(void)heap_destroy(heap);
}

/* 9 to 16 pages: neither lock nor look for a run. A wrong one is found when it leaves the cache. */
static void a_thread_keeps_large_objects_that_it_freed(void)
{
	struct heap_plan plan = {.system = true};
	char *p, *q;

	setup(&plan);
	for (size_t pages = RUN_PAGES_MIN; pages <= RUN_PAGES_MAX; pages++) {
		p = heap_alloc(heap, pages * PAGE);
		heap_free(heap, p);
		expect_equal(heap_count_allocated(heap), 0);
		q = heap_alloc(heap, pages * PAGE - 100);
		expect(p == q);
		expect_equal(heap_try_free(heap, p), 0);
		expect_misfree(p, pages - RUN_PAGES_MIN + 1);
	}
	told = 0;
	p = heap_alloc(heap, 40000);
	q = heap_alloc(heap, 40000);
	heap_free_slow(heap, q);
	heap_free_slow(heap, p + 16);
	heap_free_slow(heap, p);
	heap_free_slow(heap, p);
	heap_leave(heap);
	expect_equal(told, 2);
	expect_equal(heap_count_allocated(heap), 0);
	expect_equal(heap_check(heap), 0);
	expect_equal(heap->large, 0);
	expect_equal(heap_destroy(heap), 0);
}

static void *free_and_allocate(void *p)
{
	heap_free(heap, p);
	return heap_alloc(heap, 16);
}

/* Two threads that get neighbours from a third one do not write into one cache line for ever. */
static void what_a_thread_frees_first_is_not_what_it_gets(void)
{
	struct heap_plan plan = {.system = true};
	pthread_t thread;
	void *p[2];

	setup(&plan);
	for (int i = 0; i < 2; i++)
		p[i] = heap_alloc(heap, 16);
	for (int i = 0; i < 2; i++) {
		void *other;

		expect(pthread_create(&thread, NULL, free_and_allocate, p[i]) == 0);
		expect(pthread_join(thread, &other) == 0);
		expect((uintptr_t)other / 64 != (uintptr_t)p[i] / 64);
		heap_free(heap, other);
	}
	expect_equal(heap_destroy(heap), 0);
}

/*
 * Samples
 */

static void a_sampled_heap_keeps_the_formulas(void)
{
	struct heap_plan plan = {.system = true};

	setup(&plan);
	expect_equal(sample_begin(heap, 3000), 0);
	play(8000);
	expect(heap->samples.serial > 1000);
	expect(heap->samples.count > 0);
	expect_equal(sample_begin(heap, 0), 0);
	play(2000);
	expect_equal(sample_begin(heap, 3000), 0);
	play(2000);
	expect_all_free();
	expect_equal(heap->samples.count, 0);
	expect_equal(heap->samples.lost, 0);
	expect_equal(heap_destroy(heap), 0);
}

static void a_sampled_block_can_be_removed(void)
{
	struct heap_plan plan = {.source = {.fd = -1}};
	struct block made = make_block(4 << 20);

	setup(&plan);
	expect_equal(inject_add(heap, made.memory, made.size, false), 0);
	expect_equal(sample_begin(heap, 5000), 0);
	size_max = 20000;
	play(3000);
	expect(heap->samples.serial > 100);
	end_all_objects();
	expect_equal(inject_remove(heap, made.memory), 1);
	end_block(&made);
	expect_equal(heap_destroy(heap), 0);
}

/* A bounded one has no time, a hardened one other pages. */
static void not_every_heap_can_be_sampled(void)
{
	struct heap_plan plan = {.system = true, .flags = FLOE_HEAP_BOUNDED};

	setup(&plan);
	expect_equal(sample_begin(heap, 5000), -EINVAL);
	(void)heap_destroy(heap);
	plan.flags = FLOE_HEAP_HARDENED;
	setup(&plan);
	expect_equal(sample_begin(heap, 5000), -EINVAL);
	(void)heap_destroy(heap);
}

/*
 * Injecting
 */

static void what_must_not_be_injected_is_not_touched(void)
{
	struct heap_plan plan = {.source = {.fd = -1}};
	struct block made = make_block(16 * PAGE);
	unsigned char *m = made.memory;

	setup(&plan);
	expect_equal(inject_add(heap, NULL, PAGE, false), -EINVAL);
	expect_equal(inject_add(heap, m, 0, false), -EINVAL);
	expect_equal(inject_add(heap, m + 64, PAGE, false), -EINVAL);
	expect_equal(inject_add(heap, m, PAGE + 64, false), -EINVAL);
	expect_equal(inject_add(heap, m, (size_t)-PAGE, false), -EINVAL);
	expect_equal(inject_add(heap, m, 17 * PAGE, false), -EACCES);
	expect_equal(inject_add(heap, m - PAGE, 2 * PAGE, false), -EACCES);
	expect(mprotect(m + 8 * PAGE, PAGE, PROT_READ) == 0);
	expect_equal(inject_add(heap, m, 16 * PAGE, false), -EACCES);
	expect(mprotect(m + 8 * PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
	for (size_t i = 0; i < made.size; i++)
		expect_equal(m[i], 0xe7);
	expect_equal(inject_add(heap, m + 4 * PAGE, 4 * PAGE, false), 0);
	for (size_t from = 1; from < 8; from++)
		for (size_t to = from + 1; to <= 9; to++)
			if (to > 4 && from < 8)
				expect_equal(inject_add(heap, m + from * PAGE, (to - from) * PAGE,
							false),
					     -EEXIST);
	for (size_t i = 0; i < 4 * PAGE; i++)
		expect_equal(m[i], 0xe7);
	expect_equal(inject_add(heap, m, 4 * PAGE, false), 0);
	expect_equal(inject_add(heap, m + 8 * PAGE, 8 * PAGE, false), 0);
	expect_equal(heap_check(heap), 0);
	(void)heap_destroy(heap);
	end_block(&made);
}

static void a_block_in_use_is_busy(void)
{
	struct heap_plan plan = {.source = {.fd = -1}};
	struct block made = make_block(1 << 20);
	char *p, *large;

	setup(&plan);
	expect_equal(inject_add(heap, made.memory, made.size, false), 0);
	p = heap_alloc(heap, 100);
	large = heap_alloc(heap, 100000);
	expect_equal(inject_remove(heap, made.memory), 0);
	expect(!heap_alloc(heap, 100));
	heap_free(heap, large);
	expect(!heap_alloc(heap, 100000));
	expect_equal(inject_remove(heap, made.memory), 0);
	expect_equal(inject_undrain(heap, made.memory), 0);
	large = heap_alloc(heap, 100000);
	expect(large);
	heap_free(heap, p);
	expect_equal(inject_remove(heap, made.memory), 0);
	heap_free(heap, large);
	expect_equal(inject_remove(heap, made.memory), 1);
	expect_equal(inject_remove(heap, made.memory), -ENOENT);
	expect_equal(inject_drain(heap, made.memory), -ENOENT);
	expect_equal(heap_try_free(heap, p), -EINVAL);
	end_block(&made);
	expect_equal(heap_check(heap), 0);
	expect_equal(heap_destroy(heap), 0);
}

/* It is the application's: perhaps registered with a device. */
static void injected_pages_stay_unless_allowed(void)
{
	for (int allowed = 0; allowed < 2; allowed++) {
		struct heap_plan plan = {.source = {.fd = -1}};
		struct block made = make_block(1 << 20);
		size_t released;

		setup(&plan);
		expect_equal(inject_add(heap, made.memory, made.size, allowed), 0);
		memset(heap_alloc(heap, 900000), 1, 900000);
		expect_equal(pages_release(heap, SIZE_MAX), 0);
		heap_free(heap, made.memory + (heap->extents->pages - made.memory));
		failing_os_begin();
		released = pages_release(heap, SIZE_MAX);
		expect_equal(failing_os.calls[FAILING_advise] > 0, allowed);
		failing_os_end();
		expect(allowed ? released >= 900000 : released == 0);
		expect_equal(heap_check(heap), 0);
		(void)heap_destroy(heap);
		end_block(&made);
	}
}

/* madvise(MADV_DONTNEED) leaves shared memory where it is. */
static void shared_pages_are_really_given_back(void)
{
	struct heap_plan plan = {.source = {.fd = -1}};
	size_t size = 1 << 20;
	void *p, *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
				0);

	expect(memory != MAP_FAILED);
	setup(&plan);
	expect_equal(inject_add(heap, memory, size, true), 0);
	p = heap_alloc(heap, 900000);
	memset(p, 1, 900000);
	heap_free(heap, p);
	expect(pages_release(heap, SIZE_MAX) >= 900000);
	expect_equal(pages_release(heap, SIZE_MAX), 0);
	(void)heap_destroy(heap);
	munmap(memory, size);
}

/*
 * System calls
 */

static void a_populated_block_needs_no_system_call(void)
{
	struct block made = make_block(16 << 20);
	struct heap_plan plan = {.memory = made.memory, .memory_size = made.size};

	failing_os_begin();
	setup(&plan);
	play(3000);
	for (size_t i = 0; i < OBJECTS; i++)
		if (object[i].at)
			end_object(&object[i]);
	expect_equal(failing_os.calls[FAILING_ANY] - failing_os.calls[FAILING_resident], 0);
	expect_equal(heap_destroy(heap), 0);
	expect_equal(failing_os.calls[FAILING_ANY], 0);
	failing_os_end();
	end_block(&made);
}

static void no_failing_call_breaks_a_growing_heap(void)
{
	for (uint64_t n = 1; n < 20; n++) {
		struct heap_plan plan = {.system = true};

		failing_os_begin();
		failing_os_plan((struct failing_plan){.at = n, .code = -ENOMEM});
		if (heap_create(&heap, &plan, NULL) == 0) {
			memset(object, 0, sizeof(object));
			seed = n;
			size_max = 1 << 20;
			told = 0;
			for (int i = 0; i < 120; i++)
				step();
			(void)pages_release(heap, SIZE_MAX);
			compare();
			(void)heap_destroy(heap);
		}
		expect_equal(failing_os.mapped, 0);
		failing_os_end();
	}
}

/* What a heap says of its memory: who asks for a huge page asks for a whole one, and takes that back. */
static struct advice {
	uint64_t huge, small, lazily, at_once;
	uintptr_t last; /* huge page that was asked for */
	bool refused;
} advice;

static const struct os *os_before;

static int hear_advice(void *address, size_t size, int what)
{
	if (what == MADV_HUGEPAGE) {
		expect_equal((uintptr_t)address % (2 << 20), 0);
		expect_equal(size, 2 << 20);
		advice.huge++;
		advice.last = (uintptr_t)address;
	} else if (what == MADV_NOHUGEPAGE) {
		expect_equal((uintptr_t)address, advice.last);
		expect_equal(size, 2 << 20);
		advice.small++;
	}
	advice.lazily += what == MADV_FREE;
	advice.at_once += what == MADV_DONTNEED;
	if (advice.refused && what == MADV_HUGEPAGE)
		return -EINVAL;
	return os_before->advise(address, size, what);
}

/* Objects of 500 bytes until the heap has obtained so much; returns how many. */
static size_t grow_to(size_t size)
{
	size_t count = 0;

	while (heap->obtained < size) {
		expect(heap_alloc(heap, 500));
		count++;
	}
	return count;
}

static void a_heap_grows_by_huge_pages_when_it_is_large(void)
{
	for (int refused = 0; refused < 2; refused++) {
		struct heap_plan plan = {.system = true};
		struct os watched = *os;
		uint64_t asked;
		void *p;

		os_before = os;
		watched.advise = hear_advice;
		advice = (struct advice){.refused = refused};
		os = &watched;
		setup(&plan);
		(void)grow_to(8 << 20);
		expect_equal(advice.huge, 0);
		(void)grow_to(24 << 20);
		expect(advice.huge >= 7 && advice.huge <= 8);
		expect_equal(advice.small, refused ? 0 : advice.huge);
		asked = advice.huge;
		/* It may be that nobody ever writes to it. */
		p = heap_alloc(heap, 8 << 20);
		expect(p);
		expect_equal(advice.huge, asked);
		expect_equal(heap_check(heap), 0);
		memset(p, 1, 8 << 20);
		heap_free(heap, p);
		expect(pages_release(heap, SIZE_MAX) >= 8 << 20);
		expect(advice.at_once > 0);
		expect_equal(advice.lazily, refused ? 0 : advice.at_once);
		expect_equal(heap_check(heap), 0);
		(void)heap_destroy(heap);
		os = os_before;
	}
}

static void a_limit_is_kept_by_huge_pages_too(void)
{
	struct heap_plan plan = {.system = true, .limit = 11 << 20};

	setup(&plan);
	while (heap_alloc(heap, 500))
		;
	expect(heap->obtained <= 11 << 20);
	expect(heap->obtained > (11 << 20) - (64 << 10));
	expect_equal(heap_check(heap), 0);
	(void)heap_destroy(heap);
}

/* `count` objects of 1 MiB, written to, that are there together. */
static void use_and_free(size_t count)
{
	static void *p[128];

	for (size_t i = 0; i < count; i++) {
		p[i] = heap_alloc(heap, 1 << 20);
		expect(p[i]);
		memset(p[i], 1, 1 << 20);
	}
	for (size_t i = 0; i < count; i++)
		heap_free(heap, p[i]);
}

static void what_is_needed_again_does_not_go_back(void)
{
	struct heap_plan plan = {.system = true};
	uint64_t released;

	setup(&plan);
	heap->release_rate = 100;
	for (int i = 0; i < 30; i++)
		use_and_free(12);
	expect_equal(heap->released, 0);
	/* Now 116 MiB lie there beside 12: they go, but for 16, and are not missed. */
	use_and_free(128);
	for (int i = 0; i < 60; i++)
		use_and_free(12);
	released = heap->released;
	expect(released >= 100 << 20);
	for (int i = 0; i < 60; i++)
		use_and_free(12);
	expect_equal(heap->released, released);
	expect_equal(heap_check(heap), 0);
	(void)heap_destroy(heap);
}

/*
 * Sources
 */

struct arena {
	size_t left;
	size_t out;
	size_t calls;
};

static int arena_obtain(void *user, size_t size, size_t alignment, void **ret_memory)
{
	struct arena *arena = user;
	void *memory;

	arena->calls++;
	expect(alignment >= PAGE);
	if (size > arena->left)
		return -EDQUOT;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	expect(memory != MAP_FAILED);
	arena->left -= size;
	arena->out += size;
	*ret_memory = memory;
	return 0;
}

static void arena_release(void *user, void *memory, size_t size)
{
	struct arena *arena = user;

	expect(munmap(memory, size) == 0);
	arena->left += size;
	arena->out -= size;
}

static void a_heap_on_a_source_gives_all_of_it_back(void)
{
	struct arena arena = {.left = 16 << 20};
	struct floe_source theirs = {
		.size = sizeof(theirs),
		.obtain = arena_obtain,
		.release = arena_release,
		.user = &arena,
	};
	struct heap_plan plan = {.source = source_vtable(&theirs)};

	setup(&plan);
	failing_os_begin();
	play(10000);
	expect_equal(failing_os.mapped, 0);
	end_all_objects();
	caches_gather(heap);
	expect(arena.out > 2 << 20);
	expect(pages_release(heap, SIZE_MAX) > 0);
	expect_equal(arena.out, 1 << 20);
	play(1000);
	failing_os_end();
	(void)heap_destroy(heap);
	expect_equal(arena.out, 0);
}

static void a_source_that_is_empty_is_out_of_memory(void)
{
	struct arena arena = {.left = 0};
	struct floe_source theirs = {
		.size = sizeof(theirs),
		.obtain = arena_obtain,
		.release = arena_release,
		.user = &arena,
	};
	struct heap_plan plan = {.source = source_vtable(&theirs)};
	struct floe_error error = {""};

	expect_equal(heap_create(&heap, &plan, &error), -EDQUOT);
	expect(error.text[0]);
	arena.left = 200 << 10;
	setup(&plan);
	expect(arena.out <= 200 << 10);
	size_max = 1000;
	play(3000);
	expect(!heap_alloc(heap, 300 << 10));
	end_all_objects();
	(void)heap_destroy(heap);
	expect_equal(arena.out, 0);
}

/*
 * Checking
 */

static void the_walker_sees_damage(void)
{
	struct heap_plan plan = {.system = true};
	struct span *span;
	unsigned class = class_of(100);

	setup(&plan);
	(void)heap_alloc(heap, 100);
	heap->central[class].taken++;
	expect(heap_check(heap) < 0);
	heap->central[class].taken--;
	expect_equal(heap_check(heap), 0);
	span = heap->central[class].partial;
	span->free[0] ^= 1;
	expect(heap_check(heap) < 0);
	span->free[0] ^= 1;
	heap->caches->bin[class].slot[1] = (char *)heap->caches->bin[class].slot[1] + 16;
	expect(heap_check(heap) < 0);
	heap->caches->bin[class].slot[1] = (char *)heap->caches->bin[class].slot[1] - 16;
	heap->central[class].partial = NULL;
	expect(heap_check(heap) < 0);
	heap->central[class].partial = span;
	expect_equal(heap_check(heap), 0);
	(void)heap_destroy(heap);
}

static void several_heaps_stand_side_by_side(void)
{
	enum {
		COUNT = 20
	};
	struct heap *many[COUNT];
	void *p[COUNT];

	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < COUNT; i++) {
			struct heap_plan plan = {.system = true};

			expect_equal(heap_create(&many[i], &plan, NULL), 0);
		}
		for (int k = 0; k < 50; k++)
			for (int i = 0; i < COUNT; i++) {
				p[i] = heap_alloc(many[i], 100);
				expect(heap_owns(many[i], p[i]));
				expect(!heap_owns(many[(i + 1) % COUNT], p[i]));
				heap_free(many[i], p[i]);
			}
		for (int i = 0; i < COUNT; i++) {
			expect_equal(heap_check(many[i]), 0);
			expect_equal(heap_destroy(many[i]), 0);
		}
	}
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_block_of_any_size_keeps_the_formulas),
		TEST(a_growing_heap_keeps_the_formulas),
		TEST(a_bounded_heap_keeps_the_formulas),
		TEST(a_hardened_heap_keeps_the_formulas),
		TEST(injected_blocks_come_and_go),
		TEST(most_of_a_block_becomes_payload),
		TEST(the_least_block_is_enough_and_a_byte_less_is_not),
		TEST(what_is_missing_is_found_in_caches),
		TEST(a_limit_is_kept),
		TEST(sizes_that_cannot_be_are_out_of_memory),
		TEST(wrong_frees_are_found),
		TEST(a_hardened_heap_finds_a_byte_too_much),
		TEST(a_hardened_heap_finds_every_wrong_free),
		TEST(a_hardened_heap_finds_who_writes_to_what_was_freed),
		TEST(behind_a_large_object_nothing_can_be_touched),
		TEST(a_wrong_free_never_gets_into_a_span),
		TEST(a_thread_keeps_large_objects_that_it_freed),
		TEST(what_a_thread_frees_first_is_not_what_it_gets),
		TEST(a_sampled_heap_keeps_the_formulas),
		TEST(a_sampled_block_can_be_removed),
		TEST(not_every_heap_can_be_sampled),
		TEST(what_must_not_be_injected_is_not_touched),
		TEST(a_block_in_use_is_busy),
		TEST(injected_pages_stay_unless_allowed),
		TEST(shared_pages_are_really_given_back),
		TEST(a_populated_block_needs_no_system_call),
		TEST(no_failing_call_breaks_a_growing_heap),
		TEST(a_heap_grows_by_huge_pages_when_it_is_large),
		TEST(a_limit_is_kept_by_huge_pages_too),
		TEST(what_is_needed_again_does_not_go_back),
		TEST(a_heap_on_a_source_gives_all_of_it_back),
		TEST(a_source_that_is_empty_is_out_of_memory),
		TEST(the_walker_sees_damage),
		TEST(several_heaps_stand_side_by_side),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
