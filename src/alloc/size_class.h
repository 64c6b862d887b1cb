/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALLOC_SIZE_CLASS_H
#define ALLOC_SIZE_CLASS_H

/*
 * Size classes: which sizes small objects have.
 *
 *	class 1..8      16, 32 .. 128        in steps of 16
 *	class 9..40     160 .. 32768         four to each doubling
 *
 *	size <= size_class[class_of(size)].size          smallest such class
 *	size_class[c].size - size <= 1/5 of it           for sizes above 64
 *
 * Constants; any thread.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define CLASS_COUNT 41 /* 1 .. 40; 0 is none */
#define CLASS_SIZE_MAX ((size_t)32768)
#define CLASS_ALIGNMENT 16
/* What a bitmap of a span has room for. */
#define CLASS_OBJECTS_MAX 256

struct size_class {
	uint32_t size;       /* of an object; 0 in class 0 */
	uint32_t reciprocal; /* of the size, in 1/2^32, rounded up */
	uint16_t span_pages; /* of 4 KiB, in a span */
	uint16_t cache_max;  /* objects in a thread's cache */
};

extern __attribute__((visibility("hidden"))) const struct size_class size_class[CLASS_COUNT];

/* Up to CLASS_TABLE_MAX bytes a table of steps of 16, because a branch by size would be guessed
 * wrong half the time in programs that mix sizes. */
#define CLASS_TABLE_MAX ((size_t)1024)

extern __attribute__((visibility("hidden"))) const uint8_t class_table[CLASS_TABLE_MAX / 16 + 1];

/* `size` up to CLASS_SIZE_MAX; 0 counts as 1. */
floe_inline unsigned class_of(size_t size)
{
	unsigned doubling;

	if (floe_likely(size <= CLASS_TABLE_MAX))
		return class_table[(size + 15) / 16];
	size--;
	doubling = 56 - (unsigned)__builtin_clzl(size); /* 3: 1024 .. 2047 */
	return 9 + 4 * doubling + (unsigned)(size >> (doubling + 5) & 3);
}

/* Which object of a span that begins at 0 holds byte `offset`: a division, exact for every offset
 * in a span. */
floe_inline uint32_t class_object(unsigned class, size_t offset)
{
	return (uint32_t)(offset * size_class[class].reciprocal >> 32);
}

/* The smallest class whose objects hold `size` bytes and lie at multiples of `alignment` in a span
 * that does; 0: none. alignment: a power of two. */
unsigned class_of_aligned(size_t size, size_t alignment);

#endif
