/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALLOC_KEPT_H
#define ALLOC_KEPT_H

/*
 * Kept: runs of large objects that were freed last, whole as they are, for the next request of as
 * many pages. To split and join them again each time costs more than all the rest of a call.
 *
 *	list[n % KEPT_LISTS]    runs of n pages, the latest first; their state is PAGE_KEPT
 *	size = sum of the bytes of all of them
 *
 * Under the heap's page lock.
 */

#include "alloc/extent.h"

#define KEPT_LISTS 16

struct kept {
	struct span *list[KEPT_LISTS];
	size_t size;
};

void kept_put(struct kept *kept, struct span *span);

/* A run of `count` pages. NULL: none is at hand. */
struct span *kept_take(struct kept *kept, uint32_t count);

/* Any run, NULL: none is left. */
struct span *kept_take_any(struct kept *kept);

/* Verifies the formula. 0, or -EPROTO. */
int kept_check(const struct kept *kept);

#endif
