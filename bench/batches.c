/* SPDX-License-Identifier: Apache-2.0 */
#include "batches.h"

#include <alloca.h>

#include "alone.h"
#include "clock.h"

/* About 20 us; long enough for rare work to have its share in each batch. */
#define BATCH_OPERATIONS 1024u

/* Fewer of them say nothing. */
#define ALONE_MIN 8u

/* How many times its budget a slice may take to find them. */
#define PATIENCE 3

bool batches_were_alone(const struct batches *b)
{
	return b->alone.count >= ALONE_MIN;
}

/*
 * A processor takes a load for one that needs an earlier store's value if the lower twelve bits of
 * both addresses are the same. So it matters by how much the stack, where the loan is, is off the
 * ring: the same publish took 14 ns or 33. A program has no say in that, so each batch has another
 * stack.
 */
static __attribute__((noinline)) double measure_batch(void (*run)(void *state, uint64_t operations),
						      void *state)
{
	static unsigned turn;
	volatile char *below = alloca(1 + 64 * (turn++ * 27 % 64));
	int64_t start_ns;

	below[0] = 0;
	start_ns = now_ns();
	run(state, BATCH_OPERATIONS);
	return (double)(now_ns() - start_ns) / BATCH_OPERATIONS;
}

/* A batch during which somebody else used the core too says what both of them cost. A slice without
 * enough others goes on for longer, and in the end takes what it has. */
double batches_measure(struct batches *b, void (*run)(void *state, uint64_t operations),
		       void *state, int64_t budget_ns)
{
	int64_t start_ns = now_ns(), time_ns;

	run(state, BATCH_OPERATIONS);
	b->all.count = b->alone.count = 0;
	do {
		bool alone = alone_look();
		double value = measure_batch(run, state);

		alone = alone_look() && alone;
		alone_count(alone);
		series_add(&b->all, value);
		if (alone)
			series_add(&b->alone, value);
		time_ns = now_ns() - start_ns;
	} while (time_ns < budget_ns || (!batches_were_alone(b) && time_ns < PATIENCE * budget_ns));
	return series_median(batches_were_alone(b) ? &b->alone : &b->all);
}

double batches_measure_all(struct batches *b, void (*run)(void *state, uint64_t operations),
			   void *state, int64_t budget_ns)
{
	int64_t end_ns = now_ns() + budget_ns;

	run(state, BATCH_OPERATIONS);
	b->all.count = b->alone.count = 0;
	do
		series_add(&b->all, measure_batch(run, state));
	while (now_ns() < end_ns);
	return series_median(&b->all);
}
