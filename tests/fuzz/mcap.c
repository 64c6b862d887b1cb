/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Recordings of others: the fuzzer's bytes are a file, or changes to one that our own writer made, so
 * that most inputs come behind the first checks. Whatever the file says, reading ends, memory stays
 * below what was allowed, and what repair leaves is whole.
 *
 * An input is one byte of flags, then the file, or changes of 11 bytes: where (2), how (1), what (8).
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "record/check.h"
#include "record/mcap_layout.h"
#include "record/reader.h"
#include "record/repair.h"
#include "record/writer.h"

#define MEMORY_MAX (UINT64_C(1) << 20)
#define FILE_MAX 65536

/* Flags of an input. */
#define COMPRESSIONS 3u /* which one the file has, modulo 3 */
#define NO_CRCS 4u      /* damage comes through to who reads the records */
#define IS_FILE 8u      /* what follows is the file */
#define NO_SUMMARY_CRC 16u

#define CHANGE_SIZE 11u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct template
{
	size_t size;
	unsigned char bytes[FILE_MAX];
};

static struct template templates[3][2];

static void must(bool so, const char *what)
{
	if (so)
		return;
	(void)fprintf(stderr, "fuzz: %s: %s\n", what, strerror(errno));
	abort();
}

/*
 * Files that are right
 */

static void drop_chunk(void *user, struct chunk *chunk)
{
	(void)user;
	chunk_close(chunk);
}

static void define(struct writer *writer)
{
	struct buffer content = {0};

	(void)put_u16(buffer_add(&content, 2), 1);
	buffer_add_string(&content, "type");
	buffer_add_string(&content, "text");
	buffer_add_string(&content, "schema");
	must(writer_add_schema(writer, content.data, content.size) == 0, "schema");
	for (uint16_t id = 1; id <= 2; id++) {
		content.size = 0;
		(void)put_u16(put_u16(buffer_add(&content, 4), id), id % 2);
		buffer_add_string(&content, id % 2 ? "a" : "b");
		buffer_add_string(&content, "floe");
		buffer_add_string(&content, "");
		must(writer_add_channel(writer, content.data, content.size) == 0, "channel");
	}
	buffer_end(&content);
}

static void write_chunk(struct writer *writer, uint64_t from)
{
	struct chunk *chunk = chunk_open(4096);
	char payload[40] = "payload";

	must(chunk, "chunk");
	for (uint64_t i = from; i < from + 4; i++) {
		const struct chunk_message message = {
			.channel = (uint16_t)(i % 2 + 1),
			.sequence = (uint32_t)i,
			.log_time = 1000 - i % 3,
			.publish_time = i,
			.payload = payload,
			.size = (size_t)(7 * i % sizeof(payload)),
		};

		must(chunk_add(chunk, &message) == 0, "message");
	}
	must(writer_add_chunk(writer, chunk) == 0, "chunk");
}

static void list(void *user, struct buffer *map)
{
	(void)user;
	buffer_add_pair(map, "a/0", "7");
}

static void make(struct template *ret, enum compression compression, enum writer_crc crc)
{
	const struct writer_plan plan = {
		.compression = compression,
		.crc = crc,
		.mode = OUTPUT_BUFFERED,
		.release = drop_chunk,
	};
	int fd = memfd_create("mcap", MFD_CLOEXEC);
	int other = dup(fd);
	struct writer writer;
	bool is_whole;
	ssize_t size;

	must(writer_open(&writer, fd, &plan) == 0, "writer");
	define(&writer);
	for (uint64_t i = 0; i < 3; i++)
		write_chunk(&writer, 4 * i);
	must(writer_end(&writer, "losses", list, &is_whole) == 0, "end");
	size = pread(other, ret->bytes, sizeof(ret->bytes), 0);
	must(size > 0, "read");
	ret->size = (size_t)size;
	close(other);
}

static void make_all(void)
{
	static const enum compression compressions[] = {COMPRESSION_NONE, COMPRESSION_LZ4,
							COMPRESSION_ZSTD};

	for (unsigned i = 0; i < 3; i++) {
		make(&templates[i][0], compressions[i], WRITER_CRC_ALL);
		make(&templates[i][1], compressions[i], WRITER_CRC_NONE);
	}
}

/*
 * What the fuzzer makes of them
 */

static uint64_t load(const uint8_t *from, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, from, size);
	return value;
}

static void change(struct template *file, const uint8_t *at)
{
	size_t where = (size_t)(load(at, 2) % file->size);
	uint64_t what = load(at + 3, 8);
	size_t width = (size_t)1 << at[2] % 4;
	size_t left = file->size - where;

	if (at[2] & 0x40) { /* cut off */
		file->size = where + 1;
		return;
	}
	if (at[2] & 0x20) /* near a border */
		what = what % 2 ? UINT64_MAX >> (what >> 1) % 64 : what >> 1 & 0x3ff;
	memcpy(file->bytes + where, &what, width < left ? width : left);
}

/* The CRC of the summary lies before the magic at the end; 0: there is none. */
static void forget_summary(struct template *file)
{
	size_t end = MCAP_MAGIC_SIZE + 4;

	if (file->size > end)
		memset(file->bytes + file->size - end, 0, 4);
}

static void prepare(struct template *file, const uint8_t *data, size_t size)
{
	unsigned flags = data[0];

	data++;
	size--;
	if (flags & IS_FILE) {
		file->size = size < FILE_MAX ? size : FILE_MAX;
		memcpy(file->bytes, data, file->size);
		return;
	}
	*file = templates[(flags & COMPRESSIONS) % 3][flags & NO_CRCS ? 1 : 0];
	if (flags & NO_SUMMARY_CRC)
		forget_summary(file);
	for (; size >= CHANGE_SIZE; size -= CHANGE_SIZE, data += CHANGE_SIZE)
		change(file, data);
}

/*
 * Everything that reads recordings
 */

static void see(void *user, const struct fault *fault)
{
	(void)user;
	must(*fault->text, "a fault without a sentence");
}

static uint64_t count_faults(int fd)
{
	struct check check = {.tell = see};

	(void)check_run(&check, dup(fd), MEMORY_MAX);
	return check.faults;
}

static void load_all_metadata(struct reader *reader)
{
	for (size_t i = 0; i < reader->catalog.metadata_count; i++) {
		unsigned char *record;
		struct cursor pairs;

		if (reader_load_metadata(reader, &reader->catalog.metadata[i], &record, &pairs) ==
		    0) {
			(void)map_find(pairs, "a/0");
			free(record);
		}
	}
}

static void read_all(int fd)
{
	static volatile unsigned char sink;
	struct fault fault = {0};
	struct reader reader;
	struct message message;
	int r;

	if (reader_open(&reader, dup(fd), MEMORY_MAX, &fault) < 0) {
		must(*fault.text, "an error without a sentence");
		return;
	}
	load_all_metadata(&reader);
	while ((r = reader_next(&reader, &message)) == 1) {
		(void)reader_ahead(&reader, message.log_time + 1);
		for (size_t i = 0; i < message.size; i++)
			sink = message.payload[i];
		must(reader.memory <= MEMORY_MAX, "more memory than allowed");
	}
	(void)sink;
	must(r == 0 || *fault.text, "an error without a sentence");
	reader_close(&reader);
}

static void repair(int fd)
{
	struct repair repair;

	if (repair_run(&repair, fd, MEMORY_MAX, true) < 0)
		return;
	if (repair_run(&repair, fd, MEMORY_MAX, false) == 0)
		must(count_faults(fd) == 0, "a repaired file is not whole");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct template file;
	int fd;

	if (size == 0)
		return 0;
	if (templates[0][0].size == 0)
		make_all();
	prepare(&file, data, size);
	fd = memfd_create("mcap", MFD_CLOEXEC);
	must(fd >= 0, "memfd");
	must(write(fd, file.bytes, file.size) == (ssize_t)file.size, "write");
	(void)count_faults(fd);
	read_all(fd);
	repair(fd);
	close(fd);
	return 0;
}
