/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc/large.h"

#include "alloc/pages.h"

/* Beyond it differences between addresses cannot be told. */
#define LARGE_SIZE_MAX ((size_t)PTRDIFF_MAX)

static void *alloc(struct heap *heap, uint8_t state, size_t alignment, size_t size, bool *ret_clean)
{
	struct pages_request request = {
		.size = size ? size : 1,
		.alignment = alignment,
		.state = state,
	};
	struct extent *extent;
	struct span *span;

	if (size > LARGE_SIZE_MAX || alignment > LARGE_SIZE_MAX)
		return NULL;
	span = pages_take(heap, &request, &extent);
	if (!span)
		return NULL;
	*ret_clean = span->clean && extent->kind == EXTENT_SYSTEM;
	return (void *)span->start;
}

void *large_alloc(struct heap *heap, size_t alignment, size_t size, bool *ret_clean)
{
	return alloc(heap, PAGE_LARGE, alignment, size, ret_clean);
}

void *large_alloc_sampled(struct heap *heap, size_t alignment, size_t size)
{
	bool clean;

	return alloc(heap, PAGE_SAMPLED, alignment, size, &clean);
}

int large_free(struct heap *heap, struct extent *extent, void *p)
{
	struct span *span = &extent->span[extent_page(extent, p)];

	if (span->start != (uintptr_t)p)
		return heap_misfree(heap, p, "is inside an object");
	if (heap_state(extent, p) == PAGE_SAMPLED)
		sample_forget(heap, span);
	if (pages_give(heap, extent, span))
		pages_release_due(heap);
	return 0;
}

void large_give(struct heap *heap, void *p)
{
	struct extent *extent = directory_find(&heap->directory, p);

	if (state_is_large(heap_state(extent, p)))
		(void)large_free(heap, extent, p);
	else
		(void)heap_misfree(heap, p, "was freed twice");
}

bool large_resize(struct heap *heap, struct extent *extent, void *p, size_t size)
{
	struct span *span = &extent->span[extent_page(extent, p)];

	if (size <= CLASS_SIZE_MAX || size > LARGE_SIZE_MAX ||
	    heap_state(extent, p) == PAGE_SAMPLED)
		return false;
	return pages_resize(heap, extent, span, size);
}
