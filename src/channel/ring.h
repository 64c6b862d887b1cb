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
#include "channel/part.h"
#include "channel/segment_layout.h"

struct ring {
	struct segment_shared *segment;
	struct slot_shared *slot; /* where the next message goes: slots[next % depth] */
	struct slot_shared *slots;
	struct slot_shared *end;
	uint64_t next; /* sequence of the next message */
	uint32_t depth;
};

/* slots_offset, depth: checked by the caller, because the segment's own words may change, if the one
 * who had it before still writes there. next: 1 for a fresh segment, else what ring_recover found */
static inline void ring_init(struct ring *r, struct segment_shared *segment, uint32_t slots_offset,
			     uint32_t depth, uint64_t next)
{
	struct slot_shared *slots = (struct slot_shared *)(void *)((char *)segment + slots_offset);

	*r = (struct ring){
		.segment = segment,
		.slot = slots + next % depth,
		.slots = slots,
		.end = slots + depth,
		.next = next,
		.depth = depth,
	};
}

/*
 * Opens the next slot for writing. `next` is r->next, which the caller has in a register.
 * Dying after this store loses the oldest message, which this one was to replace.
 */
floe_inline struct slot_shared *ring_begin(struct ring *r, uint64_t next)
{
	struct slot_shared *slot = r->slot;

	store_relaxed(&slot->sequence, 2 * next - 1);
	/* Pairs with the acquire fence in ring_still: who sees a word of the new message sees that
	 * the slot is no longer the old one's. */
	fence_release();
	return slot;
}

/* Dying before the first store loses the message; after it, the message is sent. */
floe_inline void ring_send(struct ring *r, struct slot_shared *slot, uint64_t next)
{
	/* Pairs with the acquire in ring_look: the slot's words and the payload are there. */
	store_release(&slot->sequence, 2 * next);
	store_release(&r->segment->head, next);
}

/* After it. Returns whether the next slot is the first one again. */
floe_inline bool ring_advance(struct ring *r, struct slot_shared *slot, uint64_t next)
{
	struct slot_shared *follower = slot + 1;
	bool wrapped = follower == r->end;

	r->next = next + 1;
	r->slot = wrapped ? r->slots : follower;
	return wrapped;
}

floe_inline bool ring_commit(struct ring *r, struct slot_shared *slot, uint64_t next)
{
	ring_send(r, slot, next);
	return ring_advance(r, slot, next);
}

/*
 * Opens the slot of a part of the message that begins at r->next; the last part comes first, and all
 * of it fits into the ring. Dying after this store loses the message that the slot had before.
 */
static inline struct slot_shared *ring_begin_part(struct ring *r, uint32_t index)
{
	struct slot_shared *slot = r->slots + (r->next + index) % r->depth;

	store_relaxed(&slot->sequence, 2 * r->next - 1);
	/* Pairs with the acquire fence in ring_still, as in ring_begin. */
	fence_release();
	return slot;
}

/* A part that is not the first. Dying after this store has sent nothing: ring_take_back. */
static inline void ring_commit_part(struct ring *r, struct slot_shared *slot, uint32_t index)
{
	store_release(&slot->sequence, 2 * (r->next + index));
}

/* The first of `count` parts. Dying before the first store loses the message; after it, all of it is
 * sent. */
static inline void ring_commit_parts(struct ring *r, struct slot_shared *slot, uint32_t count)
{
	/* Pairs with the acquire in ring_look: all slots of the message, and what lies in them. */
	store_release(&slot->sequence, 2 * r->next);
	store_release(&r->segment->head, r->next + count - 1);
	r->next += count;
	r->slot = r->slots + r->next % r->depth;
}

/*
 * The last sequence that was published, from the slots alone: what they say counts, because the
 * writer may have died before it told head.
 */
uint64_t ring_recover(const struct segment_shared *segment, uint32_t slots_offset, uint32_t depth);

/* Do the slots hold what a publisher leaves: each its own messages, none older than the ring is
 * deep, none being written but the next, or what is left of parts that were never sent? 0, or -EPROTO. */
int ring_check(const struct segment_shared *segment, uint32_t slots_offset, uint32_t depth);

/*
 * Parts after `last` that were written and not sent: their slots are odd again. By whoever adopts,
 * before the next message. Dying anywhere here leaves some of it to the next one.
 */
void ring_take_back(struct segment_shared *segment, uint32_t slots_offset, uint32_t depth,
		    uint64_t last);

struct ring_reader {
	const struct slot_shared *slot; /* where the message that it wants will be */
	uint64_t want; /* what its slot says when it is there: twice its sequence */
	const struct slot_shared *slots;
	const struct slot_shared *end;
	const struct segment_shared *segment;
	uint32_t depth;
};

enum ring_state {
	RING_EMPTY,  /* not published yet */
	RING_READY,  /* in its slot */
	RING_LAPPED, /* overwritten, or being so */
};

/* The sequence of the message that it wants. */
floe_inline uint64_t ring_reader_next(const struct ring_reader *r)
{
	return r->want / 2;
}

/* Jumps to a sequence. The modulo is only here. */
static inline void ring_reader_seek(struct ring_reader *r, uint64_t next)
{
	r->want = 2 * next;
	r->slot = r->slots + next % r->depth;
}

/* depth, slots_offset: checked by the caller, because the segment's own words may change */
static inline void ring_reader_init(struct ring_reader *r, const struct segment_shared *segment,
				    uint32_t slots_offset, uint32_t depth)
{
	const struct slot_shared *slots =
		(const struct slot_shared *)(const void *)((const char *)segment + slots_offset);

	*r = (struct ring_reader){
		.slot = slots,
		.slots = slots,
		.end = slots + depth,
		.segment = segment,
		.depth = depth,
	};
}

/* What there is, compared with what the reader wants: less is nothing new, more is too late. */
floe_inline uint64_t ring_sequence(const struct slot_shared *slot)
{
	/* Pairs with the release in ring_commit. */
	return load_acquire(&slot->sequence);
}

floe_inline enum ring_state ring_look(const struct ring_reader *r)
{
	uint64_t sequence = ring_sequence(r->slot);

	if (sequence < r->want)
		return RING_EMPTY;
	return floe_likely(sequence == r->want) ? RING_READY : RING_LAPPED;
}

/* Were all words of this slot, read since ring_look, of the message that it had then? */
floe_inline bool ring_still(const struct slot_shared *slot, uint64_t want)
{
	/* Pairs with the release fence in ring_begin. */
	fence_acquire();
	return load_relaxed(&slot->sequence) == want;
}

/* `slot`, `want`: the reader's own, which the caller has in registers */
floe_inline void ring_reader_advance(struct ring_reader *r, const struct slot_shared *slot,
				     uint64_t want)
{
	r->want = want + 2;
	r->slot = slot + 1 == r->end ? r->slots : slot + 1;
}

floe_inline uint64_t ring_reader_head(const struct ring_reader *r)
{
	return load_acquire(&r->segment->head);
}

/* The oldest message that is still there when all of what is being sent is, whoever joined meanwhile. */
uint64_t ring_reader_oldest(const struct ring_reader *r);

/* A slot that was lapped must hold a message that belongs there: -EPROTO otherwise. */
int ring_reader_check(const struct ring_reader *r);

/* Of the message that `sequence` is a part of: which part, if its slot has it; else all zero. */
struct part ring_reader_part(const struct ring_reader *r, uint64_t sequence);

/*
 * After being lapped: moves on to the oldest message that can be expected to last; `attempt`
 * counts from 0, each further one keeps more distance from the writer. Returns how many were
 * left out.
 */
uint64_t ring_reader_jump(struct ring_reader *r, unsigned attempt);

/* Sequence to start with, so that `history` messages from before come first. */
uint64_t ring_reader_start(const struct ring_reader *r, uint64_t history);

#endif
