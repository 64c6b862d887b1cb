/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A recording in several files of which one cannot be begun, or not be written: those before it are whole, the failure
 * has its name, and what is in no file is counted as lost and as nothing else.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "record/tape.h"
#include "tape_steps.h"

#define SIZE 1000u
#define SPLIT (256u << 10)
/* Many more than the files before the failure have. */
#define MANY 100000u

static uint64_t told_lost;

static void lose(void *user, uint16_t channel, uint32_t count)
{
	(void)user;
	expect_equal(channel, 1);
	told_lost += count;
}

static struct tape *open_tape(void)
{
	const struct tape_plan plan = {
		.path = "split.mcap",
		.chunk_size = 1u << 16,
		.memory_max = 16u << 20,
		.split_size = SPLIT,
		.lose = lose,
	};

	/* Nothing is left of a test that failed. */
	expect_equal(chdir(getenv("FLOE_DIR")), 0);
	return open_tape_of(&plan);
}

/* Until the tape has failed, or has begun so many files; each chunk is in one before the next is filled. How many
 * messages it took. */
static uint64_t add(struct tape *tape, uint64_t first, uint64_t files)
{
	static unsigned char payload[SIZE];
	struct chunk_message message = {.channel = 1, .payload = payload, .size = SIZE};
	struct tape_counts counts = {0};
	struct tape_error error;
	uint64_t added = 0;

	while (added < MANY && counts.files < files && tape_check(tape, &error) == 0) {
		message.sequence = (uint32_t)(first + added);
		message.log_time = 1000 + first + added;
		if (tape_add(tape, &message) == 1)
			added++;
		else
			tape_wait(tape, INT64_MAX);
		tape_count(tape, &counts);
		while (counts.backlog && tape_check(tape, &error) == 0) {
			usleep(200);
			tape_count(tape, &counts);
		}
	}
	expect(added < MANY);
	return added;
}

/* They follow each other; what the file has may end sooner. */
static uint64_t read_file(const char *path, uint64_t first)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct fault fault = {0};
	struct reader reader;
	struct message message;
	uint64_t count = 0;

	expect(fd >= 0);
	expect_equal(count_faults(fd, NULL), 0);
	expect_equal(reader_open(&reader, fd, READER_MEMORY_MAX, &fault), 0);
	while (reader_next(&reader, &message) == 1) {
		expect_equal(message.channel, 1);
		expect_equal(message.size, SIZE);
		expect_equal(message.sequence, first + count);
		count++;
	}
	reader_close(&reader);
	(void)unlink(path);
	return count;
}

static void expect_counted(const struct tape_counts *counts, uint64_t added, uint64_t recorded)
{
	expect_equal(counts->messages, added);
	expect_equal(counts->lost, added - recorded);
	expect_equal(told_lost, counts->lost);
	expect_equal(counts->bytes, recorded * SIZE);
}

static void where_the_next_file_is_there_already_the_one_before_is_whole(void)
{
	struct tape *tape = open_tape();
	int other = open("split-001.mcap", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct tape_counts counts;
	struct tape_error error;
	uint64_t added, recorded;
	char text[8] = "";

	expect_equal(write(other, "other", 5), 5);
	added = add(tape, 0, UINT64_MAX);
	expect_equal(tape_close(tape, &counts, &error), -EEXIST);
	expect(strstr(error.text, "'split-001.mcap': there is such a file already") != NULL);
	expect_equal(counts.files, 1);
	recorded = read_file("split-000.mcap", 0);
	expect(recorded >= SPLIT / SIZE / 2 && recorded < added);
	expect_counted(&counts, added, recorded);
	/* It is somebody's. */
	expect_equal(pread(other, text, sizeof(text), 0), 5);
	expect(strcmp(text, "other") == 0);
	close(other);
	(void)unlink("split-001.mcap");
}

/* The second file has had its first bytes by then. */
static void where_the_disk_is_full_in_the_next_file_both_are_whole(void)
{
	struct tape *tape = open_tape();
	struct rlimit room;
	struct tape_counts counts;
	struct tape_error error;
	uint64_t added, before, recorded;

	expect(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	added = add(tape, 0, 2);
	expect_equal(getrlimit(RLIMIT_FSIZE, &room), 0);
	room.rlim_cur = 3 * (64u << 10);
	expect_equal(setrlimit(RLIMIT_FSIZE, &room), 0);
	added += add(tape, added, 3);
	expect_equal(tape_close(tape, &counts, &error), -EFBIG);
	expect(strstr(error.text, "cannot write 'split-001.mcap': ") != NULL);
	expect(strstr(error.text, "; what is there was ended and can be read") != NULL);
	expect_equal(counts.files, 2);
	before = read_file("split-000.mcap", 0);
	recorded = before + read_file("split-001.mcap", before);
	expect(recorded > before && recorded < added);
	expect_counted(&counts, added, recorded);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(where_the_next_file_is_there_already_the_one_before_is_whole),
		TEST(where_the_disk_is_full_in_the_next_file_both_are_whole),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
