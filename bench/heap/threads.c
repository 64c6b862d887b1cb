/* SPDX-License-Identifier: Apache-2.0 */
#include "work.h"

#include <sched.h>
#include <stdatomic.h>
#include <string.h>

/* Two threads that have nothing to do with each other. */
static void *replace_alone(void *number)
{
	char *object[5000] = {NULL};
	uint64_t state = SEED(10 + (intptr_t)number);

	for (int i = 0; i < 4000000; i++) {
		uint32_t at = random_below(&state, 5000);
		size_t size = random_size(&state);

		free(object[at]);
		object[at] = malloc(size);
		object[at][0] = object[at][size - 1] = (char)i;
	}
	for (int i = 0; i < 5000; i++)
		free(object[i]);
	return NULL;
}

void run_random2(void)
{
	run_threads(2, replace_alone);
}

/* What one thread allocates another one frees, message by message. */
#define RING 1024
static char *_Atomic ring[RING];

static void *produce(uint64_t *state, int count)
{
	for (int i = 0; i < count; i++) {
		size_t size = 32 + random_below(state, 300);
		char *p = malloc(size);

		memset(p, i, 32);
		while (atomic_load_explicit(&ring[i % RING], memory_order_relaxed))
			sched_yield();
		atomic_store_explicit(&ring[i % RING], p, memory_order_release);
	}
	return NULL;
}

static void *consume(int count)
{
	for (int i = 0; i < count; i++) {
		char *p;

		while (!(p = atomic_load_explicit(&ring[i % RING], memory_order_acquire)))
			sched_yield();
		atomic_store_explicit(&ring[i % RING], NULL, memory_order_relaxed);
		if (p[0] != (char)i)
			abort();
		free(p);
	}
	return NULL;
}

static void *pass(void *number)
{
	uint64_t state = SEED(20);

	return number ? consume(4000000) : produce(&state, 4000000);
}

void run_pass(void)
{
	run_threads(2, pass);
}

/* The same in lists of 100, both ways. */
static void *_Atomic box[2];

static void *make_batch(uint64_t *state)
{
	void *list = NULL;

	for (int i = 0; i < 100; i++) {
		void **p = malloc(16 + random_below(state, 200));

		*p = list;
		list = p;
	}
	return list;
}

static void free_batch(void *list)
{
	while (list) {
		void *next = *(void **)list;

		free(list);
		list = next;
	}
}

static void *exchange_batches(void *number)
{
	uint64_t state = SEED(30 + (intptr_t)number);
	intptr_t mine = (intptr_t)number;

	for (int i = 0; i < 40000; i++) {
		free_batch(atomic_exchange(&box[!mine], make_batch(&state)));
		free_batch(atomic_exchange(&box[mine], NULL));
	}
	return NULL;
}

void run_batches(void)
{
	run_threads(2, exchange_batches);
	free_batch(box[0]);
	free_batch(box[1]);
}

/* A server: requests allocate, some of what they leave is freed by who serves a later one; threads
 * are replaced by others that inherit their objects. */
#define SESSIONS 2000
static char *session[2][SESSIONS];

static void *serve(void *number)
{
	char **object = session[(intptr_t)number];
	uint64_t state = SEED(40 + (intptr_t)number);

	for (int i = 0; i < 40000; i++) {
		uint32_t at = random_below(&state, SESSIONS);

		free(object[at]);
		object[at] = malloc(16 + random_below(&state, 1000));
		object[at][0] = (char)i;
	}
	return NULL;
}

void run_server(void)
{
	for (int round = 0; round < 40; round++) {
		char *first = session[0][0];

		run_threads(2, serve);
		/* Half of the sessions go to the other thread. */
		for (int i = 0; i < SESSIONS; i += 2) {
			first = session[0][i];
			session[0][i] = session[1][i];
			session[1][i] = first;
		}
	}
	for (int i = 0; i < 2 * SESSIONS; i++)
		free(session[i / SESSIONS][i % SESSIONS]);
}

/* Short threads. */
static void *live_shortly(void *number)
{
	char *object[200];
	uint64_t state = SEED(50 + (intptr_t)number);

	for (int i = 0; i < 200; i++) {
		object[i] = malloc(random_size(&state));
		*object[i] = (char)i;
	}
	for (int i = 0; i < 200; i++)
		free(object[i]);
	return NULL;
}

void run_churn(void)
{
	for (int i = 0; i < 2500; i++)
		run_threads(2, live_shortly);
}

/* Objects of two threads should not share a cache line. */
static void *scratch(void *number)
{
	char *p = number;

	for (int round = 0; round < 1000; round++) {
		free(p);
		p = malloc(8);
		for (int i = 0; i < 100000; i++)
			((volatile char *)p)[i & 7]++;
	}
	free(p);
	return NULL;
}

void run_scratch(void)
{
	pthread_t thread[2];

	/* Allocated side by side, and handed over. */
	char *p[2] = {malloc(8), malloc(8)};

	for (int i = 0; i < 2; i++)
		if (pthread_create(&thread[i], NULL, scratch, p[i]) != 0)
			abort();
	for (int i = 0; i < 2; i++)
		(void)pthread_join(thread[i], NULL);
}
