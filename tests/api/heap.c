/* SPDX-License-Identifier: Apache-2.0 */
/* What floe/heap.h promises, through the shared library: every call once as it is meant, and with
 * each argument that it must refuse. */
#include <floe/floe.h>
#include <floe/memory.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "frame/frame.h"

#define PAGE 4096
#define MIB ((size_t)1 << 20)

static struct floe_heap *heap;
static char last[256];
static int told;

static void hear(void *user, const char *sentence)
{
	expect(user == last);
	(void)snprintf(last, sizeof(last), "%s", sentence);
	told++;
}

static unsigned char *map(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	expect(memory != MAP_FAILED);
	return memory;
}

static struct floe_heap_options exclusive(void)
{
	return (struct floe_heap_options){
		.size = sizeof(struct floe_heap_options),
		.exclusive = 1,
		.tell = hear,
		.user = last,
	};
}

static bool is_inside(const void *p, const unsigned char *memory, size_t size)
{
	return (const unsigned char *)p >= memory && (const unsigned char *)p < memory + size;
}

static void a_heap_with_all_defaults_grows(void)
{
	char *p[1000];

	expect_equal(floe_heap_create(&heap, NULL), 0);
	for (int i = 0; i < 1000; i++) {
		p[i] = floe_heap_alloc(heap, (size_t)i * 100);
		expect(p[i]);
		memset(p[i], i, (size_t)i * 100);
		expect(floe_heap_usable_size(heap, p[i]) >= (size_t)i * 100);
		expect_equal(floe_heap_owns(heap, p[i]), 1);
	}
	expect_equal(floe_heap_check(heap), 0);
	for (int i = 0; i < 1000; i++)
		floe_heap_free(heap, p[i]);
	expect(floe_heap_release_free(heap) > 20 * MIB);
	expect_equal(floe_heap_release_free(heap), 0);
	floe_heap_destroy(heap);
}

static void an_exclusive_heap_uses_what_is_injected_and_nothing_else(void)
{
	struct floe_heap_options options = exclusive();
	unsigned char *memory = map(MIB);
	size_t count = 0;
	void *p;

	expect_equal(floe_heap_create(&heap, &options), 0);
	errno = 0;
	expect(!floe_heap_alloc(heap, 1));
	expect_equal(errno, ENOMEM);
	expect_equal(floe_heap_inject(heap, memory, MIB), 0);
	while ((p = floe_heap_alloc(heap, 64))) {
		expect(is_inside(p, memory, MIB) && is_inside((char *)p + 63, memory, MIB));
		memset(p, 0xff, 64);
		count++;
	}
	expect(count * 64 >= MIB * 85 / 100);
	expect_equal(floe_heap_check(heap), 0);
	floe_heap_destroy(heap);
	memset(memory, 1, MIB);
	munmap(memory, MIB);
}

static void a_heap_in_a_block_says_its_exact_size(void)
{
	struct floe_heap_options options = exclusive();
	unsigned char *memory = map(PAGE);
	ssize_t least = floe_heap_memory_size(&options);

	expect(least > 0 && least <= PAGE);
	options.memory = memory;
	options.memory_size = (size_t)least - 1;
	expect_equal(floe_heap_create(&heap, &options), -ENOMEM);
	for (int i = 0; i < PAGE; i++)
		expect_equal(memory[i], 0);
	options.memory_size++;
	expect_equal(floe_heap_create(&heap, &options), 0);
	expect(floe_heap_alloc(heap, 100));
	floe_heap_destroy(heap);
	for (ssize_t i = least; i < PAGE; i++)
		expect_equal(memory[i], 0);
	options.memory = memory + 8;
	expect_equal(floe_heap_create(&heap, &options), -EINVAL);
	options.memory = (void *)-(uintptr_t)PAGE;
	options.memory_size = 2 * PAGE;
	expect_equal(floe_heap_create(&heap, &options), -EINVAL);
	munmap(memory, PAGE);
}

static void options_are_checked(void)
{
	struct {
		struct floe_heap_options now;
		size_t later;
	} future = {.now = {.size = sizeof(future)}};
	struct floe_source source = {.size = sizeof(source)};
	struct floe_heap_options options = exclusive();
	struct floe_error error;

	expect_equal(floe_heap_create(NULL, NULL), -EINVAL);
	options.size = 1;
	expect_equal(floe_heap_create(&heap, &options), -EINVAL);
	options = exclusive();
	options.flags = 1u << 31;
	options.error = &error;
	expect_equal(floe_heap_create(&heap, &options), -EINVAL);
	expect(strstr(error.text, "flags"));
	options = exclusive();
	options.memory_size = PAGE;
	expect_equal(floe_heap_create(&heap, &options), -EINVAL);
	options = exclusive();
	options.source = &source;
	expect_equal(floe_heap_create(&heap, &options), -EINVAL);
	options.exclusive = 0;
	expect_equal(floe_heap_create(&heap, &options), -EINVAL);
	expect_equal(floe_heap_create(&heap, &future.now), 0);
	floe_heap_destroy(heap);
	future.later = 1;
	expect_equal(floe_heap_create(&heap, &future.now), -E2BIG);
	expect_equal(floe_heap_memory_size(&future.now), -E2BIG);
}

static void what_cannot_be_injected_is_refused(void)
{
	struct floe_heap_options options = exclusive();
	unsigned char *memory = map(8 * PAGE);

	expect_equal(floe_heap_create(&heap, &options), 0);
	expect_equal(floe_heap_inject(NULL, memory, PAGE), -EINVAL);
	expect_equal(floe_heap_inject(heap, NULL, PAGE), -EINVAL);
	expect_equal(floe_heap_inject(heap, memory + 1, PAGE), -EINVAL);
	expect_equal(floe_heap_inject(heap, memory, 0), -EINVAL);
	expect_equal(floe_heap_inject(heap, memory, PAGE + 1), -EINVAL);
	expect_equal(floe_heap_inject(heap, memory, SIZE_MAX - PAGE + 1), -EINVAL);
	expect_equal(floe_heap_inject_with(heap, memory, PAGE, 1u << 31), -EINVAL);
	expect(mprotect(memory + PAGE, PAGE, PROT_READ) == 0);
	expect_equal(floe_heap_inject(heap, memory, 8 * PAGE), -EACCES);
	expect_equal(floe_heap_inject(heap, memory + PAGE, PAGE), -EACCES);
	expect(munmap(memory + PAGE, PAGE) == 0);
	expect_equal(floe_heap_inject(heap, memory, 8 * PAGE), -EFAULT);
	for (size_t i = 2 * PAGE; i < 8 * PAGE; i++)
		expect_equal(memory[i], 0);
	expect_equal(floe_heap_inject(heap, memory + 2 * PAGE, PAGE), 0);
	expect_equal(floe_heap_inject(heap, memory + 2 * PAGE, PAGE), -EEXIST);
	expect_equal(floe_heap_inject(heap, memory + 2 * PAGE, 2 * PAGE), -EEXIST);
	expect(floe_heap_alloc(heap, 100));
	floe_heap_destroy(heap);
	munmap(memory, 8 * PAGE);
}

struct listed {
	struct floe_heap_block block[4];
	int count;
	int stop; /* after so many */
};

static int list_block(void *user, const struct floe_heap_block *block)
{
	struct listed *listed = user;

	listed->block[listed->count++] = *block;
	return listed->count == listed->stop ? 7 : 0;
}

static void blocks_are_listed(void)
{
	struct floe_heap_options options = exclusive();
	unsigned char *memory = map(2 * MIB);
	struct listed listed = {.stop = -1};
	struct floe_heap_counts c;
	size_t before;

	expect_equal(floe_heap_create(&heap, &options), 0);
	expect_equal(floe_heap_walk_blocks(heap, list_block, &listed), 0);
	expect_equal(listed.count, 0);
	expect_equal(floe_heap_inject(heap, memory, MIB), 0);
	expect_equal(floe_heap_inject_with(heap, memory + MIB, MIB, FLOE_INJECT_RELEASE), 0);
	expect_equal(floe_heap_walk_blocks(heap, list_block, &listed), 0);
	expect_equal(listed.count, 2);
	expect(listed.block[0].memory == memory && listed.block[1].memory == memory + MIB);
	expect(listed.block[0].size == MIB && listed.block[0].free > MIB * 9 / 10);
	expect(listed.block[0].flags == 0 && listed.block[1].flags == FLOE_INJECT_RELEASE);
	expect(!listed.block[0].draining && !listed.block[1].draining);
	expect_equal(floe_heap_count(heap, &c, sizeof(c)), 0);
	expect_equal(c.free_longest, listed.block[0].free);
	before = listed.block[0].free;
	expect(floe_heap_alloc(heap, 512 << 10));
	expect_equal(floe_heap_drain(heap, memory), 0);
	listed = (struct listed){.stop = 1};
	expect_equal(floe_heap_walk_blocks(heap, list_block, &listed), 7);
	expect_equal(listed.count, 1);
	expect_equal(listed.block[0].free, before - (512 << 10));
	expect_equal(listed.block[0].draining, 1);
	expect_equal(floe_heap_walk_blocks(heap, NULL, NULL), -EINVAL);
	expect_equal(floe_heap_walk_blocks(NULL, list_block, &listed), -EINVAL);
	floe_heap_destroy(heap);
	munmap(memory, 2 * MIB);
}

static void a_block_is_drained_and_removed(void)
{
	struct floe_heap_options options = exclusive();
	unsigned char *memory = map(MIB);
	void *p;

	expect_equal(floe_heap_create(&heap, &options), 0);
	expect_equal(floe_heap_remove(heap, memory), -ENOENT);
	expect_equal(floe_heap_inject(heap, memory, MIB), 0);
	p = floe_heap_alloc(heap, 64);
	expect_equal(floe_heap_remove(heap, memory), 0);
	expect(!floe_heap_alloc(heap, 64));
	expect_equal(floe_heap_undrain(heap, memory), 0);
	floe_heap_free(heap, floe_heap_alloc(heap, 64));
	expect_equal(floe_heap_drain(heap, memory), 0);
	floe_heap_free(heap, p);
	expect_equal(floe_heap_remove(heap, memory), 1);
	munmap(memory, MIB);
	expect_equal(floe_heap_owns(heap, p), 0);
	expect_equal(floe_heap_check(heap), 0);
	floe_heap_destroy(heap);
	expect_equal(told, 0);
}

#define HUGE_PAGE (2 * MIB)
#define HUGE_PAGES 4
#define HUGE_PAGES_FILE "/proc/sys/vm/nr_hugepages"

static int read_huge_pages(void)
{
	FILE *file = fopen(HUGE_PAGES_FILE, "re");
	int count = -1;

	if (file) {
		if (fscanf(file, "%d", &count) != 1)
			count = -1;
		(void)fclose(file);
	}
	return count;
}

static void write_huge_pages(int count)
{
	FILE *file = fopen(HUGE_PAGES_FILE, "we");

	if (!file)
		return;
	(void)fprintf(file, "%d\n", count);
	(void)fclose(file);
}

static unsigned char *map_huge(void)
{
	/* From <linux/mman.h>: pages of 2 MiB, whatever the usual ones are. */
	void *memory = mmap(NULL, HUGE_PAGES * HUGE_PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 21 << 26, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static void fill_huge(unsigned char *memory)
{
	size_t count = 0;
	void *list = NULL, *p;

	for (; (p = floe_heap_alloc(heap, 1000)); list = p, count++) {
		expect(is_inside(p, memory, HUGE_PAGES * HUGE_PAGE));
		memset(p, 1, 1000);
		*(void **)p = list;
	}
	expect(count * 1024 >= HUGE_PAGES * HUGE_PAGE * 95 / 100);
	while ((p = list)) {
		list = *(void **)p;
		floe_heap_free(heap, p);
	}
}

static void use_huge(unsigned char *memory)
{
	struct floe_heap_options options = exclusive();
	struct floe_heap_counts c;

	expect_equal(floe_heap_create(&heap, &options), 0);
	expect_equal(
		floe_heap_inject_with(heap, memory, HUGE_PAGES * HUGE_PAGE, FLOE_INJECT_RELEASE),
		0);
	fill_huge(memory);
	/* The first one holds what describes the others. */
	expect_equal(floe_heap_release_free(heap), (HUGE_PAGES - 1) * HUGE_PAGE);
	expect_equal(floe_heap_release_free(heap), 0);
	expect_equal(floe_heap_count(heap, &c, sizeof(c)), 0);
	expect_equal(c.released, (HUGE_PAGES - 1) * HUGE_PAGE);
	fill_huge(memory);
	expect_equal(floe_heap_check(heap), 0);
	expect_equal(floe_heap_remove(heap, memory), 1);
	floe_heap_destroy(heap);
}

/* Only root may have some made; they go back also if what is tested fails. */
static void huge_pages_are_used_and_given_back_whole(void)
{
	int before = read_huge_pages(), status = 0;
	unsigned char *memory;
	pid_t child;

	write_huge_pages(before + HUGE_PAGES);
	child = fork();
	if (child == 0) {
		memory = map_huge();
		if (!memory)
			_exit(FRAME_SKIPPED);
		use_huge(memory);
		_exit(0);
	}
	expect(waitpid(child, &status, 0) == child);
	write_huge_pages(before);
	if (WIFEXITED(status) && WEXITSTATUS(status) == FRAME_SKIPPED)
		skip("there are no huge pages, and none can be had");
	expect_equal(status, 0);
}

static void every_way_to_allocate(void)
{
	unsigned char *p, *q;

	expect_equal(floe_heap_create(&heap, NULL), 0);
	for (size_t alignment = 1; alignment <= 4 * MIB; alignment *= 2) {
		p = floe_heap_alloc_aligned(heap, alignment, 100);
		expect(p && (uintptr_t)p % alignment == 0);
		memset(p, 1, 100);
		floe_heap_free(heap, p);
	}
	errno = 0;
	expect(!floe_heap_alloc_aligned(heap, 0, 100));
	expect(!floe_heap_alloc_aligned(heap, 48, 100));
	expect_equal(errno, EINVAL);
	expect(!floe_heap_alloc_zeroed(heap, SIZE_MAX / 2, 3));
	expect(!floe_heap_alloc(heap, SIZE_MAX));
	expect_equal(errno, ENOMEM);
	p = floe_heap_alloc(heap, 0);
	q = floe_heap_alloc(heap, 0);
	expect(p && q && p != q);
	floe_heap_free(heap, q);
	p = floe_heap_realloc(heap, p, 10);
	memset(p, 7, 10);
	for (size_t size = 10; size < 4 * MIB; size = size * 5 / 3) {
		p = floe_heap_realloc(heap, p, size);
		expect(p && p[0] == 7 && p[9] == 7);
		expect(!floe_heap_realloc(heap, p, SIZE_MAX));
	}
	p = floe_heap_realloc(heap, p, 10);
	expect(p[0] == 7 && p[9] == 7);
	floe_heap_free(heap, p);
	p = floe_heap_realloc(heap, NULL, 10);
	expect(p);
	memset(p, 1, 16);
	floe_heap_free(heap, p);
	p = floe_heap_alloc_zeroed(heap, 5, 3);
	for (int i = 0; i < 15; i++)
		expect_equal(p[i], 0);
	expect_equal(floe_heap_check(heap), 0);
	floe_heap_destroy(heap);
}

static void wrong_frees_are_told(void)
{
	struct floe_heap_options options = exclusive();
	int here;
	char *p;

	options.exclusive = 0;
	expect_equal(floe_heap_create(&heap, &options), 0);
	p = floe_heap_alloc(heap, 100);
	expect_equal(floe_heap_try_free(heap, &here), -EINVAL);
	expect(strstr(last, "is not of this heap"));
	expect_equal(floe_heap_try_free(heap, p + 16), -EINVAL);
	expect(strstr(last, "is inside an object"));
	expect_equal(floe_heap_try_free(heap, p), 0);
	expect_equal(floe_heap_try_free(heap, p), -EINVAL);
	expect(strstr(last, "was freed twice"));
	expect_equal(told, 3);
	floe_heap_free(heap, &here);
	expect_equal(told, 4);
	errno = 0;
	expect(!floe_heap_realloc(heap, &here, 10));
	expect_equal(errno, EINVAL);
	(void)floe_heap_alloc(heap, 100);
	floe_heap_destroy(heap);
	expect(strstr(last, "1 objects were still allocated"));
}

static void expect_balance(void)
{
	struct floe_heap_counts c;

	expect_equal(floe_heap_count(heap, &c, sizeof(c)), 0);
	expect_equal(c.allocated + c.cached_threads + c.cached_central + c.free_pages + c.tables,
		     c.mapped + c.injected);
}

static void a_hardened_heap_tells_what_it_finds(void)
{
	struct floe_heap_options options = exclusive();
	char *p;

	options.exclusive = 0;
	options.flags = FLOE_HEAP_HARDENED;
	expect_equal(floe_heap_create(&heap, &options), 0);
	p = floe_heap_alloc(heap, 100);
	expect_equal(floe_heap_usable_size(heap, p), 100);
	p[100] = 1;
	floe_heap_free(heap, p);
	expect(strstr(last, "was written to beyond its end"));
	p = floe_heap_alloc(heap, 100);
	floe_heap_free(heap, p);
	floe_heap_free(heap, p);
	expect(strstr(last, "was freed twice"));
	p[5] = 1;
	(void)floe_heap_release_free(heap);
	expect(strstr(last, "was written to after it was freed"));
	expect_equal(told, 3);
	p = floe_heap_realloc(heap, floe_heap_alloc_zeroed(heap, 10, 10), 5000);
	expect(p && p[0] == 0 && p[99] == 0);
	floe_heap_free(heap, p);
	expect_balance();
	floe_heap_destroy(heap);
}

static void null_is_no_heap(void)
{
	errno = 0;
	expect(!floe_heap_alloc(NULL, 1));
	expect_equal(errno, EINVAL);
	expect(!floe_heap_alloc_zeroed(NULL, 1, 1));
	expect(!floe_heap_alloc_aligned(NULL, 16, 1));
	expect(!floe_heap_realloc(NULL, NULL, 1));
	floe_heap_free(NULL, NULL);
	expect_equal(floe_heap_try_free(NULL, NULL), -EINVAL);
	expect_equal(floe_heap_usable_size(NULL, NULL), 0);
	expect_equal(floe_heap_owns(NULL, NULL), 0);
	expect_equal(floe_heap_release_free(NULL), 0);
	floe_heap_mark_idle(NULL);
	expect_equal(floe_heap_check(NULL), -EINVAL);
	expect_equal(floe_heap_drain(NULL, NULL), -EINVAL);
	expect_equal(floe_heap_undrain(NULL, NULL), -EINVAL);
	expect_equal(floe_heap_remove(NULL, NULL), -EINVAL);
	floe_heap_destroy(NULL);
}

static int sum_up(void *user, void *memory, size_t size)
{
	expect_equal(floe_heap_owns(heap, memory), 1);
	*(size_t *)user += size;
	return 0;
}

static int stop_at_once(void *user, void *memory, size_t size)
{
	(void)memory;
	(void)size;
	++*(int *)user;
	return 7;
}

static void counters_add_up_in_every_kind_of_heap(void)
{
	unsigned char *memory = map(2 * MIB);
	struct floe_heap_options kinds[4] = {exclusive(), exclusive(), exclusive(), exclusive()};
	struct floe_heap_counts c;

	kinds[1].exclusive = 0;
	kinds[2].memory = memory;
	kinds[2].memory_size = MIB - 100;
	kinds[3].memory = memory;
	kinds[3].memory_size = 5000;
	for (size_t i = 0; i < TEST_COUNT(kinds); i++) {
		size_t seen = 0, made = 0;
		int stopped = 0;
		void *p;

		expect_equal(floe_heap_create(&heap, &kinds[i]), 0);
		expect_equal(floe_heap_inject(heap, memory + MIB, MIB), 0);
		expect_balance();
		for (size_t size = 1; size < 60000; size = size * 3 / 2 + 1, made++)
			expect(floe_heap_alloc(heap, size));
		for (size_t size = 1; size < 60000; size = size * 3 / 2 + 1) {
			p = floe_heap_alloc(heap, size);
			floe_heap_free(heap, p);
		}
		expect_balance();
		expect_equal(floe_heap_count(heap, &c, sizeof(c)), 0);
		expect_equal(c.objects, made);
		expect_equal(c.blocks, 1);
		expect_equal(floe_heap_walk(heap, sum_up, &seen), 0);
		expect_equal(seen, c.allocated);
		expect_equal(floe_heap_walk(heap, stop_at_once, &stopped), 7);
		expect_equal(stopped, 1);
		(void)floe_heap_release_free(heap);
		expect_balance();
		floe_heap_destroy(heap);
	}
	munmap(memory, 2 * MIB);
}

static void reports_have_every_counter(void)
{
	char text[4096], small[20];
	ssize_t length;

	expect_equal(floe_heap_create(&heap, NULL), 0);
	(void)floe_heap_alloc(heap, 1000);
	length = floe_heap_report(heap, FLOE_REPORT_TEXT, text, sizeof(text));
	expect(length > 0 && (size_t)length == strlen(text));
	expect(strstr(text, "1024 bytes  in objects of the program\n"));
	memset(small, 'q', sizeof(small));
	expect_equal(floe_heap_report(heap, FLOE_REPORT_TEXT, small, 10), length);
	expect_equal(strlen(small), 9);
	expect_equal(small[10], 'q');
	expect_equal(floe_heap_report(heap, FLOE_REPORT_TEXT, NULL, 0), length);
	length = floe_heap_report(heap, FLOE_REPORT_JSON, text, sizeof(text));
	expect(length > 0 && text[0] == '{' && text[length - 2] == '}');
	expect(strstr(text, "\"allocated\": 1024, ") && strstr(text, "\"objects\": 1, "));
	expect_equal(floe_heap_report(heap, 4, text, sizeof(text)), -EINVAL);
	expect_equal(floe_heap_report(NULL, 0, text, sizeof(text)), -EINVAL);
	expect_equal(floe_heap_report(heap, 0, NULL, 1), -EINVAL);
	floe_heap_destroy(heap);
}

__attribute__((noinline)) static void *allocate_much(size_t size)
{
	void *p = floe_heap_alloc(heap, size);

	expect(p);
	memset(p, 1, size);
	return p;
}

__attribute__((noinline)) static void *allocate_little(size_t size)
{
	void *p = floe_heap_alloc(heap, size);

	expect(p);
	return p;
}

__attribute__((noinline)) static void *allocate_one(int number)
{
	return number % 10 ? allocate_little(16) : allocate_much(1000);
}

/* Bytes at the beginning of the first lines. */
static long long sum_of(const char *text, size_t lines)
{
	long long sum = 0;

	for (; *text && lines; text = strchr(text, '\n') + 1, lines--)
		sum += atoll(text);
	return sum;
}

static size_t count_lines(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += *text == '\n';
	return count;
}

static void samples_say_where_memory_is(void)
{
	enum {
		COUNT = 20000
	};
	static char text[65536];
	static void *p[COUNT];
	long long much;

	expect_equal(floe_heap_create(&heap, NULL), 0);
	expect_equal(floe_heap_report(heap, FLOE_REPORT_SITES, text, sizeof(text)), 0);
	expect_equal(text[0], 0);
	expect_equal(floe_heap_set_sampling(heap, 10000), 0);
	for (int i = 0; i < COUNT; i++)
		p[i] = allocate_one(i);
	expect(floe_heap_report(heap, FLOE_REPORT_SITES, text, sizeof(text)) > 100);
	/* A place in the program is one line: 2 MB came from one, a seventh of that from the other. */
	expect_equal(count_lines(text), 2);
	much = sum_of(text, 2);
	expect(much > 1800000 && much < 2800000);
	much = sum_of(text, 1);
	if (much < 1000000)
		much = sum_of(text, 2) - much;
	expect(much > 1500000 && much < 2500000);
	expect_equal(floe_heap_check(heap), 0);
	for (int i = 0; i < COUNT; i++)
		if (i % 10 == 0)
			floe_heap_free(heap, p[i]);
	expect(floe_heap_report(heap, FLOE_REPORT_SITES, text, sizeof(text)) > 50);
	expect_equal(count_lines(text), 1);
	expect(floe_heap_report(heap, FLOE_REPORT_SITES_JSON, text, sizeof(text)) > 50);
	expect(strstr(text, "{\"every\": 10000, \"sites\": [{\"estimated\": "));
	expect(strstr(text, "\"stack\": [\""));
	expect_equal(floe_heap_set_sampling(heap, 0), 0);
	expect_equal(floe_heap_report(heap, FLOE_REPORT_SITES, text, sizeof(text)), 0);
	for (int i = 0; i < COUNT; i++)
		if (i % 10)
			floe_heap_free(heap, p[i]);
	expect_equal(floe_heap_check(heap), 0);
	expect_equal(floe_heap_set_sampling(NULL, 1), -EINVAL);
	floe_heap_destroy(heap);
}

static void limits_and_rates_can_change(void)
{
	struct floe_heap_counts c;
	void *p;

	expect_equal(floe_heap_create(&heap, NULL), 0);
	expect_equal(floe_heap_set_limits(heap, 4 * MIB, 0), 0);
	expect(!floe_heap_alloc(heap, 8 * MIB));
	expect_equal(floe_heap_set_limits(heap, 0, MIB), 0);
	p = floe_heap_alloc(heap, 8 * MIB);
	memset(p, 1, 8 * MIB);
	floe_heap_free(heap, p);
	expect_equal(floe_heap_count(heap, &c, sizeof(c)), 0);
	expect(c.released >= 8 * MIB);
	expect_equal(c.limit_soft, MIB);
	expect(c.failures > 0);
	expect_equal(floe_heap_set_limits(heap, 0, 0), 0);
	expect_equal(floe_heap_set_release_rate(heap, FLOE_RELEASE_RATE_MAX), 0);
	p = floe_heap_alloc(heap, 8 * MIB);
	memset(p, 1, 8 * MIB);
	floe_heap_free(heap, p);
	expect_equal(floe_heap_set_release_rate(heap, 0), 0);
	expect_equal(floe_heap_count(heap, &c, sizeof(c)), 0);
	expect(c.released >= 16 * MIB);
	p = floe_heap_alloc(heap, 8 * MIB);
	memset(p, 1, 8 * MIB);
	floe_heap_free(heap, p);
	expect_equal(floe_heap_count(heap, &c, sizeof(c)), 0);
	expect(floe_heap_release_free(heap) >= 8 * MIB);
	expect_equal(floe_heap_set_release_rate(heap, FLOE_RELEASE_RATE_MAX + 1), -EINVAL);
	expect_equal(floe_heap_set_limits(NULL, 0, 0), -EINVAL);
	expect_equal(floe_heap_set_release_rate(NULL, 0), -EINVAL);
	expect_equal(floe_heap_count(NULL, &c, sizeof(c)), -EINVAL);
	expect_equal(floe_heap_count(heap, NULL, sizeof(c)), -EINVAL);
	expect_equal(floe_heap_walk(heap, NULL, NULL), -EINVAL);
	expect_equal(floe_heap_walk(NULL, sum_up, NULL), -EINVAL);
	floe_heap_destroy(heap);
}

static int count_calls(void *user, size_t size, size_t alignment, void **ret_memory)
{
	(void)alignment;
	*ret_memory = map(size);
	++*(int *)user;
	return 0;
}

static void uncount_calls(void *user, void *memory, size_t size)
{
	munmap(memory, size);
	--*(int *)user;
}

static void a_source_is_asked_and_gets_everything_back(void)
{
	int out = 0;
	struct floe_source source = {
		.size = sizeof(source),
		.obtain = count_calls,
		.release = uncount_calls,
		.user = &out,
	};
	struct floe_heap_options options = {.size = sizeof(options), .source = &source};

	expect_equal(floe_heap_create(&heap, &options), 0);
	for (int i = 0; i < 100; i++)
		expect(floe_heap_alloc(heap, 200000));
	expect(out > 1);
	floe_heap_destroy(heap);
	expect_equal(out, 0);
}

/* A copy of the parent's, with the objects of the parent and without its other threads. */
static void the_child_of_fork_goes_on(void)
{
	int status;
	char *p;
	pid_t child;

	expect_equal(floe_heap_create(&heap, NULL), 0);
	p = floe_heap_alloc(heap, 1000);
	strcpy(p, "before");
	child = fork();
	expect(child >= 0);
	if (child == 0) {
		expect(!strcmp(p, "before"));
		strcpy(p, "child");
		floe_heap_free(heap, p);
		for (size_t i = 0; i < 1000; i++)
			expect(floe_heap_alloc(heap, i * 10));
		expect_equal(floe_heap_check(heap), 0);
		floe_heap_destroy(heap);
		_exit(0);
	}
	expect(waitpid(child, &status, 0) == child && status == 0);
	expect(!strcmp(p, "before"));
	floe_heap_free(heap, p);
	expect_equal(floe_heap_check(heap), 0);
	floe_heap_destroy(heap);
}

static void *allocate_and_end(void *unused)
{
	void *p[100];

	for (int i = 0; i < 100; i++)
		p[i] = floe_heap_alloc(heap, 500);
	for (int i = 0; i < 99; i++)
		floe_heap_free(heap, p[i]);
	(void)unused;
	return p[99];
}

/* Else an exclusive heap would be full of them. */
static void a_thread_that_ends_gives_its_cache_back(void)
{
	struct floe_heap_options options = exclusive();
	unsigned char *memory = map(MIB);
	void *p;

	expect_equal(floe_heap_create(&heap, &options), 0);
	expect_equal(floe_heap_inject(heap, memory, MIB), 0);
	for (int i = 0; i < 500; i++) {
		pthread_t thread;

		expect(pthread_create(&thread, NULL, allocate_and_end, NULL) == 0);
		expect(pthread_join(thread, &p) == 0);
		floe_heap_free(heap, p);
	}
	expect_equal(floe_heap_check(heap), 0);
	expect_equal(floe_heap_remove(heap, memory), 1);
	floe_heap_destroy(heap);
	munmap(memory, MIB);
}

static pthread_barrier_t barrier;

static void *cache_something(void *p)
{
	floe_heap_free(heap, p);
	(void)pthread_barrier_wait(&barrier);
	(void)pthread_barrier_wait(&barrier);
	expect(!floe_heap_alloc(heap, 3000));
	(void)pthread_barrier_wait(&barrier);
	(void)pthread_barrier_wait(&barrier);
	return NULL;
}

/* It cannot be asked to before. */
static void another_thread_gives_a_drained_block_back_with_its_next_call(void)
{
	struct floe_heap_options options = exclusive();
	unsigned char *memory = map(16 * MIB);
	pthread_t thread;

	expect_equal(floe_heap_create(&heap, &options), 0);
	expect_equal(floe_heap_inject(heap, memory, 16 * MIB), 0);
	expect(pthread_barrier_init(&barrier, NULL, 2) == 0);
	expect(pthread_create(&thread, NULL, cache_something, floe_heap_alloc(heap, 100)) == 0);
	(void)pthread_barrier_wait(&barrier);
	expect_equal(floe_heap_remove(heap, memory), 0);
	(void)pthread_barrier_wait(&barrier);
	(void)pthread_barrier_wait(&barrier);
	expect_equal(floe_heap_remove(heap, memory), 1);
	(void)pthread_barrier_wait(&barrier);
	expect(pthread_join(thread, NULL) == 0);
	expect_equal(floe_heap_check(heap), 0);
	floe_heap_destroy(heap);
	munmap(memory, 16 * MIB);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_heap_with_all_defaults_grows),
		TEST(an_exclusive_heap_uses_what_is_injected_and_nothing_else),
		TEST(a_heap_in_a_block_says_its_exact_size),
		TEST(options_are_checked),
		TEST(what_cannot_be_injected_is_refused),
		TEST(blocks_are_listed),
		TEST(a_block_is_drained_and_removed),
		TEST(huge_pages_are_used_and_given_back_whole),
		TEST(every_way_to_allocate),
		TEST(wrong_frees_are_told),
		TEST(a_hardened_heap_tells_what_it_finds),
		TEST(null_is_no_heap),
		TEST(counters_add_up_in_every_kind_of_heap),
		TEST(reports_have_every_counter),
		TEST(samples_say_where_memory_is),
		TEST(limits_and_rates_can_change),
		TEST(a_source_is_asked_and_gets_everything_back),
		TEST(the_child_of_fork_goes_on),
		TEST(a_thread_that_ends_gives_its_cache_back),
		TEST(another_thread_gives_a_drained_block_back_with_its_next_call),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
