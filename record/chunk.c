/* SPDX-License-Identifier: Apache-2.0 */
#include "chunk.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "bytes.h"
#include "crc.h"
#include "output.h"

#define ENTRIES_FIRST 64u
/* Counted into the CRC together: a quarter of the first cache. */
#define CRC_STEP 8192u
/* A large chunk takes few of these instead of many small pages. */
#define HUGE_PAGE ((size_t)2 << 20)

struct chunk *chunk_open(size_t size_max)
{
	size_t room = (size_max + OUTPUT_ALIGN_MAX - 1) & ~(size_t)(OUTPUT_ALIGN_MAX - 1);
	struct chunk *chunk;

	if (size_max == 0 || size_max > UINT32_MAX)
		return NULL;
	chunk = calloc(1, sizeof(*chunk));
	if (!chunk)
		return NULL;
	chunk->bytes = aligned_alloc(room < HUGE_PAGE ? OUTPUT_ALIGN_MAX : HUGE_PAGE, room);
	chunk->size_max = room;
	if (!chunk->bytes) {
		free(chunk);
		return NULL;
	}
	/* Where there are none, small ones do as well. */
	if (room >= HUGE_PAGE)
		(void)madvise(chunk->bytes, room, MADV_HUGEPAGE);
	return chunk;
}

void chunk_close(struct chunk *chunk)
{
	if (!chunk)
		return;
	free(chunk->bytes);
	free(chunk->entries);
	free(chunk);
}

void chunk_reset(struct chunk *chunk)
{
	chunk->size = 0;
	chunk->room = 0;
	chunk->count = 0;
	chunk->start = 0;
	chunk->end = 0;
	chunk->crc = 0;
	chunk->crc_size = 0;
	chunk->payload = NULL;
	chunk->payload_size = 0;
	chunk->is_gone = false;
	chunk->is_whole = NULL;
}

size_t chunk_memory(const struct chunk *chunk)
{
	return sizeof(*chunk) + chunk->size_max + chunk->count_max * sizeof(*chunk->entries);
}

uint64_t chunk_payloads(const struct chunk *chunk)
{
	return chunk->size - (uint64_t)chunk->count * MCAP_MESSAGE_HEAD + chunk->payload_size;
}

int chunk_make_room(struct chunk *chunk, uint32_t count)
{
	uint32_t wanted = chunk->count_max ? 2 * chunk->count_max : ENTRIES_FIRST;
	struct chunk_entry *larger;

	if (chunk->count_max - chunk->count >= count)
		return 0;
	if (wanted < chunk->count + count)
		wanted = chunk->count + count;
	larger = realloc(chunk->entries, wanted * sizeof(*larger));
	if (!larger)
		return -ENOMEM;
	chunk->entries = larger;
	chunk->count_max = wanted;
	return 0;
}

static unsigned char *put_head(unsigned char *to, const struct chunk_message *message)
{
	to = put_record(to, MCAP_MESSAGE, MCAP_MESSAGE_FIXED + message->size);
	to = put_u16(to, message->channel);
	to = put_u32(to, message->sequence);
	to = put_u64(to, message->log_time);
	return put_u64(to, message->publish_time);
}

static void count_crc(struct chunk *chunk)
{
	chunk->crc = crc_add(chunk->crc, chunk->bytes + chunk->crc_size,
			     chunk->size - chunk->crc_size);
	chunk->crc_size = chunk->size;
}

/* There are an entry and room for it. */
static void add(struct chunk *chunk, const struct chunk_message *message)
{
	chunk->entries[chunk->count] = (struct chunk_entry){
		.time = message->log_time,
		.offset = (uint32_t)chunk->size,
		.channel = message->channel,
	};
	(void)put_bytes(put_head(chunk->bytes + chunk->size, message), message->payload,
			message->size);
	if (chunk->count == 0 || message->log_time < chunk->start)
		chunk->start = message->log_time;
	if (message->log_time > chunk->end)
		chunk->end = message->log_time;
	chunk->size += chunk_message_size(message->size);
	chunk->count++;
}

int chunk_add_many(struct chunk *chunk, const struct chunk_message *messages, uint32_t count)
{
	uint32_t n;

	if (chunk_make_room(chunk, count) < 0)
		return -ENOMEM;
	if (chunk->has_crc && chunk->size - chunk->crc_size >= CRC_STEP)
		count_crc(chunk);
	for (n = 0; n < count && chunk_has_room(chunk, messages[n].size); n++)
		add(chunk, &messages[n]);
	return (int)n;
}

int chunk_add(struct chunk *chunk, const struct chunk_message *message)
{
	return chunk_add_many(chunk, message, 1) == 1 ? 0 : -ENOMEM;
}

/* The times stay: they may be wider than needed. */
void chunk_drop_last(struct chunk *chunk, uint32_t count)
{
	chunk->count -= count;
	chunk->size = chunk->entries[chunk->count].offset;
}

uint32_t chunk_crc(const struct chunk *chunk)
{
	size_t from = chunk->has_crc ? chunk->crc_size : 0;

	return crc_add(chunk->has_crc ? chunk->crc : 0, chunk->bytes + from, chunk->size - from);
}

int chunk_refer(struct chunk *chunk, const struct chunk_message *message)
{
	struct chunk_message head = *message;
	int r;

	head.size = 0;
	chunk->has_crc = false; /* its head says something else in a moment */
	r = chunk_add(chunk, &head);
	if (r < 0)
		return r;
	(void)put_head(chunk->bytes, message);
	chunk->payload = message->payload;
	chunk->payload_size = message->size;
	return 0;
}
