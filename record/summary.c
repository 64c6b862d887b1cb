/* SPDX-License-Identifier: Apache-2.0 */
#include "summary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crc.h"
#include "mcap_layout.h"

struct loading {
	struct summary *summary;
	struct catalog *catalog;
	struct input *input;
	uint32_t chunks; /* as the statistics say */
};

static int fail(const struct loading *loading, int code, const struct record *record)
{
	return fault_set(loading->input->fault, code, record->offset,
			 code == -EEXIST   ? "an id is used for two things"
			 : code == -ENOENT ? "a channel has a schema that is not there"
			 : code == -ENOMEM ? "out of memory"
			 : code == -E2BIG  ? "the summary takes more memory than is allowed"
					   : "a record (0x%02x) of the summary is damaged",
			 record->opcode);
}

/*
 * One record of the summary each
 */

static int load_chunk(struct loading *loading, struct cursor at)
{
	struct catalog_chunk chunk = {.start = get_u64(&at), .end = get_u64(&at)};
	struct cursor map;
	struct cursor name;

	chunk.offset = get_u64(&at);
	chunk.size = get_u64(&at);
	map = get_block(&at);
	chunk.index_size = get_u64(&at);
	name = get_block(&at);
	chunk.compressed = get_u64(&at);
	chunk.expanded = get_u64(&at);
	(void)map;
	if (at.bad)
		return -EPROTO;
	/* Chunks lie before the summary. */
	if (chunk.offset >= loading->summary->start ||
	    chunk.size > loading->summary->start - chunk.offset)
		return -EPROTO;
	chunk.compression = (uint8_t)compression_find(name.at, cursor_left(&name));
	return catalog_add_chunk(loading->catalog, &chunk, NULL, 0);
}

static int load_statistics(struct loading *loading, struct cursor at)
{
	struct summary *summary = loading->summary;
	struct cursor map;

	summary->messages = get_u64(&at);
	(void)get_u16(&at);
	(void)get_u32(&at);
	loading->catalog->attachments_count = get_u32(&at);
	(void)get_u32(&at);
	loading->chunks = get_u32(&at);
	summary->first = get_u64(&at);
	summary->last = get_u64(&at);
	map = get_block(&at);
	if (at.bad)
		return -EPROTO;
	while (cursor_left(&map)) {
		struct catalog_channel *channel = catalog_find_channel(loading->catalog,
								       get_u16(&map));
		uint64_t count = get_u64(&map);

		if (map.bad)
			return -EPROTO;
		if (channel)
			channel->count = count;
	}
	loading->catalog->messages_count = summary->messages;
	summary->has_statistics = true;
	return 0;
}

static int load_metadata(struct loading *loading, struct cursor at)
{
	uint64_t offset = get_u64(&at);
	uint64_t size = get_u64(&at);
	char *name = get_string(&at);
	int r = at.bad ? -EPROTO : -ENOMEM;

	if (name && !at.bad)
		r = catalog_add_metadata(loading->catalog, offset, size, name);
	free(name);
	return r;
}

static int load_content(struct loading *loading, const struct record *record, const void *content)
{
	struct cursor at = cursor_make(content, record->size);
	int r;

	switch (record->opcode) {
	case MCAP_SCHEMA:
		r = catalog_add_schema(loading->catalog, content, record->size);
		break;
	case MCAP_CHANNEL:
		r = catalog_add_channel(loading->catalog, content, record->size);
		break;
	case MCAP_CHUNK_INDEX:
		r = load_chunk(loading, at);
		break;
	case MCAP_STATISTICS:
		r = load_statistics(loading, at);
		break;
	case MCAP_METADATA_INDEX:
		r = load_metadata(loading, at);
		break;
	default:
		return 0;
	}
	return r < 0 ? fail(loading, r, record) : 0;
}

static int load_record(struct loading *loading, const struct record *record)
{
	unsigned char *content;
	int r = input_load(loading->input, record, loading->catalog->memory_max, &content);

	if (r < 0)
		return r;
	r = load_content(loading, record, content);
	free(content);
	return r;
}

/*
 * All of it
 */

static int check_crc(struct input *input, uint64_t begin, uint64_t end, uint32_t expected)
{
	unsigned char part[4096];
	uint32_t crc = 0;

	for (uint64_t at = begin; at < end;) {
		size_t size = end - at < sizeof(part) ? (size_t)(end - at) : sizeof(part);
		int r = input_read(input, at, part, size);

		if (r < 0)
			return r;
		crc = crc_add(crc, part, size);
		at += size;
	}
	if (crc != expected)
		return fault_set(input->fault, -EPROTO, begin, "the CRC of the summary is wrong");
	return 0;
}

static int load_footer(struct input *input, uint64_t *ret_start, uint64_t *ret_end,
		       uint32_t *ret_crc)
{
	unsigned char tail[MCAP_TAIL_SIZE];
	struct cursor at = cursor_make(tail, sizeof(tail));
	uint64_t offset = input->size - sizeof(tail);
	uint64_t offsets;
	int r;

	if (input->size < sizeof(tail) + MCAP_MAGIC_SIZE)
		return fault_set(input->fault, -EPROTO, input->size, "the file has no end");
	r = input_read(input, offset, tail, sizeof(tail));
	if (r < 0)
		return r;
	if (get_u8(&at) != MCAP_FOOTER || get_u64(&at) != MCAP_FOOTER_SIZE ||
	    memcmp(tail + sizeof(tail) - MCAP_MAGIC_SIZE, MCAP_MAGIC, MCAP_MAGIC_SIZE) != 0)
		return fault_set(input->fault, -EPROTO, offset, "the file has no end");
	*ret_start = get_u64(&at);
	offsets = get_u64(&at);
	*ret_crc = get_u32(&at);
	*ret_end = offsets ? offsets : offset;
	if (*ret_start > offset || *ret_end > offset || (*ret_start && *ret_end < *ret_start))
		return fault_set(input->fault, -EPROTO, offset, "the footer is damaged");
	return 0;
}

int summary_load(struct summary *ret_summary, struct catalog *catalog, struct input *input)
{
	struct loading loading = {.summary = ret_summary, .catalog = catalog, .input = input};
	struct record record;
	uint64_t end = 0;
	uint32_t crc = 0;
	int r;

	*ret_summary = (struct summary){0};
	r = load_footer(input, &ret_summary->start, &end, &crc);
	if (r < 0 || ret_summary->start == 0)
		return r;
	if (crc)
		r = check_crc(input, ret_summary->start,
			      input->size - MCAP_MAGIC_SIZE - sizeof(uint32_t), crc);
	for (uint64_t at = ret_summary->start; r == 0; at = record.end) {
		r = input_find(input, at, end, &record);
		if (r == 0)
			break;
		if (r == 1)
			r = load_record(&loading, &record);
	}
	if (r < 0)
		return r;
	if (!ret_summary->has_statistics || loading.chunks != catalog->chunks_count)
		return 0;
	return catalog->chunks_count > 0 || ret_summary->messages == 0;
}
