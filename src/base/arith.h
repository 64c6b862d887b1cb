/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ARITH_H
#define BASE_ARITH_H

/*
 * Sizes that cannot wrap: once a step is out of range, the result stays SIZE_INVALID.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

#define SIZE_INVALID SIZE_MAX

static inline size_t size_add(size_t a, size_t b)
{
	size_t sum;

	if (a == SIZE_INVALID || b == SIZE_INVALID || __builtin_add_overflow(a, b, &sum))
		return SIZE_INVALID;
	return sum;
}

static inline size_t size_mul(size_t a, size_t b)
{
	size_t product;

	if (a == SIZE_INVALID || b == SIZE_INVALID || __builtin_mul_overflow(a, b, &product))
		return SIZE_INVALID;
	return product;
}

/* alignment: a power of two */
static inline size_t size_align(size_t size, size_t alignment)
{
	size_t up = size_add(size, alignment - 1);

	return up == SIZE_INVALID ? up : up & ~(alignment - 1);
}

static inline bool is_power_of_two(size_t x)
{
	return x && !(x & (x - 1));
}

/* The least power of two that is not less, for counts of 1 to 2^31. */
static inline uint32_t count_round_up(uint32_t count)
{
	uint32_t rounded = 1;

	while (rounded < count)
		rounded *= 2;
	return rounded;
}

#endif
