/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_EVENT_LAYOUT_H
#define CHANNEL_EVENT_LAYOUT_H

/*
 * Event: a notifier's memory, `event.<k>` in the topic's folder. Its notifier writes it, listeners map
 * it read-only and keep what they have seen.
 *
 *   +0    seat
 *   +128  ids              how many there are; written before the file has a name
 *   +136  deadline_ns      the notifier promises to notify at least this often; 0: it does not
 *   +192  total            how often anything was notified; a futex word
 *   +200  time_ns          CLOCK_MONOTONIC of the last one, with a promise only
 *   +208  wakes            system calls made because somebody slept; for people
 *   +256  group[]          the same for 64 ids each
 *   ...   count[ids]       how often each id was notified
 *
 *   total = sum of group = sum of count      when no notification is under way
 *
 * A notification is count + 1, group + 1, total + 1. Dying before the first: not sent. After it: sent,
 * though the sums do not say so; who hears of the death looks at all counts, and a successor makes the
 * sums right.
 */

#include "channel/seat_layout.h"

#define EVENT_MAGIC IDENTITY_MAGIC('e', 'v', 'n', 't')
#define EVENT_GROUP 64u

struct event_shared {
	struct seat_shared seat;
	FLOE_CACHELINE_ALIGNED uint32_t ids;
	uint32_t reserved;
	shared_u64 deadline_ns;
	uint64_t reserved2[6];

	FLOE_CACHELINE_ALIGNED shared_u64 total;
	shared_u64 time_ns;
	shared_u64 wakes;
	uint64_t reserved3[5];

	FLOE_CACHELINE_ALIGNED shared_u64 word[]; /* groups, then counts */
};
static_assert(offsetof(struct event_shared, ids) == 128, "layout");
static_assert(offsetof(struct event_shared, deadline_ns) == 136, "layout");
static_assert(offsetof(struct event_shared, total) == 192, "layout");
static_assert(offsetof(struct event_shared, time_ns) == 200, "layout");
static_assert(offsetof(struct event_shared, wakes) == 208, "layout");
static_assert(offsetof(struct event_shared, word) == 256, "layout");

#define EVENT_SIGNATURE \
	(IDENTITY_SIGN(sizeof(struct event_shared), offsetof(struct event_shared, total), \
		       offsetof(struct event_shared, word), EVENT_GROUP) ^ \
	 SEAT_SIGNATURE)

static inline uint32_t event_groups(uint32_t ids)
{
	return (ids + EVENT_GROUP - 1) / EVENT_GROUP;
}

static inline size_t event_size(uint32_t ids)
{
	return sizeof(struct event_shared) + (ids + (size_t)event_groups(ids)) * sizeof(shared_u64);
}

#endif
