/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALLOC_INJECT_H
#define ALLOC_INJECT_H

/*
 * Inject: memory of the caller's becomes an extent of the heap, and is taken out again.
 *
 *	in use  ->  draining: nothing new is taken from it  ->  removed, when nothing is left in it
 */

#include "alloc/heap.h"

/*
 * -EINVAL misaligned, no whole pages, or wrapping; -EEXIST a byte of it is the heap's already;
 * -EFAULT not all of it is mapped; -EACCES it cannot be written; -ENOSPC too many extents;
 * -ENOMEM too small for a page and what describes it. Then nothing is touched.
 */
int inject_add(struct heap *heap, void *memory, size_t size, bool releasable);

/* `memory` as it was injected. -ENOENT: no such extent. */
int inject_drain(struct heap *heap, const void *memory);
int inject_undrain(struct heap *heap, const void *memory);

/* Calls visit for each injected block until that is not 0, which is then returned; else 0. Under the
 * page lock. */
int inject_walk(struct heap *heap, int (*visit)(void *user, const struct floe_heap_block *block),
		void *user);

/* 1 it is the caller's again; 0 busy: it drains and something is left in it; -ENOENT. */
int inject_remove(struct heap *heap, const void *memory);

#endif
