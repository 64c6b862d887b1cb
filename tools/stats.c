/* SPDX-License-Identifier: Apache-2.0 */
#include "stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"

void stats_open(struct stats *stats, size_t values_max)
{
	*stats = (struct stats){
		.values = frame_alloc(values_max, sizeof(*stats->values)),
		.values_max = values_max,
	};
}

void stats_add(struct stats *stats, double value)
{
	stats->values[stats->next] = value;
	stats->next = (stats->next + 1) % stats->values_max;
	if (stats->count < stats->values_max)
		stats->count++;
}

struct stats_summary stats_summarize(const struct stats *stats)
{
	struct stats_summary summary = {.count = stats->count};
	double squares = 0;

	if (stats->count == 0)
		return summary;

	summary.min = summary.max = stats->values[0];
	for (size_t i = 0; i < stats->count; i++) {
		summary.min = fmin(summary.min, stats->values[i]);
		summary.max = fmax(summary.max, stats->values[i]);
		summary.mean += stats->values[i];
	}
	summary.mean /= (double)stats->count;
	for (size_t i = 0; i < stats->count; i++) {
		double distance = stats->values[i] - summary.mean;

		squares += distance * distance;
	}
	summary.deviation = sqrt(squares / (double)stats->count);
	return summary;
}

static int compare(const void *a, const void *b)
{
	const double *left = a;
	const double *right = b;

	return *left < *right ? -1 : *left > *right;
}

void stats_percentiles(const struct stats *stats, const double *percents, size_t count, double *ret)
{
	double *sorted;

	memset(ret, 0, count * sizeof(*ret));
	if (stats->count == 0)
		return;

	sorted = frame_alloc(stats->count, sizeof(*sorted));
	memcpy(sorted, stats->values, stats->count * sizeof(*sorted));
	qsort(sorted, stats->count, sizeof(*sorted), compare);
	for (size_t i = 0; i < count; i++) {
		double rank = ceil(percents[i] / 100 * (double)stats->count);

		ret[i] = sorted[rank < 1 ? 0 : (size_t)rank - 1];
	}
	free(sorted);
}

void stats_close(struct stats *stats)
{
	free(stats->values);
	*stats = (struct stats){0};
}
