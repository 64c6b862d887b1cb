/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASH_NAP_H
#define CRASH_NAP_H

/*
 * Nap: a wait that goes the same way each time, however busy the machine is: its deadline is ahead when it begins,
 * and it has gone to sleep before that. The clock goes on by being read, and jumps over each sleep.
 */

#include <stdint.h>

/* What `wait` says, which is called with a deadline `after_ns` from now. */
int nap(int (*wait)(void *user, int64_t deadline_ns), void *user, int64_t after_ns);

#endif
