/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_ASLEEP_H
#define TESTS_ASLEEP_H

/*
 * Whether somebody else sleeps in the kernel, so that a test about waking wakes a sleeper.
 */

#include <sys/types.h>

/* Returns when the process (its first thread) has slept through several looks. */
void until_asleep(pid_t pid);

#endif
