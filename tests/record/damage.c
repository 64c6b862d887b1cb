/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Files that were cut off, damaged, or written to deceive: an error with the offset, bounded
 * memory, and never a crash. What repair leaves is whole.
 */

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/mcap_layout.h"
#include "tape_steps.h"

#define SIZE 40

/* Three chunks of five messages, with a summary. */
static void list(void *user, struct buffer *map)
{
	(void)user;
	buffer_add_pair(map, "a", "1");
}

static int make_file(enum compression compression, uint64_t *ends)
{
	int fd = open_tmpfs_file();
	int other = dup(fd);
	struct writer writer;
	bool is_whole;
	uint64_t at = 0;

	open_writer(&writer, fd, compression, OUTPUT_BUFFERED);
	define_channels(&writer);
	for (int i = 0; i < 3; i++) {
		expect_equal(writer_add_chunk(&writer, make_chunk(5, SIZE, &at)), 0);
		if (ends)
			ends[i] = writer_size(&writer);
	}
	expect_equal(writer_end(&writer, "losses", list, &is_whole), 0);
	return other;
}

/* Everything that reads files reads this one; what they say does not matter here. */
static void read_all_ways(int fd, uint64_t memory_max)
{
	struct fault fault = {0};
	struct reader reader;
	struct message message;
	uint64_t sum = 0;
	int r;

	(void)count_faults(fd, NULL);
	if (reader_open(&reader, dup(fd), memory_max, &fault) < 0) {
		expect(*fault.text);
		return;
	}
	while ((r = reader_next(&reader, &message)) == 1)
		for (size_t i = 0; i < message.size; i++)
			sum += message.payload[i];
	expect(r == 0 || *fault.text);
	expect(reader.memory <= memory_max);
	expect(sum != 1);
	reader_close(&reader);
}

static void repair_whole(int fd, uint64_t messages_min)
{
	struct repair repair;

	expect_equal(repair_run(&repair, fd, READER_MEMORY_MAX, false), 0);
	expect(repair.messages >= messages_min);
	expect_equal(count_faults(fd, NULL), 0);
	expect_equal(repair_run(&repair, fd, READER_MEMORY_MAX, false), 0);
	expect(repair.was_whole);
}

static void cut_everywhere(enum compression compression, uint64_t step)
{
	uint64_t ends[3];
	int whole = make_file(compression, ends);
	uint64_t size = size_of(whole);

	for (uint64_t cut = 0; cut < size; cut += step) {
		int fd = copy_of(whole, cut);
		uint64_t kept = 0;

		for (int i = 0; i < 3; i++)
			kept += ends[i] <= cut ? 5 : 0;
		expect(count_faults(fd, NULL) > 0);
		read_all_ways(fd, READER_MEMORY_MAX);
		if (cut > 8 + 9 + 8 + 40) {
			repair_whole(fd, kept);
			expect(read_back(fd, SIZE) >= kept);
		}
		close(fd);
	}
	close(whole);
}

static void a_file_that_is_cut_anywhere_is_repaired_up_to_its_last_whole_chunk(void)
{
	cut_everywhere(COMPRESSION_NONE, 1);
	cut_everywhere(COMPRESSION_LZ4, 11);
}

/* What a recorder that was killed leaves: space that was set aside. */
static void a_file_that_ends_in_zeros_is_repaired(void)
{
	uint64_t ends[3];
	int whole = make_file(COMPRESSION_NONE, ends);
	int fd = copy_of(whole, ends[1]);

	expect_equal(ftruncate(fd, 1 << 20), 0);
	repair_whole(fd, 10);
	expect_equal(read_back(fd, SIZE), 10);
	expect(size_of(fd) < 1 << 19);
	close(fd);
	close(whole);
}

static void a_dry_run_changes_nothing(void)
{
	uint64_t ends[3];
	int whole = make_file(COMPRESSION_NONE, ends);
	int fd = copy_of(whole, ends[1] + 5);
	struct repair repair;

	expect_equal(repair_run(&repair, fd, READER_MEMORY_MAX, true), 0);
	expect_equal(repair.messages, 10);
	expect_equal(repair.kept, ends[1]);
	expect_equal(size_of(fd), ends[1] + 5);
	close(fd);
	close(whole);
}

/* Each byte of the chunks is covered by a CRC, or by something that has to agree with it. */
static void each_wrong_byte_of_a_chunk_is_found(void)
{
	uint64_t ends[3];
	int whole = make_file(COMPRESSION_NONE, ends);
	uint64_t size = size_of(whole);

	for (uint64_t at = ends[0]; at < ends[1]; at++) {
		int fd = copy_of(whole, size);
		struct fault fault = {0};
		unsigned char byte;

		expect_equal(pread(fd, &byte, 1, (off_t)at), 1);
		byte ^= 0x10;
		expect_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
		expect(count_faults(fd, &fault) > 0);
		expect(fault.offset >= ends[0] && fault.offset <= ends[2]);
		read_all_ways(fd, READER_MEMORY_MAX);
		close(fd);
	}
	close(whole);
}

static void damaged_chunks_are_given_up_and_the_others_stay(void)
{
	uint64_t ends[3];
	int whole = make_file(COMPRESSION_ZSTD, ends);
	int fd = copy_of(whole, size_of(whole));
	unsigned char zeros[16] = {0};
	struct repair repair;

	expect_equal(pwrite(fd, zeros, sizeof(zeros), (off_t)ends[0] + 60), sizeof(zeros));
	expect_equal(repair_run(&repair, fd, READER_MEMORY_MAX, false), 0);
	expect(!repair.was_whole);
	expect_equal(repair.messages, 10);
	expect(repair.damaged >= 1);
	expect_equal(count_faults(fd, NULL), 0);
	close(fd);
	close(whole);
}

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

/* Numbers that are near a border, in any place. */
static void damage(int fd, uint64_t size, uint64_t *state)
{
	static const uint64_t numbers[] = {
		0, 1, 0x7fffffff, 0xffffffff, UINT64_MAX, UINT64_MAX / 2, 1u << 30};
	unsigned count = 1 + (unsigned)(next_random(state) % 4);

	for (unsigned i = 0; i < count; i++) {
		off_t at = (off_t)(next_random(state) % size);
		uint64_t value = next_random(state) % 2 ? numbers[next_random(state) % 7]
							: next_random(state);
		size_t width = (size_t)1 << next_random(state) % 4;

		expect_equal(pwrite(fd, &value, width, at), (ssize_t)width);
	}
}

/* FLOE_TEST_ROUNDS for more of them. */
static void files_with_wrong_numbers_are_read_and_repaired_without_a_crash(void)
{
	const char *wanted = getenv("FLOE_TEST_ROUNDS");
	unsigned long rounds = wanted ? strtoul(wanted, NULL, 10) : 500;
	uint64_t state = 1;

	for (int k = COMPRESSION_NONE; k <= COMPRESSION_ZSTD; k++) {
		int whole = make_file((enum compression)k, NULL);
		uint64_t size = size_of(whole);

		for (unsigned long i = 0; i < rounds; i++) {
			int fd = copy_of(whole, size);
			struct repair repair;

			damage(fd, size, &state);
			read_all_ways(fd, 1 << 20);
			if (repair_run(&repair, fd, 1 << 20, false) == 0)
				expect_equal(count_faults(fd, NULL), 0);
			close(fd);
		}
		close(whole);
	}
}

/*
 * Files made to deceive
 */

static int make_begin(struct buffer *file)
{
	unsigned char *at;

	*file = (struct buffer){0};
	buffer_add_bytes(file, MCAP_MAGIC, MCAP_MAGIC_SIZE);
	at = buffer_add(file, MCAP_RECORD_SIZE + 8);
	(void)put_u64(put_record(at, MCAP_HEADER, 8), 0);
	return 0;
}

static void expect_fault(struct buffer *file, const char *word, uint64_t offset)
{
	int fd = open_tmpfs_file();
	struct fault fault = {0};

	expect_equal(write(fd, file->data, file->size), (ssize_t)file->size);
	expect(count_faults(fd, &fault) > 0);
	if (!strstr(fault.text, word) || fault.offset != offset)
		printf("# %s at %llu\n", fault.text, (unsigned long long)fault.offset),
			fflush(stdout);
	expect(strstr(fault.text, word));
	expect_equal(fault.offset, offset), fflush(stdout);
	read_all_ways(fd, 1 << 20);
	close(fd);
	buffer_end(file);
}

static unsigned char *add_chunk_head(struct buffer *file, const char *compression,
				     uint64_t expanded, uint64_t compressed, uint64_t real)
{
	size_t size = MCAP_CHUNK_FIXED + 4 + strlen(compression) + 8;
	unsigned char *at = buffer_add(file, MCAP_RECORD_SIZE + size + real);

	at = put_record(at, MCAP_CHUNK, size + real);
	at = put_u64(put_u64(put_u64(at, 0), 0), expanded);
	at = put_string(put_u32(at, 0), compression);
	return put_u64(at, compressed);
}

static void lengths_that_lie_are_told(void)
{
	struct buffer file;
	uint64_t offset;

	make_begin(&file);
	offset = file.size;
	(void)put_record(buffer_add(&file, MCAP_RECORD_SIZE), MCAP_CHUNK, UINT64_MAX);
	expect_fault(&file, "reaches beyond the end", offset), fflush(stdout);

	make_begin(&file);
	(void)memset(add_chunk_head(&file, "", UINT64_MAX / 2, 8, 8), 0, 8);
	expect_fault(&file, "more than the", offset), fflush(stdout);

	make_begin(&file);
	(void)memset(add_chunk_head(&file, "", 8, UINT64_MAX, 8), 0, 8);
	expect_fault(&file, "sizes of a chunk", offset), fflush(stdout);

	make_begin(&file);
	(void)memset(add_chunk_head(&file, "", 9, 8, 8), 0, 8);
	expect_fault(&file, "sizes of a chunk", offset), fflush(stdout);
}

static void an_unknown_compression_is_told(void)
{
	struct buffer file;
	uint64_t offset;

	make_begin(&file);
	offset = file.size;
	(void)memset(add_chunk_head(&file, "brotli", 8, 8, 8), 0, 8);
	expect_fault(&file, "unknown compression", offset), fflush(stdout);
	make_begin(&file);
	(void)memset(add_chunk_head(&file, "zstd", 8, 8, 8), 0, 8);
	expect_fault(&file, "cannot be decompressed", offset), fflush(stdout);
	make_begin(&file);
	(void)memset(add_chunk_head(&file, "lz4", 8, 8, 8), 0, 8);
	expect_fault(&file, "cannot be decompressed", offset), fflush(stdout);
}

static void add_channel(struct buffer *file, uint16_t id, uint16_t schema, const char *topic)
{
	size_t size = 2 + 2 + 4 + strlen(topic) + 4 + 4;
	unsigned char *at = put_record(buffer_add(file, MCAP_RECORD_SIZE + size), MCAP_CHANNEL,
				       size);

	at = put_string(put_u16(put_u16(at, id), schema), topic);
	(void)put_u32(put_u32(at, 0), 0);
}

static void ids_that_are_used_twice_are_told(void)
{
	struct buffer file;
	uint64_t offset;

	make_begin(&file);
	add_channel(&file, 1, 0, "a");
	add_channel(&file, 1, 0, "a"); /* the same again is allowed */
	offset = file.size;
	add_channel(&file, 1, 0, "b");
	expect_fault(&file, "used for two things", offset), fflush(stdout);
	make_begin(&file);
	offset = file.size;
	add_channel(&file, 1, 7, "a");
	expect_fault(&file, "schema that is not there", offset), fflush(stdout);
}

static void a_message_of_no_channel_is_told(void)
{
	struct buffer file;
	uint64_t offset;
	unsigned char *at;

	make_begin(&file);
	offset = file.size;
	at = add_chunk_head(&file, "", 31, 31, 31);
	at = put_record(at, MCAP_MESSAGE, 22);
	memset(at, 0, 22);
	expect_fault(&file, "not described before", offset), fflush(stdout);
}

/* Many chunks of the same time would all have to be in memory. */
static void chunks_that_overlap_without_end_are_an_error(void)
{
	int fd = open_tmpfs_file();
	int other = dup(fd);
	struct writer writer;
	struct fault fault = {0};
	struct reader reader;
	struct message message;
	bool is_whole;
	int r;

	open_writer(&writer, fd, COMPRESSION_NONE, OUTPUT_BUFFERED);
	define_channels(&writer);
	for (int i = 0; i < 200; i++) {
		uint64_t at = 0;

		expect_equal(writer_add_chunk(&writer, make_chunk(20, 1000, &at)), 0);
	}
	expect_equal(writer_end(&writer, NULL, NULL, &is_whole), 0);
	expect_equal(reader_open(&reader, other, 1 << 20, &fault), 0);
	while ((r = reader_next(&reader, &message)) == 1)
		;
	expect_equal(r, -E2BIG);
	expect(strstr(fault.text, "more than the"));
	expect(fault.offset > 0);
	reader_close(&reader);
}

static void what_is_no_recording_is_told(void)
{
	int fd = open_tmpfs_file();
	struct fault fault = {0};
	struct repair repair;

	expect(count_faults(fd, &fault) > 0);
	expect(strstr(fault.text, "not an MCAP file"));
	expect_equal(write(fd, "hello, this is a text", 21), 21);
	expect(count_faults(fd, &fault) > 0);
	expect(strstr(fault.text, "not an MCAP file"));
	expect_equal(repair_run(&repair, fd, READER_MEMORY_MAX, false), -EPROTO);
	expect_equal(size_of(fd), 21);
	close(fd);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_file_that_is_cut_anywhere_is_repaired_up_to_its_last_whole_chunk),
		TEST(a_file_that_ends_in_zeros_is_repaired),
		TEST(a_dry_run_changes_nothing),
		TEST(each_wrong_byte_of_a_chunk_is_found),
		TEST(damaged_chunks_are_given_up_and_the_others_stay),
		TEST(files_with_wrong_numbers_are_read_and_repaired_without_a_crash),
		TEST(lengths_that_lie_are_told),
		TEST(an_unknown_compression_is_told),
		TEST(ids_that_are_used_twice_are_told),
		TEST(a_message_of_no_channel_is_told),
		TEST(chunks_that_overlap_without_end_are_an_error),
		TEST(what_is_no_recording_is_told),
	};

	/* Small files are made and read many times; the memory for it need not go and come. */
	(void)mallopt(M_MMAP_THRESHOLD, 1 << 26);
	(void)mallopt(M_TRIM_THRESHOLD, 1 << 28);
	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
