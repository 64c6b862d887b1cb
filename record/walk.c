/* SPDX-License-Identifier: Apache-2.0 */
#include "walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mcap_layout.h"
#include "unpack.h"

/* Loose messages are taken together up to this. */
#define LOOSE_SIZE (1u << 20)

/* What is wrong with one record; can one go on with the next? */
static int tell(struct walk *walk, int code)
{
	if (code == -ENOMEM || code == -EIO || !walk->tell ||
	    !walk->tell(walk->user, walk->input->fault))
		return code;
	return 0;
}

/*
 * Indexes behind a chunk
 */

/* Entries are sorted by offset, as the messages lie. */
static const struct unpacked_entry *find_entry(const struct unpacked *unpacked, uint64_t offset)
{
	size_t low = 0;
	size_t high = unpacked->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (unpacked->entries[middle].offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < unpacked->count && unpacked->entries[low].offset == offset
		       ? &unpacked->entries[low]
		       : NULL;
}

static struct catalog_part *find_part(const struct unpacked *unpacked, uint16_t channel)
{
	for (size_t i = 0; i < unpacked->parts_count; i++)
		if (unpacked->parts[i].channel == channel)
			return &unpacked->parts[i];
	return NULL;
}

static const char *find_wrong(const struct unpacked *unpacked, struct cursor at, uint64_t offset)
{
	uint16_t channel = get_u16(&at);
	struct cursor entries = get_block(&at);
	struct catalog_part *part = find_part(unpacked, channel);
	size_t count = entries.bad ? 0 : cursor_left(&entries) / 16;

	if (at.bad || cursor_left(&entries) % 16)
		return "a message index is damaged";
	if (count && !part)
		return "a message index is of a channel that its chunk has no messages of";
	if (part && count != part->count)
		return "a message index has not as many entries as its chunk has messages";
	for (size_t i = 0; i < count; i++) {
		uint64_t time = get_u64(&entries);
		const struct unpacked_entry *entry = find_entry(unpacked, get_u64(&entries));
		struct message message;

		if (!entry || entry->time != time)
			return "a message index points to no message";
		unpack_message(unpacked, (size_t)(entry - unpacked->entries), &message);
		if (message.channel != channel)
			return "a message index points to a message of another channel";
	}
	if (part)
		part->index_offset = offset;
	return NULL;
}

static int check_index(struct walk *walk, const struct unpacked *unpacked,
		       const struct record *record)
{
	unsigned char *content;
	const char *wrong;
	int r = input_load(walk->input, record, walk->memory_max, &content);

	if (r < 0)
		return r;
	wrong = find_wrong(unpacked, cursor_make(content, record->size), record->offset);
	free(content);
	return wrong ? fault_set(walk->input->fault, -EPROTO, record->offset, "%s", wrong) : 0;
}

/* Message indexes that follow a chunk belong to it, up to the first one that is wrong. */
static int check_indexes(struct walk *walk, struct unpacked *unpacked, uint64_t *ret_end)
{
	uint64_t begin = unpacked->chunk.offset + unpacked->chunk.size;
	struct record record;
	int r = 0;

	while (r == 0 && *ret_end < walk->input->size) {
		/* What is cut off there is the walk's to tell. */
		if (input_find(walk->input, *ret_end, walk->input->size, &record) != 1 ||
		    record.opcode != MCAP_MESSAGE_INDEX)
			break;
		r = check_index(walk, unpacked, &record);
		unpacked->chunk.index_size = (r < 0 ? record.offset : record.end) - begin;
		*ret_end = record.end;
	}
	return r < 0 ? tell(walk, r) : 0;
}

/* A chunk says in front what times it has. */
static int check_times(struct walk *walk, const struct unpacked *unpacked)
{
	const struct catalog_chunk *chunk = &unpacked->chunk;

	for (size_t i = 0; i < unpacked->count; i++)
		if (unpacked->entries[i].time < chunk->start ||
		    unpacked->entries[i].time > chunk->end)
			return fault_set(walk->input->fault, -EPROTO, chunk->offset,
					 "a chunk has a message outside of its times");
	return 0;
}

/*
 * Records
 */

/* 0: it is whole, or was told of and left out */
static int take_chunk(struct walk *walk, const struct record *record, uint64_t *ret_end)
{
	struct unpacked unpacked;
	int r = unpack_chunk(&unpacked, walk->input, walk->codec, record, walk->catalog,
			     walk->memory_max);

	if (r == 0)
		r = check_times(walk, &unpacked);
	if (r < 0) {
		unpack_end(&unpacked);
		walk->bad++;
		return tell(walk, r);
	}
	r = check_indexes(walk, &unpacked, ret_end);
	if (r == 0) {
		r = catalog_add_chunk(walk->catalog, &unpacked.chunk, unpacked.parts,
				      unpacked.parts_count);
		if (r < 0)
			(void)fault_set(walk->input->fault, r, record->offset,
					"the chunks take more memory than is allowed");
	}
	unpack_end(&unpacked);
	return r;
}

static int take_loose(struct walk *walk, const struct record *first, uint64_t *ret_end)
{
	struct unpacked unpacked;
	struct record record = *first;
	int r;

	/* As many as follow each other. */
	while (record.opcode == MCAP_MESSAGE && record.end - first->offset <= LOOSE_SIZE) {
		*ret_end = record.end;
		if (input_find(walk->input, record.end, walk->input->size, &record) != 1)
			break;
	}
	r = unpack_loose(&unpacked, walk->input, first->offset, *ret_end, walk->catalog,
			 walk->memory_max);
	if (r == 0)
		r = catalog_add_chunk(walk->catalog, &unpacked.chunk, unpacked.parts,
				      unpacked.parts_count);
	else
		r = tell(walk, r);
	unpack_end(&unpacked);
	return r;
}

static int take_metadata(struct walk *walk, const struct record *record, const void *content)
{
	struct cursor at = cursor_make(content, record->size);
	char *name = get_string(&at);
	int r;

	(void)get_block(&at);
	if (!name || at.bad) {
		free(name);
		return fault_set(walk->input->fault, -EPROTO, record->offset,
				 "a record (0x%02x) is damaged", record->opcode);
	}
	r = catalog_add_metadata(walk->catalog, record->offset, record->end - record->offset, name);
	free(name);
	return r;
}

static int take_small(struct walk *walk, const struct record *record)
{
	unsigned char *content;
	int r = input_load(walk->input, record, walk->memory_max, &content);

	if (r < 0)
		return r;
	if (record->opcode == MCAP_METADATA)
		r = take_metadata(walk, record, content);
	else if (record->opcode == MCAP_SCHEMA)
		r = catalog_add_schema(walk->catalog, content, record->size);
	else
		r = catalog_add_channel(walk->catalog, content, record->size);
	free(content);
	if (r == -EEXIST || r == -ENOENT || r == -EPROTO)
		(void)fault_set(walk->input->fault, r, record->offset,
				r == -EEXIST   ? "an id is used for two things"
				: r == -ENOENT ? "a channel has a schema that is not there"
					       : "a record (0x%02x) is damaged",
				record->opcode);
	return r < 0 ? tell(walk, r) : 0;
}

static int take_record(struct walk *walk, const struct record *record, uint64_t *ret_end)
{
	switch (record->opcode) {
	case MCAP_CHUNK:
		return take_chunk(walk, record, ret_end);
	case MCAP_MESSAGE:
		return take_loose(walk, record, ret_end);
	case MCAP_SCHEMA:
	case MCAP_CHANNEL:
	case MCAP_METADATA:
		return take_small(walk, record);
	case MCAP_MESSAGE_INDEX:
		return tell(walk, fault_set(walk->input->fault, -EPROTO, record->offset,
					    "a message index has no chunk that is whole"));
	case MCAP_ATTACHMENT:
		walk->catalog->attachments_count++;
		return 0;
	case MCAP_FOOTER:
		return fault_set(walk->input->fault, -EPROTO, record->offset,
				 "the footer comes before the end of the data");
	default:
		return 0;
	}
}

int walk_run(struct walk *walk)
{
	struct record record;
	int r = input_check_magic(walk->input);

	if (r < 0)
		return r;
	walk->end = MCAP_MAGIC_SIZE;
	for (;;) {
		uint64_t end;

		r = input_find(walk->input, walk->end, walk->input->size, &record);
		if (r == 0)
			return fault_set(walk->input->fault, -EPROTO, walk->end,
					 "the file has no end");
		if (r < 0)
			return r;
		walk->has_data_end = record.opcode == MCAP_DATA_END;
		if (walk->has_data_end)
			return 0;
		end = record.end;
		r = take_record(walk, &record, &end);
		if (r < 0)
			return r;
		walk->end = end;
	}
}
