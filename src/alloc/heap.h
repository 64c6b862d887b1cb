/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALLOC_HEAP_H
#define ALLOC_HEAP_H

/*
 * Heap: thread-caching allocator on memory that is injected, obtained from a source, or grows from
 * the system.
 *
 *	thread's cache   -> central[class]   -> pages of an extent     small objects, up to 32 KiB
 *	                                     -> pages of an extent     large ones
 *
 * struct heap lies in its own mapping or at the beginning of the caller's block. Everything else
 * lies in the extents. Locks, outermost first: list of all heaps, queue_lock, cache_lock,
 * sample_lock, a class's, page_lock.
 *
 * Any thread may allocate and free, also what another one allocated. Ending a heap is its owner's:
 * no other thread is inside then.
 */

#include <floe/heap.h>

#include "alloc/central.h"
#include "alloc/directory.h"
#include "alloc/sample.h"
#include "alloc/thread.h"
#include "memory/source.h"

#define HEAP_MAGIC 0x70616568u
#define HEAP_PAGE ((size_t)1 << EXTENT_PAGE_SHIFT)

/* Of a heap with FLOE_HEAP_BOUNDED: instructions of an allocation or a free on x86-64, in a usual
 * build, nobody waiting for a lock. tests/unit/heap_bounded.c counts. */
#define HEAP_BOUND 2000

struct heap_plan {
	void *memory; /* the block where the heap and its first extent lie, or NULL */
	size_t memory_size;
	struct source source; /* .calls NULL: none */
	bool system;          /* grows from the system */
	uint32_t flags;       /* FLOE_HEAP_... */
	size_t limit;         /* bytes obtained from source or system, 0: none */
	size_t limit_soft;
	void (*tell)(void *user, const char *sentence);
	void *user;
};

struct hardened_queue;

struct heap {
	shared_u64 stamp;
	uint64_t id;
	uint32_t magic;
	uint32_t flags;
	struct lock page_lock;
	struct lock cache_lock;
	struct lock queue_lock;
	struct lock sample_lock;
	uint64_t secret; /* of a hardened heap */
	struct hardened_queue *queue;
	struct extent *extents;
	struct directory directory;
	shared_u32 caching; /* threads may have caches */
	uint32_t cache_shift;
	struct cache *caches;
	struct cache *spare;
	struct heap *next; /* of all heaps of this process */
	void *home;        /* what was mapped for struct heap, or obtained, or the caller's block */
	size_t home_size;
	bool home_is_ours; /* mapped */
	bool home_from_source;
	bool system;
	shared_u64 sample_every; /* bytes, 0: no samples */
	struct samples samples;
	shared_u32 draining;    /* extents */
	shared_u32 small_pages; /* extents that are cut fine */
	void **transfer;        /* of all classes, NULL: none yet */
	struct source source;
	size_t reserve_next; /* address space to ask for next */
	void (*tell)(void *user, const char *sentence);
	void *user;

	/* Under page_lock. */
	size_t limit;
	size_t limit_soft;
	uint32_t release_rate;
	int64_t release_due; /* thousandths of pages; what went back beyond what was due counts against it */
	size_t obtained; /* bytes from source and system */
	size_t injected;
	size_t large; /* bytes of large objects */
	size_t large_count;
	size_t own;            /* bytes of PAGE_OWN */
	struct span *dropping; /* runs that are in no bin while the kernel takes their pages */
	uint64_t released;     /* bytes, since the beginning */
	shared_u64 misfrees;
	shared_u64 failures; /* requests that found no memory */

	struct central central[CLASS_COUNT];
	struct directory_entry entry[];
};

/* What the page of p is; p lies in the extent. */
floe_inline uint8_t heap_state(const struct extent *extent, const void *p)
{
	size_t page = extent_page(extent, p);

	/* Before the first page the difference wraps. */
	return page < extent->page_count_max ? load_relaxed(&extent->state[page]) : PAGE_PLAIN;
}

/* Exact bytes that a block must have at least for struct heap and one page. */
size_t heap_memory_size(void);

/* -ENOMEM, -EINVAL with a sentence, nothing touched. */
int heap_create(struct heap **ret_heap, const struct heap_plan *plan, struct floe_error *error);

/* Everything that was allocated is gone; injected memory is the caller's again. Returns how many
 * objects were still allocated. */
size_t heap_destroy(struct heap *heap);

/* Objects that are the program's; exact while no other thread is inside. */
size_t heap_count_allocated(const struct heap *heap);

void *heap_alloc_slow(struct heap *heap, size_t size);
void heap_free_slow(struct heap *heap, void *p);

/* As heap_free; -EINVAL: it is none of this heap's objects, or no longer. */
int heap_try_free(struct heap *heap, void *p);

floe_inline struct cache *heap_cache(const struct heap *heap)
{
	if (floe_likely(thread_slot[0].stamp == load_relaxed(&heap->stamp)))
		return thread_slot[0].cache;
	return NULL;
}

/* NULL: out of memory. */
floe_inline void *heap_alloc(struct heap *heap, size_t size)
{
	struct cache *cache = heap_cache(heap);
	void *p;

	if (floe_unlikely(!cache || !cache_is_fast(cache, size)))
		return heap_alloc_slow(heap, size);
	p = bin_pop(cache_bin(cache, class_of(size)));
	if (floe_unlikely(!p))
		return heap_alloc_slow(heap, size);
	return p;
}

/* NULL is fine. */
floe_inline void heap_free(struct heap *heap, void *p)
{
#ifdef FLOE_CHECKED
	(void)heap_try_free(heap, p);
#else
	struct cache *cache = heap_cache(heap);

	if (floe_likely(cache) && floe_likely(bin_push(cache_bin(cache, cache_state(cache, p)), p)))
		return;
	heap_free_slow(heap, p);
#endif
}

void *heap_alloc_zeroed(struct heap *heap, size_t size);
void *heap_alloc_aligned(struct heap *heap, size_t alignment, size_t size);
void *heap_resize(struct heap *heap, void *p, size_t size);

/* Bytes that the object has; 0: it is none of this heap's. */
size_t heap_usable_size(struct heap *heap, const void *p);

/* Whether p points into memory of this heap. */
bool heap_owns(struct heap *heap, const void *p);

/* The extent behind the heap in a block. Only of heaps whose home is not ours. */
floe_inline const struct extent *heap_home_extent(const struct heap *heap)
{
	const struct extent *e = heap->extents;

	while (e->kind != EXTENT_HOME)
		e = e->next;
	return e;
}

/* The calling thread's cache goes back; the next call makes a new one. */
void heap_leave(struct heap *heap);

/* Verifies every formula of every part. 0, or -EPROTO. Takes all locks; caches of other threads
 * must rest. */
int heap_check(struct heap *heap);

/* Pages for the heap itself; NULL: no memory. */
void *heap_take_own(struct heap *heap, size_t size);
void heap_give_own(struct heap *heap, void *memory);

/* Whether `p` lies in an extent that is being drained. */
bool heap_is_draining(const struct heap *heap, const void *p);

/* All locks of the heap, in their order: nothing is half done. */
void heap_lock_all(struct heap *heap);
void heap_unlock_all(struct heap *heap);

/* Counts a wrong free and tells of it. Returns -EINVAL. */
int heap_misfree(struct heap *heap, const void *p, const char *what);

/* A request found no memory: NULL with errno ENOMEM, and it is counted. */
void *heap_fail(struct heap *heap);

#endif
