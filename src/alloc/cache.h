/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALLOC_CACHE_H
#define ALLOC_CACHE_H

/*
 * Cache: free objects that one thread of one heap has at hand.
 *
 *	bin[state].hot                  the object that came last, NULL: there is none
 *	bin[state].slot[1 .. count)     those before it, the latest last; slot[0] is NULL
 *
 *	0 <= count <= limit <= max      limit grows with use, so that a thread that needs few
 *	                                objects of a class keeps few; 0: it never needed any
 *	bin[42..49] is for large objects of 9 to 16 pages: up to RUN_CACHE_MAX each
 *	bin[any other state] has limit 0
 *
 * Why hot: a program that allocates right after it freed has each step wait for the one before,
 * through memory. With a count and a slot that are four such steps, with hot there are two. Why it
 * is there always: a branch on it is guessed wrong half the time where frees and allocations mix.
 *
 * Lies in the heap's own pages. Only its thread changes it; others read the counts. In a child of
 * fork() the caches of threads that are not there are given back by fork.c: so objects move
 * between a bin and what is behind it under the class's lock.
 */

#include "alloc/extent.h"

#define RUN_CACHE_MAX 4

struct bin {
	_Atomic(void *) hot;
	void **slot;
	shared_u32 count;
	uint16_t limit;
	uint16_t max;
	uint16_t limit_before; /* of the thread that had this before */
	uint16_t unused[3];    /* 32 bytes: found by a shift */
};

struct cache {
	/* The extent in which this thread freed last, for finding the class of what it frees. */
	uintptr_t begin;
	size_t length; /* of its pages; 0: none with pages of the usual size */
	const shared_u8 *state;
	shared_u64
		fast_max; /* a size up to this may come from a bin at once; 0 while there are samples */
	struct bin bin[PAGE_STATES];
	struct extent *extent; /* which that is */
	struct heap *heap;
	struct cache *next;  /* of the heap's caches, or of the spare ones */
	int64_t sample_left; /* bytes until the next sample */
	uint64_t sample_random;
	void *slots[];
};

/* Bytes of a cache whose bins have 1 / 2^shift of their usual room. */
size_t cache_size(unsigned shift);

void cache_init(struct cache *cache, struct heap *heap, unsigned shift);

/* Under cache_lock. Every allocation takes the slow path while objects are sampled. */
void cache_set_sampled(struct cache *cache, size_t every);

/* Its address is reckoned once: gcc 12 does it anew for each of its words otherwise. */
floe_inline struct bin *cache_bin(struct cache *cache, unsigned state)
{
	struct bin *bin = &cache->bin[state];

	__asm__("" : "+r"(bin));
	return bin;
}

/* Whether an object of this size may come from a bin at once. */
floe_inline bool cache_is_fast(const struct cache *cache, size_t size)
{
	uint64_t max = load_relaxed(&cache->fast_max);

	if (max > CLASS_SIZE_MAX)
		__builtin_unreachable();
	return size <= max;
}

/* The object that was put last, NULL: there is none. Dying between the stores, in a child of fork,
 * loses one object or none, and leaves none in two places. */
floe_inline void *bin_pop(struct bin *bin)
{
	void *hot = load_relaxed(&bin->hot);
	uint32_t left;

	if (floe_unlikely(!hot))
		return NULL;
	left = load_relaxed(&bin->count) - 1;
	store_relaxed(&bin->count, left);
	store_relaxed(&bin->hot, bin->slot[left]);
	return hot;
}

/* False: it is full, and as it was. */
floe_inline bool bin_push(struct bin *bin, void *object)
{
	uint32_t count = load_relaxed(&bin->count);

	if (floe_unlikely(count >= bin->limit))
		return false;
	bin->slot[count] = load_relaxed(&bin->hot);
	store_relaxed(&bin->hot, object);
	store_relaxed(&bin->count, count + 1);
	return true;
}

/* Objects in it; from any thread. */
floe_inline uint32_t bin_count(const struct bin *bin)
{
	return load_relaxed(&bin->count);
}

/* An object of a class whose bin is empty: gets more of them. NULL: out of memory. */
void *cache_refill(struct cache *cache, unsigned class);

/* Where bin_push said no: makes room. */
void cache_push(struct cache *cache, unsigned state, void *object);

/* Nothing was allocated or freed yet. What is freed first was allocated by another thread, whose
 * other objects may lie in the same cache line: it goes back to its span, past the cache. */
floe_inline bool cache_is_new(const struct cache *cache, unsigned class)
{
	return cache->bin[class].limit == 0;
}

void cache_begin(struct cache *cache, unsigned class);

/* All objects go back to the heap. */
void cache_flush(struct cache *cache);

/* The same, and the next to have it is another thread. */
void cache_retire(struct cache *cache);

/* From now on the classes of what lies in this extent are found at once. */
floe_inline void cache_look_at(struct cache *cache, struct extent *extent)
{
	if (extent->shift != EXTENT_PAGE_SHIFT)
		return;
	cache->begin = (uintptr_t)extent->pages;
	cache->length = (size_t)extent->page_count_max << EXTENT_PAGE_SHIFT;
	cache->state = extent->state;
	cache->extent = extent;
}

/* The state of the page that holds p, PAGE_PLAIN when it is not in the extent looked at. */
floe_inline unsigned cache_state(const struct cache *cache, const void *p)
{
	uintptr_t offset = (uintptr_t)p - cache->begin;

	if (floe_unlikely(offset >= cache->length))
		return PAGE_PLAIN;
	return load_relaxed(&cache->state[offset >> EXTENT_PAGE_SHIFT]);
}

#endif
