/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_PUBLISHER_H
#define CHANNEL_PUBLISHER_H

/*
 * Publisher: lends chunks, sends them through its ring, and gets them back when no slot and no
 * hold names them any more.
 *
 * All of this struct is private to the process and dies with it; what others see is the segment.
 * One thread at a time. It knows no names: who reads is told to it as a list of members.
 *
 *   chunks = free + lent + in the ring + retired
 *   retired: left the ring, perhaps still held; at most sum(holds_max) of them are
 *   => with chunks >= depth + loans_max + sum(holds_max) a loan never fails
 */

#include <stdbool.h>

#include "alloc/manager.h"
#include "channel/hints_layout.h"
#include "channel/port_layout.h"
#include "channel/ring.h"

#define CHUNK_NONE UINT32_MAX

struct lent {
	void *data;
	uint64_t ticket;  /* 0: not out */
	size_t size;      /* that was asked for: no more of it is sent */
	uint64_t blocked; /* when it last met "would block", 0: never; a count, not a time */
	uint32_t chunk;   /* CHUNK_NONE: in the staging buffer, travels inline */
	uint32_t serial;
};

/* A subscriber, as its publishers see it. */
struct member {
	const struct port_shared *port;
	const void *node;   /* where the registry keeps what it knows about the process */
	uint64_t floor;     /* reliable, has not started yet: nothing from here on is overwritten */
	uint32_t holds_max; /* checked against the mapping when it was added */
	bool reliable;
	bool gone; /* its process is dead: its holds count until it is cleaned away */
};

struct publisher;

/* What the layer above does for the publisher when the slow path needs it. */
struct publisher_calls {
	/* Somebody joined or left: publisher_set_members, publisher_add_chunks. 0 or -errno. */
	int (*refresh)(void *user, struct publisher *pub);
	/* Is this subscriber's process alive? 1, 0, -errno */
	int (*is_alive)(void *user, const struct member *member);
};

struct publisher {
	struct ring ring;
	struct hints_shared *hints;
	uint64_t sleepers_seen;
	uint64_t subscribers_seen;
	uint64_t limit; /* may be published without looking at cursors */
	uint32_t flags;
	bool fenced;        /* membarrier(2) is not to be had: a fence in every publish */
	bool wants_refresh; /* the last one failed */

	uint32_t index; /* which publisher of the topic */
	uint32_t inline_max;
	size_t payload_max;
	uint32_t loans_max;
	uint32_t loans_out;
	uint32_t loans_high;
	uint32_t *loans_free;   /* indexes, a stack */
	struct lent *lent;      /* [loans_max] */
	unsigned char *staging; /* [loans_max], a cache line each */
	uint64_t blocked_count;

	struct manager manager;
	uint32_t *slot_chunk; /* [depth]: what each slot names */
	uint32_t *retired;    /* [chunks] */
	uint32_t retired_count;
	uint64_t *marked; /* [chunks]: the scan that found a hold on it */
	uint64_t scan;

	struct member *members;
	uint32_t member_count;
	uint32_t member_max;
	int64_t alive_checked_ns;

	const struct publisher_calls *calls;
	void *user;
};

/* Exact bytes of private memory for the tables above; chunk_count_max: of all pools. */
size_t publisher_memory_size(uint32_t depth, uint32_t loans_max, uint32_t chunk_count_max,
			     uint32_t member_max);

struct publisher_plan {
	struct segment_shared *segment; /* formatted, ours, or adopted */
	struct hints_shared *hints;
	void *memory; /* publisher_memory_size() bytes, 64-byte aligned */
	size_t memory_size;
	struct manager manager; /* initialised, everything free */
	uint32_t member_max;
	bool fenced;
	const struct publisher_calls *calls;
	void *user;
};

/*
 * Takes up a segment: a fresh one, or one whose publisher is gone. All private state is rebuilt
 * from the shared words: chunks in published slots are in use, everything else is retired until a
 * scan has looked for holds. -ENOMEM; -EPROTO: the slots name what is no chunk.
 */
int publisher_init(struct publisher *pub, const struct publisher_plan *plan);

/* Replaces the list of subscribers, from a list of at most member_max. Floors of members that
 * stay (same port and topic place) are kept. */
void publisher_set_members(struct publisher *pub, const struct member *members, uint32_t count);

int publisher_loan_slow(struct publisher *pub, size_t size, struct floe_loan *ret_loan);
int publisher_may_publish(struct publisher *pub);
void publisher_wake(struct publisher *pub);
void publisher_discard(struct publisher *pub, struct floe_loan *loan);

/* Which of our loans this is; NULL: none. What the caller holds is input. */
floe_inline struct lent *publisher_find(struct publisher *pub, const struct floe_loan *loan)
{
	uint64_t i = loan->ticket & 0xff;
	struct lent *lent;

	if (floe_unlikely(i >= pub->loans_max))
		return NULL;
	lent = &pub->lent[i];
	if (floe_unlikely(loan->ticket != lent->ticket || loan->data != lent->data ||
			  loan->ticket == 0))
		return NULL;
	return lent;
}

floe_inline void publisher_lend(struct publisher *pub, uint32_t i, size_t size,
				struct floe_loan *ret_loan)
{
	struct lent *lent = &pub->lent[i];

	/* The serial keeps an old copy of a loan from being taken for this one. */
	lent->ticket = (uint64_t)++lent->serial << 9 | 0x100 | i;
	lent->blocked = 0;
	lent->size = size;
	pub->loans_out++;
	store_relaxed(&pub->ring.segment->loans, pub->loans_out);
	if (floe_unlikely(pub->loans_out > pub->loans_high)) {
		pub->loans_high = pub->loans_out;
		store_relaxed(&pub->ring.segment->loans_high, pub->loans_high);
	}
	*ret_loan = (struct floe_loan){lent->data, size, lent->ticket};
}

floe_inline void publisher_unlend(struct publisher *pub, struct lent *lent, struct floe_loan *loan)
{
	lent->ticket = 0;
	pub->loans_out--;
	pub->loans_free[pub->loans_max - pub->loans_out - 1] = (uint32_t)(lent - pub->lent);
	store_relaxed(&pub->ring.segment->loans, pub->loans_out);
	*loan = (struct floe_loan){0};
}

/* 1; 0 no chunk is free; -EINVAL, -ENOBUFS, or what refreshing said */
floe_inline int publisher_loan(struct publisher *pub, size_t size, struct floe_loan *ret_loan)
{
	struct chunk chunk;
	uint32_t i;
	struct lent *lent;

	if (floe_unlikely(size - 1 >= pub->payload_max || pub->loans_out == pub->loans_max))
		return publisher_loan_slow(pub, size, ret_loan);

	i = pub->loans_free[pub->loans_max - pub->loans_out - 1];
	lent = &pub->lent[i];
	if (size <= pub->inline_max) {
		lent->data = pub->staging + (size_t)i * FLOE_CACHELINE;
		lent->chunk = CHUNK_NONE;
	} else {
		if (floe_unlikely(manager_take(&pub->manager, size, &chunk) <= 0))
			return publisher_loan_slow(pub, size, ret_loan);
		lent->data = (char *)pub->ring.segment + chunk.offset;
		lent->chunk = chunk.number;
	}
	publisher_lend(pub, i, size, ret_loan);
	return 1;
}

floe_inline void publisher_fill_inline(struct slot_shared *slot, const struct lent *lent,
				       size_t size, uint64_t time_ns)
{
	const uint64_t *words = lent->data;
	uint64_t last = time_ns ? time_ns : words[SLOT_WORDS - 1];

	store_relaxed(&slot->what, SLOT_INLINE | (time_ns ? SLOT_TIMED : 0) | size);
	for (unsigned i = 0; i < SLOT_WORDS - 1; i++)
		store_relaxed(&slot->word[i], words[i]);
	store_relaxed(&slot->word[SLOT_WORDS - 1], last);
}

floe_inline void publisher_fill_chunk(struct slot_shared *slot, uint64_t offset, size_t size,
				      uint64_t time_ns)
{
	store_relaxed(&slot->what, offset);
	store_relaxed(&slot->word[SLOT_CHUNK_SIZE], size);
	store_relaxed(&slot->word[SLOT_CHUNK_TIME], time_ns);
}

/* 1; 0 would block; -EINVAL, or what refreshing said. time_ns: 0 without timestamps */
floe_inline int publisher_publish(struct publisher *pub, struct floe_loan *loan, uint64_t time_ns)
{
	struct lent *lent = publisher_find(pub, loan);
	struct ring *ring = &pub->ring;
	struct slot_shared *slot;
	uint32_t *named;

	if (floe_unlikely(!lent || loan->size - 1 >= lent->size))
		return -EINVAL;
	if (floe_unlikely(ring->next > pub->limit ||
			  load_relaxed(&pub->hints->subscribers) != pub->subscribers_seen)) {
		int r = publisher_may_publish(pub);

		if (r <= 0) {
			lent->blocked = ++pub->blocked_count;
			return r;
		}
	}

	/* The chunk that the slot named before leaves the ring. */
	named = &pub->slot_chunk[ring->index];
	if (*named != CHUNK_NONE)
		pub->retired[pub->retired_count++] = *named;
	*named = lent->chunk;

	slot = ring_begin(ring);
	if (lent->chunk == CHUNK_NONE)
		publisher_fill_inline(slot, lent, loan->size, time_ns);
	else
		publisher_fill_chunk(slot, (uint64_t)((char *)lent->data - (char *)ring->segment),
				     loan->size, time_ns);
	ring_commit(ring, slot);
	publisher_unlend(pub, lent, loan);

	/* Pairs with the membarrier in subscriber_sleep: either we see its addition here, or it sees
	 * our slot. Only where there is no membarrier a fence has to be paid for. */
	if (floe_unlikely(pub->fenced))
		fence_seq_cst();
	if (floe_unlikely(load_relaxed(&pub->hints->sleepers) != pub->sleepers_seen))
		publisher_wake(pub);
	return 1;
}

/* Sleeps until publisher_may_publish: 1; 0 deadline; -EINTR */
int publisher_wait(struct publisher *pub, int64_t deadline_ns);

/* The formulas of the head comment: 0, or -EPROTO with what is wrong. */
int publisher_check(const struct publisher *pub, const char **ret_wrong);

#endif
