/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEMO_HISTOGRAM_H
#define DEMO_HISTOGRAM_H

/*
 * How often which value came, log-linear: 16 steps for each power of two, so that a quantile is
 * at most 1/16 too high, whatever its size.
 */

#include <stdint.h>

#define HISTOGRAM_STEPS 16
#define HISTOGRAM_BUCKETS (61 * HISTOGRAM_STEPS)

struct histogram {
	uint64_t total;
	uint64_t count[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t value);

/* The value that `share` (0 to 1) of all values do not exceed; 0 if there are none. */
uint64_t histogram_quantile(const struct histogram *h, double share);

#endif
