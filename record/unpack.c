/* SPDX-License-Identifier: Apache-2.0 */
#include "unpack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crc.h"
#include "mcap_layout.h"

int unpack_head(struct input *input, const struct record *record, struct catalog_chunk *ret,
		uint32_t *ret_crc, uint64_t *ret_data)
{
	/* The name of a compression is short; a longer one is none of ours. */
	unsigned char head[MCAP_CHUNK_FIXED + 4 + 64 + 8];
	size_t size = record->size < sizeof(head) ? (size_t)record->size : sizeof(head);
	struct cursor at = cursor_make(head, size);
	struct cursor name;
	int r = input_read(input, record->content, head, size);

	if (r < 0)
		return r;
	*ret = (struct catalog_chunk){.offset = record->offset,
				      .size = record->end - record->offset};
	ret->start = get_u64(&at);
	ret->end = get_u64(&at);
	ret->expanded = get_u64(&at);
	*ret_crc = get_u32(&at);
	name = get_block(&at);
	ret->compressed = get_u64(&at);
	*ret_data = record->content + (uint64_t)(at.at - head);
	if (at.bad || ret->compressed != record->end - *ret_data)
		return fault_set(input->fault, -EPROTO, record->offset,
				 "the sizes of a chunk do not agree");
	ret->compression = (uint8_t)compression_find(name.at, cursor_left(&name));
	if (ret->compression == COMPRESSION_UNKNOWN)
		return fault_set(input->fault, -ENOTSUP, record->offset,
				 "a chunk has an unknown compression");
	return 0;
}

/*
 * The records inside
 */

static int add_entry(struct unpacked *unpacked, uint64_t time, uint64_t offset)
{
	size_t wanted = unpacked->count_max ? 2 * unpacked->count_max : 64;
	struct unpacked_entry *larger;

	if (unpacked->count == unpacked->count_max) {
		larger = realloc(unpacked->entries, wanted * sizeof(*larger));
		if (!larger)
			return -ENOMEM;
		unpacked->entries = larger;
		unpacked->count_max = wanted;
	}
	unpacked->entries[unpacked->count++] = (struct unpacked_entry){time, offset};
	return 0;
}

#define CHANNELS 65536u

static int add_part(struct unpacked *unpacked, uint16_t channel)
{
	struct catalog_part *larger;

	if (!unpacked->part_of)
		unpacked->part_of = calloc(CHANNELS, sizeof(*unpacked->part_of));
	if (!unpacked->part_of)
		return -ENOMEM;
	if (unpacked->part_of[channel]) {
		unpacked->parts[unpacked->part_of[channel] - 1].count++;
		return 0;
	}
	larger = realloc(unpacked->parts, (unpacked->parts_count + 1) * sizeof(*larger));
	if (!larger)
		return -ENOMEM;
	unpacked->parts = larger;
	larger[unpacked->parts_count++] = (struct catalog_part){.channel = channel, .count = 1};
	unpacked->part_of[channel] = (uint32_t)unpacked->parts_count;
	return 0;
}

static int add_message(struct unpacked *unpacked, struct cursor at, uint64_t offset,
		       struct catalog *catalog)
{
	struct catalog_chunk *chunk = &unpacked->chunk;
	uint16_t channel = get_u16(&at);
	uint64_t time;
	int r;

	(void)get_u32(&at);
	time = get_u64(&at);
	(void)get_u64(&at);
	if (at.bad)
		return -EPROTO;
	if (!catalog_find_channel(catalog, channel))
		return -ENOENT;
	if (unpacked->count == UINT32_MAX)
		return -E2BIG;
	if (chunk->is_loose && (unpacked->count == 0 || time < chunk->start))
		chunk->start = time;
	if (chunk->is_loose && time > chunk->end)
		chunk->end = time;
	r = add_entry(unpacked, time, offset);
	return r < 0 ? r : add_part(unpacked, channel);
}

static int add_record(struct unpacked *unpacked, unsigned opcode, struct cursor content,
		      uint64_t offset, struct catalog *catalog)
{
	int r;

	switch (opcode) {
	case MCAP_MESSAGE:
		return add_message(unpacked, content, offset, catalog);
	case MCAP_SCHEMA:
		r = catalog_add_schema(catalog, content.at, cursor_left(&content));
		return r < 0 ? r : 0;
	case MCAP_CHANNEL:
		r = catalog_add_channel(catalog, content.at, cursor_left(&content));
		return r < 0 ? r : 0;
	case 0:
		return -EPROTO;
	default:
		return 0;
	}
}

static const char *describe(int code)
{
	switch (code) {
	case -EEXIST:
		return "an id is used for two things";
	case -ENOENT:
		return "it is of a channel, or a channel of a schema, that is not described before";
	case -E2BIG:
		return "it takes more memory than is allowed";
	case -ENOMEM:
		return "out of memory";
	default:
		return "it is damaged";
	}
}

static int add_records(struct unpacked *unpacked, struct input *input, struct catalog *catalog,
		       uint64_t where)
{
	struct cursor at = cursor_make(unpacked->bytes, unpacked->size);

	while (cursor_left(&at)) {
		uint64_t offset = (uint64_t)(at.at - unpacked->bytes);
		unsigned opcode = get_u8(&at);
		uint64_t size = get_u64(&at);
		const unsigned char *content = get_bytes(&at, size);
		int r = content ? add_record(unpacked, opcode, cursor_make(content, size), offset,
					     catalog)
				: -EPROTO;

		if (r < 0)
			return fault_set(input->fault, r, where,
					 "a record (0x%02x) at %llu inside: %s", opcode,
					 (unsigned long long)offset, describe(r));
	}
	free(unpacked->part_of);
	unpacked->part_of = NULL;
	unpacked->chunk.count = (uint32_t)unpacked->count;
	return 0;
}

/*
 * Chunks
 */

static int expand(struct unpacked *unpacked, struct input *input, struct codec *codec,
		  uint64_t data)
{
	const struct catalog_chunk *chunk = &unpacked->chunk;
	unsigned char *packed;
	int r;

	packed = malloc(chunk->compressed + 1);
	if (!packed)
		return fault_set(input->fault, -ENOMEM, chunk->offset, "out of memory");
	r = input_read(input, data, packed, chunk->compressed);
	if (r == 0) {
		r = codec_expand(codec, (enum compression)chunk->compression, unpacked->bytes,
				 unpacked->size, packed, chunk->compressed);
		if (r < 0)
			(void)fault_set(input->fault, r, chunk->offset,
					"a chunk cannot be decompressed (%s)",
					compression_name((enum compression)chunk->compression));
	}
	free(packed);
	return r;
}

int unpack_chunk(struct unpacked *ret, struct input *input, struct codec *codec,
		 const struct record *record, struct catalog *catalog, uint64_t memory_max)
{
	uint32_t crc;
	uint64_t data;
	int r;

	*ret = (struct unpacked){0};
	r = unpack_head(input, record, &ret->chunk, &crc, &data);
	if (r < 0)
		return r;
	if (ret->chunk.expanded > memory_max || ret->chunk.compressed > memory_max)
		return fault_set(input->fault, -E2BIG, record->offset,
				 "a chunk of %llu bytes is more than the %llu allowed",
				 (unsigned long long)ret->chunk.expanded,
				 (unsigned long long)memory_max);
	ret->size = ret->chunk.expanded;
	ret->bytes = malloc(ret->size + 1);
	if (!ret->bytes)
		return fault_set(input->fault, -ENOMEM, record->offset, "out of memory");
	if (ret->chunk.compression == COMPRESSION_NONE && ret->chunk.compressed != ret->size)
		return fault_set(input->fault, -EPROTO, record->offset,
				 "the sizes of a chunk do not agree");
	r = ret->chunk.compression == COMPRESSION_NONE
		    ? input_read(input, data, ret->bytes, ret->size)
		    : expand(ret, input, codec, data);
	if (r < 0)
		return r;
	if (crc && crc_add(0, ret->bytes, ret->size) != crc)
		return fault_set(input->fault, -EPROTO, record->offset,
				 "the CRC of a chunk is wrong");
	return add_records(ret, input, catalog, record->offset);
}

int unpack_loose(struct unpacked *ret, struct input *input, uint64_t offset, uint64_t end,
		 struct catalog *catalog, uint64_t memory_max)
{
	int r;

	*ret = (struct unpacked){0};
	ret->chunk = (struct catalog_chunk){
		.offset = offset,
		.size = end - offset,
		.expanded = end - offset,
		.compressed = end - offset,
		.is_loose = true,
	};
	if (end - offset > memory_max)
		return fault_set(input->fault, -E2BIG, offset,
				 "a message of %llu bytes is more than the %llu allowed",
				 (unsigned long long)(end - offset),
				 (unsigned long long)memory_max);
	ret->size = end - offset;
	ret->bytes = malloc(ret->size + 1);
	if (!ret->bytes)
		return fault_set(input->fault, -ENOMEM, offset, "out of memory");
	r = input_read(input, offset, ret->bytes, ret->size);
	return r < 0 ? r : add_records(ret, input, catalog, offset);
}

void unpack_message(const struct unpacked *unpacked, size_t index, struct message *ret)
{
	const unsigned char *record = unpacked->bytes + unpacked->entries[index].offset;
	struct cursor at = cursor_make(record, MCAP_MESSAGE_HEAD);
	uint64_t size;

	(void)get_u8(&at);
	size = get_u64(&at);
	ret->channel = get_u16(&at);
	ret->sequence = get_u32(&at);
	ret->log_time = get_u64(&at);
	ret->publish_time = get_u64(&at);
	ret->payload = record + MCAP_MESSAGE_HEAD;
	ret->size = (size_t)size - MCAP_MESSAGE_FIXED;
}

void unpack_end(struct unpacked *unpacked)
{
	free(unpacked->bytes);
	free(unpacked->entries);
	free(unpacked->parts);
	free(unpacked->part_of);
	*unpacked = (struct unpacked){0};
}
