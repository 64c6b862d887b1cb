/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc/heaps.h"

#include <pthread.h>

#include "alloc/caches.h"
#include "alloc/pages.h"

static struct lock lock;
static struct heap *first;
static shared_u64 numbers;
static bool prepared; /* for fork */

uint64_t heaps_next_number(void)
{
	return add_seq_cst(&numbers, 1) + 1;
}

/*
 * Fork
 */

static void before_fork(void)
{
	lock_take(&lock);
	for (struct heap *heap = first; heap; heap = heap->next)
		heap_lock_all(heap);
}

static void after_fork(void)
{
	for (struct heap *heap = first; heap; heap = heap->next)
		heap_unlock_all(heap);
	lock_give(&lock);
}

/* Nobody sleeps on a lock here, but a word may say so: giving it wakes nobody. */
static void after_fork_in_child(void)
{
	after_fork();
	for (struct heap *heap = first; heap; heap = heap->next) {
		pages_return_dropping(heap);
		thread_return_others(heap);
	}
}

/*
 * The list
 */

void heaps_add(struct heap *heap)
{
	bool prepare;

	lock_take(&lock);
	prepare = !prepared;
	prepared = true;
	heap->next = first;
	first = heap;
	lock_give(&lock);
	/* It may allocate, from this heap. */
	if (prepare)
		(void)pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

void heaps_remove(struct heap *heap)
{
	struct heap **at = &first;

	lock_take(&lock);
	while (*at != heap)
		at = &(*at)->next;
	*at = heap->next;
	lock_give(&lock);
}

void heaps_return(uint64_t id, struct cache *cache)
{
	lock_take(&lock);
	for (struct heap *heap = first; heap; heap = heap->next)
		if (heap->id == id)
			caches_return(heap, cache);
	lock_give(&lock);
}
