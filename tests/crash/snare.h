/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASH_SNARE_H
#define CRASH_SNARE_H

/*
 * Snare: a process that comes to a certain one of its instructions and kills itself there, with
 * nobody beside it. It has breakpoints as a traced one, and a handler for them: one costs a
 * microsecond or two, where a stop for ptrace(2) costs 8 to 15, and before the step there is none.
 * What is between the breakpoint and SIGKILL changes nothing that anybody else can see.
 *
 * x86-64 only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "trace.h"

struct snare {
	int (*run)(void *user);                  /* with marks, as for trace_start */
	bool (*before)(void *user, size_t mark); /* there, counted from 0; false: gives up */
	void *user;
	size_t step; /* the mark where the step begins */
	const struct trace *trace;
	size_t k;
};

/* The program's text can be written in this process and its children. False: it must not be. */
bool snare_begin(void);

/* Starts one and waits for its end. True: it died before instruction k; false: it went another
 * way, and ended somewhere else. */
bool snare_run(const struct snare *snare);

#endif
