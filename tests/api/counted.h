/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_COUNTED_H
#define TESTS_COUNTED_H

/*
 * How many instructions a piece of work takes in user mode: a child does it one instruction at a time.
 * What the kernel does for it counts as one instruction for each system call.
 */

#include <stdint.h>

struct counted_work {
	void *(*open)(const void *argument); /* in the child, before anything is counted */
	void (*run)(void *state);            /* is counted */
};

/* The least of two runs, after one that warms up. Skips the test where tracing is not permitted, and
 * with a sanitizer, which has instructions of its own. */
uint64_t counted_steps(const struct counted_work *work, const void *argument);

#endif
