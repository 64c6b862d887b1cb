/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc/account.h"

#include "alloc/caches.h"
#include "alloc/hardened.h"
#include "alloc/pages.h"

/* Of one class: taken objects are the program's, in transfer, or in a thread's cache. */
static void count_class(const struct heap *heap, unsigned class, struct floe_heap_counts *ret)
{
	const struct central *central = &heap->central[class];
	uint64_t cached = 0, size = size_class[class].size;

	for (const struct cache *cache = heap->caches; cache; cache = cache->next)
		cached += bin_count(&cache->bin[class]);
	ret->cached_threads += cached * size;
	ret->cached_central += central->transfer_count * size;
	ret->objects += central->taken - central->transfer_count - cached;
	ret->allocated += (central->taken - central->transfer_count - cached) * size;
}

static void count_large(const struct heap *heap, struct floe_heap_counts *ret)
{
	uint64_t cached = 0, size = 0;

	for (const struct cache *cache = heap->caches; cache; cache = cache->next)
		for (unsigned pages = RUN_PAGES_MIN; pages <= RUN_PAGES_MAX; pages++) {
			uint64_t count = bin_count(&cache->bin[state_of_run(pages)]);

			cached += count;
			size += count * pages << EXTENT_PAGE_SHIFT;
		}
	ret->cached_threads += size;
	ret->large = heap->large - size;
	ret->allocated += heap->large - size;
	ret->objects += heap->large_count - cached;
}

static void count_span(const struct extent *e, const struct span *span, unsigned class,
		       struct floe_heap_counts *ret)
{
	uint64_t size = size_class[class].size;

	ret->cached_central += span->free_count * size;
	ret->tables += span_size(e, span) - span->object_count * size;
}

static void count_extent(const struct extent *e, struct floe_heap_counts *ret)
{
	size_t memory = e->kind == EXTENT_SYSTEM ? (size_t)e->page_count << e->shift
						 : e->memory_size;

	ret->blocks += e->kind == EXTENT_INJECTED;
	ret->free_pages += (uint64_t)e->free_count << e->shift;
	ret->tables += memory - ((size_t)e->page_count << e->shift);
	for (size_t at = 0; at < e->page_count; at += e->span[at].page_count) {
		uint8_t state = load_relaxed(&e->state[at]);

		if (state_is_class(state))
			count_span(e, &e->span[at], state, ret);
		else if (state == PAGE_FREE && span_size(e, &e->span[at]) > ret->free_longest)
			ret->free_longest = span_size(e, &e->span[at]);
	}
}

static void count_all(const struct heap *heap, struct floe_heap_counts *ret)
{
	for (unsigned class = 1; class < CLASS_COUNT; class ++)
		count_class(heap, class, ret);
	for (const struct extent *e = heap->extents; e; e = e->next)
		count_extent(e, ret);
	for (const struct cache *cache = heap->caches; cache; cache = cache->next)
		ret->caches++;
	count_large(heap, ret);
	ret->mapped = heap->obtained;
	ret->injected = heap->injected;
	ret->tables += heap->own;
	if (!heap->home_is_ours) {
		/* The extent in the block begins behind the heap. */
		ret->injected += heap->home_from_source ? 0 : heap->home_size;
		ret->tables += heap->home_size - heap_home_extent(heap)->memory_size;
	}
	if (heap->queue) {
		ret->objects -= heap->queue->count;
		ret->allocated -= heap->queue->size;
		ret->cached_central += heap->queue->size;
	}
	ret->released = heap->released;
	ret->misfrees = load_relaxed(&heap->misfrees);
	ret->failures = load_relaxed(&heap->failures);
	ret->limit = heap->limit;
	ret->limit_soft = heap->limit_soft;
}

void account_count(struct heap *heap, struct floe_heap_counts *ret)
{
	*ret = (struct floe_heap_counts){0};
	heap_lock_all(heap);
	count_all(heap, ret);
	heap_unlock_all(heap);
}

static int walk_span(const struct span *span, unsigned class,
		     int (*visit)(void *user, void *memory, size_t size), void *user)
{
	size_t size = size_class[class].size;
	int r = 0;

	for (uint32_t i = 0; i < span->object_count && r == 0; i++)
		if (!(span->free[i / 64] >> i % 64 & 1))
			r = visit(user, (void *)(span->start + i * size), size);
	return r;
}

static int walk_extent(const struct extent *e, int (*visit)(void *user, void *memory, size_t size),
		       void *user)
{
	int r = 0;

	for (size_t at = 0; at < e->page_count && r == 0; at += e->span[at].page_count) {
		const struct span *span = &e->span[at];
		uint8_t state = load_relaxed(&e->state[at]);

		if (state_is_large(state))
			r = visit(user, (void *)span->start, span_size(e, span));
		else if (state_is_class(state))
			r = walk_span(span, state, visit, user);
	}
	return r;
}

int account_walk(struct heap *heap, int (*visit)(void *user, void *memory, size_t size), void *user)
{
	int r = 0;

	caches_gather(heap);
	heap_lock_all(heap);
	for (const struct extent *e = heap->extents; e && r == 0; e = e->next)
		r = walk_extent(e, visit, user);
	heap_unlock_all(heap);
	return r;
}
