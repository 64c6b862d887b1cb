/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_INSTRUCTIONS_H
#define BENCH_INSTRUCTIONS_H

/*
 * How many instructions a piece of work takes in user mode. The processor counts them where
 * perf_event_open(2) is allowed; virtual machines often have no counters, and then a child does
 * the work one instruction at a time while we count its steps.
 */

#include <stdint.h>

struct instructions_work {
	/* Runs in the counted process, before anything is counted. */
	void *(*open)(const void *argument);
	void (*run)(void *state, uint64_t operations);
	void (*run_empty)(void *state, uint64_t operations); /* the loop alone: is subtracted */
};

/* For one operation of run, the loop excluded; < 0: neither way is allowed here. */
double instructions_count(const struct instructions_work *work, const void *argument);

/* How this process counts: "counted by the processor", "counted by single steps", ... */
const char *instructions_method(void);

#endif
