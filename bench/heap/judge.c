/* SPDX-License-Identifier: Apache-2.0 */
#include "judge.h"

#include <math.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The largest k as the header says; 0: there is none. */
static size_t find_rank(size_t count)
{
	double chance = pow(0.5, (double)count); /* that i coins show heads */
	double below = 0;                        /* that fewer do */
	size_t i = 0;

	while (i < count && 2 * (below + chance) <= JUDGE_MISTAKES) {
		below += chance;
		chance = chance * (double)(count - i) / (double)(i + 1);
		i++;
	}
	return i;
}

struct interval judge_interval(double *values, size_t count)
{
	size_t rank = find_rank(count);

	qsort(values, count, sizeof(*values), compare);
	return (struct interval){
		.least = values[0],
		.greatest = values[count - 1],
		.low = rank ? values[rank - 1] : 0,
		.high = rank ? values[count - rank] : INFINITY,
		.median = (values[(count - 1) / 2] + values[count / 2]) / 2,
	};
}

enum verdict judge(const struct interval *interval, double target)
{
	if (interval->high <= target)
		return VERDICT_MET;
	return interval->low > target ? VERDICT_MISSED : VERDICT_OPEN;
}

const char *judge_word(enum verdict verdict)
{
	static const char *const words[] = {
		[VERDICT_MET] = "met",
		[VERDICT_OPEN] = "not decided",
		[VERDICT_MISSED] = "MISSED",
	};

	return words[verdict];
}
