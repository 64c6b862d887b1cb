/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The allocation calls of C, as a library that is loaded before libc (LD_PRELOAD). Where the
 * standards leave a choice they do what glibc does: realloc(p, 0) frees, free keeps errno, an
 * alignment that is no power of two is EINVAL.
 */

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "alloc/caches.h"
#include "alloc/pages.h"
#include "base/arith.h"
#include "heap.h"

FLOE_PUBLIC void *malloc(size_t size)
{
	return allocate(size);
}

FLOE_PUBLIC void free(void *p)
{
	deallocate(p);
}

static void *fail(int code)
{
	errno = code;
	return NULL;
}

FLOE_PUBLIC void *calloc(size_t count, size_t size)
{
	struct heap *heap;
	size_t all;
	void *p;

	if (__builtin_mul_overflow(count, size, &all))
		return fail(ENOMEM);
	if (floe_likely(all <= CLASS_SIZE_MAX)) {
		p = allocate(all);
		return floe_likely(p) ? memset(p, 0, all) : NULL;
	}
	heap = malloc_heap();
	return heap ? heap_alloc_zeroed(heap, all) : fail(ENOMEM);
}

FLOE_PUBLIC void *realloc(void *p, size_t size)
{
	struct heap *heap = malloc_heap();

	if (!heap)
		return fail(ENOMEM);
	if (p && size == 0) {
		deallocate(p);
		return NULL;
	}
	return heap_resize(heap, p, size);
}

FLOE_PUBLIC void *reallocarray(void *p, size_t count, size_t size)
{
	size_t all;

	if (__builtin_mul_overflow(count, size, &all))
		return fail(ENOMEM);
	return realloc(p, all);
}

static void *allocate_aligned(size_t alignment, size_t size)
{
	struct heap *heap = malloc_heap();

	return heap ? heap_alloc_aligned(heap, alignment, size) : fail(ENOMEM);
}

FLOE_PUBLIC void *aligned_alloc(size_t alignment, size_t size)
{
	if (!is_power_of_two(alignment))
		return fail(EINVAL);
	return allocate_aligned(alignment, size);
}

/* The next power of two, as in glibc. */
FLOE_PUBLIC void *memalign(size_t alignment, size_t size)
{
	size_t power = CLASS_ALIGNMENT;

	if (alignment > SIZE_MAX / 2 + 1)
		return fail(EINVAL);
	while (power < alignment)
		power *= 2;
	return allocate_aligned(power, size);
}

FLOE_PUBLIC int posix_memalign(void **ret, size_t alignment, size_t size)
{
	int before = errno;
	void *p;

	if (!is_power_of_two(alignment) || alignment % sizeof(void *))
		return EINVAL;
	p = allocate_aligned(alignment, size);
	errno = before;
	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}

FLOE_PUBLIC void *valloc(size_t size)
{
	return allocate_aligned(HEAP_PAGE, size);
}

FLOE_PUBLIC void *pvalloc(size_t size)
{
	size_t whole = size_align(size, HEAP_PAGE);

	return whole == SIZE_INVALID ? fail(ENOMEM) : allocate_aligned(HEAP_PAGE, whole);
}

FLOE_PUBLIC size_t malloc_usable_size(void *p)
{
	struct heap *heap = p ? malloc_heap() : NULL;

	return heap ? heap_usable_size(heap, p) : 0;
}

/* 1: something went back to the system. */
FLOE_PUBLIC int malloc_trim(size_t keep)
{
	struct heap *heap = malloc_heap();
	int before = errno;
	size_t released = 0;

	(void)keep;
	if (heap) {
		caches_gather(heap);
		released = pages_release(heap, SIZE_MAX);
	}
	errno = before;
	return released > 0;
}
