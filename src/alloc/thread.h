/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALLOC_THREAD_H
#define ALLOC_THREAD_H

/*
 * Thread: which caches the calling thread has, for the heaps that it used last.
 *
 *	slot[0]      of the heap used last
 *	slot[i].id   that of the heap, which no other heap of this process ever has
 *
 * A slot counts only while its stamp is the heap's: the heap takes a new stamp when an extent is
 * drained or removed, and stamps, too, are used once. So a slot of a heap that is gone is never
 * followed. Belongs to the thread; what it holds is given back at its end (pthread_key_create), or
 * when a ninth heap needs the slot.
 *
 * initial-exec: found without a call. Of the 1664 bytes that glibc keeps for libraries that are
 * loaded later it takes 200.
 */

#include "alloc/cache.h"

#define THREAD_SLOTS 8

struct thread_slot {
	uint64_t stamp; /* 0: none */
	struct cache *cache;
	uint64_t id;
};

extern __attribute__((
	visibility("hidden"),
	tls_model("initial-exec"))) _Thread_local struct thread_slot thread_slot[THREAD_SLOTS];

/* The cache of this thread in `heap`, made if need be. NULL: the heap has no caches, or no memory
 * for one, or the thread is ending. */
struct cache *thread_cache(struct heap *heap);

/* What the first cache of the process needs from the C library, so that no later call asks the kernel
 * for it. */
void thread_prepare(void);

/* Gives back what this thread has of the heap, and forgets it. */
void thread_leave(struct heap *heap);

/* In the child of fork: gives back all caches of the heap but this thread's. */
void thread_return_others(struct heap *heap);

#endif
