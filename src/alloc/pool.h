/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALLOC_POOL_H
#define ALLOC_POOL_H

/*
 * Pool: equal chunks, and a stack of the free ones.
 *
 *	free[0 .. chunk_count - used)    the free chunks, the hottest last
 *	place[index]                     where in free[] it is, or POOL_TAKEN
 *
 *	used + free = chunk_count <= chunk_count_max
 *	free[place[index]] = index       for every chunk that is free
 *
 * The chunks themselves are never touched: a pool knows offsets, not addresses. Its bookkeeping
 * lies in private memory that the caller supplies and keeps until pool_deinit. One thread at a
 * time.
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define POOL_CHUNK_ALIGNMENT FLOE_CACHELINE
#define POOL_TAKEN UINT32_MAX

struct pool {
	uint64_t offset;      /* of chunk 0 in its region */
	size_t chunk_size;    /* a multiple of POOL_CHUNK_ALIGNMENT */
	uint32_t chunk_count; /* usable now */
	uint32_t chunk_count_max;
	uint32_t used;
	uint32_t used_high; /* at the same time, at most */
	uint32_t *free;
	uint32_t *place;
};

#define POOL_NULL ((struct pool){0})

/* Exact bytes of bookkeeping, SIZE_INVALID when they cannot be counted. */
size_t pool_memory_size(uint32_t chunk_count_max);

/* Whether there can be such a pool: sizes and offset in whole cache lines, chunk_count not above
 * chunk_count_max, at least one chunk at last, no offset that wraps. */
bool pool_is_possible(uint64_t offset, size_t chunk_size, uint32_t chunk_count,
		      uint32_t chunk_count_max);

/*
 * All chunks are free; the first to be taken is chunk 0.
 *   -EINVAL not possible, or memory that is not aligned for uint32_t; -ENOMEM memory_size is too
 *   small. Then nothing is touched.
 */
int pool_init(struct pool *pool, void *memory, size_t memory_size, uint64_t offset,
	      size_t chunk_size, uint32_t chunk_count, uint32_t chunk_count_max);

/* The chunk that was given last, because it is the warmest. 1; 0 all are taken. */
static inline int pool_take(struct pool *pool, uint32_t *ret_index)
{
	uint32_t index;

	if (floe_unlikely(pool->used == pool->chunk_count))
		return 0;
	pool->used++;
	if (floe_unlikely(pool->used > pool->used_high))
		pool->used_high = pool->used;
	index = pool->free[pool->chunk_count - pool->used];
	pool->place[index] = POOL_TAKEN;
	*ret_index = index;
	return 1;
}

/* 0; -EINVAL out of range, or not taken: given twice. Then nothing is touched. */
static inline int pool_give(struct pool *pool, uint32_t index)
{
	uint32_t top = pool->chunk_count - pool->used;

	if (floe_unlikely(index >= pool->chunk_count || pool->place[index] != POOL_TAKEN))
		return -EINVAL;
	pool->free[top] = index;
	pool->place[index] = top;
	pool->used--;
	return 0;
}

static inline uint64_t pool_offset(const struct pool *pool, uint32_t index)
{
	return pool->offset + (uint64_t)index * pool->chunk_size;
}

/*
 * Takes one particular chunk: how an owner's state is rebuilt from what others see. O(1).
 *   1; 0 it is taken already; -EINVAL out of range.
 */
int pool_claim(struct pool *pool, uint32_t index);

/*
 * Makes chunk_count chunks usable; less than there are is fine and changes nothing. New ones are
 * taken after those that are free now. O(chunk_count). -EINVAL: more than chunk_count_max.
 */
int pool_grow(struct pool *pool, uint32_t chunk_count);

/* Verifies the formulas above. 0, or -EPROTO. */
int pool_check(const struct pool *pool);

/* The memory is the caller's again. POOL_NULL is fine, and what is left behind. */
void pool_deinit(struct pool *pool);

#endif
