/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a writer writes comes out of a reader, with each compression, through the page cache and
 * around it; payloads that were overwritten while they were written do not.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tape_steps.h"

#define SIZE 3000

static void write_and_read(int fd, enum compression compression, enum output_mode mode)
{
	int other = dup(fd);
	struct writer writer;
	bool is_whole;
	uint64_t at = 0;

	open_writer(&writer, fd, compression, mode);
	define_channels(&writer);
	for (uint32_t i = 0; i < 20; i++) {
		expect_equal(writer_add_chunk(&writer, make_chunk(i + 1, SIZE, &at)), 0);
		if (i % 7 == 0)
			expect_equal(writer_flush(&writer), 0);
	}
	expect_equal(writer_end(&writer, NULL, NULL, &is_whole), 0);
	expect(is_whole);
	expect_equal(count_faults(other, NULL), 0);
	expect_equal(read_back(other, SIZE), at);
	close(other);
}

static void messages_come_back_through_the_page_cache(void)
{
	write_and_read(open_tmpfs_file(), COMPRESSION_NONE, OUTPUT_AUTO);
	write_and_read(open_disk_file(), COMPRESSION_NONE, OUTPUT_BUFFERED);
}

static void messages_come_back_around_the_page_cache(void)
{
	write_and_read(open_disk_file(), COMPRESSION_NONE, OUTPUT_AUTO);
}

static void messages_come_back_compressed(void)
{
	write_and_read(open_tmpfs_file(), COMPRESSION_LZ4, OUTPUT_AUTO);
	write_and_read(open_disk_file(), COMPRESSION_ZSTD, OUTPUT_AUTO);
}

/* As many messages as there is room for. */
static struct chunk *fill_room(const struct writer *writer, size_t size_max, uint64_t *at)
{
	struct chunk *chunk = chunk_open(WRITER_UNIT);
	unsigned char payload[SIZE];

	expect(chunk && size_max <= SIZE);
	chunk->room = writer_room(writer);
	for (;; (*at)++) {
		const struct chunk_message message = {
			.channel = (uint16_t)(*at % 2 + 1),
			.sequence = (uint32_t)*at,
			.log_time = 1000 + *at,
			.publish_time = *at,
			.payload = payload,
			.size = payload_size(size_max, *at),
		};

		if (!chunk_has_room(chunk, message.size))
			return chunk;
		fill_payload(payload, message.size, *at);
		expect_equal(chunk_add(chunk, &message), 0);
	}
}

/* Also when definitions come in front of one that is full. */
static void chunks_end_where_large_pages_do(void)
{
	const size_t sizes[] = {1, 300, SIZE};

	for (size_t i = 0; i < 3; i++) {
		int fd = open_tmpfs_file();
		int other = dup(fd);
		struct writer writer;
		bool is_whole;
		uint64_t at = 0;

		open_writer(&writer, fd, COMPRESSION_NONE, OUTPUT_AUTO);
		for (uint32_t k = 0; k < 3; k++) {
			struct chunk *chunk = fill_room(&writer, sizes[i], &at);

			if (k == 0)
				define_channels(&writer);
			expect_equal(writer_add_chunk(&writer, chunk), 0);
			expect_equal(writer_fill(&writer), 0);
			expect_equal(writer_flush(&writer), 0);
			expect_equal(writer_size(&writer), (k + 1) * (uint64_t)WRITER_UNIT);
		}
		expect_equal(writer_end(&writer, NULL, NULL, &is_whole), 0);
		expect(is_whole);
		expect_equal(count_faults(other, NULL), 0);
		expect_equal(read_back(other, sizes[i]), at);
		close(other);
	}
}

static void a_file_without_messages_is_whole(void)
{
	int fd = open_tmpfs_file();
	int other = dup(fd);
	struct writer writer;
	bool is_whole;

	open_writer(&writer, fd, COMPRESSION_NONE, OUTPUT_AUTO);
	expect_equal(writer_end(&writer, NULL, NULL, &is_whole), 0);
	expect_equal(count_faults(other, NULL), 0);
	expect_equal(read_back(other, SIZE), 0);
	close(other);
}

static void list(void *user, struct buffer *map)
{
	(void)user;
	buffer_add_pair(map, "a/0", "7");
	buffer_add_pair(map, "b/1", "8");
}

static void metadata_comes_back(void)
{
	int fd = open_tmpfs_file();
	int other = dup(fd);
	struct writer writer;
	struct fault fault = {0};
	struct reader reader;
	struct cursor pairs;
	struct cursor value;
	unsigned char *record;
	bool is_whole;

	open_writer(&writer, fd, COMPRESSION_NONE, OUTPUT_AUTO);
	expect_equal(writer_end(&writer, "losses", list, &is_whole), 0);
	expect_equal(reader_open(&reader, other, READER_MEMORY_MAX, &fault), 0);
	expect_equal(reader.catalog.metadata_count, 1);
	expect(!strcmp(reader.catalog.metadata[0].name, "losses"));
	expect_equal(reader_load_metadata(&reader, reader.catalog.metadata, &record, &pairs), 0);
	value = map_find(pairs, "b/1");
	expect(block_is(&value, "8"));
	free(record);
	reader_close(&reader);
}

/* Chunks may overlap: here each has every fourth message. */
static void messages_come_in_the_order_of_their_times(void)
{
	int fd = open_tmpfs_file();
	int other = dup(fd);
	struct writer writer;
	bool is_whole;

	open_writer(&writer, fd, COMPRESSION_NONE, OUTPUT_AUTO);
	define_channels(&writer);
	for (uint64_t i = 0; i < 4; i++) {
		struct chunk *chunk = chunk_open(1 << 20);

		/* The last ones first. */
		for (uint64_t k = 50; k-- > 0;) {
			uint64_t at = 4 * k + i;
			unsigned char payload[SIZE + 1];
			struct chunk_message message = {
				(uint16_t)(at % 2 + 1), (uint32_t)at, 1000 + at, at, payload,
				payload_size(SIZE, at)};

			fill_payload(payload, message.size, at);
			expect_equal(chunk_add(chunk, &message), 0);
		}
		expect_equal(writer_add_chunk(&writer, chunk), 0);
	}
	expect_equal(writer_end(&writer, NULL, NULL, &is_whole), 0);
	expect_equal(count_faults(other, NULL), 0);
	expect_equal(read_back(other, SIZE), 200);
	close(other);
}

static void a_reader_begins_and_ends_where_it_is_told(void)
{
	int fd = open_tmpfs_file();
	int other = dup(fd);
	struct writer writer;
	struct fault fault = {0};
	struct reader reader;
	struct message message;
	bool is_whole;
	uint64_t at = 0;

	open_writer(&writer, fd, COMPRESSION_NONE, OUTPUT_AUTO);
	define_channels(&writer);
	for (int i = 0; i < 10; i++)
		expect_equal(writer_add_chunk(&writer, make_chunk(10, 100, &at)), 0);
	expect_equal(writer_end(&writer, NULL, NULL, &is_whole), 0);
	expect_equal(reader_open(&reader, other, READER_MEMORY_MAX, &fault), 0);
	for (int round = 0; round < 2; round++) {
		reader_seek(&reader, 1015, 1042);
		for (uint64_t k = 15; k <= 42; k++) {
			expect_equal(reader_next(&reader, &message), 1);
			expect_equal(message.log_time, 1000 + k);
		}
		expect_equal(reader_next(&reader, &message), 0);
	}
	reader_close(&reader);
}

/*
 * Payloads that stay where they are
 */

#define LARGE (100000u)
#define ROOM (32 * OUTPUT_ALIGN_MAX)
#define WRITTEN_MAX (UINT64_C(4) << 20)

static uint64_t torn;

static bool ask(void *user, struct chunk *chunk)
{
	(void)user;
	return chunk->sequence != torn;
}

static void refer_size(struct writer *writer, const unsigned char *payload, size_t size,
		       uint64_t at, bool (*is_whole)(void *user, struct chunk *chunk))
{
	struct chunk *chunk = chunk_open(4096);
	struct chunk_message message = {
		.channel = (uint16_t)(at % 2 + 1),
		.sequence = (uint32_t)at,
		.log_time = 1000 + at,
		.publish_time = at,
		.payload = payload,
		.size = size,
	};

	expect(chunk);
	expect_equal(chunk_refer(chunk, &message), 0);
	chunk->is_whole = is_whole;
	chunk->sequence = at;
	expect_equal(writer_add_chunk(writer, chunk), 0);
}

/* At an offset that O_DIRECT can write from, and at one that it cannot. */
static void refer_and_ask(struct writer *writer, const unsigned char *payload, uint64_t at,
			  bool (*is_whole)(void *user, struct chunk *chunk))
{
	refer_size(writer, payload, LARGE + (size_t)at, at, is_whole);
}

static void refer(struct writer *writer, const unsigned char *payload, uint64_t at)
{
	refer_and_ask(writer, payload, at, ask);
}

static uint64_t read_large(int fd, const unsigned char *payload)
{
	struct fault fault = {0};
	struct reader reader;
	struct message message;
	uint64_t count = 0;

	expect_equal(reader_open(&reader, dup(fd), READER_MEMORY_MAX, &fault), 0);
	while (reader_next(&reader, &message) == 1) {
		count += message.sequence == torn;
		expect_equal(message.size, LARGE + message.sequence);
		expect(!memcmp(message.payload, payload + (message.sequence % 3 == 0 ? 0 : 64),
			       message.size));
		count++;
	}
	reader_close(&reader);
	return count;
}

static void write_large(int fd, uint64_t torn_one)
{
	int other = dup(fd);
	struct writer writer;
	unsigned char *payload = mmap(NULL, 4 * LARGE, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool is_whole;

	open_writer(&writer, fd, COMPRESSION_NONE, OUTPUT_AUTO);
	expect(payload != MAP_FAILED);
	fill_payload(payload, 4 * LARGE, 5);
	torn = torn_one;
	define_channels(&writer);
	for (uint64_t at = 0; at < 100; at++)
		refer(&writer, payload + (at % 3 == 0 ? 0 : 64), at);
	lost_messages = 0;
	expect_equal(writer_end(&writer, NULL, NULL, &is_whole), 0);
	expect(is_whole);
	expect_equal(count_faults(other, NULL), 0);
	expect_equal(read_large(other, payload), torn_one < 100 ? 99 : 100);
	close(other);
	munmap(payload, 4 * LARGE);
}

static void large_payloads_are_written_from_where_they_lie(void)
{
	write_large(open_tmpfs_file(), UINT64_MAX);
	write_large(open_disk_file(), UINT64_MAX);
}

static void a_payload_that_was_overwritten_is_not_in_the_file(void)
{
	static const uint64_t which[] = {0, 1, 41, 42, 98, 99};

	for (size_t i = 0; i < sizeof(which) / sizeof(which[0]); i++) {
		write_large(open_tmpfs_file(), which[i]);
		write_large(open_disk_file(), which[i]);
	}
}

static unsigned char *share(void)
{
	int fd = open_tmpfs_file();
	unsigned char *payload;

	expect_equal(ftruncate(fd, 4 * LARGE), 0);
	payload = mmap(NULL, 4 * LARGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	expect(payload != MAP_FAILED);
	close(fd);
	fill_payload(payload, 4 * LARGE, 5);
	return payload;
}

/* Its address is not used for anything else meanwhile. */
static void leave(unsigned char *payload)
{
	expect(mmap(payload, 4 * LARGE, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == payload);
}

/* From the middle of the first payload on. */
static void make_shorter(unsigned char *payload)
{
	int fd = open_tmpfs_file();

	expect_equal(ftruncate(fd, LARGE / 2), 0);
	expect_equal(pwrite(fd, payload, LARGE / 2, 0), LARGE / 2);
	expect(mmap(payload, 4 * LARGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == payload);
	close(fd);
}

static void lose_memory(int fd, enum output_mode mode, void (*how)(unsigned char *payload))
{
	unsigned char *payload = share();
	unsigned char *shared = share();
	int other = dup(fd);
	struct writer writer;
	bool is_whole;

	open_writer(&writer, fd, COMPRESSION_NONE, mode);
	torn = UINT64_MAX;
	lost_messages = 0;
	define_channels(&writer);
	for (uint64_t at = 0; at < 30; at += 3)
		refer(&writer, at % 2 || at == 18 ? shared : payload, at);
	how(shared);
	expect_equal(writer_flush(&writer), 0);
	expect_equal(lost_messages, 6);
	refer(&writer, payload, 30);
	expect_equal(writer_end(&writer, NULL, NULL, &is_whole), 0);
	expect(is_whole);
	expect_equal(lost_messages, 6);
	expect_equal(count_faults(other, NULL), 0);
	expect_equal(read_large(other, payload), 5);
	close(other);
	munmap(payload, 4 * LARGE);
	munmap(shared, 4 * LARGE);
}

static void a_payload_whose_memory_is_gone_is_not_in_the_file(void)
{
	lose_memory(open_tmpfs_file(), OUTPUT_AUTO, leave);
	lose_memory(open_tmpfs_file(), OUTPUT_AUTO, make_shorter);
}

static void nor_is_it_around_the_page_cache(void)
{
	lose_memory(open_disk_file(), OUTPUT_SINGLE, leave);
	lose_memory(open_disk_file(), OUTPUT_SINGLE, make_shorter);
	lose_memory(open_disk_file(), OUTPUT_AUTO, leave);
	lose_memory(open_disk_file(), OUTPUT_AUTO, make_shorter);
}

/* What a recorder leaves that is killed right now, once it was repaired; without what is set aside. */
static uint64_t count_after_repair(int fd)
{
	int copy = copy_of(fd, size_of(fd) < WRITTEN_MAX ? size_of(fd) : WRITTEN_MAX);
	struct repair repair;

	expect_equal(repair_run(&repair, copy, READER_MEMORY_MAX, false), 0);
	expect_equal(count_faults(copy, NULL), 0);
	close(copy);
	return repair.messages;
}

static int watched; /* the file */
static uint64_t asked;

/* All that was flushed before is there, and nothing of what has just been written. */
static bool ask_and_look(void *user, struct chunk *chunk)
{
	(void)user;
	(void)chunk;
	expect_equal(count_after_repair(watched), asked - asked % 4);
	asked++;
	return true;
}

/* As any other program opens it: not around the page cache. */
static int open_again(int fd)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void kill_and_repair(int fd)
{
	unsigned char *payload = aligned_alloc(OUTPUT_ALIGN_MAX, ROOM);
	struct writer writer;
	bool is_whole;

	expect(payload != NULL);
	fill_payload(payload, ROOM, 5);
	watched = open_again(fd);
	expect(watched >= 0);
	asked = 0;
	open_writer(&writer, fd, COMPRESSION_NONE, OUTPUT_AUTO);
	define_channels(&writer);
	for (uint64_t at = 0; at < 12; at++) {
		refer_and_ask(&writer, payload, at, ask_and_look);
		if (at % 4 == 3) {
			expect_equal(writer_flush(&writer), 0);
			expect_equal(count_after_repair(watched), at + 1);
		}
	}
	expect_equal(asked, 12);
	expect_equal(writer_end(&writer, NULL, NULL, &is_whole), 0);
	expect_equal(count_faults(watched, NULL), 0);
	close(watched);
	free(payload);
}

static void what_was_not_checked_yet_is_not_repaired(void)
{
	kill_and_repair(open_tmpfs_file());
	kill_and_repair(open_disk_file());
}

static void hide_much(int fd, size_t size, uint64_t count)
{
	const uint64_t hidden_max = UINT64_C(64) << 20;
	unsigned char *payload = calloc(1, size);
	struct writer writer;
	bool is_whole;

	expect(payload != NULL);
	torn = UINT64_MAX;
	open_writer(&writer, fd, COMPRESSION_NONE, OUTPUT_AUTO);
	define_channels(&writer);
	for (uint64_t at = 0; at < count; at++) {
		refer_size(&writer, payload, size, at, ask);
		expect(writer_hidden(&writer) < hidden_max);
	}
	expect_equal(writer_end(&writer, NULL, NULL, &is_whole), 0);
	expect(is_whole);
	free(payload);
}

/* Two of these are a batch, five are more than may be hidden. The last ones are half of a batch of which some
 * are under way at the same time. */
static void what_a_veil_hides_is_bounded(void)
{
	hide_much(open_tmpfs_file(), (size_t)15 << 20, 5);
	hide_much(open_disk_file(), (size_t)15 << 20, 5);
	hide_much(open_disk_file(), (size_t)4 << 20, 20);
}

/* Calls of this process that read, this one's own among them. */
static uint64_t count_reads(void)
{
	char text[512];
	int fd = open("/proc/self/io", O_RDONLY | O_CLOEXEC);
	ssize_t size = read(fd, text, sizeof(text) - 1);
	const char *word;

	if (size < 0)
		skip("the kernel does not count reads here");
	text[size] = '\0';
	close(fd);
	word = strstr(text, "syscr: ");
	expect(word != NULL);
	return strtoull(word + 7, NULL, 10);
}

/* A player is punctual when it reads while it has time, and not between two messages. */
static void what_was_read_ahead_is_not_read_again(void)
{
	int fd = open_tmpfs_file();
	int other = dup(fd);
	struct writer writer;
	struct fault fault = {0};
	struct reader reader;
	struct message message;
	bool is_whole;
	uint64_t at = 0;
	uint64_t before;

	open_writer(&writer, fd, COMPRESSION_NONE, OUTPUT_AUTO);
	define_channels(&writer);
	for (int i = 0; i < 10; i++)
		expect_equal(writer_add_chunk(&writer, make_chunk(10, 100000, &at)), 0);
	expect_equal(writer_end(&writer, NULL, NULL, &is_whole), 0);
	expect_equal(reader_open(&reader, other, READER_MEMORY_MAX, &fault), 0);
	while (reader_ahead(&reader, 1000 + 45) == 1)
		;
	before = count_reads();
	for (uint64_t i = 0; i < 49; i++)
		expect_equal(reader_next(&reader, &message), 1);
	expect_equal(count_reads(), before + 1);
	while (reader_next(&reader, &message) == 1)
		;
	expect(count_reads() > before + 2);
	reader_close(&reader);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(messages_come_back_through_the_page_cache),
		TEST(messages_come_back_around_the_page_cache),
		TEST(messages_come_back_compressed),
		TEST(a_file_without_messages_is_whole),
		TEST(chunks_end_where_large_pages_do),
		TEST(metadata_comes_back),
		TEST(messages_come_in_the_order_of_their_times),
		TEST(a_reader_begins_and_ends_where_it_is_told),
		TEST(large_payloads_are_written_from_where_they_lie),
		TEST(a_payload_that_was_overwritten_is_not_in_the_file),
		TEST(a_payload_whose_memory_is_gone_is_not_in_the_file),
		TEST(nor_is_it_around_the_page_cache),
		TEST(what_was_not_checked_yet_is_not_repaired),
		TEST(what_a_veil_hides_is_bounded),
		TEST(what_was_read_ahead_is_not_read_again),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
