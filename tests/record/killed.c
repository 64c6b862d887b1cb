/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A recorder with several batches under way is killed: at every moment, with any of them on the disk and the
 * others not. What repair makes of that has all that was flushed, nothing that was torn, and no gap.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "late.h"
#include "tape_steps.h"

#define COUNT 26u
#define LARGE (2 * OUTPUT_ALIGN_MAX)
#define SMALL 6000u
/* All that is written here, and what is set aside for it. */
#define FILE_MAX ((size_t)1 << 20)
#define BATCH (32u << 10)

static int watched;
static const struct writer *current;
static unsigned char *whole; /* what payloads are that nobody overwrote */
static unsigned char *torn;
static uint64_t given;   /* messages */
static uint64_t flushed; /* of them */
static unsigned looks;

static enum fate always(unsigned number)
{
	(void)number;
	return FATE_WRITTEN;
}

/* Messages of every fourth chunk are copied, as many as there; all others are one that is not. */
static bool is_torn(uint64_t number)
{
	return number % 13 == 5 || number % 13 == 6;
}

static uint64_t check_messages(int fd)
{
	struct fault fault = {0};
	struct reader reader;
	struct message message;
	uint64_t next = 0;

	expect_equal(reader_open(&reader, dup(fd), READER_MEMORY_MAX, &fault), 0);
	while (reader_next(&reader, &message) == 1) {
		while (message.sequence != next && is_torn(next))
			next++;
		expect_equal(message.sequence, next);
		expect(!is_torn(message.sequence));
		if (message.size >= LARGE)
			expect(!memcmp(message.payload, whole, message.size));
		next++;
	}
	reader_close(&reader);
	while (next < given && is_torn(next))
		next++;
	return next;
}

/* Repaired, with these of what is under way. */
static void look_at(const unsigned char *bytes, size_t size, unsigned which)
{
	int copy = open_tmpfs_file();
	struct repair repair;

	expect_equal(write(copy, bytes, size), (ssize_t)size);
	late_apply(copy, which);
	expect_equal(repair_run(&repair, copy, READER_MEMORY_MAX, false), 0);
	expect_equal(count_faults(copy, NULL), 0);
	expect(check_messages(copy) >= flushed);
	close(copy);
	looks++;
}

/* Whichever of what is under way are there: none, all, all but one, only one. */
static void look(void)
{
	static unsigned char bytes[FILE_MAX];
	ssize_t size = pread(watched, bytes, (size_t)writer_size(current), 0);
	unsigned all = (1u << late_count()) - 1;

	expect(size > 0);
	expect(writer_size(current) <= FILE_MAX);
	look_at(bytes, (size_t)size, 0);
	if (all)
		look_at(bytes, (size_t)size, all);
	for (unsigned i = 0; i < late_count() && late_count() > 1; i++) {
		look_at(bytes, (size_t)size, 1u << i);
		look_at(bytes, (size_t)size, all & ~(1u << i));
	}
}

static bool ask(void *user, struct chunk *chunk)
{
	(void)user;
	look();
	return !is_torn(chunk->sequence);
}

static void refer(struct writer *writer)
{
	struct chunk *chunk = chunk_open(4096);
	struct chunk_message message = {
		.channel = 1,
		.sequence = (uint32_t)given,
		.log_time = 1000 + given,
		.publish_time = given,
		.payload = is_torn(given) ? torn : whole,
		.size = LARGE + (size_t)given,
	};

	expect(chunk != NULL);
	expect_equal(chunk_refer(chunk, &message), 0);
	chunk->is_whole = ask;
	chunk->sequence = given++;
	expect_equal(writer_add_chunk(writer, chunk), 0);
}

/* Of this many messages, none of which is torn. */
static void copy(struct writer *writer)
{
	while (is_torn(given) || is_torn(given + 1))
		refer(writer);
	expect_equal(writer_add_chunk(writer, make_chunk(2, SMALL, &given)), 0);
}

static void record(struct writer *writer, unsigned flush_each)
{
	for (unsigned i = 0; given < COUNT; i++) {
		if (i % 4 == 3)
			copy(writer);
		else
			refer(writer);
		if (i % 9 == 8 && writer_is_busy(writer))
			expect_equal(writer_land(writer), 0);
		if (i % flush_each == flush_each - 1) {
			expect_equal(writer_flush(writer), 0);
			flushed = given;
		}
		look();
	}
}

static unsigned char *make_payload(uint64_t at)
{
	unsigned char *payload = aligned_alloc(OUTPUT_ALIGN_MAX, 2 * (size_t)LARGE);

	expect(payload != NULL);
	fill_payload(payload, 2 * (size_t)LARGE, at);
	return payload;
}

/* As any other program opens it: not around the page cache. */
static int open_again(int fd)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void kill_everywhere(unsigned flush_each)
{
	struct writer writer;
	bool is_whole;
	int fd = open_disk_file();

	watched = open_again(fd);
	expect(watched >= 0);
	open_writer(&writer, fd, COMPRESSION_NONE, OUTPUT_AUTO);
	if (!output_flies(&writer.output))
		skip("there is no folder on a disk with O_DIRECT");
	writer.crc = WRITER_CRC_COPIED;
	writer.output.batch_size = BATCH;
	whole = make_payload(5);
	torn = make_payload(6);
	given = flushed = lost_messages = 0;
	define_channels(&writer);
	expect_equal(writer_flush(&writer), 0);
	current = &writer;
	late_lands = look;
	record(&writer, flush_each);
	expect_equal(writer_end(&writer, NULL, NULL, &is_whole), 0);
	expect(is_whole);
	late_lands = NULL;
	expect_equal(count_faults(watched, NULL), 0);
	expect_equal(check_messages(watched), given);
	close(watched);
	free(whole);
	free(torn);
}

static void what_repair_finds_is_whole_whichever_batches_are_there(void)
{
	late_fate = always;
	kill_everywhere(1000);
	expect(late_most >= OUTPUT_BATCHES_MAX);
	kill_everywhere(10);
	expect(looks > 100);
}

static void so_it_is_when_the_kernel_writes_less(void)
{
	kill_everywhere(1000);
}

static unsigned refused;

static enum fate refuse_one(unsigned number)
{
	return number == refused ? FATE_REFUSED : FATE_WRITTEN;
}

/* A batch, or a veil that is lifted: then all that is under way lands first. */
static void so_it_is_when_the_kernel_takes_no_more(void)
{
	late_fate = refuse_one;
	for (refused = 0; refused < 12; refused++)
		kill_everywhere(1000);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(what_repair_finds_is_whole_whichever_batches_are_there),
		TEST(so_it_is_when_the_kernel_writes_less),
		TEST(so_it_is_when_the_kernel_takes_no_more),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
