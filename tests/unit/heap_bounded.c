/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded heap: no allocation and no free takes more than HEAP_BOUND instructions, however large
 * the block is and whatever was done before. A child works in the heap and says in shared memory
 * when it is inside a call; its parent lets it go instruction by instruction (ptrace) and counts.
 */
#include "alloc/heap.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "frame/frame.h"

#define OBJECTS 4000

struct report {
	volatile uint32_t inside; /* of a call */
	volatile uint32_t go;     /* the preparation is over */
};

static struct report *report;
static struct heap *heap;
static void *object[OBJECTS];
static uint64_t seed = 88172645463325252u;

static uint32_t random_below(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 11) % below;
}

/* The calls of interest alone. */
static void act(size_t i, size_t size)
{
	report->inside = 1;
	if (object[i]) {
		heap_free(heap, object[i]);
		object[i] = NULL;
	} else {
		object[i] = heap_alloc(heap, size);
	}
	report->inside = 0;
}

static size_t random_size(size_t block)
{
	uint32_t kind = random_below(10);

	if (kind < 5)
		return random_below(1000);
	if (kind < 9)
		return random_below(33000);
	return random_below((uint32_t)(block / 8));
}

/* Holes of all sizes, also when nothing fits in any more. */
static _Noreturn void live(size_t block)
{
	void *memory = mmap(NULL, block, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);
	struct heap_plan plan = {
		.memory = memory,
		.memory_size = block,
		.flags = FLOE_HEAP_BOUNDED,
	};

	expect(memory != MAP_FAILED);
	expect_equal(heap_create(&heap, &plan, NULL), 0);
	for (int i = 0; i < 20000; i++)
		act(random_below(OBJECTS), random_size(block));
	expect_equal(heap_check(heap), 0);
	report->go = 1;
	expect(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
	(void)raise(SIGSTOP);
	for (int i = 0; i < 70; i++)
		act(random_below(OBJECTS), random_size(block));
	_exit(0);
}

/* The most instructions of one call. */
static uint32_t count_most(size_t block)
{
	uint32_t most = 0, count = 0;
	pid_t child = fork();
	int status;

	expect(child >= 0);
	if (child == 0)
		live(block);
	while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
		count = report->inside ? count + 1 : 0;
		if (count > most)
			most = count;
		expect(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0);
	}
	expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return most;
}

static void no_call_takes_more_in(size_t block)
{
	uint32_t most;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip("a sanitizer has instructions of its own");
#endif
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	expect(report != MAP_FAILED);
	most = count_most(block);
	(void)fprintf(stderr, "%zu KiB: %u instructions at most\n", block >> 10, most);
	expect(most > 50);
	expect(most <= HEAP_BOUND);
	munmap(report, sizeof(*report));
}

/* Each in a test of its own: a step is two system calls and two changes of process, and there are tens
 * of thousands. */
static void no_call_takes_more_than_the_bound_in_100_kib(void)
{
	no_call_takes_more_in(100 << 10);
}

static void no_call_takes_more_than_the_bound_in_1_mib(void)
{
	no_call_takes_more_in(1 << 20);
}

static void no_call_takes_more_than_the_bound_in_8_mib(void)
{
	no_call_takes_more_in(8 << 20);
}

static void no_call_takes_more_than_the_bound_in_64_mib(void)
{
	no_call_takes_more_in(64 << 20);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(no_call_takes_more_than_the_bound_in_100_kib),
		TEST(no_call_takes_more_than_the_bound_in_1_mib),
		TEST(no_call_takes_more_than_the_bound_in_8_mib),
		TEST(no_call_takes_more_than_the_bound_in_64_mib),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
