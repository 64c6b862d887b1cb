/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALLOC_CENTRAL_H
#define ALLOC_CENTRAL_H

/*
 * Central: the free objects of one size class that no thread has in its cache.
 *
 *	partial      the spans with free and with taken objects, and at most one that is all free
 *	transfer[]   objects on their way from one thread's cache to another's
 *
 *	taken = sum over the class's spans of object_count - free_count
 *	transfer_count <= transfer_max        an object in transfer[] is taken
 *
 * A batch is moved by copying addresses; the objects themselves are not touched, so that memory
 * which one processor wrote last is not fetched by another before it is used there.
 * Each class has a lock; the heap's page lock may be taken under it, never the other way round.
 */

#include "alloc/extent.h"
#include "alloc/lock.h"

struct central {
	struct lock lock;
	uint32_t transfer_count;
	void **transfer; /* NULL: none yet */
	struct span *partial;
	uint64_t taken;
};

struct bin;

/* Objects that may lie in transfer[] at once. */
floe_inline uint32_t central_transfer_max(unsigned class)
{
	uint32_t max = 2u * size_class[class].cache_max;

	return max < 256 ? max : 256;
}

/* Up to `count` objects; returns how many, 0: out of memory. */
uint32_t central_take(struct heap *heap, unsigned class, void **ret_objects, uint32_t count);

/* Puts objects back. Those that are no objects, or free already, are counted and told of, and
 * nothing else happens with them. */
void central_give(struct heap *heap, unsigned class, void **objects, uint32_t count);

/* One object, not by way of transfer[]. */
void central_give_span(struct heap *heap, unsigned class, void *object);

/* The same between a thread's cache and the spans: after fork() an object is in one of them. The
 * bin is empty and gets up to `count`; or keeps only the `keep` that came last. */
void central_fill(struct heap *heap, unsigned class, struct bin *bin, uint32_t count);
void central_drain(struct heap *heap, unsigned class, struct bin *bin, uint32_t keep);

/* Everything in transfer[] goes back to its span, and spans without a taken object to the pages. */
void central_gather(struct heap *heap, unsigned class);

/* Whether object `p` of this span is free; -EINVAL: there is no object that begins at p. Under the
 * lock. */
int central_is_free(const struct span *span, unsigned class, const void *p);

/* Verifies the formulas above for all spans of the class. 0, or -EPROTO. Under the locks. */
int central_check(const struct heap *heap, unsigned class);

#endif
