/* SPDX-License-Identifier: Apache-2.0 */
#include "reader.h"

#include <errno.h>
#include <stdlib.h>

#include "mcap_layout.h"
#include "walk.h"

/* So much is read ahead. */
#define AHEAD_SIZE (UINT64_C(16) << 20)

struct reader_chunk {
	struct reader_chunk *next;
	struct unpacked unpacked;
	size_t at; /* entry to be given out next */
	uint64_t memory;
};

static int compare_chunks(const void *a, const void *b)
{
	const struct catalog_chunk *left = a;
	const struct catalog_chunk *right = b;

	if (left->start != right->start)
		return left->start < right->start ? -1 : 1;
	return left->offset < right->offset ? -1 : left->offset > right->offset;
}

static int compare_entries(const void *a, const void *b)
{
	const struct unpacked_entry *left = a;
	const struct unpacked_entry *right = b;

	if (left->time != right->time)
		return left->time < right->time ? -1 : 1;
	return left->offset < right->offset ? -1 : left->offset > right->offset;
}

static int walk(struct reader *reader)
{
	struct walk walk = {
		.input = &reader->input,
		.codec = reader->codec,
		.catalog = &reader->catalog,
		.memory_max = reader->memory_max,
	};
	int r;

	catalog_end(&reader->catalog);
	r = catalog_init(&reader->catalog, reader->memory_max);
	if (r < 0)
		return r;
	reader->was_walked = true;
	reader->summary = (struct summary){0};
	r = walk_run(&walk);
	if (r == -EPROTO && walk.end > MCAP_MAGIC_SIZE) {
		reader->is_cut = true;
		reader->cut = *reader->input.fault;
		r = 0;
	}
	return r;
}

static int load(struct reader *reader)
{
	int r = input_check_magic(&reader->input);

	if (r < 0)
		return r;
	r = summary_load(&reader->summary, &reader->catalog, &reader->input);
	if (r == 0 || r == -EPROTO || r == -EEXIST || r == -ENOENT)
		r = walk(reader);
	return r < 0 ? r : 0;
}

int reader_open(struct reader *ret_reader, int fd, uint64_t memory_max, struct fault *fault)
{
	struct reader *reader = ret_reader;
	int r;

	*reader = (struct reader){.input = INPUT_NULL, .memory_max = memory_max, .to = UINT64_MAX};
	r = input_open(&reader->input, fd, fault);
	if (r < 0)
		return r;
	reader->codec = codec_open();
	r = catalog_init(&reader->catalog, memory_max);
	if (r < 0 || !reader->codec)
		r = fault_set(fault, -ENOMEM, 0, "out of memory");
	else
		r = load(reader);
	if (r < 0) {
		reader_close(reader);
		return r;
	}
	if (reader->catalog.chunks_count)
		qsort(reader->catalog.chunks, reader->catalog.chunks_count,
		      sizeof(*reader->catalog.chunks), compare_chunks);
	return 0;
}

static void drop_active(struct reader *reader, struct reader_chunk **at)
{
	struct reader_chunk *chunk = *at;

	*at = chunk->next;
	reader->memory -= chunk->memory;
	unpack_end(&chunk->unpacked);
	free(chunk);
}

void reader_close(struct reader *reader)
{
	warm_end(&reader->warm);
	while (reader->active)
		drop_active(reader, &reader->active);
	input_close(&reader->input);
	if (reader->catalog.by_id)
		catalog_end(&reader->catalog);
	codec_close(reader->codec);
	reader->codec = NULL;
}

void reader_seek(struct reader *reader, uint64_t from, uint64_t to)
{
	while (reader->active)
		drop_active(reader, &reader->active);
	reader->next = 0;
	reader->from = from;
	reader->to = to;
}

/*
 * Chunks
 */

static int unpack(struct reader *reader, const struct catalog_chunk *place, struct unpacked *ret)
{
	uint64_t left = reader->memory_max > reader->memory ? reader->memory_max - reader->memory
							    : 0;
	struct record record;
	int r;

	if (place->is_loose)
		return unpack_loose(ret, &reader->input, place->offset, place->offset + place->size,
				    &reader->catalog, left);
	r = input_find(&reader->input, place->offset, reader->input.size, &record);
	if (r == 1 && (record.opcode != MCAP_CHUNK || record.end != place->offset + place->size))
		r = fault_set(reader->input.fault, -EPROTO, place->offset,
			      "the index speaks of a chunk that is not here");
	if (r != 1)
		return r < 0 ? r : -EPROTO;
	return unpack_chunk(ret, &reader->input, reader->codec, &record, &reader->catalog, left);
}

static uint64_t memory_of(const struct unpacked *unpacked)
{
	return sizeof(struct reader_chunk) + unpacked->size +
	       unpacked->count_max * sizeof(*unpacked->entries) +
	       unpacked->parts_count * sizeof(*unpacked->parts);
}

static bool is_sorted(const struct unpacked *unpacked)
{
	for (size_t i = 1; i < unpacked->count; i++)
		if (unpacked->entries[i].time < unpacked->entries[i - 1].time)
			return false;
	return true;
}

static int activate(struct reader *reader)
{
	const struct catalog_chunk *place = &reader->catalog.chunks[reader->next];
	struct reader_chunk *chunk;
	int r;

	if (place->end < reader->from || place->start > reader->to) {
		reader->next++;
		return 0;
	}
	chunk = calloc(1, sizeof(*chunk));
	if (!chunk)
		return fault_set(reader->input.fault, -ENOMEM, place->offset, "out of memory");
	r = unpack(reader, place, &chunk->unpacked);
	if (r < 0) {
		unpack_end(&chunk->unpacked);
		free(chunk);
		return r;
	}
	reader->next++;
	if (!is_sorted(&chunk->unpacked))
		qsort(chunk->unpacked.entries, chunk->unpacked.count,
		      sizeof(*chunk->unpacked.entries), compare_entries);
	chunk->memory = memory_of(&chunk->unpacked);
	reader->memory += chunk->memory;
	chunk->next = reader->active;
	reader->active = chunk;
	return 0;
}

/*
 * Messages
 */

static bool is_before(const struct reader_chunk *a, const struct reader_chunk *b)
{
	uint64_t left = a->unpacked.entries[a->at].time;
	uint64_t right = b->unpacked.entries[b->at].time;

	if (left != right)
		return left < right;
	return a->unpacked.chunk.offset < b->unpacked.chunk.offset;
}

/* The active chunk with the next message; those that are used up go. NULL: none */
static struct reader_chunk *choose(struct reader *reader)
{
	struct reader_chunk *best = NULL;

	for (struct reader_chunk **at = &reader->active; *at;) {
		if ((*at)->at == (*at)->unpacked.count) {
			drop_active(reader, at);
			continue;
		}
		if (!best || is_before(*at, best))
			best = *at;
		at = &(*at)->next;
	}
	return best;
}

/* A chunk that begins before the next message may have an earlier one. */
static bool must_load(const struct reader *reader, const struct reader_chunk *best)
{
	if (reader->next == reader->catalog.chunks_count)
		return false;
	return !best ||
	       reader->catalog.chunks[reader->next].start <= best->unpacked.entries[best->at].time;
}

int reader_next(struct reader *reader, struct message *ret)
{
	for (;;) {
		struct reader_chunk *best = choose(reader);

		while (must_load(reader, best)) {
			int r = activate(reader);

			if (r < 0)
				return r;
			best = choose(reader);
		}
		if (!best)
			return 0;
		unpack_message(&best->unpacked, best->at++, ret);
		if (ret->log_time >= reader->from && ret->log_time <= reader->to)
			return 1;
	}
}

static void warm_up(struct reader *reader, uint64_t offset)
{
	if (offset + AHEAD_SIZE / 2 < reader->warmed && offset + AHEAD_SIZE > reader->warmed)
		return;
	if (!reader->warm.is_there)
		warm_begin(&reader->warm, reader->input.fd);
	warm_ask(&reader->warm, offset, AHEAD_SIZE);
	reader->warmed = offset + AHEAD_SIZE;
}

int reader_ahead(struct reader *reader, uint64_t time)
{
	const struct catalog_chunk *chunk;
	int r;

	if (reader->next == reader->catalog.chunks_count)
		return 0;
	chunk = &reader->catalog.chunks[reader->next];
	warm_up(reader, chunk->offset);
	if (chunk->start > time || chunk->expanded > reader->memory_max / 2 ||
	    reader->memory > reader->memory_max / 2)
		return 0;
	r = activate(reader);
	return r < 0 ? r : 1;
}

int reader_load_metadata(struct reader *reader, const struct catalog_metadata *metadata,
			 unsigned char **ret, struct cursor *ret_pairs)
{
	struct record record;
	struct cursor at;
	int r = input_find(&reader->input, metadata->offset, reader->input.size, &record);

	if (r != 1 || record.opcode != MCAP_METADATA)
		return fault_set(reader->input.fault, -EPROTO, metadata->offset,
				 "the index speaks of metadata that is not here");
	r = input_load(&reader->input, &record, reader->memory_max, ret);
	if (r < 0)
		return r;
	at = cursor_make(*ret, record.size);
	(void)get_block(&at);
	*ret_pairs = get_block(&at);
	return 0;
}
