/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_CHANNEL_STOP_H
#define UNIT_CHANNEL_STOP_H

/*
 * One thing happens right before the n-th access to a shared word: another participant's step, or
 * the death of the one who is stopped there.
 */

#include <stdbool.h>
#include <stdint.h>

/*
 * Runs `step` with `action` before its `at`-th access to a shared word, from 1: true; false: it
 * has fewer. The action's own accesses do not count.
 */
bool world_at(uint64_t at, void (*action)(void *user), void (*step)(void *user), void *user);

/* The same with the death of whoever does the step. */
bool world_kill_at(uint64_t at, void (*step)(void *user), void *user);

#endif
