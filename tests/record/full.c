/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A writer that gets no more space ends its file with what fits, wherever that happens. The limit
 * on the size of a file stands for a full disk: it says EFBIG where that says ENOSPC.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tape_steps.h"

#define SIZE 2000

static void limit(uint64_t size)
{
	struct rlimit wanted = {size, size};

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &wanted);
	wanted.rlim_cur = size;
	expect_equal(setrlimit(RLIMIT_FSIZE, &wanted), 0);
}

static void list(void *user, struct buffer *map)
{
	char text[24];

	(void)user;
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)lost_messages);
	buffer_add_pair(map, "a", text);
}

/* What the file says was lost. */
static uint64_t find_listed(int fd)
{
	struct fault fault = {0};
	struct reader reader;
	struct cursor pairs;
	struct cursor value;
	unsigned char *record;
	char *text;
	uint64_t listed;

	expect_equal(reader_open(&reader, dup(fd), READER_MEMORY_MAX, &fault), 0);
	expect_equal(reader.catalog.metadata_count, 1);
	expect_equal(reader_load_metadata(&reader, reader.catalog.metadata, &record, &pairs), 0);
	value = map_find(pairs, "a");
	expect(!value.bad);
	text = strndup((const char *)value.at, cursor_left(&value));
	expect(text != NULL);
	listed = strtoull(text, NULL, 10);
	free(text);
	free(record);
	reader_close(&reader);
	return listed;
}

/* Bytes of the payloads of these. */
static uint64_t sum_sizes(uint64_t first, uint64_t behind)
{
	uint64_t sum = 0;

	for (uint64_t i = first; i < behind; i++)
		sum += payload_size(SIZE, i);
	return sum;
}

/* Chunks of ten messages until one does not fit any more. */
static void fill_up(int fd, uint64_t size, enum output_mode mode, unsigned flush_each)
{
	int other = dup(fd);
	struct writer writer;
	bool is_whole;
	uint64_t at = 0;
	int r = 0;

	open_writer(&writer, fd, COMPRESSION_NONE, mode);
	lost_messages = 0;
	define_channels(&writer);
	limit(size);
	for (unsigned i = 1; r == 0 && at < 2000; i++) {
		r = writer_add_chunk(&writer, make_chunk(10, SIZE, &at));
		if (r == 0 && i % flush_each == 0)
			r = writer_flush(&writer);
	}
	expect(r < 0 || flush_each > 200);
	expect_equal(writer_end(&writer, "losses", list, &is_whole), -EFBIG);
	limit(RLIM_INFINITY);
	if (is_whole) {
		expect(size_of(other) <= size);
		expect_equal(count_faults(other, NULL), 0);
		expect_equal(read_back(other, SIZE) + lost_messages, at);
		expect_equal(find_listed(other), lost_messages);
		expect_equal(writer.lost, lost_messages);
		expect_equal(writer.lost_bytes, sum_sizes(at - lost_messages, at));
		expect_equal(writer.end_size, size_of(other));
	} else {
		expect(size < 20000);
	}
	close(other);
}

static void a_file_without_room_is_ended_with_what_fits(void)
{
	for (uint64_t size = 2000; size < 300000; size += 7919) {
		fill_up(open_tmpfs_file(), size, OUTPUT_AUTO, 1);
		fill_up(open_tmpfs_file(), size, OUTPUT_AUTO, 7);
		fill_up(open_tmpfs_file(), size, OUTPUT_AUTO, 1000);
	}
}

static void so_is_one_that_is_written_around_the_page_cache(void)
{
	for (uint64_t size = 4096; size < 200000; size += 24 * 512) {
		fill_up(open_disk_file(), size, OUTPUT_AUTO, 1);
		fill_up(open_disk_file(), size, OUTPUT_AUTO, 3);
	}
}

/* Then the disk is not to blame for what failed. */
static void what_was_under_way_gets_there_when_memory_runs_out(void)
{
	int fd = open_disk_file();
	int other = dup(fd);
	struct writer writer;
	bool is_whole;
	uint64_t at = 0;
	uint64_t sent = 0;

	open_writer(&writer, fd, COMPRESSION_NONE, OUTPUT_AUTO);
	writer.output.batch_size = 64u << 10;
	lost_messages = 0;
	define_channels(&writer);
	while (at < 200) {
		uint64_t before = at;
		uint64_t begin = writer.output.sent;

		expect_equal(writer_add_chunk(&writer, make_chunk(10, SIZE, &at)), 0);
		if (writer.output.sent > begin)
			sent = before;
	}
	expect(sent > 0);
	writer.error = -ENOMEM;
	expect_equal(writer_end(&writer, NULL, NULL, &is_whole), -ENOMEM);
	expect(is_whole);
	expect_equal(count_faults(other, NULL), 0);
	expect_equal(read_back(other, SIZE) + lost_messages, at);
	expect(lost_messages <= at - sent);
	close(other);
}

/*
 * A disk that takes no changes
 */

#define LARGE 100000u

struct large {
	struct writer writer;
	int other;
	unsigned char *payload;
};

static uint64_t room; /* for changes of what is in the file */
static uint64_t torn;

static bool ask(void *user, struct chunk *chunk)
{
	(void)user;
	limit(room);
	return chunk->sequence != torn;
}

static void refer(struct large *large, uint64_t at)
{
	struct chunk *chunk = chunk_open(4096);
	struct chunk_message message = {
		.channel = 1,
		.sequence = (uint32_t)at,
		.log_time = 1000 + at,
		.publish_time = at,
		.payload = large->payload,
		.size = LARGE,
	};

	expect(chunk != NULL);
	expect_equal(chunk_refer(chunk, &message), 0);
	chunk->is_whole = ask;
	chunk->sequence = at;
	expect_equal(writer_add_chunk(&large->writer, chunk), 0);
}

/* Two payloads behind a veil; when they are in the file, nothing of it can be changed. */
static void begin_large(struct large *large, uint64_t torn_one)
{
	int fd = open_tmpfs_file();

	large->other = dup(fd);
	large->payload = malloc(LARGE);
	expect(large->payload != NULL);
	fill_payload(large->payload, LARGE, 5);
	torn = torn_one;
	room = 1;
	lost_messages = 0;
	open_writer(&large->writer, fd, COMPRESSION_NONE, OUTPUT_BUFFERED);
	define_channels(&large->writer);
	refer(large, 0);
	refer(large, 1);
}

/* With the first message, and perhaps the second one. */
static void end_large(struct large *large, uint64_t messages)
{
	struct check check = {0};
	bool is_whole;

	expect_equal(writer_end(&large->writer, NULL, NULL, &is_whole), -EFBIG);
	limit(RLIM_INFINITY);
	expect(is_whole);
	expect_equal(count_faults(large->other, NULL), 0);
	(void)check_run(&check, dup(large->other), READER_MEMORY_MAX);
	expect_equal(check.messages, messages);
	expect_equal(lost_messages, 2 - messages);
	close(large->other);
	free(large->payload);
}

static void a_veil_that_could_not_be_lifted_is_lifted_at_the_end(void)
{
	struct large large;

	begin_large(&large, UINT64_MAX);
	expect_equal(writer_flush(&large.writer), -EFBIG);
	limit(RLIM_INFINITY);
	end_large(&large, 2);
}

static void what_could_not_be_made_void_is_made_void_at_the_end(void)
{
	struct large large;

	begin_large(&large, 1);
	expect_equal(writer_flush(&large.writer), -EFBIG);
	expect_equal(lost_messages, 0);
	expect_equal(large.writer.catalog.chunks_count, 2);
	room = RLIM_INFINITY;
	limit(room);
	end_large(&large, 1);
}

static void lose(void *user, uint16_t channel, uint32_t count)
{
	(void)user;
	(void)channel;
	lost_messages += count;
	limit(RLIM_INFINITY);
}

/* Not even for that is there room before the second message is given up. */
static void a_file_that_is_ended_with_less_has_no_veil(void)
{
	struct large large;

	begin_large(&large, UINT64_MAX);
	large.writer.lose = lose;
	end_large(&large, 1);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_file_without_room_is_ended_with_what_fits),
		TEST(so_is_one_that_is_written_around_the_page_cache),
		TEST(what_was_under_way_gets_there_when_memory_runs_out),
		TEST(a_veil_that_could_not_be_lifted_is_lifted_at_the_end),
		TEST(what_could_not_be_made_void_is_made_void_at_the_end),
		TEST(a_file_that_is_ended_with_less_has_no_veil),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
