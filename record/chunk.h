/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECORD_CHUNK_H
#define RECORD_CHUNK_H

/*
 * Chunk: messages on their way to a file, with what their indexes need. The bytes begin at a
 * boundary that O_DIRECT can write from.
 *
 * A chunk may also be one large message that lies elsewhere, in shared memory, and is written from
 * there: then `bytes` is only what stands before its payload.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mcap_layout.h"

struct chunk_entry {
	uint64_t time;
	uint32_t offset; /* in the records */
	uint16_t channel;
};

struct chunk {
	struct chunk *next; /* whoever has it may keep it in a list */
	unsigned char *bytes;
	size_t size;
	size_t size_max;
	size_t room; /* of records with their places in an index; 0: as many as there are bytes for */
	struct chunk_entry *entries;
	uint32_t count;
	uint32_t count_max;
	uint64_t start; /* of the log times */
	uint64_t end;
	bool has_crc; /* crc is that of the first bytes; a large message that lies elsewhere has none */
	uint32_t crc;
	size_t crc_size;     /* of so many; what was added by the last call is never among them */
	const void *payload; /* elsewhere; NULL: the records are all in `bytes` */
	size_t payload_size;
	bool is_gone; /* some of the payload could not be read */
	bool (*is_whole)(void *user, struct chunk *chunk); /* asked when the payload is written */
	uint64_t ticket;                                   /* for is_whole */
	uint64_t sequence;
	uint64_t offset;    /* in the file, once it is there */
	uint64_t after;     /* where the file goes on behind it and its indexes */
	uint64_t accounted; /* memory, for who counts it */
};

struct chunk_message {
	uint16_t channel;
	uint32_t sequence;
	uint64_t log_time;
	uint64_t publish_time;
	const void *payload;
	size_t size;
};

/* Room for `size_max` bytes of records, 4 GiB at most. NULL: out of memory */
struct chunk *chunk_open(size_t size_max);
void chunk_close(struct chunk *chunk); /* NULL is fine */

/* Empty again. */
void chunk_reset(struct chunk *chunk);

/* Bytes of the payloads of its messages. */
uint64_t chunk_payloads(const struct chunk *chunk);

/* Memory that it takes. */
size_t chunk_memory(const struct chunk *chunk);

static inline size_t chunk_message_size(size_t payload)
{
	return MCAP_MESSAGE_HEAD + payload;
}

/* One message it takes in any case. */
static inline bool chunk_has_room(const struct chunk *chunk, size_t payload)
{
	size_t size = chunk->size + chunk_message_size(payload);

	if (payload > UINT32_MAX / 2 || size > chunk->size_max)
		return false;
	return chunk->room == 0 || chunk->count == 0 ||
	       size + (chunk->count + 1) * (size_t)MCAP_PLACE_SIZE <= chunk->room;
}

/* Places for `count` more messages, of which chunk_add_many then allocates none. 0, -ENOMEM */
int chunk_make_room(struct chunk *chunk, uint32_t count);

/* Copies the message. Those before it are counted into the CRC, if there is one, some KiB at a time: so
 * that they are still in the cache. There must be room. 0, -ENOMEM */
int chunk_add(struct chunk *chunk, const struct chunk_message *message);

/* The same for up to `count`: for how many there is room; -ENOMEM */
int chunk_add_many(struct chunk *chunk, const struct chunk_message *messages, uint32_t count);

/* Takes the last `count` messages out again, of what was added by one call, once. */
void chunk_drop_last(struct chunk *chunk, uint32_t count);

/* The CRC of `bytes`, of which only what is new has to be read. */
uint32_t chunk_crc(const struct chunk *chunk);

/* The chunk, which is empty, becomes this one message, whose payload stays where it is. */
int chunk_refer(struct chunk *chunk, const struct chunk_message *message);

#endif
