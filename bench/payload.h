/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_PAYLOAD_H
#define BENCH_PAYLOAD_H

/*
 * What travels: a number in the first 8 bytes, and with TOUCH_ALL in every word after it, so that
 * the reader can tell a whole message from a torn one. Inline, because the loops around them are
 * what is measured.
 */

#include <stdint.h>
#include <string.h>

#include "case.h"
#include "session.h"

/* The number that ends a turn; the others count up from 1. */
#define PAYLOAD_STOP UINT64_MAX

/* Whole words; what is left of the payload travels as single bytes. */
static inline size_t payload_words(size_t size)
{
	return size / sizeof(uint64_t);
}

static inline void payload_write(void *data, size_t size, enum touch touch, uint64_t number)
{
	uint64_t *words = data;
	size_t count = touch == TOUCH_ALL ? payload_words(size) : 1;

	for (size_t i = 0; i < count; i++)
		words[i] = number;
	if (touch == TOUCH_ALL)
		memset(words + count, (int)(number & 0xff), size % sizeof(uint64_t));
}

static inline uint64_t payload_sum(const void *data, size_t size)
{
	const uint64_t *words = data;
	const uint8_t *rest = (const uint8_t *)(words + payload_words(size));
	uint64_t sum = 0;

	for (size_t i = 0; i < payload_words(size); i++)
		sum += words[i];
	for (size_t i = 0; i < size % sizeof(uint64_t); i++)
		sum += rest[i];
	return sum;
}

static inline uint64_t payload_read(const void *data, size_t size, enum touch touch)
{
	uint64_t number = *(const uint64_t *)data;
	uint64_t whole = payload_words(size) * number + size % sizeof(uint64_t) * (number & 0xff);

	if (touch == TOUCH_ALL && payload_sum(data, size) != whole)
		fail("message %llu of %zu bytes did not arrive whole", (unsigned long long)number,
		     size);
	return number;
}

#endif
