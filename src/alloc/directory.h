/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALLOC_DIRECTORY_H
#define ALLOC_DIRECTORY_H

/*
 * Directory: the extents of a heap by address, for whoever frees.
 *
 *	entry[i].begin < entry[i].end <= entry[i + 1].begin          0 <= i < count <= max
 *	sequence is odd while a writer moves entries
 *
 * Looking up takes no lock and may come from any thread; a look that met a writer is repeated.
 * Writers hold the heap's page lock. What a look found stays valid while one of the extent's
 * objects is out, for it is not removed before.
 */

#include "alloc/extent.h"

struct directory_entry {
	shared_u64 begin;
	shared_u64 end;
	_Atomic(struct extent *) extent;
};

struct directory {
	shared_u64 sequence;
	shared_u32 count;
	uint32_t max;
	struct directory_entry *entry;
};

/* The extent that holds `p`, NULL: none. */
struct extent *directory_find(const struct directory *directory, const void *p);

/* Whether begin..end has a byte in common with an extent. Under the page lock. */
bool directory_overlaps(const struct directory *directory, uintptr_t begin, uintptr_t end);

/* 0; -ENOSPC: it is full. Under the page lock. */
int directory_add(struct directory *directory, struct extent *extent);
void directory_remove(struct directory *directory, struct extent *extent);

/* Verifies the formulas above. 0, or -EPROTO. Under the page lock. */
int directory_check(const struct directory *directory);

#endif
