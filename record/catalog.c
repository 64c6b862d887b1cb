/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog.h"

#include <errno.h>
#include <stdlib.h>

#include "crc.h"
#include "mcap_layout.h"

#define IDS 65536u

int catalog_init(struct catalog *catalog, uint64_t memory_max)
{
	*catalog = (struct catalog){.memory_max = memory_max};
	catalog->by_id = calloc(IDS, sizeof(*catalog->by_id));
	return catalog->by_id ? 0 : -ENOMEM;
}

void catalog_end(struct catalog *catalog)
{
	for (size_t i = 0; i < catalog->schemas_count; i++) {
		free(catalog->schemas[i].name);
		free(catalog->schemas[i].encoding);
		free(catalog->schemas[i].record);
	}
	for (size_t i = 0; i < catalog->channels_count; i++) {
		free(catalog->channels[i].topic);
		free(catalog->channels[i].encoding);
		free(catalog->channels[i].record);
	}
	for (size_t i = 0; i < catalog->metadata_count; i++)
		free(catalog->metadata[i].name);
	free(catalog->schemas);
	free(catalog->channels);
	free(catalog->by_id);
	free(catalog->chunks);
	free(catalog->parts);
	free(catalog->metadata);
	*catalog = (struct catalog){0};
}

/* Room for `more` elements; arrays double. 0, -ENOMEM, -E2BIG */
static int grow(struct catalog *catalog, void *array, size_t size, size_t count, size_t more)
{
	void **at = array;
	size_t from = count ? 1 : 0;
	size_t wanted = 1;
	void *larger;

	if (more == 0)
		return 0;
	catalog->memory += more * size;
	if (catalog->memory > catalog->memory_max)
		return -E2BIG;
	while (from && from < count)
		from *= 2;
	while (wanted < count + more)
		wanted *= 2;
	if (wanted <= from && *at)
		return 0;
	larger = realloc(*at, wanted * size);
	if (!larger)
		return -ENOMEM;
	*at = larger;
	return 0;
}

/* A copy of a record's content; NULL: no memory. */
static unsigned char *keep(struct catalog *catalog, const void *content, size_t size)
{
	unsigned char *copy;

	catalog->memory += 2 * size;
	if (catalog->memory > catalog->memory_max)
		return NULL;
	copy = malloc(size ? size : 1);
	if (copy)
		(void)put_bytes(copy, content, size);
	return copy;
}

static bool is_same(const void *a, size_t a_size, const void *b, size_t b_size)
{
	return a_size == b_size && memcmp(a, b, a_size) == 0;
}

/*
 * Schemas and channels
 */

struct catalog_schema *catalog_find_schema(const struct catalog *catalog, uint16_t id)
{
	for (size_t i = 0; i < catalog->schemas_count; i++)
		if (catalog->schemas[i].id == id)
			return &catalog->schemas[i];
	return NULL;
}

/* The channels of the table point into an array that may have moved. */
static void index_channels(struct catalog *catalog)
{
	for (size_t i = 0; i < catalog->channels_count; i++)
		catalog->by_id[catalog->channels[i].id] = &catalog->channels[i];
}

struct catalog_channel *catalog_find_channel(const struct catalog *catalog, uint16_t id)
{
	return catalog->by_id[id];
}

int catalog_add_schema(struct catalog *catalog, const void *content, size_t size)
{
	struct cursor at = cursor_make(content, size);
	struct catalog_schema schema = {.id = get_u16(&at)};
	const struct catalog_schema *known = catalog_find_schema(catalog, schema.id);
	struct cursor name = get_block(&at);
	struct cursor encoding = get_block(&at);
	struct cursor data = get_block(&at);
	int r;

	(void)name;
	(void)encoding;
	(void)data;
	if (at.bad || schema.id == 0)
		return -EPROTO;
	if (known)
		return is_same(known->record, known->record_size, content, size) ? 0 : -EEXIST;
	r = grow(catalog, &catalog->schemas, sizeof(schema), catalog->schemas_count, 1);
	if (r < 0)
		return r;
	schema.record = keep(catalog, content, size);
	if (!schema.record)
		return -ENOMEM;
	schema.record_size = size;
	at = cursor_make(schema.record, size);
	(void)get_u16(&at);
	schema.name = get_string(&at);
	schema.encoding = get_string(&at);
	schema.data = get_block(&at);
	catalog->schemas[catalog->schemas_count++] = schema;
	return schema.name && schema.encoding ? 1 : -ENOMEM;
}

int catalog_add_channel(struct catalog *catalog, const void *content, size_t size)
{
	struct cursor at = cursor_make(content, size);
	struct catalog_channel channel = {.id = get_u16(&at), .schema = get_u16(&at)};
	const struct catalog_channel *known = catalog_find_channel(catalog, channel.id);
	const struct catalog_channel *before = catalog->channels;
	struct cursor topic = get_block(&at);
	struct cursor encoding = get_block(&at);
	struct cursor map = get_block(&at);
	int r;

	(void)topic;
	(void)encoding;
	(void)map;
	if (at.bad)
		return -EPROTO;
	if (channel.schema && !catalog_find_schema(catalog, channel.schema))
		return -ENOENT;
	if (known)
		return is_same(known->record, known->record_size, content, size) ? 0 : -EEXIST;
	r = grow(catalog, &catalog->channels, sizeof(channel), catalog->channels_count, 1);
	if (r < 0)
		return r;
	channel.record = keep(catalog, content, size);
	if (!channel.record)
		return -ENOMEM;
	channel.record_size = size;
	at = cursor_make(channel.record, size);
	(void)get_u32(&at);
	channel.topic = get_string(&at);
	channel.encoding = get_string(&at);
	channel.map = get_block(&at);
	catalog->channels[catalog->channels_count++] = channel;
	catalog->by_id[channel.id] = &catalog->channels[catalog->channels_count - 1];
	if (catalog->channels != before)
		index_channels(catalog);
	return channel.topic && channel.encoding ? 1 : -ENOMEM;
}

/*
 * Chunks and metadata
 */

static void count_parts(struct catalog *catalog, const struct catalog_chunk *chunk, bool is_added)
{
	for (uint32_t i = 0; i < chunk->parts_count; i++) {
		const struct catalog_part *part = &catalog->parts[chunk->parts + i];
		struct catalog_channel *channel = catalog_find_channel(catalog, part->channel);

		if (channel && is_added)
			channel->count += part->count;
		else if (channel)
			channel->count -= part->count;
	}
	if (is_added)
		catalog->messages_count += chunk->count;
	else
		catalog->messages_count -= chunk->count;
}

int catalog_add_chunk(struct catalog *catalog, const struct catalog_chunk *chunk,
		      const struct catalog_part *parts, size_t parts_count)
{
	struct catalog_chunk added = *chunk;
	int r = grow(catalog, &catalog->chunks, sizeof(*chunk), catalog->chunks_count, 1);

	if (r == 0)
		r = grow(catalog, &catalog->parts, sizeof(*parts), catalog->parts_count,
			 parts_count);
	if (r < 0)
		return r;
	added.parts = (uint32_t)catalog->parts_count;
	added.parts_count = (uint32_t)parts_count;
	added.count = 0;
	for (size_t i = 0; i < parts_count; i++) {
		catalog->parts[catalog->parts_count++] = parts[i];
		added.count += parts[i].count;
	}
	catalog->chunks[catalog->chunks_count++] = added;
	count_parts(catalog, &added, true);
	return 0;
}

void catalog_drop_chunk(struct catalog *catalog)
{
	const struct catalog_chunk *last = &catalog->chunks[catalog->chunks_count - 1];

	count_parts(catalog, last, false);
	catalog->parts_count = last->parts;
	catalog->chunks_count--;
	catalog->memory -= sizeof(*last) + last->parts_count * sizeof(*catalog->parts);
}

/* Its parts stay where they are, so that those of the others do, too. */
void catalog_remove_chunk(struct catalog *catalog, uint64_t offset)
{
	for (size_t i = catalog->chunks_count; i-- > 0;) {
		struct catalog_chunk *chunk = &catalog->chunks[i];

		if (chunk->offset != offset)
			continue;
		count_parts(catalog, chunk, false);
		memmove(chunk, chunk + 1, (catalog->chunks_count - i - 1) * sizeof(*chunk));
		catalog->chunks_count--;
		return;
	}
}

int catalog_add_metadata(struct catalog *catalog, uint64_t offset, uint64_t size, const char *name)
{
	struct catalog_metadata metadata = {.offset = offset, .size = size};
	int r = grow(catalog, &catalog->metadata, sizeof(metadata), catalog->metadata_count, 1);

	if (r < 0)
		return r;
	metadata.name = strdup(name);
	if (!metadata.name)
		return -ENOMEM;
	catalog->memory += strlen(name);
	catalog->metadata[catalog->metadata_count++] = metadata;
	return 0;
}

void catalog_span(const struct catalog *catalog, uint64_t *ret_start, uint64_t *ret_end)
{
	*ret_start = UINT64_MAX;
	*ret_end = 0;
	for (size_t i = 0; i < catalog->chunks_count; i++) {
		const struct catalog_chunk *chunk = &catalog->chunks[i];

		if (chunk->count == 0 && chunk->end == 0)
			continue;
		if (chunk->start < *ret_start)
			*ret_start = chunk->start;
		if (chunk->end > *ret_end)
			*ret_end = chunk->end;
	}
	if (*ret_start > *ret_end)
		*ret_start = *ret_end = 0;
}

/*
 * Writing
 */

static void write_record(struct buffer *to, unsigned opcode, const void *content, size_t size)
{
	unsigned char *at = buffer_add(to, MCAP_RECORD_SIZE + size);

	if (at)
		(void)put_bytes(put_record(at, opcode, size), content, size);
}

static void write_schemas(const struct catalog *catalog, struct buffer *to)
{
	for (size_t i = 0; i < catalog->schemas_count; i++)
		write_record(to, MCAP_SCHEMA, catalog->schemas[i].record,
			     catalog->schemas[i].record_size);
}

static void write_channels(const struct catalog *catalog, struct buffer *to)
{
	for (size_t i = 0; i < catalog->channels_count; i++)
		write_record(to, MCAP_CHANNEL, catalog->channels[i].record,
			     catalog->channels[i].record_size);
}

static size_t count_chunks(const struct catalog *catalog)
{
	size_t count = 0;

	for (size_t i = 0; i < catalog->chunks_count; i++)
		count += !catalog->chunks[i].is_loose;
	return count;
}

static void write_statistics(const struct catalog *catalog, struct buffer *to)
{
	size_t map = catalog->channels_count * 10;
	unsigned char *at = buffer_add(to, MCAP_RECORD_SIZE + 46 + map);
	uint64_t start;
	uint64_t end;

	if (!at)
		return;
	catalog_span(catalog, &start, &end);
	at = put_record(at, MCAP_STATISTICS, 46 + map);
	at = put_u64(at, catalog->messages_count);
	at = put_u16(at, (uint16_t)catalog->schemas_count);
	at = put_u32(at, (uint32_t)catalog->channels_count);
	at = put_u32(at, (uint32_t)catalog->attachments_count);
	at = put_u32(at, (uint32_t)catalog->metadata_count);
	at = put_u32(at, (uint32_t)count_chunks(catalog));
	at = put_u64(at, start);
	at = put_u64(at, end);
	at = put_u32(at, (uint32_t)map);
	for (size_t i = 0; i < catalog->channels_count; i++) {
		at = put_u16(at, catalog->channels[i].id);
		at = put_u64(at, catalog->channels[i].count);
	}
}

/* A part without an index is of a chunk whose index was damaged. */
static uint32_t count_indexes(const struct catalog *catalog, const struct catalog_chunk *chunk)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < chunk->parts_count; i++)
		count += catalog->parts[chunk->parts + i].index_offset != 0;
	return count;
}

static void write_chunk_index(const struct catalog *catalog, const struct catalog_chunk *chunk,
			      struct buffer *to)
{
	const char *name = compression_name((enum compression)chunk->compression);
	uint32_t map = count_indexes(catalog, chunk) * 10;
	size_t size = 64 + map + strlen(name);
	unsigned char *at = buffer_add(to, MCAP_RECORD_SIZE + size);

	if (!at)
		return;
	at = put_record(at, MCAP_CHUNK_INDEX, size);
	at = put_u64(at, chunk->start);
	at = put_u64(at, chunk->end);
	at = put_u64(at, chunk->offset);
	at = put_u64(at, chunk->size);
	at = put_u32(at, map);
	for (uint32_t i = 0; i < chunk->parts_count; i++) {
		const struct catalog_part *part = &catalog->parts[chunk->parts + i];

		if (part->index_offset == 0)
			continue;
		at = put_u16(at, part->channel);
		at = put_u64(at, part->index_offset);
	}
	at = put_u64(at, chunk->index_size);
	at = put_string(at, name);
	at = put_u64(at, chunk->compressed);
	(void)put_u64(at, chunk->expanded);
}

static void write_chunk_indexes(const struct catalog *catalog, struct buffer *to)
{
	for (size_t i = 0; i < catalog->chunks_count; i++)
		if (!catalog->chunks[i].is_loose)
			write_chunk_index(catalog, &catalog->chunks[i], to);
}

static void write_metadata_indexes(const struct catalog *catalog, struct buffer *to)
{
	for (size_t i = 0; i < catalog->metadata_count; i++) {
		const struct catalog_metadata *metadata = &catalog->metadata[i];
		size_t size = 20 + strlen(metadata->name);
		unsigned char *at = buffer_add(to, MCAP_RECORD_SIZE + size);

		if (!at)
			return;
		at = put_record(at, MCAP_METADATA_INDEX, size);
		at = put_u64(at, metadata->offset);
		at = put_u64(at, metadata->size);
		(void)put_string(at, metadata->name);
	}
}

static void write_data_end(struct buffer *to)
{
	unsigned char *at = buffer_add(to, MCAP_RECORD_SIZE + 4);

	/* No CRC of the data section: each chunk has its own, and payloads need not be read twice. */
	if (at)
		(void)put_u32(put_record(at, MCAP_DATA_END, 4), 0);
}

static void write_footer(struct buffer *to, size_t summary, uint64_t offset, uint64_t offsets)
{
	unsigned char *at = buffer_add(to, MCAP_TAIL_SIZE);
	uint32_t crc;

	if (!at)
		return;
	at = put_record(at, MCAP_FOOTER, MCAP_FOOTER_SIZE);
	at = put_u64(at, offset);
	at = put_u64(at, offsets);
	crc = crc_add(0, to->data + summary, (size_t)(at - (to->data + summary)));
	at = put_u32(at, crc);
	(void)put_bytes(at, MCAP_MAGIC, MCAP_MAGIC_SIZE);
}

void catalog_write(const struct catalog *catalog, uint64_t offset, struct buffer *to)
{
	static const struct {
		unsigned opcode;
		void (*write)(const struct catalog *catalog, struct buffer *to);
	} groups[] = {
		{MCAP_SCHEMA, write_schemas},
		{MCAP_CHANNEL, write_channels},
		{MCAP_STATISTICS, write_statistics},
		{MCAP_CHUNK_INDEX, write_chunk_indexes},
		{MCAP_METADATA_INDEX, write_metadata_indexes},
	};
	enum {
		GROUPS = sizeof(groups) / sizeof(groups[0])
	};
	size_t before = to->size;
	size_t starts[GROUPS + 1];
	size_t summary;

	write_data_end(to);
	summary = to->size;
	for (size_t i = 0; i < GROUPS; i++) {
		starts[i] = to->size;
		groups[i].write(catalog, to);
	}
	starts[GROUPS] = to->size;
	for (size_t i = 0; i < GROUPS; i++) {
		size_t size = starts[i + 1] - starts[i];
		unsigned char *at = size ? buffer_add(to, MCAP_RECORD_SIZE + 17) : NULL;

		if (!at)
			continue;
		at = put_u8(put_record(at, MCAP_SUMMARY_OFFSET, 17), groups[i].opcode);
		(void)put_u64(put_u64(at, offset + starts[i] - before), size);
	}
	write_footer(to, summary, offset + summary - before, offset + starts[GROUPS] - before);
}
