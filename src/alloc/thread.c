/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc/thread.h"

#include <pthread.h>

#include "alloc/caches.h"
#include "alloc/heaps.h"

__attribute__((
	tls_model("initial-exec"))) _Thread_local struct thread_slot thread_slot[THREAD_SLOTS];

/* The end has begun: what is freed from here on goes past the caches. */
static __attribute__((tls_model("initial-exec"))) _Thread_local bool ending;
/* Making a cache may come back here: pthread_setspecific allocates for the 32nd key and beyond. */
static __attribute__((tls_model("initial-exec"))) _Thread_local bool making;

static pthread_key_t key;
static bool has_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void return_slot(unsigned i)
{
	struct thread_slot slot = thread_slot[i];

	thread_slot[i] = (struct thread_slot){0};
	if (slot.stamp)
		heaps_return(slot.id, slot.cache);
}

/* Destructors of other keys may still free. */
static void end_thread(void *unused)
{
	(void)unused;
	ending = true;
	for (unsigned i = 0; i < THREAD_SLOTS; i++)
		return_slot(i);
}

static void make_key(void)
{
	has_key = pthread_key_create(&key, end_thread) == 0;
}

void thread_prepare(void)
{
	(void)pthread_once(&once, make_key);
}

/* Without a destructor there is no cache: it would be lost with the thread. */
static bool watch_end(void)
{
	thread_prepare();
	return has_key && pthread_setspecific(key, thread_slot) == 0;
}

/* Slot i becomes the first, those before it move up. */
static void bring_to_front(unsigned i)
{
	struct thread_slot slot = thread_slot[i];

	for (; i > 0; i--)
		thread_slot[i] = thread_slot[i - 1];
	thread_slot[0] = slot;
}

static unsigned find_slot(const struct heap *heap)
{
	unsigned i = 0;

	while (i < THREAD_SLOTS && (!thread_slot[i].stamp || thread_slot[i].id != heap->id))
		i++;
	return i;
}

static struct cache *make_cache(struct heap *heap)
{
	struct cache *cache = NULL;

	making = true;
	if (watch_end())
		cache = caches_make(heap);
	making = false;
	if (!cache)
		return NULL;
	return_slot(THREAD_SLOTS - 1);
	thread_slot[THREAD_SLOTS - 1] = (struct thread_slot){
		.stamp = load_relaxed(&heap->stamp),
		.cache = cache,
		.id = heap->id,
	};
	bring_to_front(THREAD_SLOTS - 1);
	return cache;
}

/* What it remembers of extents may be gone. What is being drained must not be held here. */
static struct cache *refresh(struct heap *heap)
{
	struct cache *cache = thread_slot[0].cache;

	cache->length = 0;
	if (load_relaxed(&heap->draining)) {
		cache_flush(cache);
		if (heap_is_draining(heap, cache)) {
			return_slot(0);
			return make_cache(heap);
		}
	}
	thread_slot[0].stamp = load_relaxed(&heap->stamp);
	return cache;
}

struct cache *thread_cache(struct heap *heap)
{
	unsigned i;

	if (!load_relaxed(&heap->caching) || ending || making)
		return NULL;
	i = find_slot(heap);
	if (i == THREAD_SLOTS)
		return make_cache(heap);
	bring_to_front(i);
	if (floe_likely(thread_slot[0].stamp == load_relaxed(&heap->stamp)))
		return thread_slot[0].cache;
	return refresh(heap);
}

void thread_leave(struct heap *heap)
{
	unsigned i = find_slot(heap);

	if (i < THREAD_SLOTS)
		return_slot(i);
}

static bool is_mine(const struct cache *cache)
{
	for (unsigned i = 0; i < THREAD_SLOTS; i++)
		if (thread_slot[i].stamp && thread_slot[i].cache == cache)
			return true;
	return false;
}

void thread_return_others(struct heap *heap)
{
	struct cache *next;

	for (struct cache *cache = heap->caches; cache; cache = next) {
		next = cache->next;
		if (!is_mine(cache))
			caches_return(heap, cache);
	}
}
