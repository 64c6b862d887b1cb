/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MALLOC_HEAP_H
#define MALLOC_HEAP_H

/*
 * The one heap of the drop-in malloc. It is made by the first call, whoever makes it, and never
 * ends. This library has its own copy of src/alloc, so the first slot of a thread is always this
 * heap's, and its stamp never changes: nothing is ever removed from it.
 */

#include "alloc/heap.h"

/* NULL: the system has no memory for it. */
struct heap *malloc_heap(void);

void *malloc_slow(size_t size);
void free_slow(void *p);

/* NULL without errno: out of memory. */
floe_inline void *allocate(size_t size)
{
	struct cache *cache = thread_slot[0].cache;
	void *p;

	if (floe_unlikely(!cache || !cache_is_fast(cache, size)))
		return malloc_slow(size);
	p = bin_pop(cache_bin(cache, class_of(size)));
	return floe_likely(p) ? p : malloc_slow(size);
}

floe_inline void deallocate(void *p)
{
	struct cache *cache = thread_slot[0].cache;

	if (floe_likely(cache) && floe_likely(bin_push(cache_bin(cache, cache_state(cache, p)), p)))
		return;
	free_slow(p);
}

#endif
