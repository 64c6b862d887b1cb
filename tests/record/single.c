/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Where the kernel has no io_uring for a recorder, or only a part of one, its batches are written one after the
 * other, and the file is the same.
 */

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "api/forbidden.h"
#include "tape_steps.h"

#define SIZE 60000
#define CHUNKS 40

static void write_and_read(int fd, enum output_mode mode)
{
	int other = dup(fd);
	struct writer writer;
	bool is_whole;
	uint64_t at = 0;

	open_writer(&writer, fd, COMPRESSION_NONE, mode);
	define_channels(&writer);
	for (unsigned i = 0; i < CHUNKS; i++)
		expect_equal(writer_add_chunk(&writer, make_chunk(25, SIZE, &at)), 0);
	expect_equal(writer_end(&writer, NULL, NULL, &is_whole), 0);
	expect(is_whole);
	expect_equal(count_faults(other, NULL), 0);
	expect_equal(read_back(other, SIZE), at);
	close(other);
}

/* Says why nothing flies; 0 if that was not tried. */
static int find_error(enum output_mode mode)
{
	struct output output;
	int error;

	expect_equal(output_open(&output, open_disk_file(), mode), 0);
	expect(!output_flies(&output));
	error = output.is_direct ? output.flights_error : 1;
	output_close(&output);
	return error;
}

static void without_io_uring(uint32_t error)
{
	int found;

	forbid(SYS_io_uring_setup, error);
	found = find_error(OUTPUT_AUTO);
	if (found == 1)
		skip("there is no folder on a disk with O_DIRECT");
	expect(found == -(int)error || found == -ENOSYS); /* built without liburing */
	expect_equal(find_error(OUTPUT_SINGLE), 0);
	write_and_read(open_disk_file(), OUTPUT_AUTO);
}

static void where_io_uring_is_forbidden_one_batch_follows_the_other(void)
{
	without_io_uring(EPERM);
}

static void so_it_does_where_io_uring_is_missing(void)
{
	without_io_uring(ENOSYS);
}

static void so_it_does_where_no_memory_may_be_locked(void)
{
	without_io_uring(ENOMEM);
}

/* A ring may be had, and no request be made. */
static void so_it_does_where_nothing_can_begin(void)
{
	forbid(SYS_io_uring_enter, EPERM);
	write_and_read(open_disk_file(), OUTPUT_AUTO);
}

static void and_says_so_when_the_first_batch_has_not_begun(void)
{
	static _Alignas(OUTPUT_ALIGN_MAX) unsigned char block[OUTPUT_ALIGN_MAX];
	struct output output;

	forbid(SYS_io_uring_enter, EPERM);
	expect_equal(output_open(&output, open_disk_file(), OUTPUT_AUTO), 0);
	if (!output_flies(&output)) {
		output_close(&output);
		skip("nothing flies here");
	}
	expect_equal(output.flights_error, 0);
	expect_equal(output_put(&output, block, sizeof(block)), 0);
	expect_equal(output_flush(&output), 0);
	expect_equal(output.flights_error, -EPERM);
	output_close(&output);
}

static void so_it_does_where_it_is_not_wanted(void)
{
	expect(find_error(OUTPUT_SINGLE) >= 0);
	expect_equal(find_error(OUTPUT_BUFFERED), 1);
	write_and_read(open_disk_file(), OUTPUT_SINGLE);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(where_io_uring_is_forbidden_one_batch_follows_the_other),
		TEST(so_it_does_where_io_uring_is_missing),
		TEST(so_it_does_where_no_memory_may_be_locked),
		TEST(so_it_does_where_nothing_can_begin),
		TEST(and_says_so_when_the_first_batch_has_not_begun),
		TEST(so_it_does_where_it_is_not_wanted),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
