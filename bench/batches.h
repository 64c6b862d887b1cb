/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_BATCHES_H
#define BENCH_BATCHES_H

/*
 * Batches: one thread does something again and again, with a look at the clock for each batch. What
 * others do on its core spoils a batch, not the figure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "series.h"

struct batches {
	struct series all;   /* of a slice */
	struct series alone; /* those of them that had the core to themselves */
};

/* Nanoseconds of one operation of `run`, the median of the batches of about `budget_ns`. */
double batches_measure(struct batches *b, void (*run)(void *state, uint64_t operations),
		       void *state, int64_t budget_ns);

/* The same where somebody else works on purpose: all batches count, and none is looked at. */
double batches_measure_all(struct batches *b, void (*run)(void *state, uint64_t operations),
			   void *state, int64_t budget_ns);

/* Was that figure made of batches alone? */
bool batches_were_alone(const struct batches *b);

#endif
