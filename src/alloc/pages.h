/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALLOC_PAGES_H
#define ALLOC_PAGES_H

/*
 * Pages: runs of pages over all extents of a heap, and where more of them come from.
 *
 * Extents are asked in the order of heap->extents: the caller's memory first, then what was
 * obtained. Nothing is taken from one that is being drained. All calls take the page lock.
 */

#include "alloc/heap.h"

struct pages_request {
	size_t size;      /* bytes; of a class: nothing */
	size_t alignment; /* power of two */
	uint8_t state;    /* a class, PAGE_LARGE, PAGE_OWN */
};

/* A run, marked with its state; of a class: with all its objects free. NULL: no memory, and none
 * can be had. */
struct span *pages_take(struct heap *heap, const struct pages_request *request,
			struct extent **ret_extent);

/* Returns whether so much was freed by now that some should be given back (release_rate,
 * limit_soft): pages_release_due, without any lock. */
bool pages_give(struct heap *heap, struct extent *extent, struct span *span);

/* A large object gets another size where it is. False: there is no room behind it. */
bool pages_resize(struct heap *heap, struct extent *extent, struct span *span, size_t size);

/* Adds an extent to the heap. -ENOSPC: the directory is full. */
int pages_add(struct heap *heap, struct extent *extent);

/* Takes an extent without a page in use out of the heap. */
void pages_remove(struct heap *heap, struct extent *extent);

/* Gives free pages back to the system, until `wanted` bytes or all are. Returns the bytes that the
 * kernel really took. The lock is free while the kernel works. */
size_t pages_release(struct heap *heap, size_t wanted);

/* In the child of fork: what another thread was giving back is free pages again. */
void pages_return_dropping(struct heap *heap);

void pages_release_due(struct heap *heap);

/* The bytes of an object or of what else the run is. */
floe_inline size_t span_size(const struct extent *extent, const struct span *span)
{
	return (size_t)span->page_count << extent->shift;
}

#endif
