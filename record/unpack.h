/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECORD_UNPACK_H
#define RECORD_UNPACK_H

/*
 * Unpack: the messages of one chunk of a file, in memory. What the chunk says about itself is
 * checked: sizes, CRC, and that each of its records is inside it.
 */

#include "catalog.h"
#include "input.h"

struct message {
	uint16_t channel;
	uint32_t sequence;
	uint64_t log_time;
	uint64_t publish_time;
	const unsigned char *payload;
	size_t size;
};

struct unpacked_entry {
	uint64_t time;
	uint64_t offset; /* of the message record, in the records */
};

struct unpacked {
	unsigned char *bytes; /* the records */
	size_t size;
	struct unpacked_entry *entries; /* messages, in the order of the chunk */
	size_t count;
	size_t count_max;
	struct catalog_part *parts; /* how many of which channel; index_offset 0 */
	size_t parts_count;
	uint32_t *part_of; /* [65536], while it is filled: which part a channel has, from 1 */
	struct catalog_chunk chunk; /* as the chunk itself says, and counted */
};

/* The head of a chunk alone. 0; -EPROTO; -errno */
int unpack_head(struct input *input, const struct record *record, struct catalog_chunk *ret,
		uint32_t *ret_crc, uint64_t *ret_data);

/*
 * A chunk. Schemas and channels in it are added to the catalog. 0; -EPROTO; -E2BIG: it takes more
 * than `memory_max`; -ENOTSUP: compression; -ENOMEM; -errno. unpack_end is due in any case.
 */
int unpack_chunk(struct unpacked *ret, struct input *input, struct codec *codec,
		 const struct record *record, struct catalog *catalog, uint64_t memory_max);

/* Messages outside of chunks: records from `offset` to `end`. */
int unpack_loose(struct unpacked *ret, struct input *input, uint64_t offset, uint64_t end,
		 struct catalog *catalog, uint64_t memory_max);

void unpack_message(const struct unpacked *unpacked, size_t index, struct message *ret);
void unpack_end(struct unpacked *unpacked);

#endif
