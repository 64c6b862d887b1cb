/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_PART_H
#define CHANNEL_PART_H

/*
 * Part: what a slot says about its place in a message that was sent as several. Parts travel in
 * slots that follow each other, each with a sequence of its own; segment_layout.h has the order in
 * which they are written.
 */

#include <stdbool.h>

#include "channel/segment_layout.h"

#define PART_COUNT_SHIFT 8

struct part {
	uint32_t index;
	uint32_t count; /* 0: it is a message by itself */
};

/* The number beside a payload. */
static inline uint64_t slot_mark(const struct slot_shared *slot, uint64_t what)
{
	uint64_t mark = what & SLOT_INLINE ? what >> SLOT_MARK_SHIFT
					   : load_relaxed(&slot->word[SLOT_CHUNK_MARK]);

	return mark & SLOT_MARK_MASK;
}

static inline uint64_t part_mark(struct part part)
{
	return part.index | part.count << PART_COUNT_SHIFT;
}

/* What it says is input: is_sound comes before it is believed, and whether the slot was the same. */
static inline struct part part_read(const struct slot_shared *slot, uint64_t what)
{
	uint64_t mark;

	if (!(what & SLOT_PART))
		return (struct part){0};
	mark = slot_mark(slot, what);
	return (struct part){
		.index = (uint32_t)(mark & (((uint64_t)1 << PART_COUNT_SHIFT) - 1)),
		.count = (uint32_t)(mark >> PART_COUNT_SHIFT),
	};
}

static inline bool part_is_sound(struct part part)
{
	return part.count > 1 && part.count <= FLOE_PARTS_MAX && part.index < part.count;
}

#endif
