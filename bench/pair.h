/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_PAIR_H
#define BENCH_PAIR_H

/*
 * A second process on its own core. It sleeps until it is told to serve, serves until the first
 * process lets it end by means of their own, says so, and sleeps again: so any number of pairs can
 * be open, and only the one that is measured uses its core.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "clock.h"

/* What the second process does. in_thread: it is a thread of this one instead, and so has no copy
 * of the argument. */
struct pair_role {
	void *(*open)(void *argument);
	void (*serve)(void *end);
	void (*close)(void *end);
	bool in_thread;
};

struct pair {
	pid_t pid; /* or the thread's id */
	bool is_thread;
	pthread_t thread;
	struct pair_shared *shared;
};

/* Returns when the second process has opened its end. core: -1: where it likes. */
void pair_open(struct pair *pair, const struct pair_role *role, void *argument, int core);

/* Starts one turn of serve; wait returns when it is over. */
void pair_start(struct pair *pair);
void pair_wait(struct pair *pair);

void pair_close(struct pair *pair);

/* Memory that both processes see when it is made before pair_open; zeroed, page aligned. */
void *pair_memory(size_t size);

/* Keeps the calling process on one core. */
void pin(int core);

/*
 * Patience of a polling loop: a look costs one pause, and an end after some seconds. The clock is
 * read rarely, because reading it costs as much as a hop.
 */
struct patience {
	uint32_t looks;
	int64_t deadline_ns;
};

#define PATIENCE_LOOKS 65536u

void patience_check(struct patience *p);

/* At once: what the processor needs is all that lies between two looks. */
static inline void look_at_once(struct patience *p)
{
	if (__builtin_expect(++p->looks == PATIENCE_LOOKS, 0))
		patience_check(p);
}

static inline void look_again(struct patience *p)
{
	relax();
	look_at_once(p);
}

#endif
