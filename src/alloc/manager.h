/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALLOC_MANAGER_H
#define ALLOC_MANAGER_H

/*
 * Manager: pools by size; a request gets the first pool whose chunks are large enough.
 *
 *	pool[i].chunk_size < pool[i + 1].chunk_size
 *	first[i + 1] = first[i] + pool[i].chunk_count_max
 *	no byte of the region belongs to two pools
 *
 * Chunks are numbered through over all pools. Pools grow inside their part of the numbers, so a
 * chunk keeps its number for the manager's life. Ownership and threads are the pools': private,
 * in memory that the caller supplies, one thread at a time.
 */

#include <floe/floe.h>
#include <stdbool.h>

#include "alloc/pool.h"

/* What one pool is to be. */
struct pool_plan {
	uint64_t offset;
	size_t chunk_size;
	uint32_t chunk_count;
	uint32_t chunk_count_max;
};

struct chunk {
	uint32_t number;
	uint64_t offset;
	size_t size; /* of the whole chunk, at least what was asked for */
};

struct manager {
	uint32_t pool_count;
	bool spill;       /* an exhausted pool's requests go to the next larger; set by the owner */
	uint64_t spilled; /* how many did */
	uint32_t first[FLOE_POOLS_MAX]; /* number of chunk 0 of each pool */
	struct pool pool[FLOE_POOLS_MAX];
};

#define MANAGER_NULL ((struct manager){0})

/* Exact bytes of bookkeeping, SIZE_INVALID when they cannot be counted. */
size_t manager_memory_size(const struct pool_plan *plans, uint32_t count);

/*
 * No pools at all (count 0) is a manager that has nothing to give.
 *   -EINVAL more than FLOE_POOLS_MAX, chunk sizes that do not ascend, pools that overlap, or what
 *   pool_init refuses; -ENOMEM memory_size is too small. Then nothing is touched.
 */
int manager_init(struct manager *manager, void *memory, size_t memory_size,
		 const struct pool_plan *plans, uint32_t count);

/* manager_take where the first pool that fits, `index`, has nothing free. */
int manager_spill(struct manager *manager, uint32_t index, struct chunk *ret_chunk);

/* Why no pool fits: -EMSGSIZE, or -ENODEV when there are none. */
int manager_misfit(const struct manager *manager);

static inline int manager_take_from(struct manager *manager, uint32_t index,
				    struct chunk *ret_chunk)
{
	struct pool *pool = &manager->pool[index];
	uint32_t chunk;

	if (floe_unlikely(!pool_take(pool, &chunk)))
		return 0;
	ret_chunk->number = manager->first[index] + chunk;
	ret_chunk->offset = pool_offset(pool, chunk);
	ret_chunk->size = pool->chunk_size;
	return 1;
}

/*
 * A chunk of `size` bytes or more.
 *   1; 0 the pool for this size is exhausted (with `spill`: all larger ones too);
 *   -EMSGSIZE no pool has chunks as large; -ENODEV there are no pools.
 */
static inline int manager_take(struct manager *manager, size_t size, struct chunk *ret_chunk)
{
	uint32_t index = 0;

	while (index < manager->pool_count && manager->pool[index].chunk_size < size)
		index++;
	if (floe_unlikely(index == manager->pool_count))
		return manager_misfit(manager);
	if (floe_likely(manager_take_from(manager, index, ret_chunk)))
		return 1;
	return manager_spill(manager, index, ret_chunk);
}

/* The pool that a number falls into; a number of none falls into the last, beyond its end. */
static inline uint32_t manager_pool_of(const struct manager *manager, uint32_t number)
{
	uint32_t index = manager->pool_count;

	while (index > 1 && number < manager->first[index - 1])
		index--;
	return index ? index - 1 : 0;
}

/* 0; -EINVAL no such chunk, or it is not taken: given twice. Then nothing is touched. */
static inline int manager_give(struct manager *manager, uint32_t number)
{
	uint32_t index = manager_pool_of(manager, number);

	return pool_give(&manager->pool[index], number - manager->first[index]);
}

/* Where a chunk begins; `number` is one that the manager gave out. */
static inline uint64_t manager_offset(const struct manager *manager, uint32_t number)
{
	uint32_t index = manager_pool_of(manager, number);

	return pool_offset(&manager->pool[index], number - manager->first[index]);
}

/* The usable chunk that begins exactly at `offset`: 1; 0 there is none. */
int manager_find(const struct manager *manager, uint64_t offset, uint32_t *ret_number);

/* Takes one particular chunk, as pool_claim. 1; 0 it is taken already; -EINVAL no such chunk. */
int manager_claim(struct manager *manager, uint32_t number);

/* Makes chunk_count chunks of one pool usable, as pool_grow. -EINVAL: no such pool, too many. */
int manager_grow(struct manager *manager, uint32_t index, uint32_t chunk_count);

/* Verifies the formulas above and those of every pool. 0, or -EPROTO. */
int manager_check(const struct manager *manager);

/* The memory is the caller's again. MANAGER_NULL is fine, and what is left behind. */
void manager_deinit(struct manager *manager);

#endif
