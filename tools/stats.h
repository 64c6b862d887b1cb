/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_STATS_H
#define TOOLS_STATS_H

/*
 * The last values of something measured, and what can be said about them.
 */

#include <stddef.h>

struct stats {
	double *values;
	size_t values_max; /* the window */
	size_t count;      /* up to values_max */
	size_t next;       /* where the next value goes */
};

struct stats_summary {
	size_t count; /* 0: the rest is 0 too */
	double mean;
	double min;
	double max;
	double deviation; /* standard deviation of these values themselves, not of a larger set */
};

void stats_open(struct stats *stats, size_t values_max);
void stats_add(struct stats *stats, double value);
struct stats_summary stats_summarize(const struct stats *stats);

/* ret[i]: the smallest value that percents[i] of all values do not exceed; 0 without values. */
void stats_percentiles(const struct stats *stats, const double *percents, size_t count,
		       double *ret);
void stats_close(struct stats *stats);

#endif
