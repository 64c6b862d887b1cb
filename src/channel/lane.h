/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_LANE_H
#define CHANNEL_LANE_H

/*
 * Lane: the queue of one subscriber that drops the newest, seen from its publisher (lane) and from its
 * subscriber (lane_reader). What others see is lane_layout.h.
 *
 * lane: one writer, the publisher of the segment, one thread.
 * lane_reader: the one subscriber that it is for; it only reads shared memory.
 */

#include <stdbool.h>

#include "channel/lane_layout.h"
#include "channel/ring.h"

/* Exact bytes of one lane, and of several. */
size_t lane_size(uint32_t depth);
size_t lanes_size(uint32_t lanes_max, uint32_t depth);

/* Which lane this subscriber has; FLOE_LANES_MAX or more: there is none for it. */
static inline uint32_t lane_of(uint32_t subscriber)
{
	return FLOE_SUBSCRIBERS_MAX - 1 - subscriber;
}

struct lane {
	struct lane_shared *shared;
	shared_u64 *origins;
	uint64_t next; /* sequence of the next entry */
};

/*
 * Takes up what was there, in lane `n` of those at `lanes`: entries of messages after `last`, the last one
 * that was sent, are taken back. Dying anywhere here leaves some of it to the next one. 0, or -EPROTO
 */
int lane_take_up(struct lane *lane, void *lanes, uint32_t n, uint32_t depth, uint64_t last);

/* Entries that the subscriber has not taken, which now asks for `cursor`; 0: it has not begun. A cursor in
 * the future is a lie that only hurts its author. */
static inline uint64_t lane_count(const struct lane *lane, uint64_t cursor, uint32_t depth)
{
	uint64_t oldest = cursor ? cursor : 1;
	uint64_t count = oldest < lane->next ? lane->next - oldest : 0;

	return count < depth ? count : depth;
}

/*
 * Copies the filled slot of message `origin` into entry `index` after those that are there. It is seen as soon
 * as the message is: dying before that takes it back.
 */
void lane_put(struct lane *lane, uint32_t depth, uint32_t index, const struct slot_shared *slot,
	      uint64_t origin);

/* After the message was sent. Dying before it: whoever adopts finds them in the slots. */
static inline void lane_advance(struct lane *lane, uint32_t count)
{
	lane->next += count;
	store_release(&lane->shared->head, lane->next - 1);
}

/* The payload of entry `sequence`, as its slot says; SLOT_INLINE: it needs no chunk */
uint64_t lane_what(const struct lane *lane, uint32_t depth, uint64_t sequence);

/* Messages that were dropped, in all of these lanes. */
uint64_t lanes_dropped(const void *lanes, uint32_t lanes_max, uint32_t depth);

struct lane_reader {
	struct ring_reader slots; /* of the lane, in its sequences */
	struct ring_reader ring;  /* of the segment: has the message been sent? */
	const shared_u64 *origins;
	const struct lane_shared *shared;
};

/* Lane `n` of those at `lanes_offset`; all of it was found to lie inside. ring: of the segment */
void lane_reader_init(struct lane_reader *r, const struct ring_reader *ring, size_t lanes_offset,
		      uint32_t n, uint32_t depth);

/* Where who joins now begins. */
static inline uint64_t lane_reader_start(const struct lane_reader *r)
{
	uint64_t head = load_acquire(&r->shared->head);

	/* Nonsense: the slots will tell. */
	return head > SEQUENCE_MAX ? 1 : head + 1;
}

/*
 * Is the entry that `slots` wants there, and its message sent? RING_READY with *ret_origin, which is the
 * message's sequence as the publisher says it; RING_LAPPED: the publisher has broken its promise.
 */
enum ring_state lane_look(const struct lane_reader *r, const struct ring_reader *slots,
			  uint64_t *ret_origin);

#endif
