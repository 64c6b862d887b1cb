/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_ASLEEP_H
#define TESTS_ASLEEP_H

/*
 * Whether somebody else sleeps in the kernel, so that a test about waking wakes a sleeper.
 */

#include <stdbool.h>
#include <sys/types.h>

/* Returns when the process (its first thread) has slept through several looks. */
void until_asleep(pid_t pid);

/* For so long that it would have looked if it had a time for that. What it has to do first it may do late
 * on a busy machine: ask again. */
bool stays_asleep(pid_t pid);

#endif
