/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/ring.h"

#include <errno.h>

static const struct slot_shared *find_slots(const struct segment_shared *segment,
					    uint32_t slots_offset)
{
	return (const struct slot_shared *)(const void *)((const char *)segment + slots_offset);
}

/* A part that was written, while the first of its message, which sends them all, was not. */
static bool is_unsent(const struct slot_shared *slots, uint32_t depth, uint32_t i,
		      uint64_t *ret_first)
{
	uint64_t sequence = load_relaxed(&slots[i].sequence);
	struct part part = part_read(&slots[i], load_relaxed(&slots[i].what));

	if (sequence % 2 || part.index == 0 || part.index >= sequence / 2)
		return false;
	*ret_first = sequence / 2 - part.index;
	return load_relaxed(&slots[*ret_first % depth].sequence) < 2 * *ret_first;
}

uint64_t ring_recover(const struct segment_shared *segment, uint32_t slots_offset, uint32_t depth)
{
	const struct slot_shared *slots = find_slots(segment, slots_offset);
	uint64_t last = 0, first;

	for (uint32_t i = 0; i < depth; i++) {
		/* 2s and 2s+1 both say that s was published last: the latter is the slot of s+1
		 * before that was, which with a depth of 1 is the only slot, or of a part behind it.
		 * So does a part of s+1 that was not sent: it may lie where s was. */
		uint64_t published = load_acquire(&slots[i].sequence) / 2;

		if (is_unsent(slots, depth, i, &first))
			published = first - 1;
		if (published > last)
			last = published;
	}
	return last;
}

/*
 * Left by a publisher that died before `due`, the message whose turn in this slot is next, was sent:
 * the word from when it was being written, or a part that was. Of parts that were never sent such words
 * stay, a ring's round at most, while other messages follow.
 */
static bool is_left_over(const struct slot_shared *slots, uint32_t depth, uint32_t i, uint64_t last,
			 uint64_t due)
{
	uint64_t sequence = load_relaxed(&slots[i].sequence);
	uint64_t first;

	if (sequence % 2)
		return sequence / 2 <= last && due - sequence / 2 <= FLOE_PARTS_MAX &&
		       due - sequence / 2 <= depth;
	return sequence == 2 * due && is_unsent(slots, depth, i, &first) && first == last + 1;
}

int ring_check(const struct segment_shared *segment, uint32_t slots_offset, uint32_t depth)
{
	const struct slot_shared *slots = find_slots(segment, slots_offset);
	uint64_t last = ring_recover(segment, slots_offset, depth);

	/* Far from the end, so that a successor does not get there either. */
	if (last > SEQUENCE_MAX / 2)
		return -EPROTO;
	/* Message s is the youngest of its slot, up to last. */
	for (uint32_t i = 0; i < depth; i++) {
		uint64_t back = (last + depth - i) % depth;
		uint64_t youngest = last < back ? 0 : last - back;

		if (load_relaxed(&slots[i].sequence) != 2 * youngest &&
		    !is_left_over(slots, depth, i, last, last + depth - back))
			return -EPROTO;
	}
	return 0;
}

void ring_take_back(struct segment_shared *segment, uint32_t slots_offset, uint32_t depth,
		    uint64_t last)
{
	struct slot_shared *slots = (struct slot_shared *)(void *)((char *)segment + slots_offset);
	uint64_t first;

	for (uint32_t i = 0; i < depth; i++)
		if (is_unsent(slots, depth, i, &first))
			store_relaxed(&slots[i].sequence, 2 * last + 1);
}

int ring_reader_check(const struct ring_reader *r)
{
	uint64_t sequence = load_relaxed(&r->slot->sequence);

	if (sequence / 2 > SEQUENCE_MAX || ring_reader_head(r) > SEQUENCE_MAX)
		return -EPROTO;
	/* 2s and 2s-1 both belong to message s; of its further parts 2s-1 does, too. */
	if (sequence % 2 == 0 && sequence / 2 % r->depth != (uint64_t)(r->slot - r->slots))
		return -EPROTO;
	return 0;
}

struct part ring_reader_part(const struct ring_reader *r, uint64_t sequence)
{
	const struct slot_shared *slot = r->slots + sequence % r->depth;
	struct part part = {0};

	if (ring_sequence(slot) == 2 * sequence)
		part = part_read(slot, load_relaxed(&slot->what));
	if (!part_is_sound(part) || part.index >= sequence || !ring_still(slot, 2 * sequence))
		return (struct part){0};
	return part;
}

/*
 * The slot of message `to` has a part that is not sent yet, or never was: what it had is lost, and what
 * follows it may be there all the same. A slot that has the message one round later is no such case:
 * there the writer is on its way.
 */
static bool is_in_parts(const struct ring_reader *r, uint64_t to, uint64_t head)
{
	uint64_t sequence = load_acquire(&r->slots[to % r->depth].sequence);

	if (sequence > 2 * head)
		return true;
	return sequence % 2 && sequence > 2 * to && sequence / 2 + 1 != to + r->depth;
}

/* Not into the middle of a message in parts, or all of it would be left out; if that is there. */
static uint64_t back_to_first(const struct ring_reader *r, uint64_t to, uint64_t next)
{
	uint64_t first = to - ring_reader_part(r, to).index;
	bool is_there = ring_sequence(&r->slots[first % r->depth]) == 2 * first;

	return first > next && is_there ? first : to;
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
	for (unsigned i = 0; attempt == 0 && i < FLOE_PARTS_MAX && to <= head; i++, to++)
		if (!is_in_parts(r, to, head))
			break;
	to = back_to_first(r, to, next);
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

/* A message in parts that was begun ends at parts_end, another one is the next. The end is read before the
 * head, which had got to where it began. */
uint64_t ring_reader_oldest(const struct ring_reader *r)
{
	/* Pairs with the store in the publisher's begin_parts. */
	uint64_t end = load_seq_cst(&r->segment->parts_end);
	uint64_t head = ring_reader_head(r);

	/* Nonsense: the slots will tell. */
	if (head > SEQUENCE_MAX)
		return 1;
	if (end - head - 1 >= r->depth)
		end = head + 1;
	return end < r->depth ? 1 : end + 1 - r->depth;
}
