/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc/caches.h"

#include "alloc/hardened.h"

/* Below, each object counts, and there are no caches; up to the other, caches are small. */
#define CACHING_SIZE ((size_t)256 << 10)
#define CACHING_FULL_SIZE ((size_t)8 << 20)
#define SMALL_CACHE_SHIFT 2

static size_t count_bytes(const struct heap *heap)
{
	size_t size = 0;

	for (const struct extent *e = heap->extents; e; e = e->next)
		size += e->memory_size;
	return size;
}

void caches_consider(struct heap *heap)
{
	size_t size;

	if (heap->flags & (FLOE_HEAP_BOUNDED | FLOE_HEAP_HARDENED))
		return;
	lock_take(&heap->cache_lock);
	lock_take(&heap->page_lock);
	size = heap->system || heap->source.calls ? SIZE_MAX : count_bytes(heap);
	lock_give(&heap->page_lock);
	heap->cache_shift = size < CACHING_FULL_SIZE ? SMALL_CACHE_SHIFT : 0;
	if (size >= CACHING_SIZE)
		store_relaxed(&heap->caching, 1);
	lock_give(&heap->cache_lock);
}

/* Only a second thread has use for it. */
static void make_transfer(struct heap *heap)
{
	size_t count = 0;
	void **memory;

	for (unsigned class = 1; class < CLASS_COUNT; class ++)
		count += central_transfer_max(class);
	memory = heap_take_own(heap, count * sizeof(void *));
	heap->transfer = memory;
	for (unsigned class = 1; memory && class < CLASS_COUNT; class ++) {
		lock_take(&heap->central[class].lock);
		heap->central[class].transfer = memory;
		lock_give(&heap->central[class].lock);
		memory += central_transfer_max(class);
	}
}

static struct cache *take_spare(struct heap *heap)
{
	struct cache *cache = heap->spare;

	if (cache)
		heap->spare = cache->next;
	return cache;
}

struct cache *caches_make(struct heap *heap)
{
	struct cache *cache;

	lock_take(&heap->cache_lock);
	cache = take_spare(heap);
	if (!cache) {
		cache = heap_take_own(heap, cache_size(heap->cache_shift));
		if (cache)
			cache_init(cache, heap, heap->cache_shift);
		else
			store_relaxed(&heap->caching, 0);
	}
	if (cache) {
		cache_set_sampled(cache, load_relaxed(&heap->sample_every));
		if (heap->caches && !heap->transfer && heap->cache_shift == 0)
			make_transfer(heap);
		cache->next = heap->caches;
		heap->caches = cache;
	}
	lock_give(&heap->cache_lock);
	return cache;
}

void caches_return(struct heap *heap, struct cache *cache)
{
	struct cache **at = &heap->caches;

	cache_retire(cache);
	lock_take(&heap->cache_lock);
	while (*at != cache)
		at = &(*at)->next;
	*at = cache->next;
	if (heap_is_draining(heap, cache)) {
		heap_give_own(heap, cache);
	} else {
		cache->next = heap->spare;
		heap->spare = cache;
	}
	lock_give(&heap->cache_lock);
}

/* Spare caches, and transfer[] if something is to become free below it. */
static void give_tables(struct heap *heap)
{
	struct cache *cache;

	lock_take(&heap->cache_lock);
	while ((cache = take_spare(heap)))
		heap_give_own(heap, cache);
	if (heap->transfer && load_relaxed(&heap->draining)) {
		for (unsigned class = 1; class < CLASS_COUNT; class ++) {
			lock_take(&heap->central[class].lock);
			heap->central[class].transfer = NULL;
			lock_give(&heap->central[class].lock);
		}
		heap_give_own(heap, heap->transfer);
		heap->transfer = NULL;
	}
	lock_give(&heap->cache_lock);
}

static void gather_rest(struct heap *heap)
{
	for (unsigned class = 1; class < CLASS_COUNT; class ++)
		central_gather(heap, class);
	sample_gather(heap);
	give_tables(heap);
}

void caches_gather(struct heap *heap)
{
	if (heap->flags & FLOE_HEAP_HARDENED)
		hardened_flush(heap);
	thread_leave(heap);
	gather_rest(heap);
}

/* False: there is nothing to gather. A bounded heap keeps nothing back. */
bool caches_gather_here(struct heap *heap)
{
	struct cache *cache = thread_cache(heap);

	if (heap->flags & FLOE_HEAP_BOUNDED)
		return false;
	if (cache)
		cache_flush(cache);
	gather_rest(heap);
	return true;
}
