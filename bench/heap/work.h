/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_HEAP_WORK_H
#define BENCH_HEAP_WORK_H

/*
 * Work: what the programs of this benchmark do with malloc and free. They know nothing of the
 * allocator below them; every object is written and read, as programs do.
 */

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

struct work {
	const char *name;
	void (*run)(void);
};

/* The same numbers for every allocator. */
static inline uint32_t random_below(uint64_t *state, uint32_t below)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)((*state >> 32) * below >> 32);
}

#define SEED(number) (88172645463325252u + (uint64_t)(number)*0x9e3779b97f4a7c15u)

/* Sizes as programs ask for them: most small, few large. */
static inline size_t random_size(uint64_t *state)
{
	uint32_t kind = random_below(state, 100);

	if (kind < 70)
		return 8 + random_below(state, 120);
	if (kind < 97)
		return 128 + random_below(state, 900);
	return 1024 + random_below(state, 15000);
}

/* `count` threads, each with its number. */
static inline void run_threads(int count, void *(*run)(void *number))
{
	pthread_t thread[16];

	for (int i = 0; i < count; i++)
		if (pthread_create(&thread[i], NULL, run, (void *)(intptr_t)i) != 0)
			abort();
	for (int i = 0; i < count; i++)
		(void)pthread_join(thread[i], NULL);
}

/* One thread: single.c. */
void run_hot(void);
void run_tree(void);
void run_random(void);
void run_phases(void);
void run_grow(void);
void run_large(void);

/* Two threads: threads.c. */
void run_random2(void);
void run_pass(void);
void run_batches(void);
void run_server(void);
void run_churn(void);
void run_scratch(void);

#endif
