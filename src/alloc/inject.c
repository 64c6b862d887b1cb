/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc/inject.h"

#include <errno.h>
#include <unistd.h>

#include "alloc/caches.h"
#include "alloc/heaps.h"
#include "alloc/pages.h"
#include "memory/mapped.h"

static int check_range(const void *memory, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uintptr_t end;

	if (!memory || size == 0 || (uintptr_t)memory % page || size % page)
		return -EINVAL;
	if (__builtin_add_overflow((uintptr_t)memory, size, &end))
		return -EINVAL;
	return 0;
}

static int add(struct heap *heap, void *memory, size_t size, bool releasable)
{
	struct extent_plan plan = extent_lay_out(memory, size);
	struct directory *directory = &heap->directory;
	struct extent *e;

	if (directory_overlaps(directory, (uintptr_t)memory, (uintptr_t)memory + size))
		return -EEXIST;
	if (load_relaxed(&directory->count) == directory->max)
		return -ENOSPC;
	e = extent_format(memory, size, &plan, plan.page_count, false);
	e->kind = EXTENT_INJECTED;
	e->releasable = releasable;
	heap->injected += size;
	return pages_add(heap, e);
}

int inject_add(struct heap *heap, void *memory, size_t size, bool releasable)
{
	int r = check_range(memory, size);

	if (r < 0)
		return r;
	if (extent_lay_out(memory, size).page_count == 0)
		return -ENOMEM;
	r = mapped_is_writable(memory, size);
	if (r < 0)
		return r;
	lock_take(&heap->page_lock);
	r = add(heap, memory, size, releasable);
	lock_give(&heap->page_lock);
	if (r == 0)
		caches_consider(heap);
	return r;
}

static struct extent *find(const struct heap *heap, const void *memory)
{
	for (struct extent *e = heap->extents; e; e = e->next)
		if (e->kind == EXTENT_INJECTED && e->memory == memory)
			return e;
	return NULL;
}

/* Threads look at the stamp before they use their caches again, and then give back what they hold
 * of what is being drained. */
static int set_draining(struct heap *heap, const void *memory, bool draining)
{
	struct extent *e;

	lock_take(&heap->page_lock);
	e = find(heap, memory);
	if (e && load_relaxed(&e->draining) != draining) {
		store_relaxed(&e->draining, draining);
		store_relaxed(&heap->draining,
			      load_relaxed(&heap->draining) + (draining ? 1u : -1u));
		store_relaxed(&heap->stamp, heaps_next_number());
	}
	lock_give(&heap->page_lock);
	return e ? 0 : -ENOENT;
}

int inject_drain(struct heap *heap, const void *memory)
{
	int r = set_draining(heap, memory, true);

	if (r == 0)
		caches_gather(heap);
	return r;
}

int inject_undrain(struct heap *heap, const void *memory)
{
	return set_draining(heap, memory, false);
}

static struct floe_heap_block describe(const struct extent *e)
{
	return (struct floe_heap_block){
		.memory = e->memory,
		.size = e->memory_size,
		.free = (size_t)e->free_count << e->shift,
		.flags = e->releasable ? FLOE_INJECT_RELEASE : 0,
		.draining = load_relaxed(&e->draining),
	};
}

int inject_walk(struct heap *heap, int (*visit)(void *user, const struct floe_heap_block *block),
		void *user)
{
	int r = 0;

	lock_take(&heap->page_lock);
	for (const struct extent *e = heap->extents; e && r == 0; e = e->next) {
		struct floe_heap_block block = describe(e);

		if (e->kind == EXTENT_INJECTED)
			r = visit(user, &block);
	}
	lock_give(&heap->page_lock);
	return r;
}

static bool is_empty(const struct extent *e)
{
	return e->free_count == e->page_count;
}

static int remove_if_empty(struct heap *heap, const void *memory)
{
	struct extent *e = find(heap, memory);

	if (!e)
		return -ENOENT;
	if (!is_empty(e))
		return 0;
	pages_remove(heap, e);
	heap->injected -= e->memory_size;
	store_relaxed(&heap->draining, load_relaxed(&heap->draining) - 1);
	store_relaxed(&heap->stamp, heaps_next_number());
	return 1;
}

int inject_remove(struct heap *heap, const void *memory)
{
	int r = inject_drain(heap, memory);

	if (r < 0)
		return r;
	lock_take(&heap->page_lock);
	r = remove_if_empty(heap, memory);
	lock_give(&heap->page_lock);
	return r;
}
