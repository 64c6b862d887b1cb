/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a range may be written is known for every page of it, however the mappings lie. */
#include "memory/mapped.h"

#include <errno.h>
#include <sys/mman.h>

#include "frame/frame.h"
#include "unit/failing_os.h"

#define PAGE 4096

static unsigned char *map(size_t pages)
{
	void *memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);

	expect(memory != MAP_FAILED);
	return memory;
}

static void what_is_mapped_can_be_written(void)
{
	unsigned char *memory = map(8);
	unsigned char present[8];

	expect_equal(mapped_is_writable(memory, 8 * PAGE), 0);
	expect_equal(mapped_is_writable(memory + PAGE, PAGE), 0);
	expect_equal(mapped_is_writable(memory + 1, 1), 0);
	expect(mincore(memory, 8 * PAGE, present) == 0);
	for (size_t i = 0; i < sizeof(present); i++)
		expect_equal(present[i], 0);
	munmap(memory, 8 * PAGE);
}

static void one_page_that_is_not_is_enough(void)
{
	for (size_t bad = 0; bad < 8; bad++) {
		unsigned char *memory = map(8);

		expect(mprotect(memory + bad * PAGE, PAGE, PROT_READ) == 0);
		expect_equal(mapped_is_writable(memory, 8 * PAGE), -EACCES);
		expect(mprotect(memory + bad * PAGE, PAGE, PROT_NONE) == 0);
		expect_equal(mapped_is_writable(memory, 8 * PAGE), -EACCES);
		expect(munmap(memory + bad * PAGE, PAGE) == 0);
		expect_equal(mapped_is_writable(memory, 8 * PAGE), -EFAULT);
		if (bad > 0)
			expect_equal(mapped_is_writable(memory, bad * PAGE), 0);
		munmap(memory, 8 * PAGE);
	}
}

/* More mappings than one reading of the file shows. */
static void many_mappings_are_one_range(void)
{
	unsigned char *memory = map(1000);

	for (size_t i = 0; i < 1000; i += 2)
		expect(mprotect(memory + i * PAGE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
	expect_equal(mapped_is_writable(memory, 1000 * PAGE), 0);
	expect(mprotect(memory + 999 * PAGE, PAGE, PROT_READ) == 0);
	expect_equal(mapped_is_writable(memory, 1000 * PAGE), -EACCES);
	expect_equal(mapped_is_writable(memory, 999 * PAGE), 0);
	munmap(memory, 1000 * PAGE);
}

static void nothing_is_at_the_last_address(void)
{
	expect_equal(mapped_is_writable((void *)-(uintptr_t)PAGE, PAGE - 1), -EFAULT);
	expect_equal(mapped_is_writable((void *)(uintptr_t)PAGE, PAGE), -EFAULT);
}

static void without_proc_the_caller_is_believed(void)
{
	failing_os_begin();
	failing_os_plan((struct failing_plan){.call = FAILING_open, .at = 1, .code = -ENOENT});
	expect_equal(mapped_is_writable((void *)(uintptr_t)PAGE, PAGE), 0);
	expect_equal(failing_os.failed, 1);
	expect_equal(failing_os.descriptors, 0);
	failing_os_end();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(what_is_mapped_can_be_written),       TEST(one_page_that_is_not_is_enough),
		TEST(many_mappings_are_one_range),         TEST(nothing_is_at_the_last_address),
		TEST(without_proc_the_caller_is_believed),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
