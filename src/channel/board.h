/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_BOARD_H
#define CHANNEL_BOARD_H

/*
 * Board: how a writer's memory is laid out, and how a value is written and read in it.
 *
 * A cell is one key's values. The writer's cell is written by one thread at a time; any number of
 * readers look at it meanwhile, without waiting: board_layout.h has the order.
 */

#include <floe/board.h>

#include "channel/board_layout.h"
#include "memory/region.h"

/* Exact bytes; SIZE_INVALID: too many. */
size_t board_size(const struct floe_board_key *keys, size_t count, size_t slots);

/* Lays it out in memory that is zero, behind the seat. */
void board_format(struct board_shared *board, const struct floe_board_key *keys, size_t count,
		  size_t slots);

/* Is it laid out as board_format would? What was written does not matter. */
bool board_is_same(const struct board_shared *board, const struct floe_board_key *keys,
		   size_t count, size_t slots);

/* A key of somebody's, copied and checked; -EPROTO. `count`, `slots`: as board_read_head gave them. */
int board_read_head(const struct region *region, uint32_t *ret_count, uint32_t *ret_slots);
int board_read_key(const struct region *region, uint32_t index, uint32_t slots,
		   struct board_key_shared *ret);

/* Where a key's values are, in memory that was checked. */
struct cell {
	struct cell_shared *shared; /* written by its writer only */
	size_t size, stride;
	uint32_t slots;
	bool prepared; /* the writer's: `begun` alone may be that of one who died */
};

struct cell cell_make(unsigned char *base, uint64_t offset, size_t size, uint32_t slots);

/* The place for the next value. */
void *cell_prepare(const struct cell *cell);
/* It is written. Its sequence. */
uint64_t cell_commit(const struct cell *cell);
uint64_t cell_write(const struct cell *cell, const void *value);

floe_inline uint64_t cell_look(const struct cell *cell)
{
	/* Pairs with the release in cell_commit: who sees a sequence sees its bytes. */
	return load_acquire(&cell->shared->done);
}

/* 1; 0 it is `*sequence` still, or none; -EAGAIN */
int cell_read(const struct cell *cell, void *ret, uint64_t *sequence);
const void *cell_borrow(const struct cell *cell, uint64_t sequence);
bool cell_kept(const struct cell *cell, uint64_t sequence);

#endif
