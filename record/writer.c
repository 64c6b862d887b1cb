/* SPDX-License-Identifier: Apache-2.0 */
#include "writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crc.h"
#include "mcap_layout.h"
#include "touch.h"

/* Longer than any file, and no number that another one makes overflow. */
#define VEIL_LENGTH (UINT64_C(1) << 62)
/* So much may be hidden, and what was added last. */
#define VEILED_MAX (UINT64_C(64) << 20)

static int write_header(struct writer *writer)
{
	static const char library[] = "floe " FLOE_VERSION;
	size_t size = 4 + 4 + strlen(library);
	unsigned char head[MCAP_MAGIC_SIZE + MCAP_RECORD_SIZE + 8 + sizeof(library)];
	unsigned char *to = head;

	to = put_bytes(to, MCAP_MAGIC, MCAP_MAGIC_SIZE);
	to = put_record(to, MCAP_HEADER, size);
	to = put_string(to, "");
	to = put_string(to, library);
	return output_put(&writer->output, head, (size_t)(to - head));
}

/* A record of one block, so that it can be written again without being read. */
static size_t veil_size(const struct writer *writer)
{
	uint32_t align = writer->output.align;

	return align < MCAP_RECORD_SIZE ? MCAP_RECORD_SIZE : align;
}

static int make_bare(struct writer *writer)
{
	writer->bare = aligned_alloc(OUTPUT_ALIGN_MAX, OUTPUT_ALIGN_MAX);
	if (!writer->bare)
		return -ENOMEM;
	memset(writer->bare, 0, OUTPUT_ALIGN_MAX);
	(void)put_record(writer->bare, MCAP_VOID, veil_size(writer) - MCAP_RECORD_SIZE);
	return 0;
}

int writer_open(struct writer *ret_writer, int fd, const struct writer_plan *plan)
{
	struct writer *writer = ret_writer;
	int r;

	*writer = (struct writer){
		.output = OUTPUT_NULL,
		.compression = plan->compression,
		.crc = plan->crc,
		.release = plan->release,
		.lose = plan->lose,
		.user = plan->user,
	};
	writer->written_end = &writer->written;
	r = output_open(&writer->output, fd, plan->mode);
	if (r == 0)
		r = catalog_init(&writer->catalog, WRITER_CATALOG_MAX);
	writer->codec = codec_open();
	if (r == 0 && !writer->codec)
		r = -ENOMEM;
	if (r == 0 && output_flies(&writer->output))
		r = make_bare(writer);
	if (r == 0)
		r = write_header(writer);
	if (r < 0)
		writer_close(writer);
	return r;
}

static void release_first(struct writer *writer)
{
	struct chunk *chunk = writer->written;

	writer->written = chunk->next;
	if (!writer->written)
		writer->written_end = &writer->written;
	writer->release(writer->user, chunk);
}

static void release_all(struct writer *writer)
{
	while (writer->written)
		release_first(writer);
}

void writer_close(struct writer *writer)
{
	/* What is under way still needs its chunks. */
	output_close(&writer->output);
	release_all(writer);
	free(writer->bare);
	writer->bare = NULL;
	if (writer->catalog.by_id)
		catalog_end(&writer->catalog);
	codec_close(writer->codec);
	writer->codec = NULL;
	free(writer->compressed);
	writer->compressed = NULL;
	buffer_end(&writer->index);
	free(writer->parts);
	writer->parts = NULL;
	writer->parts_max = 0;
}

/* What was not written leaves the output in a state from which only the end can follow. */
static int note(struct writer *writer, int r)
{
	if (r < 0 && writer->error == 0)
		writer->error = r;
	return r;
}

static int write_record(struct writer *writer, unsigned opcode, const void *content, size_t size)
{
	unsigned char head[MCAP_RECORD_SIZE];
	int r;

	(void)put_record(head, opcode, size);
	r = output_put(&writer->output, head, sizeof(head));
	return r < 0 ? r : output_put(&writer->output, content, size);
}

int writer_add_schema(struct writer *writer, const void *content, size_t size)
{
	int r = catalog_add_schema(&writer->catalog, content, size);

	return r == 1 ? note(writer, write_record(writer, MCAP_SCHEMA, content, size)) : r;
}

int writer_add_channel(struct writer *writer, const void *content, size_t size)
{
	int r = catalog_add_channel(&writer->catalog, content, size);

	return r == 1 ? note(writer, write_record(writer, MCAP_CHANNEL, content, size)) : r;
}

/*
 * Message indexes
 */

static int add_part(struct writer *writer, int count, uint16_t channel)
{
	size_t wanted = writer->parts_max ? 2 * writer->parts_max : 16;
	struct catalog_part *larger;

	if ((size_t)count == writer->parts_max) {
		larger = realloc(writer->parts, wanted * sizeof(*larger));
		if (!larger)
			return -ENOMEM;
		writer->parts = larger;
		writer->parts_max = wanted;
	}
	writer->parts[count] = (struct catalog_part){.channel = channel};
	return 0;
}

/* The channels of a chunk with how many messages each has; few, so a list. How many; -ENOMEM */
static int list_parts(struct writer *writer, const struct chunk *chunk)
{
	int count = 0;
	int last = 0;

	for (uint32_t i = 0; i < chunk->count; i++) {
		uint16_t channel = chunk->entries[i].channel;

		if (count == 0 || writer->parts[last].channel != channel)
			for (last = 0; last < count && writer->parts[last].channel != channel;)
				last++;
		if (last == count && add_part(writer, count++, channel) < 0)
			return -ENOMEM;
		writer->parts[last].count++;
	}
	return count;
}

static void write_index(const struct chunk *chunk, const struct catalog_part *part,
			struct buffer *to)
{
	uint32_t size = part->count * MCAP_PLACE_SIZE;
	unsigned char *at = buffer_add(to, MCAP_RECORD_SIZE + 6 + size);

	if (!at)
		return;
	at = put_record(at, MCAP_MESSAGE_INDEX, 6 + size);
	at = put_u16(at, part->channel);
	at = put_u32(at, size);
	for (uint32_t i = 0; i < chunk->count; i++) {
		if (chunk->entries[i].channel != part->channel)
			continue;
		at = put_u64(at, chunk->entries[i].time);
		at = put_u64(at, chunk->entries[i].offset);
	}
}

/* Behind the chunk, which ends at the output's position. */
static int write_indexes(struct writer *writer, const struct chunk *chunk, int count)
{
	uint64_t begin = writer->output.position;

	writer->index.size = 0;
	for (int i = 0; i < count; i++) {
		writer->parts[i].index_offset = begin + writer->index.size;
		write_index(chunk, &writer->parts[i], &writer->index);
	}
	if (writer->index.bad)
		return -ENOMEM;
	return output_put(&writer->output, writer->index.data, writer->index.size);
}

/*
 * Chunks
 */

/* What stands before the records of a chunk. */
struct head {
	unsigned char bytes[MCAP_CHUNK_HEAD_MAX];
	size_t size;
};

static struct head make_head(const struct catalog_chunk *chunk, uint32_t crc)
{
	const char *name = compression_name((enum compression)chunk->compression);
	struct head head;
	unsigned char *to = head.bytes;

	to = put_record(to, MCAP_CHUNK,
			MCAP_CHUNK_FIXED + 4 + strlen(name) + 8 + chunk->compressed);
	to = put_u64(to, chunk->start);
	to = put_u64(to, chunk->end);
	to = put_u64(to, chunk->expanded);
	to = put_u32(to, crc);
	to = put_string(to, name);
	to = put_u64(to, chunk->compressed);
	head.size = (size_t)(to - head.bytes);
	return head;
}

struct sum {
	const struct chunk *chunk;
	uint32_t crc;
};

static int add_payload(void *user)
{
	struct sum *sum = user;

	sum->crc = crc_add(sum->crc, sum->chunk->payload, sum->chunk->payload_size);
	return 0;
}

static uint32_t find_crc(const struct writer *writer, struct chunk *chunk)
{
	struct sum sum = {.chunk = chunk};

	if (writer->crc == WRITER_CRC_NONE || (chunk->payload && writer->crc != WRITER_CRC_ALL))
		return 0;
	sum.crc = chunk_crc(chunk);
	if (chunk->payload && touch_run(add_payload, &sum) < 0)
		chunk->is_gone = true;
	return sum.crc;
}

/* Is there none yet, or a batch of its own to hang one in front of? */
static bool wants_veil(const struct writer *writer)
{
	if (writer->veils_count == 0)
		return true;
	return output_flies(&writer->output) && writer->veils_count < WRITER_VEILS_MAX &&
	       writer->veils[writer->veils_count - 1] < writer->output.sent;
}

static int hang_veil(struct writer *writer)
{
	unsigned char veil[OUTPUT_ALIGN_MAX] = {0};
	int r = output_fill(&writer->output, 0);

	if (r < 0)
		return r;
	(void)put_record(veil, MCAP_VOID, VEIL_LENGTH);
	writer->veils[writer->veils_count++] = writer->output.position;
	return output_put(&writer->output, veil, veil_size(writer));
}

/* The oldest hides nothing any more. */
static void forget_veil(struct writer *writer)
{
	writer->veils_count--;
	memmove(writer->veils, writer->veils + 1, writer->veils_count * sizeof(*writer->veils));
}

/* What it hid has been checked. On a full disk it may have been cut off. One that stays where it is
 * is not forgotten: with it the file is not whole. */
static int lift_veil(struct writer *writer)
{
	unsigned char veil[OUTPUT_ALIGN_MAX] = {0};
	uint64_t position = writer->veils[0];
	int r = 0;

	(void)put_record(veil, MCAP_VOID, veil_size(writer) - MCAP_RECORD_SIZE);
	if (position < writer->output.position)
		r = output_patch(&writer->output, position, veil, veil_size(writer));
	if (r == 0)
		forget_veil(writer);
	return r;
}

/* Of those that left, the ones that got there. */
static void see_lifted(struct writer *writer)
{
	while (writer->veils_leaving && writer->veils_lifted < writer->output.changed) {
		writer->veils_lifted++;
		writer->veils_leaving--;
		forget_veil(writer);
	}
}

/* Nothing is under way: those that left and are not there did not get there. */
static int lift_all(struct writer *writer)
{
	int r = 0;

	see_lifted(writer);
	writer->veils_leaving = 0;
	writer->veils_lifted = writer->output.changed;
	while (r == 0 && writer->veils_count)
		r = lift_veil(writer);
	return r;
}

/* Large parts are written from where they lie, in front of them goes what is small. */
static int write_plain(struct writer *writer, struct chunk *chunk, struct catalog_chunk *ret)
{
	struct output *output = &writer->output;
	struct head head = make_head(ret, find_crc(writer, chunk));
	size_t ahead = head.size + (chunk->payload ? chunk->size : 0);
	const void *large = chunk->payload ? chunk->payload : chunk->bytes;
	size_t size = chunk->payload ? chunk->payload_size : chunk->size;
	int r = chunk->is_whole && wants_veil(writer) ? hang_veil(writer) : 0;

	if (r == 0)
		r = output_fill(output, ahead);
	ret->offset = output->position;
	if (r == 0)
		r = output_put(output, head.bytes, head.size);
	if (r == 0 && chunk->payload)
		r = output_put(output, chunk->bytes, chunk->size);
	if (r < 0)
		return r;
	/* A payload at an odd address, or one that O_DIRECT cannot write. */
	return output_can_refer(output, large)
		       ? output_refer(output, large, size, &chunk->is_gone)
		       : output_put_foreign(output, large, size, &chunk->is_gone);
}

static int compress(struct writer *writer, const struct chunk *chunk, struct catalog_chunk *ret)
{
	size_t bound = codec_bound(writer->compression, chunk->size);
	int64_t r;

	if (bound > writer->compressed_max) {
		free(writer->compressed);
		writer->compressed = malloc(bound);
		writer->compressed_max = writer->compressed ? bound : 0;
		if (!writer->compressed)
			return -ENOMEM;
	}
	r = codec_compress(writer->codec, writer->compression, writer->compressed, bound,
			   chunk->bytes, chunk->size);
	if (r < 0)
		return (int)r;
	ret->compressed = (uint64_t)r;
	ret->compression = (uint8_t)writer->compression;
	return 0;
}

static int write_compressed(struct writer *writer, struct chunk *chunk, struct catalog_chunk *ret)
{
	struct head head;
	int r = compress(writer, chunk, ret);

	if (r < 0)
		return r;
	head = make_head(ret, find_crc(writer, chunk));
	ret->offset = writer->output.position;
	r = output_put(&writer->output, head.bytes, head.size);
	return r < 0 ? r : output_put(&writer->output, writer->compressed, ret->compressed);
}

static int write_chunk(struct writer *writer, struct chunk *chunk)
{
	struct catalog_chunk entry = {
		.start = chunk->start,
		.end = chunk->end,
		.expanded = chunk->size + chunk->payload_size,
		.compressed = chunk->size + chunk->payload_size,
		.is_referred = chunk->payload,
	};
	int count = list_parts(writer, chunk);
	int r = count;

	if (r >= 0)
		r = writer->compression == COMPRESSION_NONE || chunk->payload
			    ? write_plain(writer, chunk, &entry)
			    : write_compressed(writer, chunk, &entry);
	if (r < 0)
		return r;
	entry.size = writer->output.position - entry.offset;
	r = write_indexes(writer, chunk, count);
	entry.index_size = writer->output.position - entry.offset - entry.size;
	chunk->offset = entry.offset;
	chunk->after = writer->output.position;
	return r < 0 ? r
		     : catalog_add_chunk(&writer->catalog, &entry, writer->parts, (size_t)count);
}

static void count_lost(struct writer *writer, uint64_t messages, uint64_t bytes, bool are_referred)
{
	writer->lost += messages;
	writer->lost_bytes += bytes;
	writer->lost_referred += are_referred ? messages : 0;
}

/* The chunk and its indexes become one record that all skip. */
static int make_void(struct writer *writer, const struct chunk *chunk)
{
	struct catalog *catalog = &writer->catalog;
	unsigned char head[MCAP_RECORD_SIZE];
	uint64_t size = 0;
	int r;

	for (size_t i = catalog->chunks_count; i-- > 0 && size == 0;)
		if (catalog->chunks[i].offset == chunk->offset)
			size = catalog->chunks[i].size + catalog->chunks[i].index_size;
	if (size == 0)
		return 0;
	(void)put_record(head, MCAP_VOID, size - MCAP_RECORD_SIZE);
	r = output_patch(&writer->output, chunk->offset, head, sizeof(head));
	/* It is still there, and known: the end tries again, or gives it up. */
	if (r < 0)
		return r;
	catalog_remove_chunk(catalog, chunk->offset);
	count_lost(writer, 1, chunk_payloads(chunk), chunk->payload);
	if (writer->lose)
		writer->lose(writer->user, chunk->entries[0].channel, 1);
	return 0;
}

/* Payloads that lie elsewhere may have changed before they were written, or may have been gone. */
static int check_chunk(struct writer *writer, struct chunk *chunk)
{
	if (!chunk->is_whole)
		return 0;
	if (!chunk->is_gone && chunk->is_whole(writer->user, chunk) &&
	    !output_has_gap(&writer->output, chunk->offset, chunk->after))
		return 0;
	return make_void(writer, chunk);
}

static int check_written(struct writer *writer)
{
	int r = 0;

	for (struct chunk *chunk = writer->written; chunk && r == 0; chunk = chunk->next)
		r = check_chunk(writer, chunk);
	return r;
}

/* What is in the file so far, up to the first batch that is not. */
static int see_landed(struct writer *writer)
{
	int r = 0;

	while (r == 0 && writer->written && writer->written->after <= writer->output.written) {
		r = check_chunk(writer, writer->written);
		if (r == 0)
			release_first(writer);
	}
	return r;
}

/* All before the next veil was found whole. More may land here, and has not been looked at. */
static int lift_landed(struct writer *writer)
{
	uint64_t seen = writer->output.written;
	int r = 0;

	see_lifted(writer);
	while (r == 0 && writer->veils_leaving + 1 < writer->veils_count &&
	       writer->veils[writer->veils_leaving + 1] <= seen) {
		r = output_send_patch(&writer->output, writer->veils[writer->veils_leaving],
				      writer->bare, veil_size(writer));
		writer->veils_leaving += r == 0;
	}
	return r;
}

static int flush(struct writer *writer)
{
	int r = output_flush(&writer->output);

	if (r == 0)
		r = check_written(writer);
	if (r == 0)
		release_all(writer);
	return r;
}

static bool hides_much(const struct writer *writer)
{
	return writer_hidden(writer) >= VEILED_MAX;
}

/* A small write after each batch would take a twentieth of the time. */
static int flush_batch(struct writer *writer)
{
	int r = flush(writer);

	return r == 0 && hides_much(writer) ? lift_all(writer) : r;
}

static int send_batch(struct writer *writer)
{
	int r = output_send(&writer->output);

	if (r == 0)
		r = see_landed(writer);
	return r < 0 ? r : lift_landed(writer);
}

static int end_batch(struct writer *writer)
{
	int r = output_fill_batch(&writer->output);

	if (r < 0)
		return r;
	return output_flies(&writer->output) && !hides_much(writer) ? send_batch(writer)
								    : flush_batch(writer);
}

int writer_land(struct writer *writer)
{
	int r = writer->error;

	if (r == 0)
		r = output_land(&writer->output);
	if (r == 0)
		r = see_landed(writer);
	return note(writer, r < 0 ? r : lift_landed(writer));
}

/* So that the end of the last chunk does not wait for the next one. */
int writer_flush(struct writer *writer)
{
	int r = writer->error;

	if (r == 0)
		r = output_fill(&writer->output, 0);
	if (r == 0)
		r = flush(writer);
	return note(writer, r < 0 ? r : lift_all(writer));
}

/* Around a chunk: its head, the heads of the indexes of some channels, that of a filler. */
#define AROUND (MCAP_CHUNK_HEAD_MAX + 16u * (MCAP_RECORD_SIZE + 6u) + MCAP_RECORD_SIZE)
/* In front of the end of a unit so much may be filler. */
#define FILLER_MAX 4096u

size_t writer_room(const struct writer *writer)
{
	size_t room = WRITER_UNIT - (size_t)(writer->output.position % WRITER_UNIT);

	if (room < WRITER_UNIT / 8)
		room += WRITER_UNIT;
	return room - AROUND;
}

int writer_fill(struct writer *writer)
{
	int r = writer->error;

	return r < 0 ? r : note(writer, output_fill_up(&writer->output, WRITER_UNIT, FILLER_MAX));
}

static void lose_chunk(struct writer *writer, const struct chunk *chunk)
{
	count_lost(writer, chunk->count, chunk_payloads(chunk), chunk->payload);
	for (uint32_t i = 0; writer->lose && i < chunk->count; i++)
		writer->lose(writer->user, chunk->entries[i].channel, 1);
}

int writer_add_chunk(struct writer *writer, struct chunk *chunk)
{
	int r = writer->error;

	chunk->next = NULL;
	*writer->written_end = chunk;
	writer->written_end = &chunk->next;
	if (r == 0)
		r = write_chunk(writer, chunk);
	if (r < 0)
		lose_chunk(writer, chunk);
	if (r == 0 && (writer->output.waiting >= writer->output.batch_size || hides_much(writer)))
		r = end_batch(writer);
	return note(writer, r);
}

int writer_add_metadata(struct writer *writer, const char *name, const struct buffer *map)
{
	uint64_t offset = writer->output.position;
	struct buffer content = {0};
	unsigned char *at;
	int r;

	buffer_add_string(&content, name);
	at = buffer_add(&content, 4);
	if (at)
		(void)put_u32(at, (uint32_t)map->size);
	buffer_add_bytes(&content, map->data, map->size);
	r = content.bad ? -ENOMEM : write_record(writer, MCAP_METADATA, content.data, content.size);
	if (r == 0)
		r = catalog_add_metadata(&writer->catalog, offset, writer->output.position - offset,
					 name);
	buffer_end(&content);
	return r;
}

/*
 * The end
 */

static int write_summary(struct writer *writer)
{
	struct buffer summary = {0};
	int r;

	catalog_write(&writer->catalog, writer->output.position, &summary);
	r = summary.bad ? -ENOMEM : output_put(&writer->output, summary.data, summary.size);
	buffer_end(&summary);
	return r < 0 ? r : output_finish(&writer->output);
}

static uint64_t end_of(const struct catalog_chunk *chunk)
{
	return chunk->offset + chunk->size + chunk->index_size;
}

static void lose_last(struct writer *writer)
{
	struct catalog *catalog = &writer->catalog;
	const struct catalog_chunk *last = &catalog->chunks[catalog->chunks_count - 1];

	count_lost(writer, last->count, last->expanded - (uint64_t)last->count * MCAP_MESSAGE_HEAD,
		   last->is_referred);
	for (uint32_t i = 0; i < last->parts_count; i++) {
		const struct catalog_part *part = &catalog->parts[last->parts + i];

		if (writer->lose)
			writer->lose(writer->user, part->channel, part->count);
	}
	catalog_drop_chunk(catalog);
}

/* Back to the end of the last chunk that is in the file; with `again` one more is given up. */
static int step_back(struct writer *writer, bool again)
{
	struct catalog *catalog = &writer->catalog;
	uint64_t begin;

	for (size_t i = 0; i < catalog->metadata_count; i++)
		free(catalog->metadata[i].name);
	catalog->metadata_count = 0;
	if (again && catalog->chunks_count)
		lose_last(writer);
	while (catalog->chunks_count &&
	       end_of(&catalog->chunks[catalog->chunks_count - 1]) > writer->output.written)
		lose_last(writer);
	if (catalog->chunks_count == 0)
		return -ENOSPC;
	begin = end_of(&catalog->chunks[catalog->chunks_count - 1]);
	return output_cut(&writer->output, begin);
}

static bool is_full(int r)
{
	return r == -ENOSPC || r == -EDQUOT || r == -EFBIG;
}

/* What is in it, and how it is made. */
struct end {
	const char *name;
	void (*list)(void *user, struct buffer *map);
};

static int add_list(struct writer *writer, const struct end *end)
{
	struct buffer map = {0};
	int r;

	if (!end->list)
		return 0;
	end->list(writer->user, &map);
	r = map.bad ? -ENOMEM : writer_add_metadata(writer, end->name, &map);
	buffer_end(&map);
	return r;
}

/* Nothing is hidden in a file that has an end, and nothing gets lost behind its list. The first two may have been
 * done before, or in part. */
static int end_here(struct writer *writer, const struct end *end)
{
	int r = check_written(writer);

	if (r == 0)
		r = lift_all(writer);
	if (r == 0)
		r = add_list(writer, end);
	return r < 0 ? r : write_summary(writer);
}

/* What did not get into the file is given up, and then as much as its end takes. */
static int end_with_less(struct writer *writer, const struct end *end)
{
	int r;

	/* What is under way gets there, or is given up by the output. */
	while (output_flights(&writer->output))
		(void)output_land(&writer->output);
	r = step_back(writer, false);
	if (r == 0)
		r = end_here(writer, end);
	while (is_full(r)) {
		if (step_back(writer, true) < 0)
			break;
		r = end_here(writer, end);
	}
	return r;
}

int writer_end(struct writer *writer, const char *name,
	       void (*list)(void *user, struct buffer *map), bool *ret_whole)
{
	const struct end end = {name, list};
	int first = writer_flush(writer);
	int r;

	if (first == 0)
		first = end_here(writer, &end);
	r = first;
	if (r < 0)
		r = end_with_less(writer, &end);
	*ret_whole = r == 0;
	writer->end_size = writer->output.written;
	writer_close(writer);
	return first;
}
