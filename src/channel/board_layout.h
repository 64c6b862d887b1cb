/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_BOARD_LAYOUT_H
#define CHANNEL_BOARD_LAYOUT_H

/*
 * Board: the memory of one writer of a blackboard, `board.<k>` in the topic's folder. Its writer
 * writes it, readers map it read-only.
 *
 *   +0    seat
 *   +128  key_count, slots      written before the file has a name
 *   +192  key[key_count]        the same: name, type, where its cell is
 *   ...   cells, a line aligned
 *
 *   cell   +0   begun           the value that is being written, or was written last
 *          +8   done            the value that was written last; 0: none yet
 *          +64  slot[slots]     value v lies in slot v % slots, a line aligned
 *
 *   done <= begun <= done + 1
 *
 * Writing v: begun = v, the bytes, done = v. Reading v = done: the bytes, and then begun. They are
 * those of v if begun - v < slots, for only the writing of v + slots touches them. With two slots a
 * reader is disturbed by who writes once and begins to write again while he copies.
 *
 * Dying before begun, or between begun and done: v - 1 stays the value, untouched, and a successor
 * writes v anew. Dying after done: v is the value.
 */

#include "channel/seat_layout.h"
#include "channel/segment_layout.h"

#define BOARD_MAGIC IDENTITY_MAGIC('b', 'o', 'r', 'd')
#define BOARD_KEY_SIZE 128

struct board_key_shared {
	char name[BOARD_KEY_SIZE];
	uint64_t offset; /* of its cell */
	uint64_t size;   /* of its value */
	uint64_t reserved[2];
	struct type_shared type;
};
static_assert(sizeof(struct board_key_shared) % 64 == 0, "layout");

struct board_shared {
	struct seat_shared seat;
	FLOE_CACHELINE_ALIGNED uint32_t key_count;
	uint32_t slots;
	uint64_t reserved[7];
	FLOE_CACHELINE_ALIGNED struct board_key_shared key[];
};
static_assert(offsetof(struct board_shared, key_count) == 128, "layout");
static_assert(offsetof(struct board_shared, key) == 192, "layout");

struct cell_shared {
	FLOE_CACHELINE_ALIGNED shared_u64 begun;
	shared_u64 done;
	uint64_t reserved[6];
	FLOE_CACHELINE_ALIGNED unsigned char slot[];
};
static_assert(offsetof(struct cell_shared, slot) == 64, "layout");

#define BOARD_SIGNATURE \
	(IDENTITY_SIGN(sizeof(struct board_shared), sizeof(struct board_key_shared), \
		       offsetof(struct board_key_shared, type), \
		       offsetof(struct cell_shared, slot)) ^ \
	 SEAT_SIGNATURE)

#endif
