/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc/cache.h"

#include <string.h>

#include "alloc/central.h"
#include "alloc/heap.h"
#include "alloc/large.h"

/* A class that was hardly used keeps this many objects at most. */
#define LIMIT_FIRST 8

static uint32_t get_max(unsigned state, unsigned shift)
{
	uint32_t max;

	if (state > PAGE_LARGE && state < PAGE_SAMPLED)
		return RUN_CACHE_MAX >> shift;
	if (!state_is_class(state))
		return 0;
	max = size_class[state].cache_max >> shift;
	return max > 2 ? max : 2;
}

size_t cache_size(unsigned shift)
{
	size_t count = 0;

	for (unsigned state = 0; state < PAGE_STATES; state++)
		count += get_max(state, shift) + 1;
	return sizeof(struct cache) + count * sizeof(void *);
}

void cache_init(struct cache *cache, struct heap *heap, unsigned shift)
{
	void **slot = cache->slots;

	*cache = (struct cache){.heap = heap};
	for (unsigned state = 0; state < PAGE_STATES; state++) {
		struct bin *bin = &cache->bin[state];

		bin->max = (uint16_t)get_max(state, shift);
		bin->limit = state_is_class(state) ? 0 : bin->max;
		bin->slot = slot;
		slot[0] = NULL;
		slot += bin->max + 1;
	}
}

void cache_set_sampled(struct cache *cache, size_t every)
{
	store_relaxed(&cache->fast_max, every ? 0 : CLASS_SIZE_MAX);
}

/* Twice as many from now on; false: it has all its room. */
static bool raise_limit(struct bin *bin)
{
	uint32_t limit = bin->limit ? 2u * bin->limit : LIMIT_FIRST;

	if (bin->limit == bin->max)
		return false;
	bin->limit = (uint16_t)(limit < bin->max ? limit : bin->max);
	return true;
}

void cache_begin(struct cache *cache, unsigned class)
{
	struct bin *bin = &cache->bin[class];

	bin->limit = bin->limit_before;
	if (bin->limit == 0)
		(void)raise_limit(bin);
}

void *cache_refill(struct cache *cache, unsigned class)
{
	struct bin *bin = &cache->bin[class];

	if (cache_is_new(cache, class))
		cache_begin(cache, class);
	central_fill(cache->heap, class, bin, bin->limit / 2);
	(void)raise_limit(bin);
	return bin_pop(bin);
}

/* The one that came first goes. */
static void *pop_first(struct bin *bin)
{
	uint32_t left = load_relaxed(&bin->count) - 1;
	void *first;

	bin->slot[left + 1] = load_relaxed(&bin->hot);
	first = bin->slot[1];
	store_relaxed(&bin->count, left);
	memmove(bin->slot + 1, bin->slot + 2, left * sizeof(void *));
	store_relaxed(&bin->hot, bin->slot[left]);
	return first;
}

static void drain(struct cache *cache, unsigned state, uint32_t keep)
{
	struct bin *bin = &cache->bin[state];

	if (state_is_class(state)) {
		central_drain(cache->heap, state, bin, keep);
		return;
	}
	while (bin_count(bin) > keep)
		large_give(cache->heap, pop_first(bin));
}

void cache_push(struct cache *cache, unsigned state, void *object)
{
	struct bin *bin = &cache->bin[state];

	if (!raise_limit(bin))
		drain(cache, state, bin->limit / 2);
	(void)bin_push(bin, object);
}

void cache_flush(struct cache *cache)
{
	for (unsigned state = 0; state < PAGE_STATES; state++)
		if (bin_count(&cache->bin[state]))
			drain(cache, state, 0);
}

void cache_retire(struct cache *cache)
{
	cache_flush(cache);
	cache->length = 0;
	for (unsigned class = 1; class < CLASS_COUNT; class ++) {
		struct bin *bin = &cache->bin[class];

		if (bin->limit == 0)
			continue;
		bin->limit_before = bin->limit;
		bin->limit = 0;
	}
}
