/* SPDX-License-Identifier: Apache-2.0 */
#include "tape_steps.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

uint64_t lost_messages;

int open_tmpfs_file(void)
{
	int fd = memfd_create("recording", MFD_CLOEXEC);

	expect(fd >= 0);
	return fd;
}

int open_disk_file(void)
{
	int fd = open(".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

	if (fd < 0)
		fd = open("/var/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	if (fd < 0)
		skip("there is no folder on a disk to write to");
	return fd;
}

/* What still needs it would not find it. */
static void release(void *user, struct chunk *chunk)
{
	(void)user;
	memset(chunk->bytes, 0xdd, chunk->size);
	chunk_close(chunk);
}

static void lose(void *user, uint16_t channel, uint32_t count)
{
	(void)user;
	(void)channel;
	lost_messages += count;
}

void open_writer(struct writer *ret, int fd, enum compression compression, enum output_mode mode)
{
	const struct writer_plan plan = {
		.compression = compression,
		.crc = WRITER_CRC_ALL,
		.mode = mode,
		.release = release,
		.lose = lose,
	};

	expect_equal(writer_open(ret, fd, &plan), 0);
}

static void define_channel(struct writer *writer, uint16_t id, uint16_t schema, const char *topic)
{
	unsigned char content[256];
	unsigned char *at = put_u16(put_u16(content, id), schema);

	at = put_string(put_string(at, topic), "raw");
	at = put_u32(at, 4 + 3 + 4 + 5);
	at = put_string(put_string(at, "key"), "value");
	expect_equal(writer_add_channel(writer, content, (size_t)(at - content)), 0);
}

struct tape *open_tape_of(const struct tape_plan *plan)
{
	unsigned char channel[64];
	unsigned char *at = put_u16(put_u16(channel, 1), 0);
	struct tape_error error;
	struct tape *tape;

	at = put_u32(put_string(put_string(at, "a"), "raw"), 0);
	expect_equal(tape_open(&tape, plan, &error), 0);
	expect_equal(tape_add_channel(tape, channel, (size_t)(at - channel)), 0);
	return tape;
}

void define_channels(struct writer *writer)
{
	unsigned char content[256];
	unsigned char *at = put_u16(content, 1);

	at = put_string(put_string(put_string(at, "point"), "text"), "int32 x");
	expect_equal(writer_add_schema(writer, content, (size_t)(at - content)), 0);
	define_channel(writer, 1, 1, "a");
	define_channel(writer, 2, 0, "b");
}

size_t payload_size(size_t size_max, uint64_t at)
{
	return (at * 2654435761u >> 7) % (size_max + 1);
}

void fill_payload(unsigned char *to, size_t size, uint64_t at)
{
	for (size_t i = 0; i < size; i++)
		to[i] = (unsigned char)(at * 31 + i / 3);
}

struct chunk *make_chunk(uint32_t count, size_t size, uint64_t *at)
{
	struct chunk *chunk = chunk_open(count * chunk_message_size(size));
	unsigned char *payload = malloc(size + 1);

	expect(chunk && payload);
	chunk->has_crc = true;
	for (uint32_t i = 0; i < count; i++) {
		struct chunk_message message = {
			.channel = (uint16_t)(*at % 2 + 1),
			.sequence = (uint32_t)*at,
			.log_time = 1000 + *at,
			.publish_time = *at,
			.payload = payload,
			.size = payload_size(size, *at),
		};

		fill_payload(payload, message.size, *at);
		expect_equal(chunk_add(chunk, &message), 0);
		/* Once more, and taken back: its CRC too. */
		if (*at % 5 == 0 && chunk_has_room(chunk, message.size)) {
			expect_equal(chunk_add(chunk, &message), 0);
			chunk_drop_last(chunk, 1);
		}
		(*at)++;
	}
	free(payload);
	return chunk;
}

uint64_t read_back(int fd, size_t size_max)
{
	struct fault fault = {0};
	struct reader reader;
	struct message message;
	unsigned char *expected = malloc(size_max + 1);
	uint64_t count = 0;

	expect_equal(reader_open(&reader, dup(fd), READER_MEMORY_MAX, &fault), 0);
	while (reader_next(&reader, &message) == 1) {
		expect_equal(message.sequence, count);
		expect_equal(message.log_time, 1000 + count);
		/* What is loaded ahead changes neither the order nor this message. */
		if (count % 3 == 0)
			expect(reader_ahead(&reader, message.log_time + 40) >= 0);
		expect_equal(message.publish_time, count);
		expect_equal(message.channel, count % 2 + 1);
		expect_equal(message.size, payload_size(size_max, count));
		fill_payload(expected, message.size, count);
		expect(message.size == 0 || memcmp(message.payload, expected, message.size) == 0);
		count++;
	}
	expect_equal(reader.catalog.messages_count, count);
	reader_close(&reader);
	free(expected);
	return count;
}

struct seen {
	struct fault *first;
	uint64_t count;
};

static void see(void *user, const struct fault *fault)
{
	struct seen *seen = user;

	if (seen->count++ == 0 && seen->first)
		*seen->first = *fault;
}

uint64_t count_faults(int fd, struct fault *ret_first)
{
	struct seen seen = {.first = ret_first};
	struct check check = {.tell = see, .user = &seen};

	(void)check_run(&check, dup(fd), READER_MEMORY_MAX);
	expect_equal(check.faults, seen.count);
	return seen.count;
}

uint64_t size_of(int fd)
{
	struct stat status;

	expect_equal(fstat(fd, &status), 0);
	return (uint64_t)status.st_size;
}

int copy_of(int fd, uint64_t size)
{
	int copy = open_tmpfs_file();
	unsigned char *bytes = malloc(size + 1);

	expect(bytes);
	expect_equal(pread(fd, bytes, size, 0), (ssize_t)size);
	expect_equal(pwrite(copy, bytes, size, 0), (ssize_t)size);
	free(bytes);
	return copy;
}
