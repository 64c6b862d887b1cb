/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc/pool.h"

#include "base/arith.h"

size_t pool_memory_size(uint32_t chunk_count_max)
{
	size_t stack = size_mul(chunk_count_max, sizeof(uint32_t));

	return size_add(stack, size_mul(chunk_count_max, sizeof(uint32_t)));
}

bool pool_is_possible(uint64_t offset, size_t chunk_size, uint32_t chunk_count,
		      uint32_t chunk_count_max)
{
	uint64_t span, end;

	if (chunk_size == 0 || chunk_size % POOL_CHUNK_ALIGNMENT || offset % POOL_CHUNK_ALIGNMENT)
		return false;
	if (chunk_count_max == 0 || chunk_count > chunk_count_max)
		return false;
	return !__builtin_mul_overflow((uint64_t)chunk_size, chunk_count_max, &span) &&
	       !__builtin_add_overflow(offset, span, &end);
}

/* Puts chunks from..to below those that are free, so that the stack gives them out in order and
 * last: memory that nobody touched yet stays untouched while there is other. */
static void push_below(struct pool *pool, uint32_t from, uint32_t to)
{
	uint32_t count = to - from;
	uint32_t free_count = from - pool->used;

	for (uint32_t i = free_count; i-- > 0;) {
		uint32_t index = pool->free[i];

		pool->free[i + count] = index;
		pool->place[index] = i + count;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t index = to - 1 - i;

		pool->free[i] = index;
		pool->place[index] = i;
	}
}

int pool_init(struct pool *pool, void *memory, size_t memory_size, uint64_t offset,
	      size_t chunk_size, uint32_t chunk_count, uint32_t chunk_count_max)
{
	if (!pool_is_possible(offset, chunk_size, chunk_count, chunk_count_max))
		return -EINVAL;
	if ((uintptr_t)memory % _Alignof(uint32_t))
		return -EINVAL;
	if (memory_size < pool_memory_size(chunk_count_max))
		return -ENOMEM;

	*pool = (struct pool){
		.offset = offset,
		.chunk_size = chunk_size,
		.chunk_count = chunk_count,
		.chunk_count_max = chunk_count_max,
		.free = memory,
		.place = (uint32_t *)memory + chunk_count_max,
	};
	push_below(pool, 0, chunk_count);
	return 0;
}

int pool_claim(struct pool *pool, uint32_t index)
{
	uint32_t place, last;

	if (index >= pool->chunk_count)
		return -EINVAL;
	place = pool->place[index];
	if (place == POOL_TAKEN)
		return 0;

	/* The warmest chunk fills the gap: the order gets worse, the cost stays one step. */
	last = pool->free[pool->chunk_count - pool->used - 1];
	pool->free[place] = last;
	pool->place[last] = place;
	pool->place[index] = POOL_TAKEN;
	pool->used++;
	if (pool->used > pool->used_high)
		pool->used_high = pool->used;
	return 1;
}

int pool_grow(struct pool *pool, uint32_t chunk_count)
{
	uint32_t before = pool->chunk_count;

	if (chunk_count > pool->chunk_count_max)
		return -EINVAL;
	if (chunk_count <= before)
		return 0;
	push_below(pool, before, chunk_count);
	pool->chunk_count = chunk_count;
	return 0;
}

static int check_counts(const struct pool *pool)
{
	if (pool->chunk_count > pool->chunk_count_max || pool->used > pool->chunk_count)
		return -EPROTO;
	return pool->used_high < pool->used || pool->used_high > pool->chunk_count ? -EPROTO : 0;
}

/* Each free chunk knows its place and the place knows it, so none is in the stack twice; the
 * number of taken ones then closes the sum. */
int pool_check(const struct pool *pool)
{
	uint32_t free_count = pool->chunk_count - pool->used;
	uint32_t taken = 0;
	int r = check_counts(pool);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < free_count; i++)
		if (pool->free[i] >= pool->chunk_count || pool->place[pool->free[i]] != i)
			return -EPROTO;
	for (uint32_t i = 0; i < pool->chunk_count; i++)
		taken += pool->place[i] == POOL_TAKEN;
	return taken == pool->used ? 0 : -EPROTO;
}

void pool_deinit(struct pool *pool)
{
	*pool = POOL_NULL;
}
