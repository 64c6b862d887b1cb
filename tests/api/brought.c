/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Memory that a program brings to a heap: of every kind that a kernel has, at any time, from any
 * thread, and by sources that stand on each other. What is released is compared with what the kernel
 * says itself (blocks of a memfd, free huge pages).
 */

#include <floe/floe.h>
#include <floe/memory.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "frame/frame.h"

#define PAGE 4096
#define MIB ((size_t)1 << 20)

static struct floe_heap *heap;

static void create_exclusive(void)
{
	const struct floe_heap_options options = {.size = sizeof(options), .exclusive = 1};

	expect_equal(floe_heap_create(&heap, &options), 0);
}

static struct floe_heap_counts counts(void)
{
	struct floe_heap_counts c;

	expect_equal(floe_heap_count(heap, &c, sizeof(c)), 0);
	return c;
}

static unsigned char *map(size_t size, int protection, int flags, int fd)
{
	void *memory = mmap(NULL, size, protection, flags, fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

/* Objects of `size` bytes until there is no memory, all written to: a list through them. */
static void *fill(size_t size, size_t *ret_count)
{
	void *list = NULL, *p;

	for (*ret_count = 0; (p = floe_heap_alloc(heap, size)); ++*ret_count) {
		memset(p, 1, size);
		*(void **)p = list;
		list = p;
	}
	return list;
}

static void end_all(void *list)
{
	for (void *p; (p = list);) {
		list = *(void **)p;
		floe_heap_free(heap, p);
	}
}

/*
 * Kinds of memory
 */

static size_t blocks_of(int fd)
{
	struct stat status;

	expect_equal(fstat(fd, &status), 0);
	return (size_t)status.st_blocks * 512;
}

/* Objects lie where whoever has the descriptor reads them, and its blocks go when pages go. */
static void a_memfd_is_used_and_its_blocks_go_back(void)
{
	int fd = memfd_create("brought", MFD_CLOEXEC);
	unsigned char *memory, *again;
	size_t count, before, released;
	char *p;

	expect(fd >= 0 && ftruncate(fd, 4 * MIB) == 0);
	memory = map(4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	again = map(4 * MIB, PROT_READ, MAP_SHARED, fd);
	expect(memory && again);
	create_exclusive();
	expect_equal(floe_heap_inject_with(heap, memory, 4 * MIB, FLOE_INJECT_RELEASE), 0);
	p = floe_heap_alloc(heap, 100);
	strcpy(p, "to be read elsewhere");
	expect(!strcmp((char *)again + (p - (char *)memory), p));
	end_all(fill(1000, &count));
	before = blocks_of(fd);
	expect(count * 1000 > 3 * MIB && before > 3 * MIB);
	/* What it says is what the kernel gave up, to the byte. */
	released = floe_heap_release_free(heap);
	expect_equal(blocks_of(fd), before - released);
	expect(blocks_of(fd) < MIB / 2);
	expect_equal(counts().released, released);
	expect(!strcmp(p, "to be read elsewhere"));
	floe_heap_free(heap, p);
	expect_equal(floe_heap_remove(heap, memory), 1);
	floe_heap_destroy(heap);
	expect_equal(munmap(memory, 4 * MIB) | munmap(again, 4 * MIB) | close(fd), 0);
}

/* Registered with a device, say: it stays whatever is called. */
static void what_is_pinned_keeps_its_pages(void)
{
	unsigned char *memory, there[4 * MIB / PAGE];
	size_t count;

	memory = map(4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE,
		     -1);
	expect(memory);
	create_exclusive();
	expect_equal(floe_heap_inject(heap, memory, 4 * MIB), 0);
	end_all(fill(1000, &count));
	expect_equal(floe_heap_set_limits(heap, 0, 1), 0);
	expect_equal(floe_heap_set_release_rate(heap, FLOE_RELEASE_RATE_MAX), 0);
	end_all(fill(100000, &count));
	expect_equal(floe_heap_release_free(heap), 0);
	expect_equal(mincore(memory, 4 * MIB, there), 0);
	for (size_t i = 0; i < sizeof(there); i++)
		expect(there[i] & 1);
	expect_equal(floe_heap_remove(heap, memory), 1);
	expect_equal(mincore(memory, 4 * MIB, there), 0);
	expect(there[0] & 1);
	floe_heap_destroy(heap);
	munmap(memory, 4 * MIB);
}

/* Addresses alone, and what can be read alone, as a device may map it: refused; once there is memory
 * behind them they are as good as all others. */
static void reserved_addresses_and_read_only_devices_are_refused(void)
{
	unsigned char *memory = map(MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
				    -1);
	int device = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	unsigned char *readable = map(MIB, PROT_READ, MAP_PRIVATE, device);
	size_t count;

	expect(memory && readable);
	create_exclusive();
	expect_equal(floe_heap_inject(heap, memory, MIB), -EACCES);
	expect_equal(floe_heap_inject(heap, readable, MIB), -EACCES);
	expect_equal(counts().injected, 0);
	expect(!floe_heap_alloc(heap, 1));
	for (size_t i = 0; i < MIB; i++)
		expect_equal(readable[i], 0);
	expect_equal(mprotect(memory, MIB, PROT_READ | PROT_WRITE), 0);
	expect_equal(floe_heap_inject(heap, memory, MIB), 0);
	end_all(fill(64, &count));
	expect(count * 64 >= MIB * 85 / 100);
	floe_heap_destroy(heap);
	expect_equal(munmap(memory, MIB) | munmap(readable, MIB) | close(device), 0);
}

static void a_mapped_device_is_used(void)
{
	int device = open("/dev/zero", O_RDWR | O_CLOEXEC);
	unsigned char *memory = map(MIB, PROT_READ | PROT_WRITE, MAP_SHARED, device);
	size_t count;

	expect(memory);
	create_exclusive();
	expect_equal(floe_heap_inject_with(heap, memory, MIB, FLOE_INJECT_RELEASE), 0);
	end_all(fill(64, &count));
	expect(count * 64 >= MIB * 85 / 100);
	expect(floe_heap_release_free(heap) > MIB / 2);
	end_all(fill(64, &count));
	expect(count * 64 >= MIB * 85 / 100);
	expect_equal(floe_heap_check(heap), 0);
	floe_heap_destroy(heap);
	expect_equal(munmap(memory, MIB) | close(device), 0);
}

/*
 * Huge pages
 */

#define HUGE_PAGE (2 * MIB)
#define HUGE_PAGES 4
#define HUGE_FOLDER "/sys/kernel/mm/hugepages/hugepages-2048kB/"

static long read_number(const char *path)
{
	FILE *file = fopen(path, "re");
	long number = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%ld", &number) != 1)
		number = -1;
	(void)fclose(file);
	return number;
}

static void write_number(const char *path, long number)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return;
	(void)fprintf(file, "%ld\n", number);
	(void)fclose(file);
}

/* From <linux/mman.h>: pages of 2 MiB, whatever the usual ones are. */
static unsigned char *map_huge(int flags)
{
	return map(HUGE_PAGES * HUGE_PAGE, PROT_READ | PROT_WRITE,
		   flags | MAP_ANONYMOUS | MAP_HUGETLB | 21 << 26, -1);
}

/* Bytes of resident huge pages of this process, as the kernel counts them. */
static size_t huge_bytes(bool shared)
{
	const char *key = shared ? "Shared_Hugetlb:" : "Private_Hugetlb:";
	FILE *file = fopen("/proc/self/smaps_rollup", "re");
	char line[256];
	size_t kib = 0;

	expect(file);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)))
			kib += strtoul(line + strlen(key), NULL, 10);
	(void)fclose(file);
	return kib << 10;
}

static size_t all_huge_bytes(void)
{
	return huge_bytes(true) + huge_bytes(false);
}

/* Every way that a page of this kind is given back, and what is said about it. */
static void use_huge(unsigned char *memory)
{
	size_t count, before, released;

	create_exclusive();
	expect_equal(
		floe_heap_inject_with(heap, memory, HUGE_PAGES * HUGE_PAGE, FLOE_INJECT_RELEASE),
		0);
	end_all(fill(1000, &count));
	expect(count * 1024 >= HUGE_PAGES * HUGE_PAGE * 95 / 100);
	before = all_huge_bytes();
	expect_equal(before, HUGE_PAGES * HUGE_PAGE);
	released = floe_heap_release_free(heap);
	/* The first one holds what describes the others. */
	expect_equal(released, (HUGE_PAGES - 1) * HUGE_PAGE);
	expect_equal(all_huge_bytes(), before - released);
	expect_equal(counts().released, released);
	end_all(fill(1000, &count));
	expect(count * 1024 >= HUGE_PAGES * HUGE_PAGE * 95 / 100);
	expect_equal(floe_heap_check(heap), 0);
	expect_equal(floe_heap_remove(heap, memory), 1);
	floe_heap_destroy(heap);
}

static int use_huge_apart(int flags)
{
	unsigned char *memory;
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		memory = map_huge(flags);
		if (!memory)
			_exit(FRAME_SKIPPED);
		use_huge(memory);
		_exit(0);
	}
	expect(waitpid(child, &status, 0) == child);
	return status;
}

/* Only root may have some made; they go back also if what is tested fails. */
static void huge_pages_go_back_as(int flags)
{
	long before = read_number(HUGE_FOLDER "nr_hugepages");
	int status;

	if (before < 0)
		skip("this kernel has no huge pages of 2 MiB");
	write_number(HUGE_FOLDER "nr_hugepages", before + HUGE_PAGES);
	status = use_huge_apart(flags);
	write_number(HUGE_FOLDER "nr_hugepages", before);
	if (WIFEXITED(status) && WEXITSTATUS(status) == FRAME_SKIPPED)
		skip("there are no huge pages, and none can be had");
	expect_equal(status, 0);
}

static void private_huge_pages_go_back(void)
{
	huge_pages_go_back_as(MAP_PRIVATE);
}

static void shared_huge_pages_go_back(void)
{
	huge_pages_go_back_as(MAP_SHARED);
}

/*
 * No system call
 */

static void work_without_the_kernel(void)
{
	static void *object[1000];
	uint64_t state = 88172645463325252u;

	for (int i = 0; i < 200000; i++) {
		size_t k = (size_t)(state % TEST_COUNT(object));

		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		floe_heap_free(heap, object[k]);
		object[k] = floe_heap_alloc(heap, (size_t)(state >> 32) % (i % 8 ? 500 : 100000));
	}
}

/* From here on the kernel kills whoever asks it for anything but read, write and an end. */
static _Noreturn void live_without_the_kernel(void)
{
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
		_exit(FRAME_SKIPPED);
	work_without_the_kernel();
	(void)syscall(SYS_exit, 0);
	__builtin_unreachable();
}

static void a_populated_block_is_used_without_any_system_call(void)
{
	unsigned char *memory = map(16 * MIB, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1);
	struct floe_heap_options options = {
		.size = sizeof(options), .memory = memory, .memory_size = 16 * MIB};
	int status;
	pid_t child;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip("a sanitizer asks the kernel itself");
#endif
	expect(memory);
	expect_equal(floe_heap_create(&heap, &options), 0);
	child = fork();
	expect(child >= 0);
	if (child == 0)
		live_without_the_kernel();
	expect(waitpid(child, &status, 0) == child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == FRAME_SKIPPED)
		skip("this kernel has no seccomp");
	expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	floe_heap_destroy(heap);
	munmap(memory, 16 * MIB);
}

/*
 * Sources
 */

/* A source that takes from a heap: by that it stands on whatever the heap stands on. */
struct floor {
	struct floe_heap *below;
	int out;
	int failing; /* what the next call says, 0: nothing of its own */
};

static int obtain_below(void *user, size_t size, size_t alignment, void **ret_memory)
{
	struct floor *floor = user;

	if (floor->failing)
		return floor->failing;
	*ret_memory = floe_heap_alloc_aligned(floor->below, alignment, size);
	if (!*ret_memory)
		return -ENOMEM;
	floor->out++;
	return 0;
}

static void release_below(void *user, void *memory, size_t size)
{
	struct floor *floor = user;

	expect(floe_heap_usable_size(floor->below, memory) >= size);
	expect_equal(floe_heap_try_free(floor->below, memory), 0);
	floor->out--;
}

static void describe_below(void *user, char *buffer, size_t size)
{
	(void)user;
	(void)snprintf(buffer, size, "what the heap below has");
}

static struct floe_source source_on(struct floor *floor)
{
	return (struct floe_source){
		.size = sizeof(struct floe_source),
		.obtain = obtain_below,
		.release = release_below,
		.describe = describe_below,
		.user = floor,
	};
}

static int create_on(struct floe_heap **ret, struct floe_source *source, struct floe_error *error)
{
	const struct floe_heap_options options = {
		.size = sizeof(options), .source = source, .error = error};

	return floe_heap_create(ret, &options);
}

/* Three heaps: the lowest lies in a block, each other one on a source that takes from the next. When
 * the block is full, the highest says so; and when all is given back, nothing is missing below. */
static void sources_stand_on_each_other(void)
{
	unsigned char *memory = map(16 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				    -1);
	struct floor floor[2] = {{0}};
	struct floe_source source[2] = {source_on(&floor[0]), source_on(&floor[1])};
	struct floe_heap *stack[3];
	size_t count;

	expect(memory);
	create_exclusive();
	expect_equal(floe_heap_inject(heap, memory, 16 * MIB), 0);
	stack[0] = heap;
	for (int i = 0; i < 2; i++) {
		floor[i].below = stack[i];
		expect_equal(create_on(&stack[i + 1], &source[i], NULL), 0);
	}
	heap = stack[2];
	end_all(fill(1000, &count));
	expect(count * 1000 > 10 * MIB);
	expect(floor[0].out > 1 && floor[1].out > 1);
	/* An object of the highest lies in memory of all three. */
	for (int i = 0; i < 3; i++) {
		void *p = floe_heap_alloc(stack[2], 100);

		expect_equal(floe_heap_owns(stack[i], p), 1);
		floe_heap_free(stack[2], p);
		expect_equal(floe_heap_check(stack[i]), 0);
	}
	expect(floe_heap_release_free(stack[2]) > 0);
	for (int i = 2; i > 0; i--) {
		floe_heap_destroy(stack[i]);
		expect_equal(floor[i - 1].out, 0);
	}
	heap = stack[0];
	expect_equal(counts().objects, 0);
	expect_equal(floe_heap_remove(heap, memory), 1);
	floe_heap_destroy(heap);
	munmap(memory, 16 * MIB);
}

/* It is passed on, with what the source says of itself, and the heap goes on where it can. */
static void a_failing_source_is_an_error_and_says_what_it_is(void)
{
	struct floor floor = {.failing = -EIO};
	struct floe_source source = source_on(&floor);
	struct floe_error error = {""};
	void *p;

	expect_equal(floe_heap_create(&floor.below, NULL), 0);
	expect_equal(create_on(&heap, &source, &error), -EIO);
	expect(strstr(error.text, "what the heap below has"));
	floor.failing = 0;
	expect_equal(create_on(&heap, &source, &error), 0);
	floor.failing = -ENOTRECOVERABLE;
	errno = 0;
	expect(!floe_heap_alloc(heap, 8 * MIB));
	expect_equal(errno, ENOMEM);
	expect_equal(counts().failures, 1);
	p = floe_heap_alloc(heap, 1000);
	expect(p); /* what there was before is still there */
	floor.failing = 0;
	expect(floe_heap_alloc(heap, 8 * MIB));
	floe_heap_free(heap, p);
	expect_equal(floe_heap_check(heap), 0);
	floe_heap_destroy(heap);
	expect_equal(floor.out, 0);
	floe_heap_destroy(floor.below);
}

/*
 * Threads
 */

#define THREADS 4
#define BLOCK (256 << 10)
#define BLOCKS 6 /* of each thread */

static unsigned char *blocks;

struct object {
	struct object *next;
	unsigned char *end;
};

/* Objects that say where they end, so that two that overlap are found. */
static struct object *make(uint64_t *state)
{
	size_t size;
	struct object *o;

	*state = *state * 6364136223846793005u + 1442695040888963407u;
	size = sizeof(*o) + 1 + (size_t)(*state >> 33) % 5000;
	o = floe_heap_alloc(heap, size);
	if (!o)
		return NULL;
	memset(o, (int)(*state >> 56), size);
	o->end = (unsigned char *)o + size - 1;
	*o->end = (unsigned char)(uintptr_t)o;
	return o;
}

static void end_list(struct object *list)
{
	for (struct object *o; (o = list);) {
		list = o->next;
		expect_equal(*o->end, (unsigned char)(uintptr_t)o);
		floe_heap_free(heap, o);
	}
}

/* Whoever finds the heap full, or has worked for a while, brings the next of its blocks, while all others
 * work; and once more the first one, which is refused. */
static void *work_and_bring(void *argument)
{
	uintptr_t number = (uintptr_t)argument;
	unsigned char *mine = blocks + number * BLOCKS * BLOCK;
	uint64_t state = number + 1;
	struct object *list = NULL, *o;
	size_t given = 0;

	for (int i = 1; given < BLOCKS; i++) {
		o = make(&state);
		if (!o || i % 1000 == 0) {
			expect_equal(floe_heap_inject(heap, mine + given++ * BLOCK, BLOCK), 0);
			expect_equal(floe_heap_inject(heap, mine, BLOCK), -EEXIST);
		}
		if (!o)
			continue;
		o->next = list;
		list = o;
		if ((state >> 40) % 64 == 0) {
			end_list(list);
			list = NULL;
		}
	}
	end_list(list);
	floe_heap_mark_idle(heap);
	return NULL;
}

static void any_thread_brings_memory_while_all_work(void)
{
	size_t size = THREADS * BLOCKS * BLOCK;
	pthread_t thread[THREADS];

	blocks = map(size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	expect(blocks);
	create_exclusive();
	for (uintptr_t i = 0; i < THREADS; i++)
		expect_equal(pthread_create(&thread[i], NULL, work_and_bring, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		expect_equal(pthread_join(thread[i], NULL), 0);
	expect_equal(counts().blocks, THREADS * BLOCKS);
	expect_equal(counts().injected, size);
	expect_equal(counts().objects, 0);
	expect_equal(floe_heap_check(heap), 0);
	for (size_t i = 0; i < THREADS * BLOCKS; i++)
		expect_equal(floe_heap_remove(heap, blocks + i * BLOCK), 1);
	expect_equal(counts().injected, 0);
	floe_heap_destroy(heap);
	munmap(blocks, size);
}

static void a_thread_that_marks_itself_idle_has_nothing_cached(void)
{
	void *p[100];

	expect_equal(floe_heap_create(&heap, NULL), 0);
	for (size_t i = 0; i < TEST_COUNT(p); i++)
		p[i] = floe_heap_alloc(heap, 50 + 20 * i);
	for (size_t i = 0; i < TEST_COUNT(p); i++)
		floe_heap_free(heap, p[i]);
	expect_equal(counts().caches, 1);
	expect(counts().cached_threads > 10000);
	floe_heap_mark_idle(heap);
	expect_equal(counts().caches, 0);
	expect_equal(counts().cached_threads, 0);
	expect_equal(counts().objects, 0);
	/* It may go on at any time. */
	floe_heap_free(heap, floe_heap_alloc(heap, 50));
	expect_equal(counts().caches, 1);
	expect_equal(floe_heap_check(heap), 0);
	floe_heap_destroy(heap);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_memfd_is_used_and_its_blocks_go_back),
		TEST(what_is_pinned_keeps_its_pages),
		TEST(reserved_addresses_and_read_only_devices_are_refused),
		TEST(a_mapped_device_is_used),
		TEST(private_huge_pages_go_back),
		TEST(shared_huge_pages_go_back),
		TEST(a_populated_block_is_used_without_any_system_call),
		TEST(sources_stand_on_each_other),
		TEST(a_failing_source_is_an_error_and_says_what_it_is),
		TEST(any_thread_brings_memory_while_all_work),
		TEST(a_thread_that_marks_itself_idle_has_nothing_cached),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
