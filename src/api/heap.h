/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_HEAP_H
#define API_HEAP_H

/*
 * A struct floe_heap is the heap itself: a handle between them would cost as much as an allocation,
 * and a heap, unlike other handles, stays usable in the child of fork().
 */

#include "alloc/heap.h"

/* NULL: it is none. */
floe_inline struct heap *heap_find(const struct floe_heap *handle)
{
	struct heap *heap = (struct heap *)(uintptr_t)handle;

	return floe_likely(heap && heap->magic == HEAP_MAGIC) ? heap : NULL;
}

#endif
