/* SPDX-License-Identifier: Apache-2.0 */
#include "histogram.h"

#include <assert.h>

#define STEP_BITS 4

static_assert(1 << STEP_BITS == HISTOGRAM_STEPS, "steps are addressed by bits");
static_assert((64 - STEP_BITS + 1) * HISTOGRAM_STEPS == HISTOGRAM_BUCKETS,
	      "every value has a bucket");

/* Values below 16 have a bucket each. Above, the position of the highest bit chooses the row and
 * the four bits below it the step. */
static unsigned bucket_of(uint64_t value)
{
	unsigned shift;

	if (value < HISTOGRAM_STEPS)
		return (unsigned)value;
	shift = 63 - (unsigned)__builtin_clzll(value) - STEP_BITS;
	return shift * HISTOGRAM_STEPS + (unsigned)(value >> shift);
}

/* The highest value of a bucket. */
static uint64_t end_of(unsigned bucket)
{
	unsigned shift;
	uint64_t step;

	if (bucket < 2 * HISTOGRAM_STEPS)
		return bucket;
	shift = bucket / HISTOGRAM_STEPS - 1;
	step = bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS;
	return (step << shift) + ((uint64_t)1 << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t value)
{
	h->count[bucket_of(value)]++;
	h->total++;
}

uint64_t histogram_quantile(const struct histogram *h, double share)
{
	uint64_t rank = (uint64_t)(share * (double)h->total);
	uint64_t seen = 0;

	if (h->total == 0)
		return 0;
	if (rank >= h->total)
		rank = h->total - 1;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->count[i];
		if (seen > rank)
			return end_of(i);
	}
	return end_of(HISTOGRAM_BUCKETS - 1);
}
