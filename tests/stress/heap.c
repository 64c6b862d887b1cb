/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that come and go share a heap: each fills what it allocates, exchanges it with the others
 * through slots that all see, and frees what it finds there. Meanwhile a block is injected, drained
 * and removed, pages are given back, and processes are forked. In the end every object is accounted
 * for and the walker finds nothing.
 */
#include <floe/floe.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "frame/frame.h"

#define SLOTS 256
#define THREADS 4
#define ROUNDS 6
#define STEPS 4000
#define BLOCK ((size_t)2 << 20)

struct object {
	size_t size;
	unsigned char fill;
	unsigned char bytes[];
};

static struct floe_heap *heap;
static _Atomic(struct object *) slot[SLOTS];
static atomic_int wrong;
static atomic_bool stopping;

static void hear(void *user, const char *sentence)
{
	(void)user;
	(void)fprintf(stderr, "%s\n", sentence);
	atomic_fetch_add(&wrong, 1);
}

static uint32_t random_below(uint64_t *state, uint32_t below)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 11) % below;
}

static void check_and_free(struct object *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->size; i++)
		expect_equal(o->bytes[i], o->fill);
	floe_heap_free(heap, o);
}

static struct object *make(uint64_t *state)
{
	size_t size = random_below(state, random_below(state, 50) ? 600 : 60000);
	struct object *o = floe_heap_alloc(heap, sizeof(*o) + size);

	if (!o)
		return NULL;
	o->size = size;
	o->fill = (unsigned char)random_below(state, 256);
	memset(o->bytes, o->fill, size);
	return o;
}

static void *live(void *argument)
{
	uint64_t state = 88172645463325252u + (uintptr_t)argument * 7919;

	for (int i = 0; i < STEPS; i++) {
		struct object *o = make(&state);

		check_and_free(atomic_exchange(&slot[random_below(&state, SLOTS)], o));
		if (random_below(&state, 2000) == 0)
			floe_heap_mark_idle(heap);
	}
	return NULL;
}

static void run_generation(int round)
{
	pthread_t thread[THREADS];

	for (int i = 0; i < THREADS; i++)
		expect(pthread_create(&thread[i], NULL, live,
				      (void *)(uintptr_t)(round * THREADS + i + 1)) == 0);
	for (int i = 0; i < THREADS; i++)
		expect(pthread_join(thread[i], NULL) == 0);
}

static void *give_and_take(void *argument)
{
	unsigned char *memory = argument;

	while (!atomic_load(&stopping)) {
		int r = floe_heap_inject(heap, memory, BLOCK);

		expect(r == 0 || r == -EEXIST);
		(void)floe_heap_release_free(heap);
		(void)usleep(1000);
		r = floe_heap_remove(heap, memory);
		expect(r == 0 || r == 1);
		if (r == 0)
			expect_equal(floe_heap_undrain(heap, memory), 0);
		else
			memset(memory, 0xee, BLOCK);
	}
	return NULL;
}

static void end_all(void)
{
	for (int i = 0; i < SLOTS; i++)
		check_and_free(atomic_exchange(&slot[i], NULL));
}

static void create(void)
{
	struct floe_heap_options options = {.size = sizeof(options), .tell = hear};

	expect_equal(floe_heap_create(&heap, &options), 0);
}

static void threads_come_and_go(void)
{
	create();
	for (int round = 0; round < ROUNDS; round++) {
		run_generation(round);
		expect_equal(floe_heap_check(heap), 0);
	}
	end_all();
	expect_equal(floe_heap_check(heap), 0);
	floe_heap_destroy(heap);
	expect_equal(atomic_load(&wrong), 0);
}

static void a_block_comes_and_goes_meanwhile(void)
{
	void *memory = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);
	pthread_t thread;

	expect(memory != MAP_FAILED);
	create();
	expect(pthread_create(&thread, NULL, give_and_take, memory) == 0);
	for (int round = 0; round < ROUNDS; round++)
		run_generation(round);
	atomic_store(&stopping, true);
	expect(pthread_join(thread, NULL) == 0);
	end_all();
	expect_equal(floe_heap_check(heap), 0);
	floe_heap_destroy(heap);
	expect_equal(atomic_load(&wrong), 0);
	munmap(memory, BLOCK);
}

static void *live_on(void *argument)
{
	while (!atomic_load(&stopping))
		live(argument);
	return NULL;
}

/* The child has one thread, and what the others had in hand. */
static void live_in_a_child(void)
{
	uint64_t state = 12345;

	for (int i = 0; i < 500; i++)
		check_and_free(make(&state));
	expect_equal(floe_heap_check(heap), 0);
	_exit(atomic_load(&wrong));
}

static void processes_are_forked_meanwhile(void)
{
	pthread_t thread[THREADS];

	create();
	for (int i = 0; i < THREADS; i++)
		expect(pthread_create(&thread[i], NULL, live_on, (void *)(uintptr_t)(i + 1)) == 0);
	for (int i = 0; i < 25; i++) {
		pid_t child = fork();
		int status;

		expect(child >= 0);
		if (child == 0)
			live_in_a_child();
		expect(waitpid(child, &status, 0) == child);
		expect_equal(status, 0);
	}
	atomic_store(&stopping, true);
	for (int i = 0; i < THREADS; i++)
		expect(pthread_join(thread[i], NULL) == 0);
	end_all();
	expect_equal(floe_heap_check(heap), 0);
	floe_heap_destroy(heap);
	expect_equal(atomic_load(&wrong), 0);
}

/* Larger than what caches take: nearly all of the time one of them has the lock of the pages. */
static void *take_and_give_pages(void *unused)
{
	while (!atomic_load(&stopping))
		floe_heap_free(heap, floe_heap_alloc(heap, 100000));
	return unused;
}

/* Fails when before_fork takes no locks, whether the child then sets them free or not. */
static void a_fork_finds_no_call_half_done(void)
{
	pthread_t thread[2];

	create();
	for (int i = 0; i < 2; i++)
		expect(pthread_create(&thread[i], NULL, take_and_give_pages, NULL) == 0);
	for (int i = 0; i < 60; i++) {
		pid_t child = fork();
		int status;

		expect(child >= 0);
		if (child == 0) {
			for (size_t size = 100; size < 1000000; size *= 3)
				floe_heap_free(heap, floe_heap_alloc(heap, size));
			_exit(floe_heap_check(heap) != 0);
		}
		expect(waitpid(child, &status, 0) == child);
		expect_equal(status, 0);
	}
	atomic_store(&stopping, true);
	for (int i = 0; i < 2; i++)
		expect(pthread_join(thread[i], NULL) == 0);
	expect_equal(floe_heap_check(heap), 0);
	floe_heap_destroy(heap);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(threads_come_and_go),
		TEST(a_block_comes_and_goes_meanwhile),
		TEST(processes_are_forked_meanwhile),
		TEST(a_fork_finds_no_call_half_done),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
