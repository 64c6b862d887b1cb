/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The threads of recordings, for ThreadSanitizer: who gives messages to a tape and what writes them,
 * also while payloads are asked whether they are whole; who reads a file and what reads it ahead.
 */

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record/tape.h"
#include "tape_steps.h"

#define COUNT 600u
#define SMALL 3000u
#define LARGE (128u << 10)
/* Of a ring: a payload is overwritten when so many more were made. */
#define DEPTH 4u

/* What an observer is to a recorder: looked at by both threads, by one at a time. */
struct ring {
	unsigned char *payloads;
	uint64_t made;
	uint64_t whole;
	uint64_t asked;
	uint64_t lost;
	uint64_t listed; /* as lost, in the file */
	uint64_t forgotten;
};

static bool is_whole(void *user, struct chunk *chunk)
{
	struct ring *ring = user;

	ring->asked++;
	ring->whole += ring->made - chunk->sequence < DEPTH;
	return ring->made - chunk->sequence < DEPTH;
}

static void list_losses(void *user, struct buffer *map)
{
	struct ring *ring = user;

	ring->listed = ring->lost;
	buffer_add_pair(map, "a/0", "0");
}

static void lose(void *user, uint16_t channel, uint32_t count)
{
	struct ring *ring = user;

	(void)channel;
	ring->lost += count;
}

static void forget(void *user, uint16_t channel, uint32_t count)
{
	struct ring *ring = user;

	expect_equal(channel, 1);
	ring->forgotten += count;
}

static struct tape *open_tape(const char *path, struct ring *ring, int64_t snapshot_ns)
{
	const struct tape_plan plan = {
		.path = path,
		.overwrite = true,
		.chunk_size = 1u << 16,
		.memory_max = 16u << 20,
		.snapshot_ns = snapshot_ns,
		.is_whole = is_whole,
		.lose = lose,
		.forget = forget,
		.list_losses = list_losses,
		.user = ring,
	};

	return open_tape_of(&plan);
}

static void give(struct tape *tape, struct ring *ring, uint64_t number)
{
	struct chunk_message message = {
		.channel = 1,
		.sequence = (uint32_t)number,
		.log_time = number,
		.payload = ring->payloads + number % DEPTH * LARGE,
		.size = number % 8 ? SMALL : LARGE,
	};
	int r = 0;

	if (tape_can_refer(tape, message.payload, message.size))
		r = tape_refer(tape, &message, 0, number);
	while (r == 0) {
		r = tape_add(tape, &message);
		if (r == 0) {
			tape_unlock(tape);
			tape_wait(tape, INT64_MAX);
			tape_lock(tape);
		}
	}
	expect_equal(r, 1);
}

static uint64_t sum_sizes(void)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < COUNT; i++)
		sum += i % 8 ? SMALL : LARGE;
	return sum;
}

/* As a recorder does it. Messages that were referred to and found overwritten are lost. */
static uint64_t record(const char *path, struct ring *ring)
{
	struct tape *tape = open_tape(path, ring, 0);
	struct tape_counts counts;
	struct tape_error error;

	for (uint64_t i = 0; i < COUNT; i++) {
		tape_lock(tape);
		ring->made = i;
		give(tape, ring, i);
		tape_unlock(tape);
		tape_tick(tape, INT64_MAX);
		tape_count(tape, &counts);
		expect_equal(tape_check(tape, &error), 0);
	}
	expect_equal(tape_close(tape, &counts, &error), 0);
	expect_equal(counts.messages, COUNT);
	expect_equal(counts.direct, ring->whole);
	expect_equal(counts.bytes + counts.lost * LARGE, sum_sizes());
	expect_equal(counts.lost, ring->asked - ring->whole);
	expect_equal(ring->listed, counts.lost);
	return COUNT - counts.lost;
}

static uint64_t read_ahead(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct fault fault = {0};
	struct reader reader;
	struct message message;
	uint64_t count = 0;

	expect(fd >= 0);
	expect_equal(reader_open(&reader, fd, READER_MEMORY_MAX, &fault), 0);
	while (reader_next(&reader, &message) == 1) {
		expect(reader_ahead(&reader, message.log_time + 20) >= 0);
		count++;
	}
	reader_close(&reader);
	return count;
}

static void read_what_is_written(const char *path)
{
	struct ring ring = {.payloads = aligned_alloc(4096, DEPTH * (size_t)LARGE)};
	uint64_t count;

	expect(ring.payloads);
	memset(ring.payloads, 7, DEPTH * (size_t)LARGE);
	count = record(path, &ring);
	expect(ring.asked > 0);
	for (int i = 0; i < 3; i++)
		expect_equal(read_ahead(path), count);
	(void)unlink(path);
	free(ring.payloads);
}

static void what_a_tape_wrote_is_read_while_it_is_read_ahead(void)
{
	read_what_is_written("threads.mcap");
}

/* There the thread that takes messages writes them. */
static void so_is_what_it_wrote_to_large_pages(void)
{
	char folder[128], path[160];

	(void)snprintf(folder, sizeof(folder), "%s/large", getenv("FLOE_DIR"));
	(void)snprintf(path, sizeof(path), "%s/threads.mcap", folder);
	expect_equal(mkdir(folder, 0700), 0);
	if (unshare(CLONE_NEWNS) < 0)
		skip("only root can mount a file system with large pages");
	expect_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	if (mount("floe", folder, "tmpfs", 0, "huge=within_size,size=256m") < 0)
		skip("no large pages here");
	read_what_is_written(path);
}

/* Nothing of a snapshot is written before. */
static void what_is_found_torn_at_the_end_is_listed(void)
{
	struct ring ring = {.payloads = aligned_alloc(4096, DEPTH * (size_t)LARGE)};
	struct tape *tape = open_tape("torn.mcap", &ring, INT64_MAX);
	struct chunk_message message = {.channel = 1, .payload = ring.payloads, .size = LARGE};
	struct tape_counts counts;
	struct tape_error error;

	expect(ring.payloads);
	memset(ring.payloads, 7, DEPTH * (size_t)LARGE);
	expect_equal(tape_refer(tape, &message, 0, 0), 1);
	ring.made = DEPTH;
	tape_unlock(tape);
	expect_equal(tape_close(tape, &counts, &error), 0);
	expect_equal(counts.lost, 1);
	expect_equal(counts.bytes, 0);
	expect_equal(counts.direct, 0);
	expect_equal(ring.listed, 1);
	(void)unlink("torn-000.mcap");
	free(ring.payloads);
}

static void what_falls_out_of_a_window_is_not_counted(void)
{
	struct ring ring = {.payloads = aligned_alloc(4096, DEPTH * (size_t)LARGE)};
	struct tape *tape = open_tape("window.mcap", &ring, 100);
	struct tape_counts counts;
	struct tape_error error;

	expect(ring.payloads);
	memset(ring.payloads, 7, DEPTH * (size_t)LARGE);
	for (uint64_t i = 0; i < COUNT; i++) {
		give(tape, &ring, 8 * i + 1);
		tape_tick(tape, 0);
	}
	tape_count(tape, &counts);
	expect(counts.messages < COUNT / 2);
	expect_equal(counts.messages + ring.forgotten, COUNT);
	expect_equal(counts.bytes, counts.messages * SMALL);
	expect_equal(tape_close(tape, &counts, &error), 0);
	expect_equal(read_ahead("window-000.mcap"), counts.messages);
	expect_equal(counts.lost, 0);
	(void)unlink("window-000.mcap");
	free(ring.payloads);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(what_a_tape_wrote_is_read_while_it_is_read_ahead),
		TEST(so_is_what_it_wrote_to_large_pages),
		TEST(what_is_found_torn_at_the_end_is_listed),
		TEST(what_falls_out_of_a_window_is_not_counted),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
