/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALLOC_HARDENED_H
#define ALLOC_HARDENED_H

/*
 * Hardened: a heap that looks for the mistakes of its program.
 *
 *	| what was asked for | fill | size, canary |          [ guard page ]
 *
 * Each object ends with its size and with a word that only this object can have; the bytes between
 * are known. All of it is verified when the object is freed. A freed object is filled and waits in
 * a queue before it can be allocated again; that nobody wrote to it meanwhile is verified when it
 * leaves. Behind a large object in memory of the system lies a page that cannot be touched.
 *
 * What was found is told (heap_misfree), and the object is never used again. No caches of threads:
 * every call takes locks.
 */

#include "alloc/heap.h"

#define HARDENED_QUEUE 512

struct hardened_queue {
	uint32_t first;
	uint32_t count;
	size_t size; /* bytes of the objects in it */
	void *object[HARDENED_QUEUE];
};

void *hardened_alloc(struct heap *heap, size_t alignment, size_t size);

/* 0; -EINVAL: it was no object, or a damaged one. */
int hardened_free(struct heap *heap, void *p);

/* What was asked for; 0: no object. */
size_t hardened_size(struct heap *heap, const void *p);

/* Everything leaves the queue, and the queue's memory goes back. */
void hardened_flush(struct heap *heap);

#endif
