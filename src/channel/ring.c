/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/ring.h"

#include <errno.h>

uint64_t ring_recover(const struct segment_shared *segment, uint32_t slots_offset, uint32_t depth)
{
	const struct slot_shared *slots =
		(const struct slot_shared *)(const void *)((const char *)segment + slots_offset);
	uint64_t last = 0;

	for (uint32_t i = 0; i < depth; i++) {
		/* 2s and 2s+1 both say that s was published last: the latter is the slot of s+1
		 * before that was, which with a depth of 1 is the only slot. */
		uint64_t published = load_acquire(&slots[i].sequence) / 2;

		if (published > last)
			last = published;
	}
	return last;
}

int ring_check(const struct segment_shared *segment, uint32_t slots_offset, uint32_t depth)
{
	const struct slot_shared *slots =
		(const struct slot_shared *)(const void *)((const char *)segment + slots_offset);
	uint64_t last = 0;

	for (uint32_t i = 0; i < depth; i++)
		if (load_acquire(&slots[i].sequence) / 2 > last)
			last = load_relaxed(&slots[i].sequence) / 2;
	/* Far from the end, so that a successor does not get there either. */
	if (last > SEQUENCE_MAX / 2)
		return -EPROTO;
	/* Message s is the youngest of its slot, up to last; the slot of last + 1 may be odd. */
	for (uint32_t i = 0; i < depth; i++) {
		uint64_t sequence = load_relaxed(&slots[i].sequence);
		uint64_t youngest = last - (last + depth - i) % depth;
		bool is_next = (last + 1) % depth == i;

		if (last < (last + depth - i) % depth)
			youngest = 0;
		if (sequence != 2 * youngest && !(is_next && sequence == 2 * last + 1))
			return -EPROTO;
	}
	return 0;
}

int ring_reader_check(const struct ring_reader *r)
{
	uint64_t sequence = load_relaxed(&r->slot->sequence);

	if (sequence / 2 > SEQUENCE_MAX || ring_reader_head(r) > SEQUENCE_MAX)
		return -EPROTO;
	/* 2s and 2s-1 both belong to message s. */
	if ((sequence / 2 + sequence % 2) % r->depth != (uint64_t)(r->slot - r->slots))
		return -EPROTO;
	return 0;
}

uint64_t ring_reader_jump(struct ring_reader *r, unsigned attempt)
{
	uint64_t head = ring_reader_head(r);
	uint64_t keep = attempt == 0 ? r->depth - 1 : attempt == 1 ? r->depth / 2 : 0;
	uint64_t to = head > keep ? head - keep : 1;
	uint64_t next = ring_reader_next(r);

	/* The head may be one behind its slots, never the reader's way back. */
	if (to <= next)
		to = next + 1;
	ring_reader_seek(r, to);
	return to - next;
}

uint64_t ring_reader_start(const struct ring_reader *r, uint64_t history)
{
	uint64_t head = ring_reader_head(r);
	uint64_t kept = history < r->depth ? history : r->depth;

	/* Nonsense: the slots will tell. */
	if (head > SEQUENCE_MAX)
		return 1;
	if (kept > head)
		kept = head;
	return head + 1 - kept;
}
