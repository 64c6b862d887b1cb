/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_SERIES_H
#define BENCH_SERIES_H

/*
 * The figures of one quantity, one for each round or batch. The median is what we report, the
 * least and the greatest say how much to believe it.
 */

#include <stddef.h>

#define SERIES_MAX 4096

struct series {
	size_t count;
	double values[SERIES_MAX];
};

/* Once SERIES_MAX values are in, further ones are left out. */
void series_add(struct series *s, double value);

/* 0 when there are no values. */
double series_min(const struct series *s);
double series_median(const struct series *s);
double series_max(const struct series *s);

#endif
