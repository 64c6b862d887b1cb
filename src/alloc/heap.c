/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc/heap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "alloc/caches.h"
#include "alloc/hardened.h"
#include "alloc/heaps.h"
#include "alloc/large.h"
#include "alloc/pages.h"
#include "base/arith.h"
#include "base/error.h"
#include "os/os.h"

/* In a block of the caller's there is an entry for each 64 KiB, but not fewer than these. */
#define ENTRIES_MIN 4
#define ENTRIES_MAX 4096
#define RUN_SIZE_MAX (RUN_PAGES_MAX * HEAP_PAGE)
#define SPACE_FIRST ((size_t)64 << 30)
/* Of the first piece of a source. */
#define PIECE_FIRST ((size_t)1 << 20)
#define PIECE_LEAST ((size_t)64 << 10)

/*
 * Making
 */

static size_t size_with_entries(uint32_t count)
{
	return size_align(sizeof(struct heap) + count * sizeof(struct directory_entry),
			  FLOE_CACHELINE);
}

/* The page may have to begin up to a page behind what describes it. */
size_t heap_memory_size(void)
{
	size_t described = sizeof(struct extent) + sizeof(struct span *) + 1;
	size_t page = (size_t)1 << EXTENT_SMALL_SHIFT;

	return size_with_entries(ENTRIES_MIN) + size_align(described, FLOE_CACHELINE) +
	       sizeof(struct span) + page + page - FLOE_CACHELINE;
}

static uint32_t count_entries(size_t size)
{
	size_t count = size >> 16;

	if (count < ENTRIES_MIN)
		return ENTRIES_MIN;
	return count < ENTRIES_MAX ? (uint32_t)count : ENTRIES_MAX;
}

static struct heap *format(void *memory, uint32_t entries, const struct heap_plan *plan)
{
	struct heap *heap = memory;

	memset(memory, 0, size_with_entries(entries));
	*heap = (struct heap){
		.stamp = heaps_next_number(),
		.id = heaps_next_number(),
		.magic = HEAP_MAGIC,
		.flags = plan->flags,
		.directory = {.max = entries, .entry = heap->entry},
		.source = plan->source,
		.system = plan->system,
		.reserve_next = SPACE_FIRST,
		.tell = plan->tell,
		.user = plan->user,
		.limit = plan->limit,
		.limit_soft = plan->limit_soft,
		.release_rate = 1,
	};
	return heap;
}

/* The heap, and behind it an extent in what is left of the block. */
static int format_block(struct heap **ret_heap, void *memory, size_t size,
			const struct heap_plan *plan)
{
	uint32_t entries = count_entries(size);
	size_t begin = size_with_entries(entries);
	unsigned char *rest = (unsigned char *)memory + begin;
	struct extent_plan pages = extent_lay_out(rest, size - begin);
	struct heap *heap;
	struct extent *e;

	heap = format(memory, entries, plan);
	e = extent_format(rest, size - begin, &pages, pages.page_count, false);
	e->kind = EXTENT_HOME;
	e->releasable = plan->flags & FLOE_HEAP_RELEASE;
	heap->home = memory;
	heap->home_size = size;
	(void)pages_add(heap, e);
	*ret_heap = heap;
	return 0;
}

static int create_in_block(struct heap **ret_heap, const struct heap_plan *plan,
			   struct floe_error *error)
{
	uintptr_t end;

	if ((uintptr_t)plan->memory % FLOE_CACHELINE)
		return error_set(error, -EINVAL, "memory must be aligned to %d bytes",
				 FLOE_CACHELINE);
	if (__builtin_add_overflow((uintptr_t)plan->memory, plan->memory_size, &end))
		return error_set(error, -EINVAL, "memory_size goes beyond the last address");
	if (plan->memory_size < heap_memory_size())
		return error_set(error, -ENOMEM, "the block has %zu bytes, %zu are needed",
				 plan->memory_size, heap_memory_size());
	return format_block(ret_heap, plan->memory, plan->memory_size, plan);
}

/* Less than the first piece is enough if the source has no more. */
static int create_on_source(struct heap **ret_heap, const struct heap_plan *plan,
			    struct floe_error *error)
{
	struct source source = plan->source;
	size_t size = PIECE_FIRST;
	void *memory;
	int r;

	if (plan->limit && size > plan->limit)
		size = plan->limit & ~(HEAP_PAGE - 1);
	do
		r = source.calls->obtain(&source, size, &memory, error);
	while (r < 0 && r != -EINVAL && r != -E2BIG && (size /= 2) >= PIECE_LEAST);
	if (r < 0)
		return r;
	if (size < heap_memory_size()) {
		source.calls->release(&source, memory, size);
		return error_set(error, -ENOMEM, "the limit of %zu bytes is too small",
				 plan->limit);
	}
	(void)format_block(ret_heap, memory, size, plan);
	(*ret_heap)->obtained = size;
	(*ret_heap)->home_from_source = true;
	return 0;
}

static int create_apart(struct heap **ret_heap, const struct heap_plan *plan,
			struct floe_error *error)
{
	size_t size = size_align(size_with_entries(ENTRIES_MAX), HEAP_PAGE);
	void *memory;
	int r = os->map(&memory, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (r < 0)
		return error_system(error, r, "map", "memory for a heap");
	*ret_heap = format(memory, ENTRIES_MAX, plan);
	(*ret_heap)->home = memory;
	(*ret_heap)->home_size = size;
	(*ret_heap)->home_is_ours = true;
	return 0;
}

static bool is_hardened(const struct heap *heap)
{
	return heap->flags & FLOE_HEAP_HARDENED;
}

int heap_create(struct heap **ret_heap, const struct heap_plan *plan, struct floe_error *error)
{
	struct heap *heap = NULL;
	int r;

	if (plan->memory)
		r = create_in_block(&heap, plan, error);
	else if (plan->source.calls)
		r = create_on_source(&heap, plan, error);
	else
		r = create_apart(&heap, plan, error);
	if (r < 0)
		return r;
	if (is_hardened(heap) && os->get_random(&heap->secret, sizeof(heap->secret)) < 0)
		heap->secret = (uintptr_t)heap * heap->id;
	thread_prepare();
	caches_consider(heap);
	/* Before heaps_add, which may allocate in the drop-in malloc. */
	*ret_heap = heap;
	heaps_add(heap);
	return 0;
}

/*
 * Its own pages
 */

void *heap_take_own(struct heap *heap, size_t size)
{
	struct pages_request request = {.size = size, .alignment = 1, .state = PAGE_OWN};
	struct extent *extent;
	struct span *span = pages_take(heap, &request, &extent);

	return span ? (void *)span->start : NULL;
}

void heap_give_own(struct heap *heap, void *memory)
{
	struct extent *extent = directory_find(&heap->directory, memory);

	(void)pages_give(heap, extent, &extent->span[extent_page(extent, memory)]);
}

bool heap_is_draining(const struct heap *heap, const void *p)
{
	const struct extent *extent = directory_find(&heap->directory, p);

	return extent && load_relaxed(&extent->draining);
}

/*
 * Allocating
 */

void *heap_fail(struct heap *heap)
{
	(void)add_seq_cst(&heap->failures, 1);
	errno = ENOMEM;
	return NULL;
}

static void *alloc_large(struct heap *heap, size_t alignment, size_t size, bool *ret_clean)
{
	void *p = large_alloc(heap, alignment, size, ret_clean);

	if (floe_likely(p))
		return p;
	if (caches_gather_here(heap))
		p = large_alloc(heap, alignment, size, ret_clean);
	return p ? p : heap_fail(heap);
}

/* As thread_cache, and mostly without a call. */
static struct cache *find_cache(struct heap *heap)
{
	struct cache *cache = heap_cache(heap);

	return floe_likely(cache) ? cache : thread_cache(heap);
}

static void *alloc_class(struct heap *heap, unsigned class)
{
	struct cache *cache = find_cache(heap);
	void *p;

	if (cache) {
		p = bin_pop(&cache->bin[class]);
		if (!p)
			p = cache_refill(cache, class);
	} else if (central_take(heap, class, &p, 1) == 0) {
		p = NULL;
	}
	return p;
}

static void *alloc_class_or_gather(struct heap *heap, unsigned class)
{
	void *p = alloc_class(heap, class);

	if (floe_likely(p))
		return p;
	/* What rests in caches may be what is missing. */
	if (caches_gather_here(heap))
		p = alloc_class(heap, class);
	return p ? p : heap_fail(heap);
}

/* One that this thread has in its cache. */
static void *take_large(struct heap *heap, size_t size)
{
	struct cache *cache = size <= RUN_SIZE_MAX ? find_cache(heap) : NULL;
	size_t count = size_align(size, HEAP_PAGE) / HEAP_PAGE;

	return cache ? bin_pop(&cache->bin[state_of_run(count)]) : NULL;
}

/* NULL: it is not to be a sample. */
static void *alloc_sample(struct heap *heap, size_t alignment, size_t size)
{
	if (floe_likely(!load_relaxed(&heap->sample_every)))
		return NULL;
	return sample_alloc(heap, alignment, size);
}

void *heap_alloc_slow(struct heap *heap, size_t size)
{
	bool clean;
	void *p;

	if (is_hardened(heap))
		return hardened_alloc(heap, 1, size);
	p = alloc_sample(heap, 1, size);
	if (p)
		return p;
	if (size <= CLASS_SIZE_MAX)
		return alloc_class_or_gather(heap, class_of(size));
	p = take_large(heap, size);
	return p ? p : alloc_large(heap, 1, size, &clean);
}

void *heap_alloc_zeroed(struct heap *heap, size_t size)
{
	bool clean = false;
	void *p;

	if (size <= CLASS_SIZE_MAX || is_hardened(heap) || load_relaxed(&heap->sample_every))
		p = heap_alloc(heap, size);
	else
		p = alloc_large(heap, 1, size, &clean);
	return p && !clean ? memset(p, 0, size) : p;
}

void *heap_alloc_aligned(struct heap *heap, size_t alignment, size_t size)
{
	size_t page = (size_t)1 << (load_relaxed(&heap->small_pages) ? EXTENT_SMALL_SHIFT
								     : EXTENT_PAGE_SHIFT);
	unsigned class = 0;
	bool clean;
	void *p;

	if (alignment <= CLASS_ALIGNMENT)
		return heap_alloc(heap, size);
	if (is_hardened(heap))
		return hardened_alloc(heap, alignment, size);
	/* Spans begin at pages, objects at multiples of their size from there. */
	if (alignment <= page)
		class = class_of_aligned(size, alignment);
	p = alloc_sample(heap, alignment, size);
	if (p)
		return p;
	if (class)
		return alloc_class_or_gather(heap, class);
	return alloc_large(heap, alignment, size, &clean);
}

/*
 * Freeing
 */

int heap_misfree(struct heap *heap, const void *p, const char *what)
{
	char sentence[128];

	(void)add_seq_cst(&heap->misfrees, 1);
	if (heap->tell) {
		(void)snprintf(sentence, sizeof(sentence), "free: %p %s", p, what);
		heap->tell(heap->user, sentence);
	}
	return -EINVAL;
}

static int free_small(struct heap *heap, struct cache *cache, unsigned class, void *p)
{
	if (!cache) {
		central_give(heap, class, &p, 1);
	} else if (cache_is_new(cache, class)) {
		central_give_span(heap, class, p);
		cache_begin(cache, class);
	} else if (!bin_push(&cache->bin[class], p)) {
		cache_push(cache, class, p);
	}
	return 0;
}

static int free_large(struct heap *heap, struct cache *cache, unsigned state, struct extent *extent,
		      void *p)
{
	if (!cache || cache->bin[state].limit == 0)
		return large_free(heap, extent, p);
	if (!bin_push(&cache->bin[state], p))
		cache_push(cache, state, p);
	return 0;
}

static int free_object(struct heap *heap, struct cache *cache, unsigned state,
		       struct extent *extent, void *p)
{
	return state_is_large(state) ? free_large(heap, cache, state, extent, p)
				     : free_small(heap, cache, state, p);
}

/* Not in the extent that the thread looks at. */
static int free_elsewhere(struct heap *heap, struct cache *cache, void *p)
{
	struct extent *extent = directory_find(&heap->directory, p);
	uint8_t state = extent ? heap_state(extent, p) : PAGE_PLAIN;

	if (!state_is_class(state) && !state_is_large(state))
		return heap_misfree(heap, p, extent ? "is no object" : "is not of this heap");
	if (cache)
		cache_look_at(cache, extent);
	return free_object(heap, cache, state, extent, p);
}

static int free_found(struct heap *heap, void *p)
{
	struct cache *cache = find_cache(heap);
	unsigned state = cache ? cache_state(cache, p) : PAGE_PLAIN;

	if (floe_likely(state_is_class(state) || state_is_large(state)))
		return free_object(heap, cache, state, cache->extent, p);
	return free_elsewhere(heap, cache, p);
}

void heap_free_slow(struct heap *heap, void *p)
{
	if (!p)
		return;
	if (is_hardened(heap))
		(void)hardened_free(heap, p);
	else
		(void)free_found(heap, p);
}

/* In checked builds a wrong pointer never gets as far as a cache. */
static int check_object(struct heap *heap, unsigned state, struct extent *extent, const void *p)
{
	struct span *span = extent_span(extent, extent_page(extent, p));
	struct cache *cache = heap_cache(heap);
	int r;

	if (state_is_class(state)) {
		lock_take(&heap->central[state].lock);
		r = central_is_free(span, state, p);
		lock_give(&heap->central[state].lock);
	} else {
		r = span->start == (uintptr_t)p ? 0 : -EINVAL;
	}
	if (r < 0)
		return heap_misfree(heap, p, "is inside an object");
	for (uint32_t i = 1; cache && i < load_relaxed(&cache->bin[state].count); i++)
		r |= cache->bin[state].slot[i] == p;
	r |= cache && load_relaxed(&cache->bin[state].hot) == p;
	return r ? heap_misfree(heap, p, "was freed twice") : 0;
}

int heap_try_free(struct heap *heap, void *p)
{
	struct extent *extent = p ? directory_find(&heap->directory, p) : NULL;
	uint8_t state = extent ? heap_state(extent, p) : PAGE_PLAIN;
	int r;

	if (!p)
		return 0;
	if (is_hardened(heap))
		return hardened_free(heap, p);
	if (state_is_class(state) || state_is_large(state)) {
		r = check_object(heap, state, extent, p);
		if (r < 0)
			return r;
	}
	return free_found(heap, p);
}

/*
 * Asking
 */

/* Where p's object is. Its size, 0: p is in no object. */
static size_t find_object(struct heap *heap, const void *p, struct extent **ret_extent,
			  uint8_t *ret_state)
{
	struct extent *extent = directory_find(&heap->directory, p);
	uint8_t state = extent ? heap_state(extent, p) : PAGE_PLAIN;

	*ret_extent = extent;
	*ret_state = state;
	if (state_is_large(state))
		return span_size(extent, &extent->span[extent_page(extent, p)]);
	return state_is_class(state) ? size_class[state].size : 0;
}

size_t heap_usable_size(struct heap *heap, const void *p)
{
	struct extent *extent;
	uint8_t state;

	if (p && is_hardened(heap))
		return hardened_size(heap, p);
	return p ? find_object(heap, p, &extent, &state) : 0;
}

bool heap_owns(struct heap *heap, const void *p)
{
	return directory_find(&heap->directory, p);
}

/* Half a class less is worth no move. */
static bool is_good_enough(size_t has, size_t size)
{
	return size <= has && size >= has / 2;
}

static void *move(struct heap *heap, void *p, size_t has, size_t size)
{
	void *to = heap_alloc(heap, size);

	if (!to)
		return NULL;
	memcpy(to, p, has < size ? has : size);
	heap_free(heap, p);
	return to;
}

/* It always moves. Of what is no object, or a damaged one, freeing tells. */
static void *resize_hardened(struct heap *heap, void *p, size_t size)
{
	size_t has = hardened_size(heap, p);
	void *to = has ? hardened_alloc(heap, 1, size) : NULL;

	if (!has) {
		errno = EINVAL;
		(void)hardened_free(heap, p);
		return NULL;
	}
	if (!to)
		return NULL;
	memcpy(to, p, has < size ? has : size);
	(void)hardened_free(heap, p);
	return to;
}

/* Of a small object in the extent that the thread looks at; 0: it may be another. */
static size_t find_at_hand(const struct heap *heap, const void *p)
{
	const struct cache *cache = heap_cache(heap);
	unsigned state = cache ? cache_state(cache, p) : PAGE_PLAIN;

	return state < CLASS_COUNT ? size_class[state].size : 0;
}

void *heap_resize(struct heap *heap, void *p, size_t size)
{
	struct extent *extent;
	uint8_t state;
	size_t has;

	if (!p)
		return heap_alloc(heap, size);
	has = find_at_hand(heap, p);
	if (has)
		return is_good_enough(has, size) ? p : move(heap, p, has, size);
	has = find_object(heap, p, &extent, &state);
	if (is_hardened(heap))
		return resize_hardened(heap, p, size);
	if (floe_unlikely(has == 0)) {
		(void)heap_misfree(heap, p, extent ? "is no object" : "is not of this heap");
		errno = EINVAL;
		return NULL;
	}
	if (state_is_large(state) ? large_resize(heap, extent, p, size) : is_good_enough(has, size))
		return p;
	return move(heap, p, has, size);
}

void heap_leave(struct heap *heap)
{
	thread_leave(heap);
}

/*
 * Ending
 */

static size_t count_cached(const struct heap *heap)
{
	size_t count = 0;

	for (const struct cache *cache = heap->caches; cache; cache = cache->next)
		for (unsigned state = 0; state < PAGE_STATES; state++)
			count += bin_count(&cache->bin[state]);
	return count;
}

size_t heap_count_allocated(const struct heap *heap)
{
	size_t count = heap->large_count;

	for (unsigned class = 1; class < CLASS_COUNT; class ++)
		count += heap->central[class].taken - heap->central[class].transfer_count;
	return count - count_cached(heap) - (heap->queue ? heap->queue->count : 0);
}

static void end_extents(struct heap *heap)
{
	struct extent *next;

	for (struct extent *e = heap->extents; e; e = next) {
		next = e->next;
		if (e->kind == EXTENT_SYSTEM)
			(void)os->unmap(e->memory, e->memory_size);
		else if (e->kind == EXTENT_SOURCE)
			heap->source.calls->release(&heap->source, e->memory, e->memory_size);
	}
}

size_t heap_destroy(struct heap *heap)
{
	size_t left;

	thread_leave(heap);
	if (is_hardened(heap))
		hardened_flush(heap);
	heaps_remove(heap);
	left = heap_count_allocated(heap);
	heap->magic = 0;
	end_extents(heap);
	if (heap->home_is_ours)
		(void)os->unmap(heap->home, heap->home_size);
	else if (heap->source.calls && heap->home_from_source) {
		struct source source = heap->source;

		source.calls->release(&source, heap->home, heap->home_size);
	}
	return left;
}

/*
 * Checking
 */

void heap_lock_all(struct heap *heap)
{
	lock_take(&heap->queue_lock);
	lock_take(&heap->cache_lock);
	lock_take(&heap->sample_lock);
	for (unsigned class = 1; class < CLASS_COUNT; class ++)
		lock_take(&heap->central[class].lock);
	lock_take(&heap->page_lock);
}

void heap_unlock_all(struct heap *heap)
{
	lock_give(&heap->page_lock);
	for (unsigned class = 1; class < CLASS_COUNT; class ++)
		lock_give(&heap->central[class].lock);
	lock_give(&heap->sample_lock);
	lock_give(&heap->cache_lock);
	lock_give(&heap->queue_lock);
}

/* What a cache holds is taken from its span, and of the bin's state. */
static bool is_cached_right(const struct heap *heap, const void *p, unsigned state)
{
	struct extent *extent = directory_find(&heap->directory, p);
	const struct span *span;

	if (!extent || heap_state(extent, p) != state)
		return false;
	span = extent_span(extent, extent_page(extent, p));
	return state_is_large(state) ? span->start == (uintptr_t)p
				     : central_is_free(span, state, p) == 0;
}

static int check_bin(const struct heap *heap, const struct bin *bin, unsigned state)
{
	uint32_t count = load_relaxed(&bin->count);
	void *hot = load_relaxed(&bin->hot);

	if (count > bin->limit || bin->limit > bin->max || (hot != NULL) != (count > 0) ||
	    bin->slot[0] || (hot && !is_cached_right(heap, hot, state)))
		return -EPROTO;
	for (uint32_t i = 1; i < count; i++)
		if (!is_cached_right(heap, bin->slot[i], state))
			return -EPROTO;
	return 0;
}

static int check_caches(const struct heap *heap)
{
	for (const struct cache *cache = heap->caches; cache; cache = cache->next)
		for (unsigned state = 0; state < PAGE_STATES; state++)
			if (check_bin(heap, &cache->bin[state], state) < 0)
				return -EPROTO;
	return 0;
}

static int check_all(const struct heap *heap)
{
	if (directory_check(&heap->directory) < 0)
		return -EPROTO;
	for (const struct extent *e = heap->extents; e; e = e->next)
		if (extent_check(e) < 0)
			return -EPROTO;
	for (unsigned class = 1; class < CLASS_COUNT; class ++)
		if (central_check(heap, class) < 0)
			return -EPROTO;
	return sample_check(heap) < 0 ? -EPROTO : check_caches(heap);
}

int heap_check(struct heap *heap)
{
	int r;

	heap_lock_all(heap);
	r = check_all(heap);
	heap_unlock_all(heap);
	return r;
}
