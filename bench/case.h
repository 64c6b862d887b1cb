/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_CASE_H
#define BENCH_CASE_H

/*
 * A case is one row of the report. Its kind knows how to measure it; everything that differs
 * between two cases of a kind is in the row itself, so that the table in plan.c tells the whole
 * plan.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "histogram.h"

/* How much of a payload the two sides look at. */
enum touch {
	TOUCH_FIRST, /* 8 bytes are written and read: what it costs to hand a payload over */
	TOUCH_ALL,   /* every byte is written and read: what a program sees that uses it all */
};

struct bench_case {
	const char *name;
	const char *what; /* one line for --list */
	const struct bench_kind *kind;
	size_t payload; /* bytes */
	enum touch touch;
	unsigned subscribers;

	const char *floor;       /* the case it is compared with, or NULL */
	double ratio_max;        /* target for the comparison, 0: none */
	double value_max;        /* target for the value itself, 0: none */
	double instructions_max; /* target, 0: none */
};

struct bench_setup {
	int core_here;
	int core_there; /* -1: there is only one */
};

struct bench_kind {
	const char *title;
	const char *unit;
	int needs_two_cores;
	unsigned descriptors_each; /* that it opens for each subscriber of the case */

	/* The case's state until close. Failures end the program with a sentence. */
	void *(*open)(const struct bench_case *c, const struct bench_setup *setup);

	/* One figure for about `budget_ns` of work. Single events go into `h`, in units of
	 * 1 / histogram_scale; kinds without single events leave it alone. */
	double (*measure)(void *state, int64_t budget_ns, struct histogram *h);
	double histogram_scale;

	/* Did nobody else use the core during the last measure? NULL: it is not known. Where it is,
	 * a target for the value is for such rounds. */
	bool (*was_alone)(void *state);

	/* User instructions for one operation, < 0: cannot be counted here. NULL: not asked. */
	double (*instructions)(void *state);

	void (*close)(void *state);
};

#endif
