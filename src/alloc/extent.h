/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALLOC_EXTENT_H
#define ALLOC_EXTENT_H

/*
 * Extent: one piece of memory of a heap, cut into pages, and the runs of pages in it.
 *
 *	memory
 *	| struct extent | bin[] | state[] | lead[] | span[] | page 0 | page 1 | ...   |
 *
 *	state[p]  PAGE_PLAIN    nothing begins here: inside a large object or a free run
 *	          1..40         the size class of the objects here
 *	          PAGE_LARGE    first page of a large object
 *	          42..49        the same, of 9 to 16 pages: threads keep a few of these in their caches
 *	          PAGE_SAMPLED  the same, of an object of any size that is a sample (sample.h)
 *	          PAGE_FREE     first or last page of a free run
 *	          PAGE_OWN      first page of what the heap needs itself: caches of threads
 *	lead[p]   pages before p in its run, where state[p] is a class; 0 at a large object's first
 *
 *	every page belongs to exactly one run; no two free runs are neighbours
 *	bin[bin_of(n)] lists the free runs of n pages; bin_used has a bit for each that is not empty
 *	free_count = sum of the pages of all free runs <= page_count <= page_count_max
 *	dirty_count = the same of those that are not clean; idle_count <= dirty_count was the least
 *	of it since extent_begin_idle: so many pages lay there all the while
 *
 * span[p] and lead[p] mean something only where state[p] says so: a block is taken into use by
 * clearing one byte for each of its pages. Nothing outside `memory` is written, nothing is unmapped.
 *
 * Private to the process, under the heap's page lock, except what its objects' users look at:
 * state[] and the first words of a span, which stay as they are while one of its objects is out.
 */

#include <stdbool.h>

#include "alloc/size_class.h"
#include "base/shared.h"

struct heap;

typedef _Atomic uint8_t shared_u8;

#define PAGE_PLAIN 0
#define PAGE_LARGE 41
#define PAGE_SAMPLED 50
#define PAGE_FREE 51
#define PAGE_OWN 52
#define PAGE_STATES 53

#define EXTENT_PAGE_SHIFT 12
/* Smaller pieces are cut finer, so that a few pages hold objects of several sizes. */
#define EXTENT_SMALL_SHIFT 9
#define EXTENT_SMALL_SIZE ((size_t)128 << 10)
/* Large objects of so many pages of the usual size have a state for each number. */
#define RUN_PAGES_MIN 9
#define RUN_PAGES_MAX 16
#define EXTENT_PAGES_MAX ((uint32_t)1 << 31)
#define EXTENT_BINS_MAX 256

/* A run of pages: small objects of one class, a large object, or free ones. */
struct span {
	struct span *next; /* in a bin, or among the spans of a class that have free objects */
	struct span *prev;
	uint64_t free[CLASS_OBJECTS_MAX / 64]; /* bit i: object i is free */
	/* In the first page's span: the run's address. In the last of a free run: 2 * index of the
	 * first page + 1. */
	uintptr_t start;
	uint32_t page_count : 31;
	uint32_t clean : 1; /* untouched since the system gave it, or given back to it */
	uint16_t free_count;
	uint16_t object_count;
};
static_assert(sizeof(struct span) == 64, "1/64 of a page");

enum extent_kind {
	EXTENT_HOME,     /* in the caller's block where the heap itself lies */
	EXTENT_INJECTED, /* the caller's */
	EXTENT_SOURCE,   /* obtained from the heap's source */
	EXTENT_SYSTEM,   /* address space of ours that gets memory step by step */
};

struct extent {
	struct heap *heap;
	struct extent *next; /* the heap's, in the order in which they are asked */
	unsigned char *memory;
	size_t memory_size;
	unsigned char *pages;
	shared_u8 *state;
	uint8_t *lead;
	struct span *span;
	struct span **bin;
	uint64_t bin_used[EXTENT_BINS_MAX / 64];
	uint32_t bin_count;
	uint32_t page_count; /* that have memory */
	uint32_t page_count_max;
	uint32_t free_count;
	uint32_t dirty_count;
	uint32_t idle_count;
	uint8_t shift;
	uint8_t kind;
	uint8_t backing;    /* pages that the kernel gives and takes; 0: the usual ones */
	bool releasable;    /* madvise is allowed */
	bool huge;          /* some of its pages came as parts of huge ones */
	shared_u8 draining; /* nothing new is taken from it; written under the page lock */
};

/* Bytes before the pages, and all pages that fit, for `size` bytes at `memory`; 0 pages: it is too
 * small. */
struct extent_plan {
	size_t state_offset;
	size_t span_offset;
	size_t pages_offset;
	uint32_t bin_count;
	uint32_t page_count;
	uint8_t shift;
};

struct extent_plan extent_lay_out(const void *memory, size_t size);

/*
 * Makes an extent at the beginning of `memory`, FLOE_CACHELINE aligned. `page_count` of the plan's
 * pages have memory; state[] must be zero if `zeroed`.
 */
struct extent *extent_format(void *memory, size_t size, const struct extent_plan *plan,
			     uint32_t page_count, bool zeroed);

/* More pages got memory. */
void extent_extend(struct extent *extent, uint32_t page_count, bool clean);

/* A run of `count` pages at a multiple of `alignment`. NULL: none. `search` also looks at runs that
 * are not known to be long enough, one after the other. */
struct span *extent_take(struct extent *extent, uint32_t count, size_t alignment, bool search);

/* Back it goes; its states are PAGE_PLAIN again. */
void extent_give(struct extent *extent, struct span *span);

/* A large object becomes `count` pages where it is. False: the pages behind it are not free. */
bool extent_resize(struct extent *extent, struct span *span, uint32_t count);

/* Takes the longest free run that is not clean out of the bins; NULL: there is none. It comes back
 * with extent_give. */
struct span *extent_take_dirty(struct extent *extent);

/* The same of the first such run at page `from` or behind it that has `least` pages. */
struct span *extent_take_behind(struct extent *extent, size_t from, size_t least);

/* idle_count begins anew. */
void extent_begin_idle(struct extent *extent);

/* Whether a page has small objects, or is the first of a large one. */
floe_inline bool state_is_class(unsigned state)
{
	return state - 1 < CLASS_COUNT - 1;
}

floe_inline bool state_is_large(unsigned state)
{
	return state - PAGE_LARGE < PAGE_FREE - PAGE_LARGE;
}

/* Of the first page of a large object with `count` pages of the usual size. */
floe_inline uint8_t state_of_run(size_t count)
{
	bool has_one = count >= RUN_PAGES_MIN && count <= RUN_PAGES_MAX;

	return (uint8_t)(PAGE_LARGE + (has_one ? count - RUN_PAGES_MIN + 1 : 0));
}

/* The run in which a page is; its state is a class or the first of a large object. */
floe_inline struct span *extent_span(const struct extent *extent, size_t page)
{
	return &extent->span[page - extent->lead[page]];
}

floe_inline size_t extent_page(const struct extent *extent, const void *p)
{
	return ((uintptr_t)p - (uintptr_t)extent->pages) >> extent->shift;
}

floe_inline size_t extent_index(const struct extent *extent, const struct span *span)
{
	return (size_t)(span - extent->span);
}

floe_inline size_t extent_page_size(const struct extent *extent)
{
	return (size_t)1 << extent->shift;
}

/* All pages of a run get the class of its objects; the first page of a large object, or of what the
 * heap needs itself, that state. */
void extent_mark(struct extent *extent, struct span *span, unsigned class);
void extent_mark_first(struct extent *extent, struct span *span, uint8_t state);

/* Before extent_give. */
void extent_unmark(struct extent *extent, struct span *span);

/* Verifies the formulas above. 0, or -EPROTO. Under the page lock. */
int extent_check(const struct extent *extent);

#endif
