/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_HEAP_JUDGE_H
#define BENCH_HEAP_JUDGE_H

/*
 * Judge: is a ratio below its target, above it, or is that not decided at this noise? All that is
 * assumed of the rounds is that none of them knows of another.
 *
 * Of n values that are drawn independently the k-th least is above the true median with the chance
 * that fewer than k of n coins show heads. So the k-th least and the k-th greatest have it between
 * them in at least 95 of 100 runs, with the largest k for which twice that chance is at most 5 %:
 *
 *	n    6..8   9..11   12..14   15..16   17..19   20..22   23..24   25..
 *	k      1      2        3        4        5        6        7       8
 *
 * Fewer than 6 values decide nothing.
 */

#include <stddef.h>

#define JUDGE_MISTAKES 0.05

enum verdict {
	VERDICT_MET,    /* all of the interval is at most the target */
	VERDICT_OPEN,   /* the target is inside */
	VERDICT_MISSED, /* all of it is above */
};

struct interval {
	double least, greatest; /* of all values */
	double low, high;       /* has the median between them; 0 and infinity: nobody knows */
	double median;
};

/* Sorts `values`. */
struct interval judge_interval(double *values, size_t count);

enum verdict judge(const struct interval *interval, double target);

/* "met", "not decided", "MISSED" */
const char *judge_word(enum verdict verdict);

#endif
