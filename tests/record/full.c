/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A writer that gets no more space ends its file with what fits, wherever that happens. The limit
 * on the size of a file stands for a full disk: it says EFBIG where that says ENOSPC.
 */

#include <errno.h>
#include <signal.h>
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

/* Chunks of ten messages until one does not fit any more. */
static void fill_up(int fd, uint64_t size, enum output_mode mode, unsigned flush_each)
{
	int other = dup(fd);
	struct writer writer;
	struct buffer losses = {0};
	bool is_whole;
	uint64_t at = 0;
	int r = 0;

	open_writer(&writer, fd, COMPRESSION_NONE, mode);
	lost_messages = 0;
	define_channels(&writer);
	buffer_add_pair(&losses, "a", "1");
	limit(size);
	for (unsigned i = 1; r == 0 && at < 2000; i++) {
		r = writer_add_chunk(&writer, make_chunk(10, SIZE, &at));
		if (r == 0 && i % flush_each == 0)
			r = writer_flush(&writer);
	}
	expect(r < 0 || flush_each > 200);
	expect_equal(writer_end(&writer, "losses", &losses, &is_whole), -EFBIG);
	buffer_end(&losses);
	limit(RLIM_INFINITY);
	if (is_whole) {
		expect(size_of(other) <= size);
		expect_equal(count_faults(other, NULL), 0);
		expect_equal(read_back(other, SIZE) + lost_messages, at);
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

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_file_without_room_is_ended_with_what_fits),
		TEST(so_is_one_that_is_written_around_the_page_cache),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
