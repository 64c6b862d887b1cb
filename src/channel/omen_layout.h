/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_OMEN_LAYOUT_H
#define CHANNEL_OMEN_LAYOUT_H

/*
 * Omen: a word in a node's file by which the kernel tells that a thread of its process is gone. It
 * speaks before the memory of a dying process is torn down, so long before locks and pidfds do.
 *
 *   0                        nobody watches: it will not speak
 *   thread | WAITERS         that thread of the process watches
 *   OWNER_DIED | WAITERS     it ended; perhaps the process did, perhaps not
 *
 * The process writes it, and the kernel for it. It is a hint: a thread may end and its process live
 * on. Who sleeps on it wakes and looks; nothing is ever taken from the living because of it.
 */

#include <linux/futex.h>
#include <stdbool.h>

#include "base/shared.h"

static inline bool omen_is_watched(uint32_t value)
{
	return (value & FUTEX_TID_MASK) != 0;
}

static inline bool omen_is_bad(uint32_t value)
{
	return !omen_is_watched(value) && (value & FUTEX_OWNER_DIED);
}

static inline const uint32_t *omen_futex(const shared_u32 *omen)
{
	return (const uint32_t *)(const void *)omen;
}

#endif
