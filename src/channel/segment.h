/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_SEGMENT_H
#define CHANNEL_SEGMENT_H

/*
 * Segment: how large a publisher's memory is, how it is laid out, and whether one that a peer
 * made can be read without leaving it.
 */

#include <floe/floe.h>

#include "alloc/elastic.h"
#include "alloc/manager.h"
#include "channel/accord.h"
#include "channel/segment_layout.h"

struct segment_plan {
	uint32_t depth;
	uint32_t loans_max;   /* that there are places for */
	uint32_t loans_limit; /* that may be out at first; 0: all */
	uint32_t flags;
	uint32_t index;
	uint64_t topic_id;
	uint64_t payload_max;
	uint64_t quota;               /* with FLOE_ELASTIC: that there are addresses for */
	uint64_t quota_limit;         /* at first; 0: all of it */
	uint64_t sender;              /* a client or server; 0: none */
	uint32_t relays_max;          /* chunks of others in the ring or held at the same time */
	uint32_t lanes_max;           /* queues of subscribers that drop the newest */
	uint32_t lane_depth;          /* entries of each */
	uint64_t alignment;           /* of chunks; 0: that of cache lines */
	const struct floe_type *type; /* checked, or NULL */
	const struct accord_shared *accord; /* NULL: nothing is offered */
	uint32_t header_size;   /* of the accord's header; of each chunk_size that much is its */
	uint32_t header_inline; /* as in the segment */
	uint32_t pool_count;
	struct pool_plan pool[FLOE_POOLS_MAX]; /* offsets are filled in by segment_lay_out */
};

/* What subscribers may hold of an elastic publisher, all together. */
#define SEGMENT_ELASTIC_HOLDS 4096

/* With FLOE_ELASTIC: what is in the only pool, which is the area. Its chunk_count stays 0, for the
 * memory is not at its beginning. */
struct elastic_plan segment_elastic(const struct segment_plan *plan);

/* Where the relays lie: behind the receipts. Of a plan, or of a checked copy of a head. */
size_t segment_relays_offset(size_t slots_offset, uint32_t depth, uint32_t loans_max);

/* Where the lanes lie: behind the relays, of a checked copy of a head. */
size_t segment_lanes_offset(const struct segment_shared *seen);

/* Where the accord lies, of a checked copy of a head. */
size_t segment_accord_offset(const struct segment_shared *seen);

/* Where slots and chunks come to lie. */
struct segment_sizes {
	size_t slots_offset;
	size_t size_max; /* with all chunks that there may ever be; SIZE_INVALID: not countable */
	size_t size;     /* with those that there are at first */
};

/* Chunks of the last pool lie last, so that only they can become more. */
struct segment_sizes segment_lay_out(struct segment_plan *plan);

/* Bytes from the segment's start to the end of the last pool's first `chunk_count` chunks. */
size_t segment_size_with(const struct segment_plan *plan, uint32_t chunk_count);

/* Lays a fresh segment into zeroed memory of segment_lay_out's `size`. */
void segment_format(struct segment_shared *segment, const struct segment_plan *plan,
		    const struct segment_sizes *sizes);

/* The plan that a segment was made by, from a checked copy of its head. */
void segment_read_plan(const struct segment_shared *seen, struct segment_plan *ret_plan);

/*
 * Can a segment with this head be read inside `reserved` bytes? `seen` is a copy; from then on
 * only what was copied is used. 0, or -EPROTO with a sentence.
 */
int segment_check(const struct segment_shared *seen, size_t reserved, const char *path,
		  struct floe_error *error);

/* Do two types agree? What is not named agrees with everything. On -EPROTOTYPE the sentence says
 * what differs: `who` is whose type `theirs` is ("publisher 0 (pid 7)"). */
int type_check(const struct type_shared *ours, const struct type_shared *theirs, const char *topic,
	       const char *who, struct floe_error *error);

/* The same of two headers, whose sizes are the same. */
int header_check(const struct type_shared *ours, const struct type_shared *theirs,
		 const char *topic, const char *who, struct floe_error *error);

/* type: checked, or NULL */
void type_format(struct type_shared *ret_type, const struct floe_type *type);

#endif
