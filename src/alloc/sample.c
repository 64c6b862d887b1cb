/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc/sample.h"

#include <errno.h>
#include <execinfo.h>
#include <string.h>

#include "alloc/heap.h"
#include "alloc/large.h"
#include "base/arith.h"

#define CHUNK_SIZE ((size_t)16 << 10)

struct sample_chunk {
	struct sample_chunk *next;
	struct sample sample[];
};

/* More in one object need not be random. */
#define STEPS_MAX 1000
#define CHUNK_SAMPLES ((CHUNK_SIZE - sizeof(struct sample_chunk)) / sizeof(struct sample))

/* Taking a stack may allocate, when it comes to a library for the first time. */
static __attribute__((tls_model("initial-exec"))) _Thread_local bool sampling;

/*
 * Records
 */

static void add_chunk(struct heap *heap)
{
	struct sample_chunk *chunk = heap_take_own(heap, CHUNK_SIZE);

	if (!chunk)
		return;
	chunk->next = heap->samples.chunks;
	heap->samples.chunks = chunk;
	for (size_t i = 0; i < CHUNK_SAMPLES; i++) {
		chunk->sample[i].next = heap->samples.spare;
		heap->samples.spare = &chunk->sample[i];
	}
}

static struct sample *take_record(struct heap *heap)
{
	struct samples *samples = &heap->samples;
	struct sample *sample;

	if (!samples->spare)
		add_chunk(heap);
	sample = samples->spare;
	if (sample)
		samples->spare = sample->next;
	else
		samples->lost++;
	return sample;
}

static void link_record(struct samples *samples, struct sample *sample)
{
	sample->prev = NULL;
	sample->next = samples->live;
	if (sample->next)
		sample->next->prev = sample;
	samples->live = sample;
	samples->count++;
}

static void unlink_record(struct samples *samples, struct sample *sample)
{
	if (sample->next)
		sample->next->prev = sample->prev;
	if (sample->prev)
		sample->prev->next = sample->next;
	else
		samples->live = sample->next;
	samples->count--;
}

static struct span *find_span(const struct heap *heap, const void *p)
{
	struct extent *extent = directory_find(&heap->directory, p);

	return &extent->span[extent_page(extent, p)];
}

static void forget_all(struct heap *heap)
{
	struct samples *samples = &heap->samples;
	struct sample_chunk *chunk, *next;

	for (struct sample *sample = samples->live; sample; sample = sample->next)
		find_span(heap, sample->at)->free[0] = 0;
	for (chunk = samples->chunks; chunk; chunk = next) {
		next = chunk->next;
		heap_give_own(heap, chunk);
	}
	*samples = (struct samples){.serial = samples->serial, .lost = samples->lost};
}

/*
 * Beginning and ending
 */

int sample_begin(struct heap *heap, size_t every)
{
	void *here;

	if (heap->flags & (FLOE_HEAP_BOUNDED | FLOE_HEAP_HARDENED) || every > SIZE_MAX / 4)
		return -EINVAL;
	/* The first call of all loads a library. */
	if (every)
		(void)backtrace(&here, 1);
	lock_take(&heap->cache_lock);
	store_relaxed(&heap->sample_every, every);
	for (struct cache *cache = heap->caches; cache; cache = cache->next)
		cache_set_sampled(cache, every);
	for (struct cache *cache = heap->spare; cache; cache = cache->next)
		cache_set_sampled(cache, every);
	lock_take(&heap->sample_lock);
	if (every == 0)
		forget_all(heap);
	lock_give(&heap->sample_lock);
	lock_give(&heap->cache_lock);
	return 0;
}

void sample_gather(struct heap *heap)
{
	lock_take(&heap->sample_lock);
	if (heap->samples.count == 0)
		forget_all(heap);
	lock_give(&heap->sample_lock);
}

/*
 * Taking
 */

static uint64_t next_random(struct cache *cache)
{
	uint64_t x = cache->sample_random ? cache->sample_random : (uintptr_t)cache;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	cache->sample_random = x;
	return x >> 11;
}

/* Steps that end in the next `size` bytes. */
static uint32_t count_steps(struct cache *cache, size_t every, size_t size)
{
	uint32_t steps = 0;

	if (size / STEPS_MAX > every)
		return size / every < UINT32_MAX ? (uint32_t)(size / every) : UINT32_MAX;
	cache->sample_left -= (int64_t)size;
	for (; cache->sample_left < 0; steps++)
		cache->sample_left += 1 + (int64_t)(next_random(cache) % (2 * every));
	return steps;
}

static uint64_t hash_stack(void *const *stack, uint32_t depth)
{
	uint64_t hash = depth;

	for (uint32_t i = 0; i < depth; i++)
		hash = (hash ^ (uintptr_t)stack[i]) * 0x9e3779b97f4a7c15u;
	return hash;
}

static void fill(struct sample *sample, void *at, size_t size, uint32_t steps, void *const *stack,
		 uint32_t depth)
{
	sample->at = at;
	sample->size = size;
	sample->steps = steps;
	sample->depth = depth;
	sample->hash = hash_stack(stack, depth);
	memcpy(sample->stack, stack, depth * sizeof(*stack));
}

static void *take_sample(struct heap *heap, size_t alignment, size_t size, uint32_t steps)
{
	void *stack[SAMPLE_DEPTH];
	int depth = backtrace(stack, SAMPLE_DEPTH);
	void *p = large_alloc_sampled(heap, alignment, size);
	struct sample *sample;

	if (!p)
		return NULL;
	lock_take(&heap->sample_lock);
	sample = load_relaxed(&heap->sample_every) ? take_record(heap) : NULL;
	find_span(heap, p)->free[0] = (uintptr_t)sample;
	if (sample) {
		fill(sample, p, size, steps, stack, depth > 0 ? (uint32_t)depth : 0);
		sample->serial = ++heap->samples.serial;
		link_record(&heap->samples, sample);
	}
	lock_give(&heap->sample_lock);
	return p;
}

void *sample_alloc(struct heap *heap, size_t alignment, size_t size)
{
	size_t every = load_relaxed(&heap->sample_every);
	struct cache *cache;
	uint32_t steps;
	void *p;

	if (floe_likely(every == 0) || sampling || size > PTRDIFF_MAX)
		return NULL;
	cache = thread_cache(heap);
	steps = cache ? count_steps(cache, every, size) : 0;
	if (steps == 0)
		return NULL;
	sampling = true;
	p = take_sample(heap, alignment, size, steps);
	sampling = false;
	return p;
}

void sample_forget(struct heap *heap, struct span *span)
{
	struct sample *sample;

	lock_take(&heap->sample_lock);
	sample = (struct sample *)(uintptr_t)span->free[0];
	if (sample) {
		unlink_record(&heap->samples, sample);
		sample->next = heap->samples.spare;
		heap->samples.spare = sample;
	}
	lock_give(&heap->sample_lock);
}

/*
 * Asking
 */

static bool is_same_site(const struct sample *a, const struct sample *b)
{
	return a->hash == b->hash && a->depth == b->depth &&
	       memcmp(a->stack, b->stack, a->depth * sizeof(*a->stack)) == 0;
}

/* Whether an earlier one has the same stack. The latest is first in the list. */
static bool is_known(const struct sample *sample)
{
	for (const struct sample *s = sample->next; s; s = s->next)
		if (is_same_site(s, sample))
			return true;
	return false;
}

static const struct sample *find_first(const struct samples *samples, uint64_t serial)
{
	const struct sample *found = NULL;

	for (const struct sample *s = samples->live; s && s->serial > serial; s = s->next)
		if (!is_known(s))
			found = s;
	return found;
}

static void sum_up(const struct heap *heap, const struct sample *first, struct sample_site *ret)
{
	*ret = (struct sample_site){.serial = first->serial, .depth = first->depth};
	memcpy(ret->stack, first->stack, sizeof(ret->stack));
	for (const struct sample *s = heap->samples.live; s; s = s->next) {
		if (!is_same_site(s, first))
			continue;
		ret->objects++;
		ret->size += s->size;
		ret->estimated += (uint64_t)s->steps * load_relaxed(&heap->sample_every);
	}
}

bool sample_next_site(struct heap *heap, uint64_t serial, struct sample_site *ret_site)
{
	const struct sample *first;

	lock_take(&heap->sample_lock);
	first = find_first(&heap->samples, serial);
	if (first)
		sum_up(heap, first, ret_site);
	lock_give(&heap->sample_lock);
	return first;
}

int sample_check(const struct heap *heap)
{
	uint64_t count = 0;

	for (const struct sample *s = heap->samples.live; s; s = s->next, count++) {
		const struct extent *extent = directory_find(&heap->directory, s->at);

		if (!extent || heap_state(extent, s->at) != PAGE_SAMPLED ||
		    extent->span[extent_page(extent, s->at)].free[0] != (uintptr_t)s ||
		    (s->next && (s->next->prev != s || s->next->serial >= s->serial)))
			return -EPROTO;
	}
	return count == heap->samples.count ? 0 : -EPROTO;
}
