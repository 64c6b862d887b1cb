/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECORD_BYTES_H
#define RECORD_BYTES_H

/*
 * Bytes: numbers and strings as MCAP has them. Writing goes into memory of which the caller knows
 * that it is large enough, or into a buffer that grows. Reading never leaves what it was given: a
 * cursor that is asked for more than there is turns bad, says 0 from then on, and is looked at
 * once, at the end.
 */

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Writing: each returns where the next byte goes
 */

static inline unsigned char *put_u8(unsigned char *to, unsigned value)
{
	*to = (unsigned char)value;
	return to + 1;
}

static inline unsigned char *put_u16(unsigned char *to, uint16_t value)
{
	value = htole16(value);
	memcpy(to, &value, sizeof(value));
	return to + sizeof(value);
}

static inline unsigned char *put_u32(unsigned char *to, uint32_t value)
{
	value = htole32(value);
	memcpy(to, &value, sizeof(value));
	return to + sizeof(value);
}

static inline unsigned char *put_u64(unsigned char *to, uint64_t value)
{
	value = htole64(value);
	memcpy(to, &value, sizeof(value));
	return to + sizeof(value);
}

static inline unsigned char *put_bytes(unsigned char *to, const void *bytes, size_t size)
{
	if (size)
		memcpy(to, bytes, size);
	return to + size;
}

static inline unsigned char *put_string(unsigned char *to, const char *text)
{
	size_t size = strlen(text);

	return put_bytes(put_u32(to, (uint32_t)size), text, size);
}

/* Opcode and length of the content that follows. */
static inline unsigned char *put_record(unsigned char *to, unsigned opcode, uint64_t size)
{
	return put_u64(put_u8(to, opcode), size);
}

/*
 * A buffer that grows. Once memory ran out it is `bad` and takes nothing any more.
 */

struct buffer {
	unsigned char *data;
	size_t size;
	size_t size_max;
	bool bad;
};

/* Room for `size` bytes behind what is there, which then belongs to it; NULL: out of memory. */
unsigned char *buffer_add(struct buffer *buffer, size_t size);
void buffer_add_string(struct buffer *buffer, const char *text);
void buffer_add_bytes(struct buffer *buffer, const void *bytes, size_t size);

/* One entry of a map of strings. */
void buffer_add_pair(struct buffer *buffer, const char *key, const char *value);
void buffer_end(struct buffer *buffer);

/*
 * Reading
 */

struct cursor {
	const unsigned char *at;
	const unsigned char *end;
	bool bad;
};

static inline struct cursor cursor_make(const void *bytes, size_t size)
{
	const unsigned char *at = bytes;

	return (struct cursor){.at = at, .end = at + size};
}

static inline size_t cursor_left(const struct cursor *cursor)
{
	return (size_t)(cursor->end - cursor->at);
}

/* `size` bytes where they lie, or NULL. */
static inline const unsigned char *get_bytes(struct cursor *cursor, uint64_t size)
{
	const unsigned char *at = cursor->at;

	if (cursor->bad || size > cursor_left(cursor)) {
		cursor->bad = true;
		return NULL;
	}
	cursor->at += size;
	return at;
}

static inline unsigned get_u8(struct cursor *cursor)
{
	const unsigned char *at = get_bytes(cursor, 1);

	return at ? *at : 0;
}

static inline uint16_t get_u16(struct cursor *cursor)
{
	const unsigned char *at = get_bytes(cursor, sizeof(uint16_t));
	uint16_t value = 0;

	if (at)
		memcpy(&value, at, sizeof(value));
	return le16toh(value);
}

static inline uint32_t get_u32(struct cursor *cursor)
{
	const unsigned char *at = get_bytes(cursor, sizeof(uint32_t));
	uint32_t value = 0;

	if (at)
		memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

static inline uint64_t get_u64(struct cursor *cursor)
{
	const unsigned char *at = get_bytes(cursor, sizeof(uint64_t));
	uint64_t value = 0;

	if (at)
		memcpy(&value, at, sizeof(value));
	return le64toh(value);
}

/* A string, an array or a map: its bytes as a cursor of their own. */
static inline struct cursor get_block(struct cursor *cursor)
{
	uint32_t size = get_u32(cursor);
	const unsigned char *at = get_bytes(cursor, size);

	return at ? cursor_make(at, size) : (struct cursor){.bad = true};
}

/* A copy with a NUL behind it, which its owner frees. NULL: the cursor is bad, or there is no
 * memory. */
char *get_string(struct cursor *cursor);

/* Is the block this text? */
static inline bool block_is(const struct cursor *block, const char *text)
{
	size_t size = strlen(text);

	return !block->bad && cursor_left(block) == size &&
	       (size == 0 || memcmp(block->at, text, size) == 0);
}

/* The value of a key in a map of strings; bad: there is none. */
struct cursor map_find(struct cursor map, const char *key);

#endif
