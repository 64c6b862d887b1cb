/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A heap that does what the fuzzer says, beside a list of what is allocated: each object is filled
 * with bytes of its own, so that two that overlap are found, and the walker runs in between. One byte
 * chooses the kind of heap, then three make an operation: what, on which object, how large.
 */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "alloc/heap.h"
#include "alloc/caches.h"
#include "alloc/inject.h"
#include "alloc/pages.h"

#define OBJECTS 64
#define BLOCKS 4
#define PAGE ((size_t)4096)
#define BLOCK_SIZE ((size_t)512 << 10)
#define CHECK_EACH 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct object {
	unsigned char *at;
	size_t size;
	unsigned char fill;
};

struct block {
	unsigned char *memory;
	size_t size; /* as it was injected, 0: it is not */
};

static struct heap *heap;
static struct object object[OBJECTS];
static struct block block[BLOCKS];
static size_t told;

/* Not assert: it must be looked at in every build. */
static void demand(bool condition)
{
	if (!condition)
		abort();
}

static void hear(void *user, const char *sentence)
{
	(void)user;
	(void)sentence;
	told++;
}

static size_t count_objects(void)
{
	size_t count = 0;

	for (size_t i = 0; i < OBJECTS; i++)
		count += object[i].at != NULL;
	return count;
}

static void check(void)
{
	demand(heap_check(heap) == 0);
	demand(heap_count_allocated(heap) == count_objects());
}

/* 16 steps of four to a doubling, from 0 to 256 KiB. */
static size_t size_of(uint8_t code)
{
	unsigned doubling = code >> 4, part = code & 15;

	return ((size_t)16 + part) << doubling >> 1;
}

static void check_fill(const struct object *o, size_t size)
{
	for (size_t i = 0; i < size; i++)
		demand(o->at[i] == o->fill);
}

static void fill(struct object *o, void *at, size_t size, uint8_t with)
{
	demand((uintptr_t)at % 16 == 0);
	demand(heap_usable_size(heap, at) >= size);
	*o = (struct object){.at = at, .size = size, .fill = with};
	memset(at, with, size);
}

/*
 * Operations
 */

static void allocate(struct object *o, uint8_t code)
{
	void *p = heap_alloc(heap, size_of(code));

	if (p)
		fill(o, p, size_of(code), code);
}

static void allocate_zeroed(struct object *o, uint8_t code)
{
	unsigned char *p = heap_alloc_zeroed(heap, size_of(code));

	for (size_t i = 0; p && i < size_of(code); i++)
		demand(p[i] == 0);
	if (p)
		fill(o, p, size_of(code), code);
}

static void allocate_aligned(struct object *o, uint8_t code)
{
	size_t alignment = (size_t)1 << (code & 15), size = size_of(code >> 1);
	void *p = heap_alloc_aligned(heap, alignment, size);

	demand((uintptr_t)p % alignment == 0);
	if (p)
		fill(o, p, size, code);
}

static void end_object(struct object *o, bool carefully)
{
	check_fill(o, o->size);
	if (carefully)
		demand(heap_try_free(heap, o->at) == 0);
	else
		heap_free(heap, o->at);
	o->at = NULL;
}

static void resize(struct object *o, uint8_t code)
{
	size_t size = size_of(code), before = o->size;
	unsigned char *p = heap_resize(heap, o->at, size);

	if (!p) {
		check_fill(o, before);
		return;
	}
	o->at = p;
	check_fill(o, size < before ? size : before);
	fill(o, p, size, code);
}

/* Inside an object, or at none: it is found, and nothing happens. */
static void free_wrongly(struct object *o, uint8_t code)
{
	unsigned char *p = o->at;
	size_t before = told;

	if (code % 2 && p) {
		end_object(o, true);
		before = told;
		demand(heap_try_free(heap, p) < 0);
	} else if (p) {
		demand(heap_try_free(heap, p + 1 + code) < 0);
	} else {
		demand(heap_try_free(heap, &told) < 0);
	}
	demand(told == before + 1);
}

static void exchange_block(uint8_t number, uint8_t code)
{
	struct block *b = &block[number % BLOCKS];
	size_t size = (1 + code % (BLOCK_SIZE / PAGE)) * PAGE;
	int r;

	if (b->size == 0) {
		r = inject_add(heap, b->memory, size, code & 1);
		demand(r == 0 || r == -ENOSPC);
		b->size = r == 0 ? size : 0;
		return;
	}
	r = inject_remove(heap, b->memory);
	demand(r == 0 || r == 1);
	if (r == 1) {
		b->size = 0;
		memset(b->memory, code, BLOCK_SIZE);
	} else if (code & 1) {
		demand(inject_undrain(heap, b->memory) == 0);
	}
}

static void keep_house(uint8_t code)
{
	switch (code % 6) {
	case 0:
		heap_leave(heap);
		break;
	case 1:
		caches_gather(heap);
		break;
	case 2:
		(void)pages_release(heap, SIZE_MAX);
		break;
	case 3:
		(void)sample_begin(heap, (size_t)code * 64);
		break;
	default:
		heap->limit = (size_t)code << 14;
		break;
	}
}

static void act(const uint8_t *operation)
{
	struct object *o = &object[operation[1] % OBJECTS];

	switch (operation[0] % 12) {
	case 0:
	case 1:
	case 2:
		o->at ? end_object(o, operation[2] & 1) : allocate(o, operation[2]);
		break;
	case 3:
		o->at ? end_object(o, true) : allocate_zeroed(o, operation[2]);
		break;
	case 4:
		o->at ? end_object(o, false) : allocate_aligned(o, operation[2]);
		break;
	case 5:
	case 6:
		o->at ? resize(o, operation[2]) : allocate(o, operation[2]);
		break;
	case 7:
		free_wrongly(o, operation[2]);
		break;
	case 8:
		exchange_block(operation[1], operation[2]);
		break;
	case 9:
		keep_house(operation[2]);
		break;
	default: /* many of one size */
		for (size_t i = 0; i < OBJECTS; i++)
			if (!object[i].at && i % 3 == operation[1] % 3)
				allocate(&object[i], operation[2] & 0x9f);
			else if (object[i].at && i % 2 == operation[1] % 2)
				end_object(&object[i], false);
	}
}

/*
 * The whole life of a heap
 */

static void create(uint8_t kind)
{
	static unsigned char home[4 << 20] __attribute__((aligned(4096)));
	struct heap_plan plan = {.source = {.fd = -1}, .tell = hear};

	switch (kind % 8) {
	case 0:
	case 1:
		plan.system = true;
		break;
	case 2:
		plan.memory = home;
		plan.memory_size = 4096 + (size_t)kind * 256;
		break;
	case 3:
		plan.memory = home + 64;
		plan.memory_size = sizeof(home) - 64;
		break;
	case 4:
		plan.memory = home;
		plan.memory_size = 1 << 20;
		plan.flags = FLOE_HEAP_BOUNDED;
		break;
	case 5:
		plan.system = true;
		plan.flags = FLOE_HEAP_HARDENED;
		break;
	default: /* only what is injected */
		break;
	}
	demand(heap_create(&heap, &plan, NULL) == 0);
}

static void destroy(void)
{
	for (size_t i = 0; i < OBJECTS; i++)
		if (object[i].at)
			end_object(&object[i], i & 1);
	check();
	for (size_t i = 0; i < BLOCKS; i++) {
		if (block[i].size)
			demand(inject_remove(heap, block[i].memory) == 1);
		block[i].size = 0;
	}
	demand(heap_destroy(heap) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	for (size_t i = 0; i < BLOCKS && !block[i].memory; i++) {
		block[i].memory = mmap(NULL, BLOCK_SIZE, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		demand(block[i].memory != MAP_FAILED);
	}
	told = 0;
	create(data[0]);
	for (size_t at = 1; at + 3 <= size; at += 3) {
		act(data + at);
		if (at / 3 % CHECK_EACH == 0)
			check();
	}
	destroy();
	return 0;
}
