/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_VICTIM_H
#define TESTS_VICTIM_H

/*
 * A victim is a process that is killed (SIGKILL) at one of its system calls, by its number: each
 * call has two points, where it enters the kernel and where it comes back. Killed at the first it
 * has not done the call, at the second it has and does not know what came of it.
 *
 * The parent traces it (ptrace(2)), so the points are real ones, whatever makes the calls; it may also
 * execute another program, whose points go on counting, and whose exit status may be 1.
 */

#include <stdbool.h>
#include <stdint.h>

/*
 * Runs `live` in a process of its own and kills it at its point `at`, from 1. True: it was killed
 * and is gone, with all that the kernel does for the dead. False: it has fewer points and ended in
 * order; 0 lets it live in any case. *ret_points: how many it passed. `meanwhile` is called before
 * the kill, while it is stopped there; NULL: nothing.
 */
bool victim_run(void (*live)(void), uint64_t at, void (*meanwhile)(void), uint64_t *ret_points);

#endif
