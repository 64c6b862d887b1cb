/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The heap's calls: arguments are checked and passed down.
 */

#include <errno.h>
#include <stdio.h>

#include "alloc/caches.h"
#include "alloc/inject.h"
#include "alloc/pages.h"
#include "api/heap.h"
#include "api/options.h"
#include "base/arith.h"

static void *fail(int code)
{
	errno = code;
	return NULL;
}

static void plan(const struct floe_heap_options *o, struct heap_plan *ret_plan)
{
	*ret_plan = (struct heap_plan){
		.memory = o->memory,
		.memory_size = o->memory_size,
		.source = {.fd = -1},
		.system = !o->exclusive && !o->memory && !o->source,
		.flags = o->flags,
		.limit = o->limit,
		.limit_soft = o->limit_soft,
		.tell = o->tell,
		.user = o->user,
	};
	if (o->source)
		ret_plan->source = source_vtable(o->source);
}

FLOE_PUBLIC int floe_heap_create(struct floe_heap **ret, const struct floe_heap_options *options)
{
	struct floe_heap_options o;
	struct heap_plan wanted;
	struct heap *heap;
	int r;

	if (!ret)
		return -EINVAL;
	r = options_read_heap(&o, options);
	if (r < 0)
		return r;
	plan(&o, &wanted);
	r = heap_create(&heap, &wanted, o.error);
	if (r < 0)
		return r;
	*ret = (struct floe_heap *)heap;
	return 0;
}

FLOE_PUBLIC ssize_t floe_heap_memory_size(const struct floe_heap_options *options)
{
	struct floe_heap_options o;
	int r = options_read_heap(&o, options);

	return r < 0 ? r : (ssize_t)heap_memory_size();
}

FLOE_PUBLIC void floe_heap_destroy(struct floe_heap *heap)
{
	struct heap *h = heap_find(heap);
	void (*tell)(void *user, const char *sentence);
	char sentence[128];
	void *user;
	size_t left;

	if (!h)
		return;
	tell = h->tell;
	user = h->user;
	left = heap_destroy(h);
	if (!tell || !left)
		return;
	(void)snprintf(sentence, sizeof(sentence), "destroy: %zu objects were still allocated",
		       left);
	tell(user, sentence);
}

FLOE_PUBLIC int floe_heap_inject(struct floe_heap *heap, void *memory, size_t size)
{
	return floe_heap_inject_with(heap, memory, size, 0);
}

FLOE_PUBLIC int floe_heap_inject_with(struct floe_heap *heap, void *memory, size_t size,
				      uint32_t flags)
{
	struct heap *h = heap_find(heap);

	if (!h || flags & ~FLOE_INJECT_RELEASE)
		return -EINVAL;
	return inject_add(h, memory, size, flags & FLOE_INJECT_RELEASE);
}

FLOE_PUBLIC int floe_heap_drain(struct floe_heap *heap, void *memory)
{
	struct heap *h = heap_find(heap);

	return h ? inject_drain(h, memory) : -EINVAL;
}

FLOE_PUBLIC int floe_heap_undrain(struct floe_heap *heap, void *memory)
{
	struct heap *h = heap_find(heap);

	return h ? inject_undrain(h, memory) : -EINVAL;
}

FLOE_PUBLIC int floe_heap_remove(struct floe_heap *heap, void *memory)
{
	struct heap *h = heap_find(heap);

	return h ? inject_remove(h, memory) : -EINVAL;
}

FLOE_PUBLIC int floe_heap_walk_blocks(struct floe_heap *heap,
				      int (*visit)(void *user, const struct floe_heap_block *block),
				      void *user)
{
	struct heap *h = heap_find(heap);

	return h && visit ? inject_walk(h, visit, user) : -EINVAL;
}

FLOE_PUBLIC void *floe_heap_alloc(struct floe_heap *heap, size_t size)
{
	struct heap *h = heap_find(heap);

	return floe_likely(h) ? heap_alloc(h, size) : fail(EINVAL);
}

FLOE_PUBLIC void *floe_heap_alloc_zeroed(struct floe_heap *heap, size_t count, size_t size)
{
	struct heap *h = heap_find(heap);
	size_t all;

	if (!h)
		return fail(EINVAL);
	if (__builtin_mul_overflow(count, size, &all))
		return fail(ENOMEM);
	return heap_alloc_zeroed(h, all);
}

FLOE_PUBLIC void *floe_heap_alloc_aligned(struct floe_heap *heap, size_t alignment, size_t size)
{
	struct heap *h = heap_find(heap);

	if (!h || !is_power_of_two(alignment))
		return fail(EINVAL);
	return heap_alloc_aligned(h, alignment, size);
}

FLOE_PUBLIC void *floe_heap_realloc(struct floe_heap *heap, void *memory, size_t size)
{
	struct heap *h = heap_find(heap);

	return h ? heap_resize(h, memory, size) : fail(EINVAL);
}

FLOE_PUBLIC void floe_heap_free(struct floe_heap *heap, void *memory)
{
	struct heap *h = heap_find(heap);

	if (floe_likely(h))
		heap_free(h, memory);
}

FLOE_PUBLIC int floe_heap_try_free(struct floe_heap *heap, void *memory)
{
	struct heap *h = heap_find(heap);

	return h ? heap_try_free(h, memory) : -EINVAL;
}

FLOE_PUBLIC size_t floe_heap_usable_size(struct floe_heap *heap, const void *memory)
{
	struct heap *h = heap_find(heap);

	return h ? heap_usable_size(h, memory) : 0;
}

FLOE_PUBLIC int floe_heap_owns(struct floe_heap *heap, const void *memory)
{
	struct heap *h = heap_find(heap);

	return h && heap_owns(h, memory);
}

FLOE_PUBLIC size_t floe_heap_release_free(struct floe_heap *heap)
{
	struct heap *h = heap_find(heap);

	if (!h)
		return 0;
	caches_gather(h);
	return pages_release(h, SIZE_MAX);
}

FLOE_PUBLIC void floe_heap_mark_idle(struct floe_heap *heap)
{
	struct heap *h = heap_find(heap);

	if (h)
		heap_leave(h);
}

FLOE_PUBLIC int floe_heap_check(struct floe_heap *heap)
{
	struct heap *h = heap_find(heap);

	return h ? heap_check(h) : -EINVAL;
}

FLOE_PUBLIC int floe_heap_set_limits(struct floe_heap *heap, size_t limit, size_t limit_soft)
{
	struct heap *h = heap_find(heap);

	if (!h)
		return -EINVAL;
	lock_take(&h->page_lock);
	h->limit = limit;
	h->limit_soft = limit_soft;
	lock_give(&h->page_lock);
	return 0;
}

FLOE_PUBLIC int floe_heap_set_sampling(struct floe_heap *heap, size_t bytes)
{
	struct heap *h = heap_find(heap);

	return h ? sample_begin(h, bytes) : -EINVAL;
}

FLOE_PUBLIC int floe_heap_set_release_rate(struct floe_heap *heap, unsigned rate)
{
	struct heap *h = heap_find(heap);

	if (!h || rate > FLOE_RELEASE_RATE_MAX)
		return -EINVAL;
	lock_take(&h->page_lock);
	h->release_rate = rate;
	lock_give(&h->page_lock);
	return 0;
}
