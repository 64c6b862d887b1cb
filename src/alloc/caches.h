/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALLOC_CACHES_H
#define ALLOC_CACHES_H

/*
 * Caches: those of all threads of a heap, the spare ones, and what is between them.
 *
 *	caches      of threads that live; spare: of threads that ended, empty
 *	transfer    where objects lie on their way from one cache to another, of all classes
 *
 * Under cache_lock.
 */

#include "alloc/heap.h"

/* After memory came: whether threads may have caches, and how large. */
void caches_consider(struct heap *heap);

/* For thread.c: a cache for the calling thread, NULL: none; back it goes, what it holds as well. */
struct cache *caches_make(struct heap *heap);
void caches_return(struct heap *heap, struct cache *cache);

/* Everything that rests in caches of this thread, in transfer and in spare caches becomes free
 * pages, as far as it can. */
void caches_gather(struct heap *heap);

/* The same, and this thread keeps its cache. False: there is nothing to gather. */
bool caches_gather_here(struct heap *heap);

#endif
