/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc/hardened.h"

#include <string.h>
#include <sys/mman.h>

#include "alloc/large.h"
#include "alloc/pages.h"
#include "base/arith.h"
#include "os/os.h"

#define FILL 0xfd  /* behind what was asked for */
#define FREED 0xdf /* in what was freed */
/* More than this does not wait. */
#define QUEUE_SIZE ((size_t)4 << 20)

struct trailer {
	uint64_t size;
	uint64_t canary;
};

enum life {
	ALIVE = 1,
	DEAD
};

struct object {
	unsigned char *at;
	size_t has; /* bytes, the trailer included, the guard not */
	struct extent *extent;
	uint8_t state;
};

/* Different for each object, each size, and each run of the program. */
static uint64_t make_canary(const struct heap *heap, const void *p, uint64_t size, enum life life)
{
	uint64_t x = heap->secret ^ (uintptr_t)p ^ size << 32 ^ (uint64_t)life;

	x = (x ^ x >> 31) * 0x9e3779b97f4a7c15u;
	return x ^ x >> 29;
}

static struct trailer *get_trailer(const struct object *o)
{
	return (struct trailer *)(void *)(o->at + o->has - sizeof(struct trailer));
}

static size_t guard_size(const struct extent *extent, uint8_t state)
{
	return state_is_large(state) && extent->kind == EXTENT_SYSTEM ? HEAP_PAGE : 0;
}

/* 0: p is no object's beginning. */
static size_t find_size(struct heap *heap, const struct object *o)
{
	const struct span *span;
	size_t size = 0;

	if (!o->extent || (!state_is_class(o->state) && !state_is_large(o->state)))
		return 0;
	span = extent_span(o->extent, extent_page(o->extent, o->at));
	if (state_is_large(o->state))
		return span->start == (uintptr_t)o->at
			       ? span_size(o->extent, span) - guard_size(o->extent, PAGE_LARGE)
			       : 0;
	lock_take(&heap->central[o->state].lock);
	if (central_is_free(span, o->state, o->at) == 0)
		size = size_class[o->state].size;
	lock_give(&heap->central[o->state].lock);
	return size;
}

static struct object find(struct heap *heap, const void *p)
{
	struct object o = {
		.at = (unsigned char *)(uintptr_t)p,
		.extent = directory_find(&heap->directory, p),
	};

	o.state = o.extent ? heap_state(o.extent, p) : PAGE_PLAIN;
	o.has = find_size(heap, &o);
	return o;
}

static bool is_filled(const unsigned char *from, const unsigned char *to, unsigned char fill)
{
	for (; from < to; from++)
		if (*from != fill)
			return false;
	return true;
}

/*
 * Allocating
 */

static void *take_object(struct heap *heap, size_t alignment, size_t size)
{
	unsigned class = class_of_aligned(size, alignment);
	bool clean;
	void *p;

	if (alignment > (size_t)1 << EXTENT_SMALL_SHIFT)
		class = 0;
	if (class)
		return central_take(heap, class, &p, 1) ? p : NULL;
	return large_alloc(heap, alignment, heap->system ? size_add(size, HEAP_PAGE) : size,
			   &clean);
}

static int set_guard(const struct object *o, int protection)
{
	size_t size = guard_size(o->extent, o->state);

	return size ? os->protect(o->at + o->has, size, protection) : 0;
}

void *hardened_alloc(struct heap *heap, size_t alignment, size_t size)
{
	size_t wanted = size ? size : 1;
	size_t needed = size_add(wanted, sizeof(struct trailer));
	void *p = take_object(heap, alignment, needed);
	struct object o;

	if (!p) {
		hardened_flush(heap);
		p = take_object(heap, alignment, needed);
	}
	if (!p)
		return heap_fail(heap);
	o = find(heap, p);
	memset(o.at + wanted, FILL, o.has - needed);
	*get_trailer(&o) = (struct trailer){wanted, make_canary(heap, p, wanted, ALIVE)};
	(void)set_guard(&o, PROT_NONE);
	return p;
}

/*
 * Freeing
 */

static void give_object(struct heap *heap, struct object *o)
{
	void *p = o->at;

	/* Lost, rather than a trap for whoever gets these pages next. */
	if (set_guard(o, PROT_READ | PROT_WRITE) < 0)
		return;
	if (state_is_large(o->state))
		(void)large_free(heap, o->extent, p);
	else
		central_give(heap, o->state, &p, 1);
}

/* Who was written to while it waited stays out of use. */
static void leave_queue(struct heap *heap, void *p)
{
	struct object o = find(heap, p);
	const struct trailer *trailer = get_trailer(&o);

	heap->queue->size -= o.has;
	if (trailer->canary != make_canary(heap, p, trailer->size, DEAD) ||
	    !is_filled(o.at, (const unsigned char *)trailer, FREED))
		(void)heap_misfree(heap, p, "was written to after it was freed");
	else
		give_object(heap, &o);
}

static void *pop(struct hardened_queue *queue)
{
	void *p = queue->object[queue->first];

	queue->first = (queue->first + 1) % HARDENED_QUEUE;
	queue->count--;
	return p;
}

static void enter_queue(struct heap *heap, struct object *o)
{
	struct hardened_queue *queue = heap->queue;

	while (queue->count == HARDENED_QUEUE || (queue->count && queue->size > QUEUE_SIZE))
		leave_queue(heap, pop(queue));
	queue->object[(queue->first + queue->count) % HARDENED_QUEUE] = o->at;
	queue->count++;
	queue->size += o->has;
}

static void make_queue(struct heap *heap)
{
	heap->queue = heap_take_own(heap, sizeof(struct hardened_queue));
	if (heap->queue)
		heap->queue->first = heap->queue->count = 0, heap->queue->size = 0;
}

static const char *find_damage(const struct heap *heap, const struct object *o)
{
	const struct trailer *trailer = get_trailer(o);
	size_t room = o->has - sizeof(*trailer);

	if (trailer->canary == make_canary(heap, o->at, trailer->size, DEAD))
		return "was freed twice";
	if (trailer->canary != make_canary(heap, o->at, trailer->size, ALIVE) ||
	    trailer->size > room ||
	    !is_filled(o->at + trailer->size, (const unsigned char *)trailer, FILL))
		return "was written to beyond its end";
	return NULL;
}

static int free_locked(struct heap *heap, void *p)
{
	struct object o = find(heap, p);
	struct trailer *trailer = get_trailer(&o);
	const char *damage;

	if (o.has == 0)
		return heap_misfree(heap, p, o.extent ? "is no object" : "is not of this heap");
	damage = find_damage(heap, &o);
	if (damage)
		return heap_misfree(heap, p, damage);
	if (!heap->queue)
		make_queue(heap);
	trailer->canary = make_canary(heap, p, trailer->size, DEAD);
	memset(o.at, FREED, o.has - sizeof(*trailer));
	if (heap->queue)
		enter_queue(heap, &o);
	else
		give_object(heap, &o);
	return 0;
}

int hardened_free(struct heap *heap, void *p)
{
	int r;

	lock_take(&heap->queue_lock);
	r = free_locked(heap, p);
	lock_give(&heap->queue_lock);
	return r;
}

size_t hardened_size(struct heap *heap, const void *p)
{
	struct object o = find(heap, p);

	return o.has && !find_damage(heap, &o) ? get_trailer(&o)->size : 0;
}

void hardened_flush(struct heap *heap)
{
	lock_take(&heap->queue_lock);
	if (heap->queue) {
		while (heap->queue->count)
			leave_queue(heap, pop(heap->queue));
		heap_give_own(heap, heap->queue);
		heap->queue = NULL;
	}
	lock_give(&heap->queue_lock);
}
