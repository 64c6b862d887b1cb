/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_HINTS_LAYOUT_H
#define CHANNEL_HINTS_LAYOUT_H

/*
 * Hints: the one line of a topic that all its participants may write
 *
 *   +0   publishers     goes up when a publisher comes or goes; a futex word
 *   +8   subscribers    goes up when a subscriber comes or goes; a futex word
 *   +16  sleepers       goes up before a subscriber sleeps
 *   +24  firsts         goes up with the first message of a publisher, if somebody sleeps; a futex
 *                       word
 *   +48  seats          goes up when a notifier or a board's writer comes or goes; a futex word
 *   +56  listeners      goes up before a listener of events sleeps
 *
 * This is the exception to "one writer per word". Each word only makes others look again at words
 * that do have one writer. Whoever adds too often costs the others system calls. Whoever sets a
 * word back can delay a wake-up, or hide one who has just joined: then what that one holds may be
 * written under his eyes. That is wrong bytes for him, never a wrong chunk list, a crash or a
 * hang for anybody.
 *
 * Dying after the change that it announces and before the addition: a place is announced again
 * when it is cleaned away; a publisher, which has sent nothing yet, by who waits, within half a
 * second.
 */

#include <stddef.h>

#include "base/shared.h"

struct hints_shared {
	FLOE_CACHELINE_ALIGNED shared_u64 publishers;
	shared_u64 subscribers;
	shared_u64 sleepers;
	shared_u64 firsts;
	uint64_t reserved[2];
	shared_u64 seats;
	shared_u64 listeners;
};
static_assert(sizeof(struct hints_shared) == 64, "layout");
static_assert(offsetof(struct hints_shared, sleepers) == 16, "layout");
static_assert(offsetof(struct hints_shared, firsts) == 24, "layout");
static_assert(offsetof(struct hints_shared, seats) == 48, "layout");
static_assert(offsetof(struct hints_shared, listeners) == 56, "layout");

#endif
