/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_SEGMENT_LAYOUT_H
#define CHANNEL_SEGMENT_LAYOUT_H

/*
 * Segment: a publisher's memory. The publisher writes it, everybody else maps it read-only.
 *
 *   +0      identity, geometry     written before the segment can be seen, never again
 *   +64     owner, generation      written when a publisher adopts or closes it
 *   +80     sender, quota, relays, header, accord, lanes
 *                                  written before the segment can be seen, never again
 *   +128    head                   last published sequence; a futex word
 *   +136    parts_end              last sequence of the message in parts that was begun; for who joins
 *   +144    quota_limit            elastic: bytes of the area that may have memory now
 *   +192    counters               for people
 *   +256    sleeping               the publisher waits for a reliable subscriber
 *   +264    unwanted               bit r: the client does not want request r answered any more
 *   +296    dropped                for people
 *   +304    loans_limit            loans out at the same time, for now; whoever adopts goes on with it
 *   +312    loans_refused          for people
 *   +320    pools                  where chunks are; chunk_count grows. Elastic: one, the area
 *   +576    type, schema
 *   ...     accord                 accord_layout.h; nothing, where nothing is offered
 *   ...     slot[depth]            one cache line each
 *   ...     loan[loans_max]        receipts of loans that are out, one cache line each
 *   ...     relay[relays_max]      chunks of others that slots may name: relay_layout.h
 *   ...     lane[lanes_max]        queues of those who drop the newest: lane_layout.h
 *   ...     chunks                 by pools, or anywhere in the area
 *
 * With headers each chunk begins header_size bytes, in whole lines, after its header, which is the end of
 * the chunk before or, of the first one, lies behind the relays. Inline the header is in the slot's words,
 * from byte header_inline on, behind the payload.
 *
 * Message s lives in slot[s % depth]. The word `sequence` of a slot is 2s while message s can be
 * taken there, 2s-1 while it is being written, and only grows:
 *
 *   head = s   =>   slot[s % depth].sequence >= 2s                    at every instant
 *   a slot whose sequence is even names a chunk that is neither free nor lent
 *
 * The publisher may die between any two stores. Before a slot's sequence turns even the message
 * was not sent; after it, it was, also when head does not say so yet: readers look at slots, and
 * whoever adopts the segment sets head from them. A slot left odd has lost the message that it
 * held before, as publishing would have a moment later.
 *
 * A message in n parts, s to s+n-1, is written from its last part to its first: the even word of
 * slot s sends all of it. Each of the other slots is 2s-1 while it is being written, and 2(s+i) when it
 * is; who reads in order looks at none of them before slot s. Whoever adopts a ring where slot s never
 * turned even sets those that did back to 2s-1: the one case in which a sequence becomes less. Before the
 * first of these stores parts_end says where the message will end: who joins and must not lose anything
 * begins behind what it overwrites. It means nothing when head has got there.
 */

#include <stddef.h>

#include "base/identity.h"
#include "base/shared.h"

/* No sequence gets there: at ten million a second it takes fourteen thousand years. */
#define SEQUENCE_MAX ((uint64_t)1 << 62)

#define SEGMENT_MAGIC IDENTITY_MAGIC('r', 'i', 'n', 'g')

/* slot.what: where the payload is. */
#define SLOT_INLINE ((uint64_t)1 << 63) /* in the slot; the low bits are its size */
#define SLOT_TIMED ((uint64_t)1 << 62)  /* word[5] is the time, or word[SLOT_CHUNK_TIME] */
/* Requests and responses carry a number beside their payload, the mark: inline in `what`, else in
 * word[SLOT_CHUNK_MARK]. The straight path of subscribers knows of none. */
#define SLOT_MARKED ((uint64_t)1 << 61)
/* A part of a message: which of how many is said in place of the mark, see part.h. */
#define SLOT_PART ((uint64_t)1 << 60)
#define SLOT_FLAGS (SLOT_TIMED | SLOT_MARKED | SLOT_PART) /* beside an offset */
#define SLOT_MARK_SHIFT 8
#define SLOT_MARK_BITS 48
#define SLOT_MARK_MASK (((uint64_t)1 << SLOT_MARK_BITS) - 1)
/* Not inline: the payload is a chunk of another publisher, and the low bits say by which relay. It is
 * above every offset, so that the straight path of subscribers takes it for one that it cannot read. */
#define SLOT_FOREIGN ((uint64_t)1 << 55)
#define SLOT_RELAY_MASK ((uint64_t)0xffff)
#define SLOT_SIZE_MASK ((uint64_t)0xff) /* of an inline payload */
#define SLOT_WORDS 6
/* Not inline: but for SLOT_FLAGS `what` is the chunk's offset in the segment, and word[] is */
#define SLOT_CHUNK_SIZE 0
#define SLOT_CHUNK_TIME 1 /* only with SLOT_TIMED */
#define SLOT_CHUNK_NEXT 2 /* offset of the chunk that probably comes next, to be prefetched */
#define SLOT_CHUNK_MARK 3 /* only with SLOT_MARKED or SLOT_PART */

/* Requests of one client that may be out at the same time, each with a bit of its own. */
#define UNWANTED_WORDS 4
#define REQUESTS_MAX (64 * UNWANTED_WORDS)

struct slot_shared {
	FLOE_CACHELINE_ALIGNED shared_u64 sequence;
	shared_u64 what;
	shared_u64 word[SLOT_WORDS];
};
static_assert(sizeof(struct slot_shared) == 64, "a slot is a cache line");
static_assert(SLOT_WORDS * 8 == FLOE_INLINE_MAX, "the public header promises this");

/* What people are told about one loan; see receipt.h. */
struct loan_shared {
	FLOE_CACHELINE_ALIGNED shared_u64 ticket; /* which loan; 0: none, or it changes just now */
	shared_u64 size;                          /* that was asked for */
	shared_u64 since_ns;                      /* CLOCK_MONOTONIC */
	shared_u64 place;   /* the line, 0: unknown; bit 32: since_ns is when it was lent */
	shared_u64 file[4]; /* text with its NUL */
};
static_assert(sizeof(struct loan_shared) == 64, "found by a shift");

struct pool_shared {
	uint64_t offset;
	uint64_t chunk_size;
	shared_u64 chunk_count; /* with memory behind them */
	uint64_t chunk_count_max;
};

struct type_shared {
	uint64_t size;
	uint64_t alignment;
	uint64_t hash;
	uint64_t schema_size; /* without its NUL */
	char name[128];       /* "": no type */
};
static_assert(sizeof(struct type_shared) == 160, "layout");

struct segment_shared {
	struct identity_shared identity;
	uint64_t size; /* of the segment, bytes; of these only what chunk_count says has memory */
	uint64_t topic_id;
	uint32_t depth;
	uint32_t loans_max;
	uint32_t flags;
	uint32_t pool_count;
	uint64_t payload_max;
	uint32_t slots_offset;
	uint32_t index; /* which publisher of the topic: holds carry it */

	FLOE_CACHELINE_ALIGNED shared_u64 owner; /* node id; 0: closed */
	shared_u64 generation;
	uint64_t sender; /* which client or server it is; 0: an ordinary publisher */
	uint64_t quota;  /* elastic: bytes of the area that may ever have memory */
	uint64_t relays_max;
	uint32_t header_size;   /* beside each payload; 0: none */
	uint32_t header_inline; /* where in a slot's words; 0: nothing travels inline */
	uint32_t accord_size;   /* behind the schema, whole lines */
	uint32_t lanes_max;
	uint32_t lane_depth;
	uint32_t reserved0;

	FLOE_CACHELINE_ALIGNED shared_u64 head;
	shared_u64 parts_end;
	shared_u64 quota_limit; /* at most quota */

	FLOE_CACHELINE_ALIGNED shared_u64 lent; /* counted on from head: segment_loans */
	shared_u64 loans_high;
	shared_u64 would_block;
	shared_u64 wakes;
	shared_u64 reclaims;
	shared_u64 discarded; /* loans that were not sent */
	shared_u64 spilled;   /* loans from a larger pool than the best */
	shared_u64 solid;     /* elastic: bytes of the area that have memory */

	FLOE_CACHELINE_ALIGNED shared_u64 sleeping;
	shared_u64 unwanted[UNWANTED_WORDS];
	shared_u64 dropped; /* of those that were discarded: because a reliable subscriber lagged */
	shared_u64 loans_limit;   /* at most loans_max */
	shared_u64 loans_refused; /* because so many were out */

	FLOE_CACHELINE_ALIGNED struct pool_shared pool[FLOE_POOLS_MAX];

	FLOE_CACHELINE_ALIGNED struct type_shared type;
	char schema[];
};
static_assert(offsetof(struct segment_shared, owner) == 64, "layout");
static_assert(offsetof(struct segment_shared, sender) == 80, "layout");
static_assert(offsetof(struct segment_shared, header_size) == 104, "layout");
static_assert(offsetof(struct segment_shared, lanes_max) == 116, "layout");
static_assert(offsetof(struct segment_shared, head) == 128, "layout");
static_assert(offsetof(struct segment_shared, parts_end) == 136, "layout");
static_assert(offsetof(struct segment_shared, quota_limit) == 144, "layout");
static_assert(offsetof(struct segment_shared, lent) == 192, "layout");
static_assert(offsetof(struct segment_shared, sleeping) == 256, "layout");
static_assert(offsetof(struct segment_shared, unwanted) == 264, "layout");
static_assert(offsetof(struct segment_shared, pool) == 320, "layout");
static_assert(offsetof(struct segment_shared, type) == 576, "layout");
static_assert(offsetof(struct segment_shared, schema) == 736, "layout");

#define SEGMENT_SIGNATURE \
	IDENTITY_SIGN(sizeof(struct segment_shared), sizeof(struct slot_shared), \
		      offsetof(struct segment_shared, lane_depth), \
		      offsetof(struct segment_shared, schema))

/* What a header takes in front of its payload's chunk. */
static inline uint32_t segment_header_room(uint32_t header_size)
{
	return (header_size + 63u) & ~63u;
}

/* Loans that are out now: each sends one message or is discarded. While its owner works on they may
 * be one more or less than that; when he is dead they are what he took along. */
static inline uint64_t segment_loans(const struct segment_shared *segment)
{
	uint64_t gone = load_acquire(&segment->head) + load_relaxed(&segment->discarded);
	uint64_t lent = load_relaxed(&segment->lent);

	return lent > gone ? lent - gone : 0;
}

#endif
