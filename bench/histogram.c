/* SPDX-License-Identifier: Apache-2.0 */
#include "histogram.h"

#define STEPS (UINT64_C(1) << HISTOGRAM_STEP_BITS)

/* Values below 2 * STEPS are their own bucket. Above, a value keeps its STEP_BITS + 1 highest
 * bits, and each bit that is dropped moves on by one power of two, which is STEPS buckets. */
static unsigned bucket_of(uint64_t value)
{
	unsigned dropped;

	if (value < 2 * STEPS)
		return (unsigned)value;

	dropped = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_STEP_BITS;
	return (dropped << HISTOGRAM_STEP_BITS) + (unsigned)(value >> dropped);
}

/* The highest value of a bucket. */
static uint64_t bucket_end(unsigned bucket)
{
	unsigned dropped;
	uint64_t kept;

	if (bucket < 2 * STEPS)
		return bucket;

	dropped = (bucket >> HISTOGRAM_STEP_BITS) - 1;
	kept = bucket - ((uint64_t)dropped << HISTOGRAM_STEP_BITS);
	return ((kept + 1) << dropped) - 1;
}

void histogram_add(struct histogram *h, uint64_t value)
{
	h->bucket[bucket_of(value)]++;
	h->count++;
	if (value > h->max)
		h->max = value;
}

uint64_t histogram_quantile(const struct histogram *h, double share)
{
	double wanted = share * (double)h->count;
	uint64_t seen = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen && (double)seen >= wanted)
			return bucket_end(i) < h->max ? bucket_end(i) : h->max;
	}
	return h->max;
}
