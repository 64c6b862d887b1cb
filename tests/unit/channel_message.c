/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "channel_world.h"

/* Sizes that follow each other look like chance, and are the same in every run. */
size_t message_size(const struct writer *writer, uint64_t sequence)
{
	uint64_t mixed = sequence * 0x9e3779b97f4a7c15u;
	uint32_t inline_max = writer->publisher.inline_max;
	bool is_inline = writer->kinds == KIND_BOTH ? mixed >> 63 : writer->kinds == KIND_INLINE;

	mixed = (mixed >> 32) & 0xffff;
	return is_inline ? 8 + mixed % (inline_max - 7)
			 : inline_max + 1 + mixed % (CHUNK_SIZE - inline_max);
}

/* The first word is far from any size or offset, so that one taken for the other is noticed. */
static uint64_t first_word(uint64_t sequence)
{
	return ~sequence;
}

void message_fill(void *data, size_t size, uint64_t sequence)
{
	uint64_t first = first_word(sequence);
	unsigned char *bytes = data;

	memcpy(bytes, &first, sizeof(first));
	for (size_t i = sizeof(first); i < size; i++)
		bytes[i] = (unsigned char)(sequence * 31 + i);
}

bool message_is(const void *data, size_t size, uint64_t sequence)
{
	unsigned char wanted[CHUNK_SIZE];

	if (size < sizeof(uint64_t) || size > sizeof(wanted))
		return false;
	message_fill(wanted, size, sequence);
	return memcmp(data, wanted, size) == 0;
}
