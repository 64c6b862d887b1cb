/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_BOOKKEEPING_H
#define UNIT_BOOKKEEPING_H

/*
 * Memory of an exact size for what a test initialises: the byte behind it cannot be touched, and
 * the bytes before it are known and compared.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/arith.h"
#include "frame/frame.h"

#define BOOKKEEPING_FILL 0x5a

struct bookkeeping {
	unsigned char *map;
	size_t map_size;
	unsigned char *memory; /* ends where the guard begins */
	size_t size;
};

static inline struct bookkeeping bookkeeping_make(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t usable = size_align(size, page) + page;
	struct bookkeeping made = {.map_size = usable + page, .size = size};

	made.map = mmap(NULL, made.map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	expect(made.map != MAP_FAILED);
	expect(mprotect(made.map + usable, page, PROT_NONE) == 0);
	memset(made.map, BOOKKEEPING_FILL, usable);
	made.memory = made.map + usable - size;
	return made;
}

static inline bool bookkeeping_is_untouched(const unsigned char *from, const unsigned char *to)
{
	for (; from < to; from++)
		if (*from != BOOKKEEPING_FILL)
			return false;
	return true;
}

/* Verifies the bytes in front. */
static inline void bookkeeping_end(struct bookkeeping *made)
{
	expect(bookkeeping_is_untouched(made->map, made->memory));
	expect(munmap(made->map, made->map_size) == 0);
}

/* The same numbers in every run. */
static inline uint32_t bookkeeping_random(uint64_t *state, uint32_t below)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 32) % below;
}

#endif
