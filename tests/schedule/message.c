/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/channel_world.h"

/*
 * Messages whose first and last word are looked at: two points for each access to a payload, and
 * one that is half of another message is noticed.
 */

#define INLINE_SIZE FLOE_INLINE_MAX
#define CHUNK_PAYLOAD_SIZE 56

size_t message_size(const struct writer *writer, uint64_t sequence)
{
	bool is_inline = writer->kinds == KIND_BOTH ? sequence % 2 : writer->kinds == KIND_INLINE;

	return is_inline ? INLINE_SIZE : CHUNK_PAYLOAD_SIZE;
}

static size_t last_word(size_t size)
{
	return size / sizeof(uint64_t) - 1;
}

/* Far from any size or offset, so that one taken for the other is noticed. */
static uint64_t word_of(uint64_t sequence)
{
	return ~sequence;
}

void message_fill(void *data, size_t size, uint64_t sequence)
{
	uint64_t *words = data;

	FLOE_SHARED_STORE(words, word_of(sequence), PLAIN);
	FLOE_SHARED_STORE(words + last_word(size), word_of(sequence), PLAIN);
}

bool message_is(const void *data, size_t size, uint64_t sequence)
{
	const uint64_t *words = data;

	return FLOE_SHARED_LOAD(words, PLAIN) == word_of(sequence) &&
	       FLOE_SHARED_LOAD(words + last_word(size), PLAIN) == word_of(sequence);
}
