/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc/cache.h"

#include "alloc/central.h"
#include "alloc/heap.h"

/* A class that was hardly used keeps this many objects at most. */
#define LIMIT_FIRST 8

static uint32_t get_max(unsigned class, unsigned shift)
{
	uint32_t max = size_class[class].cache_max >> shift;

	return max > 2 ? max : 2;
}

size_t cache_size(unsigned shift)
{
	size_t count = 0;

	for (unsigned class = 1; class < CLASS_COUNT; class ++)
		count += get_max(class, shift) + 1;
	return sizeof(struct cache) + count * sizeof(void *);
}

void cache_init(struct cache *cache, struct heap *heap, unsigned shift)
{
	void **slot = cache->slots;

	*cache = (struct cache){.heap = heap};
	for (unsigned class = 1; class < CLASS_COUNT; class ++) {
		uint32_t max = get_max(class, shift);

		cache->bin[class].max = (uint16_t)max;
		cache->bin[class].slot = slot;
		slot[0] = NULL;
		slot += max + 1;
	}
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
	(void)raise_limit(&cache->bin[class]);
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

void cache_push(struct cache *cache, unsigned class, void *object)
{
	struct bin *bin = &cache->bin[class];

	if (!raise_limit(bin))
		central_drain(cache->heap, class, bin, bin->limit / 2);
	(void)bin_push(bin, object);
}

void cache_flush(struct cache *cache)
{
	for (unsigned class = 1; class < CLASS_COUNT; class ++)
		if (bin_count(&cache->bin[class]))
			central_drain(cache->heap, class, &cache->bin[class], 0);
}
