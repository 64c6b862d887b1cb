/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc/central.h"

#include <errno.h>
#include <string.h>

#include "alloc/heap.h"
#include "alloc/pages.h"

/*
 * The spans that have free objects
 */

static void link_span(struct central *central, struct span *span)
{
	span->prev = NULL;
	span->next = central->partial;
	if (span->next)
		span->next->prev = span;
	central->partial = span;
}

/* Behind the first: that one is in use, and others get time to become free as a whole. */
static void link_second(struct central *central, struct span *span)
{
	struct span *first = central->partial;

	if (!first) {
		link_span(central, span);
		return;
	}
	span->prev = first;
	span->next = first->next;
	if (span->next)
		span->next->prev = span;
	first->next = span;
}

static void unlink_span(struct central *central, struct span *span)
{
	if (span->next)
		span->next->prev = span->prev;
	if (span->prev)
		span->prev->next = span->next;
	else
		central->partial = span->next;
}

/*
 * Taking
 */

/* The lowest free objects of a span. */
static uint32_t take_objects(struct span *span, size_t size, void **ret_objects, uint32_t count)
{
	uint32_t taken = 0;

	for (unsigned word = 0; word < FLOE_COUNT(span->free) && taken < count; word++) {
		uint64_t bits = span->free[word];
		uintptr_t base = span->start + word * 64 * size;

		for (; bits && taken < count; bits &= bits - 1)
			ret_objects[taken++] = (void *)(base +
							(unsigned)__builtin_ctzl(bits) * size);
		span->free[word] = bits;
	}
	span->free_count = (uint16_t)(span->free_count - taken);
	return taken;
}

/* A span with a free object that may be taken. */
static struct span *find_span(const struct heap *heap, const struct central *central)
{
	struct span *span = central->partial;

	if (floe_likely(!load_relaxed(&heap->draining)))
		return span;
	while (span && heap_is_draining(heap, (void *)span->start))
		span = span->next;
	return span;
}

static uint32_t take_from_spans(struct heap *heap, unsigned class, void **ret_objects,
				uint32_t count)
{
	struct central *central = &heap->central[class];
	struct pages_request request = {.alignment = 1, .state = (uint8_t) class};
	uint32_t taken = 0;

	while (taken < count) {
		struct span *span = find_span(heap, central);
		struct extent *extent;

		if (!span) {
			/* Fewer are enough: memory that nobody needs yet stays untouched. */
			span = taken ? NULL : pages_take(heap, &request, &extent);
			if (!span)
				break;
			link_span(central, span);
		}
		taken += take_objects(span, size_class[class].size, ret_objects + taken,
				      count - taken);
		if (span->free_count == 0)
			unlink_span(central, span);
	}
	central->taken += taken;
	return taken;
}

static uint32_t take_transfer(struct central *central, void **ret_objects, uint32_t count)
{
	uint32_t taken = central->transfer_count < count ? central->transfer_count : count;

	if (taken == 0)
		return 0;
	central->transfer_count -= taken;
	memcpy(ret_objects, central->transfer + central->transfer_count, taken * sizeof(void *));
	return taken;
}

static uint32_t take(struct heap *heap, unsigned class, void **ret_objects, uint32_t count)
{
	uint32_t taken = take_transfer(&heap->central[class], ret_objects, count);

	return taken ? taken : take_from_spans(heap, class, ret_objects, count);
}

uint32_t central_take(struct heap *heap, unsigned class, void **ret_objects, uint32_t count)
{
	uint32_t taken;

	lock_take(&heap->central[class].lock);
	taken = take(heap, class, ret_objects, count);
	lock_give(&heap->central[class].lock);
	return taken;
}

void central_fill(struct heap *heap, unsigned class, struct bin *bin, uint32_t count)
{
	uint32_t taken;

	lock_take(&heap->central[class].lock);
	taken = take(heap, class, bin->slot + 1, count);
	store_relaxed(&bin->hot, bin->slot[taken]);
	store_relaxed(&bin->count, taken);
	lock_give(&heap->central[class].lock);
}

/*
 * Giving
 */

/* As central_is_free, and which of the span's objects it is. */
static int find_object(const struct span *span, unsigned class, const void *p, uint32_t *ret_index)
{
	size_t offset = (uintptr_t)p - span->start;
	uint32_t index = class_object(class, offset);

	if (index >= span->object_count || (size_t)index * size_class[class].size != offset)
		return -EINVAL;
	*ret_index = index;
	return span->free[index / 64] >> index % 64 & 1;
}

int central_is_free(const struct span *span, unsigned class, const void *p)
{
	uint32_t index;

	return find_object(span, class, p, &index);
}

/* A span whose objects are all free goes, unless it is the only one that has any. From a bounded heap
 * it goes at once: nobody will look for it later. */
static void give_back_empty(struct heap *heap, struct central *central, struct extent *extent,
			    struct span *span)
{
	bool keep = !(heap->flags & FLOE_HEAP_BOUNDED) && !load_relaxed(&extent->draining);

	if (keep && central->partial == span && !span->next)
		return;
	unlink_span(central, span);
	(void)pages_give(heap, extent, span);
}

/* False: it is none, or was free already. */
static bool give_object(struct heap *heap, unsigned class, struct extent *extent, void *object)
{
	struct central *central = &heap->central[class];
	struct span *span = extent_span(extent, extent_page(extent, object));
	uint32_t index = 0;
	int r = find_object(span, class, object, &index);

	if (floe_unlikely(r != 0)) {
		(void)heap_misfree(heap, object, r < 0 ? "is inside an object" : "was freed twice");
		return false;
	}
	span->free[index / 64] |= (uint64_t)1 << index % 64;
	if (span->free_count++ == 0)
		link_second(central, span);
	if (span->free_count == span->object_count)
		give_back_empty(heap, central, extent, span);
	return true;
}

static void give_to_spans(struct heap *heap, unsigned class, void **objects, uint32_t count)
{
	struct extent *extent = NULL;
	uint32_t given = 0;

	for (uint32_t i = 0; i < count; i++) {
		/* Most objects lie in the same extent as the one before. */
		if (!extent ||
		    (uintptr_t)objects[i] - (uintptr_t)extent->memory >= extent->memory_size)
			extent = directory_find(&heap->directory, objects[i]);
		given += give_object(heap, class, extent, objects[i]);
	}
	heap->central[class].taken -= given;
}

static uint32_t give_transfer(struct heap *heap, unsigned class, void **objects, uint32_t count)
{
	struct central *central = &heap->central[class];
	uint32_t room = central_transfer_max(class) - central->transfer_count;
	uint32_t given = count < room ? count : room;

	if (!central->transfer || load_relaxed(&heap->draining))
		return 0;
	memcpy(central->transfer + central->transfer_count, objects, given * sizeof(void *));
	central->transfer_count += given;
	return given;
}

static void give(struct heap *heap, unsigned class, void **objects, uint32_t count)
{
	uint32_t given = give_transfer(heap, class, objects, count);

	give_to_spans(heap, class, objects + given, count - given);
}

void central_give(struct heap *heap, unsigned class, void **objects, uint32_t count)
{
	lock_take(&heap->central[class].lock);
	give(heap, class, objects, count);
	lock_give(&heap->central[class].lock);
}

void central_give_span(struct heap *heap, unsigned class, void *object)
{
	lock_take(&heap->central[class].lock);
	give_to_spans(heap, class, &object, 1);
	lock_give(&heap->central[class].lock);
}

void central_drain(struct heap *heap, unsigned class, struct bin *bin, uint32_t keep)
{
	uint32_t count = load_relaxed(&bin->count);
	uint32_t given = count > keep ? count - keep : 0;

	lock_take(&heap->central[class].lock);
	bin->slot[count] = load_relaxed(&bin->hot);
	give(heap, class, bin->slot + 1, given);
	memmove(bin->slot + 1, bin->slot + 1 + given, (count - given) * sizeof(void *));
	store_relaxed(&bin->hot, bin->slot[count - given]);
	store_relaxed(&bin->count, count - given);
	lock_give(&heap->central[class].lock);
}

/* The one that give_back_empty kept, too. */
static void give_back_all(struct heap *heap, struct central *central)
{
	struct span *next;

	for (struct span *span = central->partial; span; span = next) {
		next = span->next;
		if (span->free_count < span->object_count)
			continue;
		unlink_span(central, span);
		(void)pages_give(heap, directory_find(&heap->directory, (void *)span->start), span);
	}
}

void central_gather(struct heap *heap, unsigned class)
{
	struct central *central = &heap->central[class];
	uint32_t count;

	lock_take(&central->lock);
	count = central->transfer_count;
	central->transfer_count = 0;
	give_to_spans(heap, class, central->transfer, count);
	give_back_all(heap, central);
	lock_give(&central->lock);
}

/*
 * Checking
 */

static int check_span(const struct span *span)
{
	unsigned count = 0;

	for (unsigned word = 0; word < FLOE_COUNT(span->free); word++)
		count += (unsigned)__builtin_popcountl(span->free[word]);
	if (count != span->free_count || span->free_count > span->object_count)
		return -EPROTO;
	for (unsigned i = span->object_count; i < CLASS_OBJECTS_MAX; i++)
		if (span->free[i / 64] >> i % 64 & 1)
			return -EPROTO;
	return 0;
}

static bool is_partial(const struct central *central, const struct span *span)
{
	for (const struct span *at = central->partial; at; at = at->next)
		if (at == span)
			return true;
	return false;
}

/* The spans of this class in one extent. */
static int check_extent(const struct heap *heap, const struct extent *e, unsigned class,
			uint64_t *taken, size_t *partial)
{
	for (size_t at = 0; at < e->page_count; at += e->span[at].page_count) {
		const struct span *span = &e->span[at];

		if (load_relaxed(&e->state[at]) != class)
			continue;
		if (check_span(span) < 0)
			return -EPROTO;
		if ((span->free_count > 0) != is_partial(&heap->central[class], span))
			return -EPROTO;
		*taken += (uint64_t)(span->object_count - span->free_count);
		*partial += span->free_count > 0;
	}
	return 0;
}

int central_check(const struct heap *heap, unsigned class)
{
	const struct central *central = &heap->central[class];
	uint64_t taken = 0;
	size_t partial = 0, listed = 0;

	for (const struct extent *e = heap->extents; e; e = e->next)
		if (check_extent(heap, e, class, &taken, &partial) < 0)
			return -EPROTO;
	for (const struct span *span = central->partial; span; span = span->next)
		listed++;
	if (listed != partial || taken != central->taken ||
	    central->transfer_count > central_transfer_max(class) ||
	    central->transfer_count > central->taken)
		return -EPROTO;
	return 0;
}
