/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALLOC_ACCOUNT_H
#define ALLOC_ACCOUNT_H

/*
 * Account: where the bytes of a heap are, and which objects it has.
 *
 *	allocated + cached by threads + free in spans + lost in spans + free pages + tables
 *		= mapped + injected
 *
 * holds while other threads rest: what they do meanwhile is seen in part. Both calls take all locks
 * of the heap.
 */

#include "alloc/heap.h"

void account_count(struct heap *heap, struct floe_heap_counts *ret);

/* Calls visit for each object until that is not 0, which is then returned; else 0. Objects in the
 * caches of other threads count as objects. */
int account_walk(struct heap *heap, int (*visit)(void *user, void *memory, size_t size),
		 void *user);

#endif
