/* SPDX-License-Identifier: Apache-2.0 */
#include "series.h"

#include <stdlib.h>
#include <string.h>

void series_add(struct series *s, double value)
{
	if (s->count < SERIES_MAX)
		s->values[s->count++] = value;
}

double series_min(const struct series *s)
{
	double least = s->count ? s->values[0] : 0;

	for (size_t i = 1; i < s->count; i++)
		least = s->values[i] < least ? s->values[i] : least;
	return least;
}

double series_max(const struct series *s)
{
	double greatest = s->count ? s->values[0] : 0;

	for (size_t i = 1; i < s->count; i++)
		greatest = s->values[i] > greatest ? s->values[i] : greatest;
	return greatest;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

double series_median(const struct series *s)
{
	static double sorted[SERIES_MAX];

	if (!s->count)
		return 0;

	memcpy(sorted, s->values, s->count * sizeof(sorted[0]));
	qsort(sorted, s->count, sizeof(sorted[0]), compare);
	return (sorted[(s->count - 1) / 2] + sorted[s->count / 2]) / 2;
}
