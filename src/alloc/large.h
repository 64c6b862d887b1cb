/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALLOC_LARGE_H
#define ALLOC_LARGE_H

/*
 * Large objects: a run of pages each.
 */

#include "alloc/heap.h"

/* NULL: out of memory. *ret_clean: it reads as zero. */
void *large_alloc(struct heap *heap, size_t alignment, size_t size, bool *ret_clean);

/* The same as PAGE_SAMPLED. */
void *large_alloc_sampled(struct heap *heap, size_t alignment, size_t size);

/* `p` lies in the first page of a large object. -EINVAL: not at its beginning. */
int large_free(struct heap *heap, struct extent *extent, void *p);

/* The same for what comes out of a cache, where it may have got by a wrong free. */
void large_give(struct heap *heap, void *p);

/* Where it is. False: it would have to move. */
bool large_resize(struct heap *heap, struct extent *extent, void *p, size_t size);

#endif
