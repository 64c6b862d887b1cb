/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALLOC_SAMPLE_H
#define ALLOC_SAMPLE_H

/*
 * Sample: where in the program the memory of a heap was allocated. On average every so many bytes
 * one object is a sample: it gets a run of pages of its own, and a record with its stack. So a free
 * of any other object has nothing to look for, and while nobody samples neither has an allocation.
 *
 *	PAGE_SAMPLED    first page of a sample; its span's free[0] is the address of the record, 0: none
 *	live            records of the samples that are allocated, the latest first
 *	count = number of records in live
 *
 * A thread counts down the bytes that it allocates, by steps of random length with a mean of
 * `every`; an object in which k steps end stands for k * every bytes. Under sample_lock, under which
 * the page lock may be taken.
 */

#include "alloc/extent.h"

struct heap;
struct cache;

#define SAMPLE_DEPTH 16

struct sample {
	struct sample *next;
	struct sample *prev;
	void *at;
	uint64_t serial; /* from 1 */
	size_t size;     /* asked for */
	uint32_t steps;
	uint32_t depth; /* of the stack */
	uint64_t hash;  /* of the stack */
	void *stack[SAMPLE_DEPTH];
};

struct sample_chunk;

struct samples {
	struct sample *live;
	struct sample *spare;
	struct sample_chunk *chunks;
	uint64_t serial;
	uint64_t count;
	uint64_t lost; /* objects for whose record there was no memory */
};

/* All samples with one stack. */
struct sample_site {
	uint64_t serial; /* of the first of them */
	uint64_t objects;
	uint64_t size;      /* of these objects */
	uint64_t estimated; /* bytes that they stand for */
	uint32_t depth;
	void *stack[SAMPLE_DEPTH];
};

/* From now on every `every` bytes; 0: no longer, and all records are forgotten. -EINVAL: the heap is
 * bounded or hardened. Allocates when it is called first. */
int sample_begin(struct heap *heap, size_t every);

/* What holds no record goes back. */
void sample_gather(struct heap *heap);

/* `size` bytes as a sample, if one is due in this thread. NULL: none is, or there is no memory. */
void *sample_alloc(struct heap *heap, size_t alignment, size_t size);

/* A sample is freed, before its pages are given. */
void sample_forget(struct heap *heap, struct span *span);

/* The next site behind the one that began with `serial`; 0: the first. False: there is none. */
bool sample_next_site(struct heap *heap, uint64_t serial, struct sample_site *ret_site);

/* Verifies the formulas. 0, or -EPROTO. Under the locks. */
int sample_check(const struct heap *heap);

#endif
