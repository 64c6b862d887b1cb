/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECORD_CATALOG_H
#define RECORD_CATALOG_H

/*
 * Catalog: what a file says about itself in its summary: schemas, channels, where the chunks and
 * the metadata are, how many messages there are. A writer fills it as it goes, a reader from the
 * summary or, where there is none, from the whole file.
 *
 * It takes about 70 bytes for a chunk, 16 more for each channel in it; a reader bounds what a
 * stranger's file can make it take with `memory_max`.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "codec.h"

struct catalog_schema {
	uint16_t id; /* 0: none */
	char *name;
	char *encoding;
	unsigned char *record; /* the content as it stands in the file */
	size_t record_size;
	struct cursor data; /* in it */
};

struct catalog_channel {
	uint16_t id;
	uint16_t schema;
	char *topic;
	char *encoding;
	unsigned char *record;
	size_t record_size;
	struct cursor map; /* in it */
	uint64_t count;    /* messages */
};

/* A chunk, or messages that lie outside of chunks one behind the other (is_loose). */
struct catalog_chunk {
	uint64_t offset; /* in the file, of the record; is_loose: of the first message */
	uint64_t size;   /* with opcode and length */
	uint64_t start;
	uint64_t end;
	uint64_t index_size; /* of the message indexes behind it */
	uint64_t expanded;   /* bytes of its records */
	uint64_t compressed;
	uint32_t count; /* of messages */
	uint32_t parts; /* where its channels begin in catalog.parts */
	uint32_t parts_count;
	uint8_t compression;
	bool is_loose;
	bool is_referred; /* its payload was written from where it lay */
};

/* Messages of one channel in one chunk. */
struct catalog_part {
	uint64_t index_offset; /* of their message index */
	uint32_t count;
	uint16_t channel;
};

struct catalog_metadata {
	uint64_t offset;
	uint64_t size;
	char *name;
};

struct catalog {
	struct catalog_schema *schemas;
	size_t schemas_count;
	struct catalog_channel *channels;
	size_t channels_count;
	struct catalog_channel **by_id; /* [65536] */
	struct catalog_chunk *chunks;
	size_t chunks_count;
	struct catalog_part *parts;
	size_t parts_count;
	struct catalog_metadata *metadata;
	size_t metadata_count;
	uint64_t attachments_count;
	uint64_t messages_count;
	uint64_t memory; /* that all this takes */
	uint64_t memory_max;
};

/* -ENOMEM */
int catalog_init(struct catalog *catalog, uint64_t memory_max);
void catalog_end(struct catalog *catalog);

/*
 * From the content of a record. 1 added; 0 the same was there already; -EPROTO the content is not
 * what it must be; -EEXIST the same id means something else; -ENOENT a channel of a schema that is
 * not there; -ENOMEM, -E2BIG memory_max
 */
int catalog_add_schema(struct catalog *catalog, const void *content, size_t size);
int catalog_add_channel(struct catalog *catalog, const void *content, size_t size);

struct catalog_schema *catalog_find_schema(const struct catalog *catalog, uint16_t id);
/* NULL: there is none */
struct catalog_channel *catalog_find_channel(const struct catalog *catalog, uint16_t id);

/* parts: of this chunk, in the order of their indexes. Counts of channels and of the file go up.
 * 0, -ENOMEM, -E2BIG */
int catalog_add_chunk(struct catalog *catalog, const struct catalog_chunk *chunk,
		      const struct catalog_part *parts, size_t parts_count);

/* Takes the last chunk out again. */
void catalog_drop_chunk(struct catalog *catalog);

/* Takes the chunk at this offset out again. */
void catalog_remove_chunk(struct catalog *catalog, uint64_t offset);

/* 0, -ENOMEM, -E2BIG */
int catalog_add_metadata(struct catalog *catalog, uint64_t offset, uint64_t size, const char *name);

/* Time of the first and the last message; both 0: there is none. */
void catalog_span(const struct catalog *catalog, uint64_t *ret_start, uint64_t *ret_end);

/*
 * Appends everything from DataEnd to the last magic, for a data section that ends at `offset`. An
 * out of memory shows in to->bad.
 */
void catalog_write(const struct catalog *catalog, uint64_t offset, struct buffer *to);

#endif
