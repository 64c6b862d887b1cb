/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/lane.h"

#include <errno.h>

#include "base/arith.h"

size_t lane_size(uint32_t depth)
{
	size_t slots = size_add(sizeof(struct lane_shared),
				size_mul(depth, sizeof(struct slot_shared)));

	return size_add(slots, size_align(size_mul(depth, sizeof(shared_u64)), FLOE_CACHELINE));
}

size_t lanes_size(uint32_t lanes_max, uint32_t depth)
{
	return lanes_max ? size_mul(lanes_max, lane_size(depth)) : 0;
}

static shared_u64 *find_origins(struct lane_shared *shared, uint32_t depth)
{
	return (shared_u64 *)(void *)&shared->slot[depth];
}

/* Of one message the publisher may not have said that it was sent. */
static uint64_t find_head(const struct lane *lane, uint32_t depth, uint64_t last)
{
	uint64_t head = load_relaxed(&lane->shared->head);

	for (uint32_t i = 0; i < depth; i++, head++) {
		uint64_t at = (head + 1) % depth;

		if (load_relaxed(&lane->shared->slot[at].sequence) != 2 * (head + 1) ||
		    load_relaxed(&lane->origins[at]) > last)
			break;
	}
	return head;
}

/* What is not its youngest entry up to `head` was not sent, or is being written: odd. 0, or -EPROTO */
static int settle_slot(struct slot_shared *slot, uint64_t youngest, uint64_t due)
{
	uint64_t sequence = load_relaxed(&slot->sequence);

	if (sequence == 2 * youngest)
		return 0;
	if (sequence != 2 * due && sequence != 2 * due - 1)
		return -EPROTO;
	store_relaxed(&slot->sequence, 2 * due - 1);
	return 0;
}

int lane_take_up(struct lane *lane, void *lanes, uint32_t n, uint32_t depth, uint64_t last)
{
	struct lane_shared *shared = (struct lane_shared *)(void *)((char *)lanes +
								    n * lane_size(depth));
	uint64_t head;

	*lane = (struct lane){.shared = shared, .origins = find_origins(shared, depth)};
	head = find_head(lane, depth, last);
	/* Far from the end, so that a successor does not get there either. */
	if (head > SEQUENCE_MAX / 2)
		return -EPROTO;
	for (uint32_t i = 0; i < depth; i++) {
		uint64_t back = (head + depth - i) % depth;
		uint64_t youngest = head < back ? 0 : head - back;

		if (settle_slot(&shared->slot[i], youngest, head + depth - back) < 0)
			return -EPROTO;
	}
	lane->next = head + 1;
	store_release(&shared->head, head);
	return 0;
}

void lane_put(struct lane *lane, uint32_t depth, uint32_t index, const struct slot_shared *slot,
	      uint64_t origin)
{
	uint64_t sequence = lane->next + index;
	struct slot_shared *entry = &lane->shared->slot[sequence % depth];

	store_relaxed(&entry->sequence, 2 * sequence - 1);
	/* Pairs with the acquire fence in ring_still, as in ring_begin: if we have been told a cursor that is
	 * none. */
	fence_release();
	store_relaxed(&entry->what, load_relaxed(&slot->what));
	for (unsigned i = 0; i < SLOT_WORDS; i++)
		store_relaxed(&entry->word[i], load_relaxed(&slot->word[i]));
	store_relaxed(&lane->origins[sequence % depth], origin);
	/* Pairs with the acquire in ring_sequence. */
	store_release(&entry->sequence, 2 * sequence);
}

uint64_t lane_what(const struct lane *lane, uint32_t depth, uint64_t sequence)
{
	const struct slot_shared *entry = &lane->shared->slot[sequence % depth];

	return load_relaxed(&entry->sequence) == 2 * sequence
		       ? load_relaxed(&entry->what) & ~SLOT_FLAGS
		       : SLOT_INLINE;
}

uint64_t lanes_dropped(const void *lanes, uint32_t lanes_max, uint32_t depth)
{
	uint64_t dropped = 0;

	for (uint32_t n = 0; n < lanes_max; n++) {
		const char *lane = (const char *)lanes + n * lane_size(depth);

		dropped += load_relaxed(&((const struct lane_shared *)(const void *)lane)->dropped);
	}
	return dropped;
}

void lane_reader_init(struct lane_reader *r, const struct ring_reader *ring, size_t lanes_offset,
		      uint32_t n, uint32_t depth)
{
	const char *lane = (const char *)ring->segment + lanes_offset + n * lane_size(depth);

	r->ring = *ring;
	r->shared = (const struct lane_shared *)(const void *)lane;
	r->origins = (const shared_u64 *)(const void *)&r->shared->slot[depth];
	r->slots = (struct ring_reader){
		.slots = r->shared->slot,
		.end = r->shared->slot + depth,
		.segment = ring->segment,
		.depth = depth,
	};
	ring_reader_seek(&r->slots, lane_reader_start(r));
}

/* Each further look is for a publisher that died while we looked, and one that took over from it. */
#define LOOKS 8

/*
 * An entry that was taken back may have been written again, of the same message or another one: so what belongs
 * to it is read after its message was found to be sent, by then it is the last that this entry will ever be. That
 * goes for the number too, which was read before only to know where to ask.
 */
enum ring_state lane_look(const struct lane_reader *r, const struct ring_reader *slots,
			  uint64_t *ret_origin)
{
	const shared_u64 *origin = &r->origins[slots->slot - slots->slots];
	enum ring_state state = RING_EMPTY;
	uint64_t asked;

	for (unsigned attempt = 0; attempt < LOOKS; attempt++) {
		state = ring_look(slots);
		if (state != RING_READY)
			return state;
		asked = load_relaxed(origin);
		if (ring_sequence(&r->ring.slots[asked % r->ring.depth]) < 2 * asked)
			return RING_EMPTY;
		state = ring_look(slots);
		*ret_origin = load_relaxed(origin);
		if (state != RING_READY || *ret_origin == asked)
			return state;
	}
	return RING_EMPTY;
}
