/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/board.h"

#include <errno.h>
#include <string.h>

#include "base/arith.h"
#include "channel/segment.h"

/* Who writes faster than a value can be copied is not run after for ever. */
#define READ_ATTEMPTS 8

static size_t cell_size(size_t size, size_t slots)
{
	return size_add(sizeof(struct cell_shared),
			size_mul(size_align(size, FLOE_CACHELINE), slots));
}

size_t board_size(const struct floe_board_key *keys, size_t count, size_t slots)
{
	size_t size = sizeof(struct board_shared) + count * sizeof(struct board_key_shared);

	for (size_t i = 0; i < count; i++)
		size = size_add(size, cell_size(keys[i].size, slots));
	return size;
}

static void format_key(struct board_key_shared *ret, const struct floe_board_key *key,
		       uint64_t offset)
{
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->name, key->name, strlen(key->name) + 1);
	ret->offset = offset;
	ret->size = key->size;
	type_format(&ret->type, key->type);
	ret->type.schema_size = 0;
}

void board_format(struct board_shared *board, const struct floe_board_key *keys, size_t count,
		  size_t slots)
{
	uint64_t offset = sizeof(*board) + count * sizeof(board->key[0]);

	board->key_count = (uint32_t)count;
	board->slots = (uint32_t)slots;
	for (size_t i = 0; i < count; i++) {
		format_key(&board->key[i], &keys[i], offset);
		offset += cell_size(keys[i].size, slots);
	}
}

bool board_is_same(const struct board_shared *board, const struct floe_board_key *keys,
		   size_t count, size_t slots)
{
	uint64_t offset = sizeof(*board) + count * sizeof(board->key[0]);
	struct board_shared seen;

	copy_once(&seen, board, sizeof(seen));
	if (seen.key_count != count || seen.slots != slots)
		return false;
	for (size_t i = 0; i < count; i++) {
		struct board_key_shared key, theirs;

		copy_once(&theirs, &board->key[i], sizeof(theirs));
		format_key(&key, &keys[i], offset);
		if (memcmp(&key, &theirs, sizeof(key)) != 0)
			return false;
		offset += cell_size(keys[i].size, slots);
	}
	return true;
}

int board_read_head(const struct region *region, uint32_t *ret_count, uint32_t *ret_slots)
{
	const struct board_shared *board = region_at(region, 0, sizeof(*board));
	struct board_shared seen;

	if (!board)
		return -EPROTO;
	copy_once(&seen, board, sizeof(seen));
	if (seen.key_count == 0 || seen.key_count > FLOE_BOARD_KEYS_MAX || seen.slots < 2 ||
	    seen.slots > FLOE_BOARD_SLOTS_MAX ||
	    !region_at(region, sizeof(seen), seen.key_count * sizeof(seen.key[0])))
		return -EPROTO;
	*ret_count = seen.key_count;
	*ret_slots = seen.slots;
	return 0;
}

int board_read_key(const struct region *region, uint32_t index, uint32_t slots,
		   struct board_key_shared *ret)
{
	const struct board_shared *board = (const struct board_shared *)(const void *)region->base;

	copy_once(ret, &board->key[index], sizeof(*ret));
	if (ret->name[sizeof(ret->name) - 1] || ret->type.name[sizeof(ret->type.name) - 1] ||
	    ret->size == 0 || ret->size > FLOE_BOARD_VALUE_MAX || ret->offset % FLOE_CACHELINE ||
	    !region_at(region, ret->offset, cell_size(ret->size, slots)))
		return -EPROTO;
	return 0;
}

struct cell cell_make(unsigned char *base, uint64_t offset, size_t size, uint32_t slots)
{
	return (struct cell){
		.shared = (struct cell_shared *)(void *)(base + offset),
		.size = size,
		.stride = size_align(size, FLOE_CACHELINE),
		.slots = slots,
	};
}

static unsigned char *slot_of(const struct cell *cell, uint64_t sequence)
{
	return cell->shared->slot + sequence % cell->slots * cell->stride;
}

/*
 * Bytes that are written while they may be read; begun and done beside them tell whether the copy is
 * whole. Slots are whole lines, so words may be copied where each access is watched.
 */
#ifdef SHARED_WORD_BY_WORD
static void bytes_store(unsigned char *to, const unsigned char *from, size_t size)
{
	for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
		uint64_t word = 0;

		memcpy(&word, from + i, size - i < sizeof(word) ? size - i : sizeof(word));
		store_relaxed((shared_u64 *)(void *)(to + i), word);
	}
}

static void bytes_load(unsigned char *to, const unsigned char *from, size_t size)
{
	for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
		uint64_t word = load_relaxed((const shared_u64 *)(const void *)(from + i));

		memcpy(to + i, &word, size - i < sizeof(word) ? size - i : sizeof(word));
	}
}
#else
static void bytes_store(unsigned char *to, const unsigned char *from, size_t size)
{
	copy_once(to, from, size);
}

static void bytes_load(unsigned char *to, const unsigned char *from, size_t size)
{
	__asm__ volatile("" ::: "memory");
	copy_once(to, from, size);
}
#endif

void *cell_prepare(const struct cell *cell)
{
	uint64_t next = load_relaxed(&cell->shared->done) + 1;

	/* Dying after it: the value before is untouched, and the next one is written by a successor. */
	store_relaxed(&cell->shared->begun, next);
	/* Pairs with the fence in cell_kept: who reads a byte of what comes now sees `begun`. A store
	 * alone, of whatever order, does not hold back the stores after it (Arm's stlr), and memcpy
	 * may store past the order of other stores: so a full fence. */
	fence_seq_cst();
	return slot_of(cell, next);
}

uint64_t cell_commit(const struct cell *cell)
{
	uint64_t next = load_relaxed(&cell->shared->done) + 1;

	/* Dying before this store: the value before. After it: this one. */
	store_release(&cell->shared->done, next);
	return next;
}

uint64_t cell_write(const struct cell *cell, const void *value)
{
	bytes_store(cell_prepare(cell), value, cell->size);
	return cell_commit(cell);
}

bool cell_kept(const struct cell *cell, uint64_t sequence)
{
	/* Pairs with the store in cell_prepare. */
	fence_acquire();
	return load_relaxed(&cell->shared->begun) - sequence < cell->slots;
}

const void *cell_borrow(const struct cell *cell, uint64_t sequence)
{
	return slot_of(cell, sequence);
}

int cell_read(const struct cell *cell, void *ret, uint64_t *sequence)
{
	for (int i = 0; i < READ_ATTEMPTS; i++) {
		uint64_t done = cell_look(cell);

		if (done == 0 || (sequence && done == *sequence))
			return 0;
		bytes_load(ret, slot_of(cell, done), cell->size);
		if (!cell_kept(cell, done))
			continue;
		if (sequence)
			*sequence = done;
		return 1;
	}
	return -EAGAIN;
}
