/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALLOC_HEAPS_H
#define ALLOC_HEAPS_H

/*
 * Heaps: all of this process, for threads that end and for fork().
 *
 * Before fork() every lock of every heap is taken, so that the child gets whole heaps; there the
 * caches of the threads that it does not have are given back. Memory that the child shares with its
 * parent (MAP_SHARED) is the parent's: a heap on it must not be used in the child.
 */

#include "alloc/heap.h"

/* Numbers that are used once in this process: ids and stamps. */
uint64_t heaps_next_number(void);

void heaps_add(struct heap *heap);
void heaps_remove(struct heap *heap);

/* Gives `cache` back if its heap still lives. Keeps heaps from ending meanwhile. */
void heaps_return(uint64_t id, struct cache *cache);

#endif
