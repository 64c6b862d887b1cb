/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Memory that is gone when it is to be recorded: its owner made his file shorter, or nobody maps it any more. The
 * message is lost, what came before and after it is recorded, and nothing ends by a signal. Without touch_install
 * it does, which is shown first.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "record/tape.h"
#include "record/touch.h"
#include "tape_steps.h"

#define PAGE ((size_t)4096)
#define PAGES 64u
/* Not a multiple of what O_DIRECT wants: the last bytes are copied. */
#define LARGE (20 * PAGE + 100)

static unsigned char *memory;
static int owner; /* of the file that it is mapped from */

static void map(void)
{
	owner = open_tmpfs_file();
	expect_equal(ftruncate(owner, PAGES * PAGE), 0);
	memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, owner, 0);
	expect(memory != MAP_FAILED);
	memset(memory, 7, PAGES * PAGE);
}

static void unmap(void)
{
	expect_equal(munmap(memory, PAGES * PAGE), 0);
	close(owner);
}

static void shorten(size_t pages)
{
	expect_equal(ftruncate(owner, (off_t)(pages * PAGE)), 0);
}

static unsigned refused; /* writes, for the memory of what is written is gone */

__attribute__((visibility("default"))) ssize_t pwritev(int fd, const struct iovec *pieces,
						       int count, off_t offset);

ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t offset)
{
	ssize_t r = syscall(SYS_pwritev, fd, pieces, count, (long)offset, 0L);

	refused += r < 0 && errno == EFAULT;
	return r;
}

static bool is_whole(void *user, struct chunk *chunk)
{
	(void)user;
	(void)chunk;
	return true;
}

static struct tape *open_tape(const char *path, enum writer_crc crc)
{
	const struct tape_plan plan = {
		.path = path,
		.overwrite = true,
		.crc = crc,
		.chunk_size = 1u << 16,
		.memory_max = 16u << 20,
		.is_whole = is_whole,
	};

	return open_tape_of(&plan);
}

static struct chunk_message message(size_t page, size_t size)
{
	return (struct chunk_message){
		.channel = 1,
		.log_time = 1,
		.payload = memory + page * PAGE,
		.size = size,
	};
}

/* So many messages, each of sevens. */
static void expect_recorded(const char *path, uint64_t expected)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct fault fault = {0};
	struct reader reader;
	struct message message;
	uint64_t count = 0;

	expect(fd >= 0);
	expect_equal(count_faults(fd, &fault), 0);
	expect_equal(reader_open(&reader, fd, READER_MEMORY_MAX, &fault), 0);
	while (reader_next(&reader, &message) == 1) {
		for (size_t i = 0; i < message.size; i++)
			expect_equal(((const unsigned char *)message.payload)[i], 7);
		count++;
	}
	expect_equal(count, expected);
	reader_close(&reader);
	(void)unlink(path);
}

static void touch_what_is_gone(void)
{
	unsigned char byte;

	map();
	shorten(0);
	_exit(touch_copy(&byte, memory, 1) == -EFAULT ? 0 : 1);
}

static int run(void (*live)(void))
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		/* A sanitizer has a handler of its own. */
		(void)signal(SIGBUS, SIG_DFL);
		live();
	}
	expect_equal(waitpid(child, &status, 0), child);
	return status;
}

static void install_and_touch(void)
{
	expect_equal(touch_install(), 0);
	touch_what_is_gone();
}

static void touch_elsewhere(void)
{
	map();
	shorten(0);
	expect_equal(touch_install(), 0);
	memory[0] = 1;
	_exit(0);
}

static void without_it_it_is_the_end(void)
{
	int status = run(touch_what_is_gone);

	expect(WIFSIGNALED(status));
	expect_equal(WTERMSIG(status), SIGBUS);
	expect_equal(run(install_and_touch), 0);
}

static void so_it_is_where_nobody_expects_it(void)
{
	int status = run(touch_elsewhere);

	expect(WIFSIGNALED(status));
	expect_equal(WTERMSIG(status), SIGBUS);
}

static volatile sig_atomic_t told;

static void give_memory(int number)
{
	(void)number;
	told++;
	(void)!ftruncate(owner, PAGES * PAGE);
}

static void what_is_not_ours_is_passed_on(void)
{
	unsigned char byte;

	map();
	expect(signal(SIGBUS, give_memory) != SIG_ERR);
	expect_equal(touch_install(), 0);
	shorten(0);
	expect_equal(touch_copy(&byte, memory, 1), -EFAULT);
	expect_equal(told, 0);
	expect_equal(*(volatile unsigned char *)memory, 0);
	expect_equal(told, 1);
	/* And again, both. */
	shorten(0);
	expect_equal(touch_copy(&byte, memory, 1), -EFAULT);
	expect_equal(*(volatile unsigned char *)memory, 0);
	expect_equal(told, 2);
	unmap();
}

static void what_is_gone_is_left_out_of_what_is_copied(void)
{
	struct tape *tape = open_tape("touch.mcap", WRITER_CRC_COPIED);
	struct chunk_message messages[3];
	struct tape_counts counts;
	struct tape_error error;

	expect_equal(touch_install(), 0);
	map();
	messages[0] = message(1, 300);
	messages[1] = message(30, 300);
	messages[2] = message(2, 300);
	expect_equal(tape_add(tape, &messages[0]), 1);
	shorten(8);
	for (int i = 0; i < 100; i++) {
		expect_equal(tape_add_many(tape, messages, 3), 0);
		expect_equal(tape_add(tape, &messages[1]), -EFAULT);
		expect_equal(tape_add_many(tape, messages, 1), 1);
		expect_equal(tape_add(tape, &messages[2]), 1);
	}
	/* Across the edge. */
	messages[1] = message(7, PAGE + 1);
	expect_equal(tape_add(tape, &messages[1]), -EFAULT);
	/* What is there again is recorded. */
	shorten(PAGES);
	memset(memory + 30 * PAGE, 7, 300);
	messages[1] = message(30, 300);
	expect_equal(tape_add_many(tape, messages, 3), 3);
	expect_equal(tape_close(tape, &counts, &error), 0);
	expect_equal(counts.messages, 204);
	expect_equal(counts.lost, 0);
	expect_recorded("touch.mcap", 204);
	unmap();
}

/*
 * An allocation in which memory is missing: that is not what is touched
 */

void *__real_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size);

static _Thread_local const volatile unsigned char *trap;

/* Of this program's and the recording's code (--wrap). */
void *__wrap_realloc(void *block, size_t size)
{
	if (trap)
		(void)*trap;
	return __real_realloc(block, size);
}

static int trap_owner;

static void give_trap(int number)
{
	(void)number;
	told++;
	(void)!ftruncate(trap_owner, PAGE);
}

/* Who leaves by a jump from there leaves the allocator as it is, and what it gave with nobody. */
static void nothing_is_allocated_while_memory_is_touched(void)
{
	struct tape *tape = open_tape("touch.mcap", WRITER_CRC_COPIED);
	struct chunk_message gone, there;
	struct tape_counts counts;
	struct tape_error error;
	void *page;

	trap_owner = open_tmpfs_file();
	page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, trap_owner, 0);
	expect(page != MAP_FAILED);
	expect(signal(SIGBUS, give_trap) != SIG_ERR);
	expect_equal(touch_install(), 0);
	map();
	gone = message(30, 50);
	there = message(2, 50);
	shorten(8);
	/* All in one chunk, whose entries grow with the 1st, the 65th, the 129th and the 257th. */
	for (uint64_t i = 0; i < 500; i++) {
		expect_equal(ftruncate(trap_owner, 0), 0);
		trap = page;
		expect_equal(tape_add(tape, &gone), -EFAULT);
		trap = NULL;
		expect_equal(tape_add(tape, &there), 1);
	}
	expect(told >= 4);
	expect_equal(tape_close(tape, &counts, &error), 0);
	expect_equal(counts.messages, 500);
	expect_recorded("touch.mcap", 500);
	expect_equal(munmap(page, PAGE), 0);
	close(trap_owner);
	unmap();
}

/* Of three large ones the middle one is gone: all of it, or its last bytes. */
static void lose_the_middle_one(const char *path, enum writer_crc crc, size_t pages,
				bool is_unmapped)
{
	struct tape *tape = open_tape(path, crc);
	struct chunk_message messages[3];
	struct tape_counts counts;
	struct tape_error error;

	expect_equal(touch_install(), 0);
	map();
	messages[0] = message(0, LARGE);
	messages[1] = message(42, LARGE);
	messages[2] = message(21, LARGE);
	shorten(pages);
	if (is_unmapped)
		expect_equal(munmap(memory + 42 * PAGE, 21 * PAGE), 0);
	for (int i = 0; i < 3; i++) {
		expect(tape_can_refer(tape, messages[i].payload, messages[i].size));
		expect_equal(tape_refer(tape, &messages[i], 0, 0), 1);
	}
	tape_unlock(tape);
	expect_equal(tape_close(tape, &counts, &error), 0);
	expect_equal(counts.messages, 3);
	expect_equal(counts.lost, 1);
	expect_equal(counts.bytes, 2 * LARGE);
	expect_equal(counts.direct, 2);
	expect_recorded(path, 2);
	unmap();
}

static void lose_them_all_ways(const char *path)
{
	for (int crc = WRITER_CRC_COPIED; crc <= WRITER_CRC_NONE; crc++) {
		lose_the_middle_one(path, (enum writer_crc)crc, 42, false);
		lose_the_middle_one(path, (enum writer_crc)crc, 42 + 20, false);
		lose_the_middle_one(path, (enum writer_crc)crc, PAGES, true);
	}
}

static void what_is_gone_before_it_is_written_is_lost(void)
{
	lose_them_all_ways("touch.mcap");
}

static void so_it_is_around_the_page_cache(void)
{
	char path[] = "/var/tmp/floe-touch.XXXXXX";
	int fd = mkstemp(path);

	if (fd < 0)
		skip("there is no folder on a disk");
	close(fd);
	lose_them_all_ways(path);
}

/* By the next one that can be read. */
static void what_is_gone_leaves_no_time(void)
{
	struct tape *tape = open_tape("touch.mcap", WRITER_CRC_COPIED);
	struct chunk_message messages[2];
	struct tape_counts counts;
	struct tape_error error;
	struct fault fault = {0};
	struct reader reader;

	expect_equal(touch_install(), 0);
	map();
	messages[0] = message(0, 300);
	messages[1] = message(30, 300);
	shorten(8);
	expect_equal(tape_add(tape, &messages[0]), 1);
	messages[0].log_time = 1000;
	expect_equal(tape_add_many(tape, messages, 2), 0);
	expect_equal(tape_close(tape, &counts, &error), 0);
	expect_equal(reader_open(&reader, open("touch.mcap", O_RDONLY | O_CLOEXEC),
				 READER_MEMORY_MAX, &fault),
		     0);
	expect_equal(reader.catalog.chunks_count, 1);
	expect_equal(reader.catalog.chunks[0].start, 1);
	expect_equal(reader.catalog.chunks[0].end, 1);
	reader_close(&reader);
	expect_recorded("touch.mcap", 1);
	unmap();
}

/* All pieces together, what is behind the first, and the piece itself are refused. */
static void what_is_gone_is_written_as_zeros_at_once(void)
{
	struct tape *tape = open_tape("touch.mcap", WRITER_CRC_NONE);
	struct chunk_message gone;
	struct tape_counts counts;
	struct tape_error error;

	expect_equal(touch_install(), 0);
	map();
	gone = message(1, (PAGES - 1) * PAGE);
	shorten(1);
	refused = 0;
	expect_equal(tape_refer(tape, &gone, 0, 0), 1);
	tape_unlock(tape);
	expect_equal(tape_close(tape, &counts, &error), 0);
	expect_equal(counts.lost, 1);
	expect(refused > 0 && refused <= 3);
	expect_recorded("touch.mcap", 0);
	unmap();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(without_it_it_is_the_end),
		TEST(so_it_is_where_nobody_expects_it),
		TEST(what_is_not_ours_is_passed_on),
		TEST(what_is_gone_is_left_out_of_what_is_copied),
		TEST(nothing_is_allocated_while_memory_is_touched),
		TEST(what_is_gone_before_it_is_written_is_lost),
		TEST(so_it_is_around_the_page_cache),
		TEST(what_is_gone_leaves_no_time),
		TEST(what_is_gone_is_written_as_zeros_at_once),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
