/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_RING_H
#define CHANNEL_RING_H

/*
 * Ring: the slots of a segment, seen from its publisher (ring) and from a reader (ring_reader).
 *
 * ring: one writer, the publisher of the segment, one thread.
 * ring_reader: any number; each only reads shared memory and belongs to one thread.
 */

#include <stdbool.h>

#include "base/compiler.h"
#include "channel/segment_layout.h"

struct ring {
	struct segment_shared *segment;
	struct slot_shared *slots;
	uint64_t next;  /* sequence of the next message */
	uint32_t index; /* next % depth */
	uint32_t depth;
};

/* next: 1 for a fresh segment, else what ring_recover found */
static inline void ring_init(struct ring *r, struct segment_shared *segment, uint64_t next)
{
	*r = (struct ring){
		.segment = segment,
		.slots = (struct slot_shared *)((char *)segment + segment->slots_offset),
		.next = next,
		.index = (uint32_t)(next % segment->depth),
		.depth = segment->depth,
	};
}

/*
 * Opens the next slot for writing.
 * Dying after this store loses the oldest message, which this one was to replace.
 */
floe_inline struct slot_shared *ring_begin(struct ring *r)
{
	struct slot_shared *slot = &r->slots[r->index];

	store_relaxed(&slot->sequence, 2 * r->next - 1);
	/* Pairs with the acquire fence in ring_still: who sees a word of the new message sees that
	 * the slot is no longer the old one's. */
	fence_release();
	return slot;
}

/* Dying before the first store loses the message; after it, the message is sent. */
floe_inline void ring_commit(struct ring *r, struct slot_shared *slot)
{
	/* Pairs with the acquire in ring_look: the slot's words and the payload are there. */
	store_release(&slot->sequence, 2 * r->next);
	store_release(&r->segment->head, r->next);
	r->next++;
	r->index = r->index + 1 == r->depth ? 0 : r->index + 1;
}

/*
 * The last sequence that was published, from the slots alone: what they say counts, because the
 * writer may have died before it told head.
 */
uint64_t ring_recover(const struct segment_shared *segment);

struct ring_reader {
	const struct segment_shared *segment;
	const struct slot_shared *slots;
	uint64_t next;  /* sequence that it wants */
	uint32_t index; /* next % depth */
	uint32_t depth;
};

enum ring_state {
	RING_EMPTY,  /* not published yet */
	RING_READY,  /* in its slot */
	RING_LAPPED, /* overwritten, or being so */
};

/* Jumps to a sequence. The modulo is only here. */
static inline void ring_reader_seek(struct ring_reader *r, uint64_t next)
{
	r->next = next;
	r->index = (uint32_t)(next % r->depth);
}

/* depth, slots_offset: checked by the caller, because the segment's own words may change */
static inline void ring_reader_init(struct ring_reader *r, const struct segment_shared *segment,
				    uint32_t slots_offset, uint32_t depth)
{
	*r = (struct ring_reader){
		.segment = segment,
		.slots = (const struct slot_shared *)((const char *)segment + slots_offset),
		.depth = depth,
	};
}

floe_inline const struct slot_shared *ring_slot(const struct ring_reader *r)
{
	return &r->slots[r->index];
}

floe_inline enum ring_state ring_look(const struct ring_reader *r)
{
	/* Pairs with the release in ring_commit. */
	uint64_t sequence = load_acquire(&ring_slot(r)->sequence);

	if (floe_likely(sequence == 2 * r->next))
		return RING_READY;
	return sequence < 2 * r->next ? RING_EMPTY : RING_LAPPED;
}

/* Were all words read since ring_look of one message? */
floe_inline bool ring_still(const struct ring_reader *r)
{
	/* Pairs with the release fence in ring_begin. */
	fence_acquire();
	return load_relaxed(&ring_slot(r)->sequence) == 2 * r->next;
}

floe_inline void ring_reader_advance(struct ring_reader *r)
{
	r->next++;
	r->index = r->index + 1 == r->depth ? 0 : r->index + 1;
}

floe_inline uint64_t ring_reader_head(const struct ring_reader *r)
{
	return load_acquire(&r->segment->head);
}

/* A slot that was lapped must hold a message that belongs there: -EPROTO otherwise. */
int ring_reader_check(const struct ring_reader *r);

/*
 * After being lapped: moves on to the oldest message that can be expected to last; `attempt`
 * counts from 0, each further one keeps more distance from the writer. Returns how many were
 * left out.
 */
uint64_t ring_reader_jump(struct ring_reader *r, unsigned attempt);

/* Sequence to start with, so that `history` messages from before come first. */
uint64_t ring_reader_start(const struct ring_reader *r, uint64_t history);

#endif
