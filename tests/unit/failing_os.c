/* SPDX-License-Identifier: Apache-2.0 */
/* The failing system calls themselves: exactly the planned ones fail, and all are counted. */
#include "unit/failing_os.h"

#include <errno.h>
#include <sys/mman.h>

#include "frame/frame.h"

static void without_a_plan_nothing_fails(void)
{
	struct stat stat;

	failing_os_begin();
	for (int i = 0; i < 10; i++)
		expect_equal(os->stat(STDERR_FILENO, &stat), 0);
	expect_equal(failing_os.failed, 0);
	expect_equal(failing_os.calls[FAILING_stat], 10);
	expect_equal(failing_os.calls[FAILING_map], 0);
	failing_os_end();
	expect(os == &os_real);
}

static void only_the_planned_call_fails(void)
{
	struct stat stat;

	failing_os_begin();
	failing_os_plan((struct failing_plan){.at = 3, .code = -EIO});
	for (int i = 1; i <= 5; i++)
		expect_equal(os->stat(STDERR_FILENO, &stat), i == 3 ? -EIO : 0);
	expect_equal(failing_os.failed, 1);
	expect_equal(failing_os.calls[FAILING_ANY], 5);
}

static void a_plan_may_name_the_call(void)
{
	struct stat stat;

	failing_os_begin();
	failing_os_plan((struct failing_plan){.call = FAILING_seek_hole, .at = 2, .code = -EIO});
	expect_equal(os->seek_hole(-1, 0), -EBADF);
	expect_equal(os->stat(STDERR_FILENO, &stat), 0);
	expect_equal(os->seek_hole(-1, 0), -EIO);
	expect_equal(os->seek_hole(-1, 0), -EBADF);
	expect_equal(failing_os.failed, 1);
}

static void a_failure_may_stay(void)
{
	struct stat stat;

	failing_os_begin();
	failing_os_plan((struct failing_plan){.at = 2, .code = -ENOSPC, .stays = true});
	expect_equal(os->stat(STDERR_FILENO, &stat), 0);
	for (int i = 0; i < 3; i++)
		expect_equal(os->stat(STDERR_FILENO, &stat), -ENOSPC);
	expect_equal(failing_os.failed, 3);
}

static void a_new_plan_counts_from_the_start(void)
{
	struct stat stat;

	failing_os_begin();
	expect_equal(os->stat(STDERR_FILENO, &stat), 0);
	failing_os_plan((struct failing_plan){.at = 1, .code = -EIO});
	expect_equal(os->stat(STDERR_FILENO, &stat), -EIO);
	failing_os_plan((struct failing_plan){.at = 1, .code = -ENOMEM});
	expect_equal(os->stat(STDERR_FILENO, &stat), -ENOMEM);
	expect_equal(failing_os.failed, 1);
}

static void what_stays_open_or_mapped_is_known(void)
{
	void *memory;
	int fd;

	failing_os_begin();
	fd = os->make_memfd("name", 0);
	expect_equal(os->truncate(fd, 4096), 0);
	expect_equal(os->map(&memory, 4096, PROT_READ, MAP_SHARED, fd, 0), 0);
	expect_equal(failing_os.descriptors, 1);
	expect_equal(failing_os.mapped, 4096);
	expect_equal(os->open(-1, "no/such/file", 0, 0), -EBADF);
	expect_equal(os->unmap(memory, 4096), 0);
	os->close(fd);
	expect_equal(failing_os.descriptors, 0);
	expect_equal(failing_os.mapped, 0);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(without_a_plan_nothing_fails),     TEST(only_the_planned_call_fails),
		TEST(a_plan_may_name_the_call),         TEST(a_failure_may_stay),
		TEST(a_new_plan_counts_from_the_start), TEST(what_stays_open_or_mapped_is_known),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
