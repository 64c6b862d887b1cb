/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOE_HEAP_H
#define FLOE_HEAP_H

/*
 * Heap: a thread-caching allocator on memory that you hand it, that a source of yours gives, or
 * that grows from the system.
 *
 *	floe_heap_create  ->  { floe_heap_alloc  ->  floe_heap_free }*  ->  floe_heap_destroy
 *	                      { floe_heap_inject  ->  floe_heap_remove }*
 *
 * There may be several heaps side by side. Any thread may call at any time, and free what another
 * one allocated; only destroying a heap is the business of one thread, with no other inside.
 *
 * Memory of yours is used from the first byte on, what describes it included, and nothing outside
 * of it is written. It is never unmapped. Its physical pages go back to the system only if you
 * allow it.
 *
 * Blocking: short locks within the process. System calls are made where memory comes or goes; a
 * heap that is exclusive, or lies in a block of yours, makes none while nobody waits for a lock.
 *
 * After fork() the child goes on with its copy of each heap. What is mapped MAP_SHARED is no copy:
 * a heap on such memory stays the parent's, and the child must not use it.
 */

#include <floe/floe.h>

#ifdef __cplusplus
extern "C" {
#endif

struct floe_heap;
struct floe_source; /* <floe/memory.h> */

/* floe_heap_options.flags */
#define FLOE_HEAP_BOUNDED \
	1u /* no caches of threads, and every call takes a bounded number of steps */
/* No caches of threads either. Writing beyond an object's end, writing to what was freed, freeing
 * twice and freeing what is no object are found at the free at the latest, or when the object is to
 * be used again, and are told to `tell`. The object is left alone from then on. 16 bytes more for
 * each object; a page that cannot be touched behind each object above 32 KiB from the system. */
#define FLOE_HEAP_HARDENED 2u
#define FLOE_HEAP_RELEASE 4u /* pages of `memory` may be given back to the system */

/*
 * Zero means the default. `size` is sizeof(struct floe_heap_options); a larger struct of a newer
 * program is accepted while what this library does not know is zero, else -E2BIG.
 */
struct floe_heap_options {
	size_t size;
	/* Not 0: the heap uses `memory` and what is injected, and nothing else. When that is full,
	 * it says so. Without `memory` the heap's own 96 KiB of tables are mapped apart. */
	uint32_t exclusive;
	uint32_t flags; /* FLOE_HEAP_... */
	/* The heap lies in this block, 64-byte aligned, which stays yours and mapped until after
	 * destroy. A heap in a block grows only if it has a source as well. */
	void *memory;
	size_t memory_size; /* at least floe_heap_memory_size(), or -ENOMEM, nothing touched */
	/* More memory comes from here; NULL: from the system. */
	const struct floe_source *source;
	/* Bytes that may be obtained from source or system; 0: any. */
	size_t limit;
	/* Beyond it free pages go back to the system at once; 0: never at once. */
	size_t limit_soft;
	/* Gets a sentence for each wrong free, and at destroy for what is still allocated. It is
	 * called inside the heap: it must not use it. May be NULL. */
	void (*tell)(void *user, const char *sentence);
	void *user;
	struct floe_error *error; /* on failure a sentence is written here; may be NULL */
};

/*
 * -EINVAL, -E2BIG the options; -ENOMEM no memory, or memory_size is too small; what the source
 * says.
 */
FLOE_PUBLIC int floe_heap_create(struct floe_heap **ret, const struct floe_heap_options *options);

/* Exact bytes that `memory` must have at least for these options; below 4 KiB. -EINVAL, -E2BIG as
 * create. */
FLOE_PUBLIC ssize_t floe_heap_memory_size(const struct floe_heap_options *options);

/*
 * Everything allocated from it is gone, and injected memory is only yours again. `tell` hears how
 * much was still allocated. NULL is fine.
 */
FLOE_PUBLIC void floe_heap_destroy(struct floe_heap *heap);

/*
 * Memory of yours
 */

/* flags of floe_heap_inject_with */
#define FLOE_INJECT_RELEASE 1u /* pages may be given back to the system with madvise(2) */

/*
 * Gives the heap `size` bytes at `memory`, readable, writable, and both in whole pages: 4 KiB are
 * enough. They are used before what the heap obtains itself. Reads /proc/self/maps; may block.
 *   0; -EINVAL misaligned, empty or wrapping; -EEXIST some of it is the heap's already; -EFAULT some
 *   of it is not mapped; -EACCES some of it cannot be written; -ENOSPC the heap has too many blocks
 *   (4096; in a block of yours one for each 64 KiB, at least 4); -ENOMEM too small. Then nothing is
 *   touched.
 */
FLOE_PUBLIC int floe_heap_inject(struct floe_heap *heap, void *memory, size_t size);
FLOE_PUBLIC int floe_heap_inject_with(struct floe_heap *heap, void *memory, size_t size,
				      uint32_t flags);

/*
 * Nothing new is allocated from an injected block; or it is again. Threads give back what they have
 * cached of it with their next call.
 *   0; -ENOENT no block was injected at this address; -EINVAL.
 */
FLOE_PUBLIC int floe_heap_drain(struct floe_heap *heap, void *memory);
FLOE_PUBLIC int floe_heap_undrain(struct floe_heap *heap, void *memory);

/*
 * Drains an injected block, and takes it out of the heap when nothing of it is in use.
 *   1 it is only yours again; 0 busy: try again later; -ENOENT; -EINVAL.
 */
FLOE_PUBLIC int floe_heap_remove(struct floe_heap *heap, void *memory);

/*
 * Allocating. All memory is at least 16-byte aligned.
 */

/* `size` bytes, contents undefined; 0 counts as 1. NULL with errno: ENOMEM there is no memory, or no
 * memory as large; EINVAL no heap. */
FLOE_PUBLIC void *floe_heap_alloc(struct floe_heap *heap, size_t size);

/* `count` times `size` bytes of zero. */
FLOE_PUBLIC void *floe_heap_alloc_zeroed(struct floe_heap *heap, size_t count, size_t size);

/* At a multiple of `alignment`; EINVAL: that is no power of two. */
FLOE_PUBLIC void *floe_heap_alloc_aligned(struct floe_heap *heap, size_t alignment, size_t size);

/* Another size for what is at `memory`, which may move. NULL: as alloc, and `memory` stays as it
 * was. NULL as `memory`: alloc. */
FLOE_PUBLIC void *floe_heap_realloc(struct floe_heap *heap, void *memory, size_t size);

/*
 * Ends what was allocated from this heap. NULL is fine. What is not of this heap, or lies inside an
 * object, or was freed already, is told to `tell` and counted as far as it is found out, and
 * nothing else happens with it: what is not of the heap always; an interior or repeated free when
 * the object leaves the thread's cache. floe_heap_try_free finds out at once.
 */
FLOE_PUBLIC void floe_heap_free(struct floe_heap *heap, void *memory);

/* As free, but looks first. 0; -EINVAL it is no object of this heap, or no longer: nothing happens.
 * A second free is not found while the first rests in the cache of another thread. */
FLOE_PUBLIC int floe_heap_try_free(struct floe_heap *heap, void *memory);

/* Bytes that may be used at `memory`, at least what was asked for; 0: it is not of this heap. */
FLOE_PUBLIC size_t floe_heap_usable_size(struct floe_heap *heap, const void *memory);

/* 1: this address lies in memory of the heap; 0. */
FLOE_PUBLIC int floe_heap_owns(struct floe_heap *heap, const void *memory);

/*
 * Keeping house
 */

/* Gives all free pages that may go back to the system. Returns the bytes of physical memory that
 * the kernel really took. May block. */
FLOE_PUBLIC size_t floe_heap_release_free(struct floe_heap *heap);

/* The calling thread has nothing to do for a while: its cache goes back to the heap. A thread that
 * ends does this by itself. */
FLOE_PUBLIC void floe_heap_mark_idle(struct floe_heap *heap);

/* Limits as in the options, from now on. What is beyond them already stays. 0; -EINVAL. */
FLOE_PUBLIC int floe_heap_set_limits(struct floe_heap *heap, size_t limit, size_t limit_soft);

/* For each thousand pages that are freed up to `rate` go back to the system, of those that lay free
 * meanwhile. As many as are in use stay, but 16 MiB at least and 64 at most. 0: none, 1: the default,
 * FLOE_RELEASE_RATE_MAX: all at once, whatever is in use. 0; -EINVAL. */
#define FLOE_RELEASE_RATE_MAX 1000u
FLOE_PUBLIC int floe_heap_set_release_rate(struct floe_heap *heap, unsigned rate);

/*
 * Where the bytes are:
 *
 *	allocated + cached_threads + cached_central + free_pages + tables = mapped + injected
 *
 * while no other thread is inside. Bytes, unless said.
 */
struct floe_heap_counts {
	uint64_t allocated; /* in objects of the program, as large as they are, not as asked for */
	uint64_t large;     /* of these in objects above 32 KiB, and in sampled ones */
	uint64_t cached_threads;
	uint64_t cached_central; /* free, shared by all threads */
	uint64_t free_pages;
	uint64_t tables;   /* what the heap needs itself, and what fits no object */
	uint64_t mapped;   /* obtained from system or source */
	uint64_t injected; /* given by you, a block in the options included */
	uint64_t
		released; /* given back to the system since the beginning, as far as it took them */
	uint64_t limit;
	uint64_t limit_soft;
	uint64_t objects;      /* number */
	uint64_t blocks;       /* number, injected */
	uint64_t caches;       /* number of threads with one */
	uint64_t misfrees;     /* number of wrong frees found */
	uint64_t failures;     /* number of requests that found no memory */
	uint64_t free_longest; /* of free_pages, the longest piece: what one object could have */
};

/* Writes `ret_size` bytes at most: pass sizeof the struct. Takes all locks of the heap. 0 or
 * -EINVAL. */
FLOE_PUBLIC int floe_heap_count(struct floe_heap *heap, struct floe_heap_counts *ret,
				size_t ret_size);

#define FLOE_REPORT_TEXT 0u /* a line for each counter, for people */
#define FLOE_REPORT_JSON 1u /* one object, for programs */
/* Where the sampled objects were allocated: a line for each place, the earliest first: bytes that it
 * stands for, samples, names of who called. sort -rn puts the largest first. */
#define FLOE_REPORT_SITES 2u
#define FLOE_REPORT_SITES_JSON 3u /* the same as one object */

/* The same as text. Writes at most `size` bytes including a final NUL; returns the length without
 * it that all of it has. -EINVAL. */
FLOE_PUBLIC ssize_t floe_heap_report(struct floe_heap *heap, uint32_t format, char *ret,
				     size_t size);

/*
 * Samples one object in each `bytes` bytes on average that threads allocate: it gets pages of its
 * own, and where it was allocated is remembered until it is freed. 512 KiB are usual. 0: no longer,
 * and what was sampled is forgotten. Other objects cost a few nanoseconds more meanwhile; without
 * samples nothing. Threads that have no cache are not seen. The first call may allocate with malloc;
 * may block. 0; -EINVAL: also a bounded or hardened heap.
 */
FLOE_PUBLIC int floe_heap_set_sampling(struct floe_heap *heap, size_t bytes);

/*
 * Calls `visit` for each object until it returns other than 0, which is returned. `visit` is called
 * inside the heap and must not use it. What rests in caches of other threads is seen too. -EINVAL.
 */
FLOE_PUBLIC int floe_heap_walk(struct floe_heap *heap,
			       int (*visit)(void *user, void *memory, size_t size), void *user);

struct floe_heap_block {
	void *memory; /* as it was injected */
	size_t size;
	size_t free;       /* bytes of its pages that hold nothing */
	uint32_t flags;    /* FLOE_INJECT_... */
	uint32_t draining; /* 1: nothing new is allocated from it; 0 */
};

/*
 * Calls `visit` for each injected block, in the order in which they are used, until it returns other
 * than 0, which is returned. `visit` is called inside the heap and must not use it. -EINVAL.
 */
FLOE_PUBLIC int floe_heap_walk_blocks(struct floe_heap *heap,
				      int (*visit)(void *user, const struct floe_heap_block *block),
				      void *user);

/* Walks everything that the heap knows about its memory. 0; -EPROTO: something is broken. Other
 * threads should rest meanwhile. Slow. */
FLOE_PUBLIC int floe_heap_check(struct floe_heap *heap);

#ifdef __cplusplus
}
#endif
#endif
