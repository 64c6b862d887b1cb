/* SPDX-License-Identifier: Apache-2.0 */
/* What each source gives, keeps and takes back; regions over them are in region.c. */
#include "memory/source.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/compiler.h"
#include "unit/failing_os.h"
#include "unit/tmpfs.h"

#define SIZE ((size_t)1 << 20)
#define HUGE ((size_t)2 << 20)

static struct floe_error error;

static int obtain(struct source *source, size_t size, void **ret_memory)
{
	error.text[0] = '\0';
	return source->calls->obtain(source, size, ret_memory, &error);
}

static const char *describe(const struct source *source)
{
	static char text[64];

	memset(text, 'x', sizeof(text));
	source->calls->describe(source, text, sizeof(text));
	expect(memchr(text, '\0', sizeof(text)));
	return text;
}

/* One obtain, all bytes written, one release. */
static void use(struct source source, size_t size)
{
	void *memory;

	expect_equal(obtain(&source, size, &memory), 0);
	expect_equal((uintptr_t)memory % FLOE_CACHELINE, 0);
	expect_equal(source.calls->reserve(&source, memory, 0, size), 0);
	memset(memory, 0xa5, size);
	source.calls->release(&source, memory, size);
}

/* Anonymous */

static void anonymous_memory_comes_shared_and_private(void)
{
	struct source shared = source_anonymous(true), private = source_anonymous(false);

	use(shared, SIZE);
	use(private, SIZE);
	expect(!strcmp(describe(&shared), "shared memory"));
	expect(!strcmp(describe(&private), "private memory"));
}

static void address_space_alone_costs_no_memory(void)
{
	struct source source = source_anonymous(false);
	unsigned char resident = 1;
	void *memory;

	expect_equal(obtain(&source, (size_t)1 << 40, &memory), 0);
	expect_equal(mincore(memory, 1, &resident), 0);
	expect_equal(resident & 1, 0);
	source.calls->release(&source, memory, (size_t)1 << 40);
}

static bool is_resident(unsigned char *memory, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (size_t at = 0; at < size; at += page) {
		unsigned char resident = 0;

		expect_equal(mincore(memory + at, 1, &resident), 0);
		if (!(resident & 1))
			return false;
	}
	return true;
}

/* Both kinds, each in the way that its pages are given back. */
static void failed_anonymous_pages_are_given_back(void)
{
	for (int shared = 0; shared < 2; shared++) {
		struct source source = source_anonymous(shared);
		unsigned char *bytes;
		void *memory;

		expect_equal(obtain(&source, SIZE, &memory), 0);
		bytes = memory;
		expect_equal(source.calls->reserve(&source, memory, 0, SIZE / 2), 0);
		expect(is_resident(bytes, SIZE / 2));
		memset(memory, 0xa5, SIZE);

		failing_os_begin();
		failing_os_plan((struct failing_plan){.at = 1, .code = -ENOMEM});
		expect_equal(source.calls->reserve(&source, memory, SIZE / 2, SIZE), -ENOMEM);
		failing_os_end();
		expect_equal(bytes[SIZE / 2 - 1], 0xa5);
		expect_equal(bytes[SIZE / 2], 0);
		source.calls->release(&source, memory, SIZE);
	}
}

/* Memfd */

static void a_memfd_belongs_to_its_source(void)
{
	struct source source = source_memfd("camera");
	struct stat stat;
	void *memory;

	expect_equal(source.fd, -1);
	expect(!strcmp(describe(&source), "memfd camera"));
	expect_equal(obtain(&source, SIZE, &memory), 0);
	expect_equal(fstat(source.fd, &stat), 0);
	expect_equal(stat.st_size, SIZE);
	source.calls->release(&source, memory, SIZE);
	expect_equal(source.fd, -1);
	use(source, SIZE);
}

static void no_step_of_a_memfd_leaks_when_it_fails(void)
{
	uint64_t steps = 0;

	failing_os_begin();
	for (uint64_t n = 1;; n++) {
		struct source source = source_memfd("camera");
		void *memory = &source;

		failing_os_plan((struct failing_plan){.at = n, .code = -EMFILE});
		if (obtain(&source, SIZE, &memory) == 0) {
			expect_equal(failing_os.failed, 0);
			source.calls->release(&source, memory, SIZE);
			break;
		}
		expect(strstr(error.text, "'memfd camera': too many open files"));
		expect(memory == &source);
		expect_equal(source.fd, -1);
		steps++;
	}
	expect_equal(steps, 3);
	expect_equal(failing_os.descriptors, 0);
	expect_equal(failing_os.mapped, 0);
}

/* File */

static void a_file_is_sized_and_stays_the_callers(void)
{
	int fd = tmpfs_open();
	struct source source = source_file(fd);
	struct stat stat;

	expect(strstr(describe(&source), "descriptor"));
	use(source, SIZE);
	expect_equal(fstat(fd, &stat), 0);
	expect_equal(stat.st_size, SIZE);
	close(fd);
}

static void a_file_that_cannot_be_written_is_refused(void)
{
	struct source source;
	void *memory;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	source = source_file(fd);
	expect_equal(obtain(&source, SIZE, &memory), -EINVAL);
	expect(strstr(error.text, "cannot set the size of"));
	close(fd);
	source = source_file(-1);
	expect_equal(obtain(&source, SIZE, &memory), -EBADF);
}

/* Where the pages of the second step are missing, those of the first one go as well. */
static void a_file_gives_back_all_steps_when_one_fails(void)
{
	size_t size = 3 * HUGE;
	uint64_t steps = 0;
	int fd = tmpfs_open();
	struct source source = source_file(fd);
	void *memory;

	failing_os_begin();
	expect_equal(obtain(&source, size, &memory), 0);
	expect_equal(source.calls->reserve(&source, memory, 0, 4096), 0);
	for (uint64_t n = 1;; n++) {
		failing_os_plan((struct failing_plan){.at = n, .code = -ENOSPC});
		if (source.calls->reserve(&source, memory, 4096, size) == 0)
			break;
		expect_equal(tmpfs_size(fd), 4096);
		steps++;
	}
	expect_equal(steps, 6);
	expect(tmpfs_size(fd) >= size);
	source.calls->release(&source, memory, size);
	close(fd);
}

/* Huge pages */

static void huge_pages_that_are_not_there_are_no_device(void)
{
	struct source source = source_huge((size_t)1 << 40);
	void *memory;

	expect_equal(obtain(&source, (size_t)1 << 40, &memory), -ENODEV);
	expect(strstr(error.text, "use ordinary memory"));
	expect_equal(source.fd, -1);

	/* More than any machine has set aside. */
	source = source_huge(HUGE);
	expect_equal(obtain(&source, (size_t)1 << 44, &memory), -ENODEV);
	expect_equal(source.fd, -1);
}

static void huge_pages_come_whole(void)
{
	struct source source = source_huge(HUGE);
	void *memory;

	expect_equal(obtain(&source, HUGE + 4096, &memory), -EINVAL);
	expect(strstr(error.text, "not a number of huge pages"));
	source = source_huge(0);
	expect_equal(obtain(&source, HUGE, &memory), -EINVAL);
	source = source_huge(3 << 20);
	expect_equal(obtain(&source, 3 << 20, &memory), -EINVAL);
}

static void huge_pages_are_used_where_there_are_some(void)
{
	struct source source = source_huge(HUGE);
	struct stat stat;
	void *memory;

	if (obtain(&source, HUGE, &memory) == -ENODEV)
		skip("no huge page of 2 MiB is free on this machine");
	expect_equal(fstat(source.fd, &stat), 0);
	expect_equal(stat.st_blksize, HUGE);
	expect_equal(source.calls->reserve(&source, memory, 0, HUGE), 0);
	memset(memory, 0xa5, HUGE);
	source.calls->release(&source, memory, HUGE);
	expect(!strcmp(describe(&source), "huge pages of 2097152 bytes"));
}

static void a_failing_huge_page_leaks_nothing(void)
{
	struct source source = source_huge(HUGE);
	void *memory;

	failing_os_begin();
	failing_os_plan((struct failing_plan){.at = 1, .code = -EMFILE});
	expect_equal(obtain(&source, HUGE, &memory), -EMFILE);
	expect(strstr(error.text, "too many open files"));
	expect_equal(failing_os.descriptors, 0);
}

/* Kernels without huge pages, without this size, without free ones: to the caller all the same. */
static void huge_pages_are_missing_in_many_ways(void)
{
	static const int codes[] = {-ENODEV, -ENOMEM, -EINVAL, -ENOSYS};
	struct source source = source_huge(HUGE);
	void *memory;

	failing_os_begin();
	for (uint64_t n = 1; n <= 3; n++)
		for (size_t i = 0; i < TEST_COUNT(codes); i++) {
			failing_os_plan((struct failing_plan){.at = n, .code = codes[i]});
			expect_equal(obtain(&source, HUGE, &memory), -ENODEV);
			expect_equal(failing_os.failed, 1);
		}
	expect_equal(failing_os.descriptors, 0);
	expect_equal(failing_os.mapped, 0);
}

static void hugetlbfs_takes_whole_pages_only(void)
{
	struct source source;
	void *memory;
	int fd, r;

	tmpfs_mount("hugetlbfs", "pagesize=2M");
	fd = tmpfs_open();
	source = source_file(fd);
	expect_equal(obtain(&source, HUGE + 4096, &memory), -EINVAL);
	r = obtain(&source, HUGE, &memory);
	if (r == -ENOMEM)
		skip("no huge page of 2 MiB is free on this machine");
	expect_equal(r, 0);
	expect_equal(source.calls->reserve(&source, memory, 0, HUGE), 0);
	memset(memory, 0xa5, HUGE);
	source.calls->release(&source, memory, HUGE);
	close(fd);
}

/* Block */

static void a_block_must_be_aligned_and_large_enough(void)
{
	static FLOE_CACHELINE_ALIGNED unsigned char block[256];
	struct source source = source_block(block, sizeof(block));
	void *memory = NULL;

	expect(!strcmp(describe(&source), "the caller's block of 256 bytes"));
	expect_equal(obtain(&source, sizeof(block), &memory), 0);
	expect(memory == block);
	expect_equal(obtain(&source, sizeof(block) + 1, &memory), -ENOMEM);
	expect(!strcmp(error.text, "the block has 256 bytes, 257 are needed"));
	source = source_block(block + 8, sizeof(block) - 8);
	expect_equal(obtain(&source, 8, &memory), -EINVAL);
	expect(strstr(error.text, "64 bytes"));
	source = source_block(NULL, 64);
	expect_equal(obtain(&source, 64, &memory), -EINVAL);
}

/* Whoever touches the block dies. */
static void a_block_is_neither_read_nor_written_nor_unmapped(void)
{
	void *memory, *block = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct source source = source_block(block, SIZE);

	expect(block != MAP_FAILED);
	expect_equal(obtain(&source, SIZE, &memory), 0);
	expect_equal(source.calls->reserve(&source, memory, 0, SIZE), 0);
	source.calls->release(&source, memory, SIZE);
	expect(munmap(block, SIZE) == 0);
	expect(mprotect(block, SIZE, PROT_READ) < 0);
}

/* Vtable */

struct arena {
	int result;       /* of obtain */
	size_t shift;     /* how much the memory is out of place */
	bool empty;       /* obtain gives NULL */
	size_t alignment; /* as asked for */
	void *memory;
	int obtained;
	int released;
};

static int arena_obtain(void *user, size_t size, size_t alignment, void **ret_memory)
{
	struct arena *arena = user;

	arena->alignment = alignment;
	if (arena->result)
		return arena->result;
	arena->obtained++;
	if (arena->empty)
		return 0;
	arena->memory = mmap(NULL, size + alignment, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	expect(arena->memory != MAP_FAILED);
	*ret_memory = (char *)arena->memory + arena->shift;
	return 0;
}

static void arena_release(void *user, void *memory, size_t size)
{
	struct arena *arena = user;

	expect(memory == (char *)arena->memory + arena->shift);
	expect(munmap(arena->memory, size + arena->alignment) == 0);
	arena->released++;
}

static void arena_describe(void *user, char *buffer, size_t size)
{
	(void)user;
	memset(buffer, 'q', size);
}

static struct arena arena;
static struct floe_source theirs;

static struct source make_vtable(void)
{
	arena = (struct arena){0};
	theirs = (struct floe_source){
		.size = sizeof(theirs),
		.obtain = arena_obtain,
		.release = arena_release,
		.user = &arena,
	};
	return source_vtable(&theirs);
}

static void a_vtable_obtains_and_releases_once(void)
{
	struct source source = make_vtable();

	use(source, SIZE);
	expect_equal(arena.obtained, 1);
	expect_equal(arena.released, 1);
	expect_equal(arena.alignment, sysconf(_SC_PAGESIZE));
	expect_equal(source.fd, -1);
}

/* With and without MADV_POPULATE_WRITE. */
static void reserving_keeps_what_is_in_a_vtables_memory(void)
{
	for (int code = 0; code >= -EINVAL; code -= EINVAL) {
		struct source source = make_vtable();
		unsigned char *bytes;
		void *memory;

		expect_equal(obtain(&source, SIZE, &memory), 0);
		memset(memory, 0x55, SIZE);
		bytes = memory;
		failing_os_begin();
		failing_os_plan((struct failing_plan){.at = code ? 1 : 0, .code = code});
		expect_equal(source.calls->reserve(&source, memory, 4096, SIZE), 0);
		failing_os_end();
		for (size_t i = 0; i < SIZE; i++)
			expect_equal(bytes[i], 0x55);
		source.calls->release(&source, memory, SIZE);
	}
}

static void a_vtable_may_keep_its_memory(void)
{
	struct source source = make_vtable();

	theirs.release = NULL;
	use(source, SIZE);
	expect_equal(arena.released, 0);
	expect(munmap(arena.memory, SIZE + arena.alignment) == 0);
}

static void a_failing_vtable_passes_its_error_on(void)
{
	struct source source = make_vtable();
	void *memory = &source;

	arena.result = -EDQUOT;
	expect_equal(obtain(&source, SIZE, &memory), -EDQUOT);
	expect(!strcmp(error.text,
		       "cannot obtain memory from 'the caller's source': the quota is used up"));
	expect_equal(arena.released, 0);
	expect(memory == &source);
}

static void a_vtable_that_breaks_the_rules_is_refused(void)
{
	struct source source = make_vtable();
	void *memory = &source;

	arena.result = 1;
	expect_equal(obtain(&source, SIZE, &memory), -EINVAL);
	expect(strstr(error.text, "returned 1"));
	source = make_vtable();
	arena.empty = true;
	expect_equal(obtain(&source, SIZE, &memory), -EINVAL);
	expect(strstr(error.text, "is the rule"));
	expect_equal(arena.released, 0);
	expect(memory == &source);
}

static void misplaced_memory_goes_back_to_the_vtable(void)
{
	struct source source = make_vtable();
	void *memory = &source;

	arena.shift = 64;
	expect_equal(obtain(&source, SIZE, &memory), -EINVAL);
	expect(strstr(error.text, "not aligned"));
	expect_equal(arena.released, 1);
	expect(memory == &source);
}

static void a_vtable_describes_itself_within_its_room(void)
{
	struct source source = make_vtable();

	expect(!strcmp(describe(&source), "the caller's source"));
	theirs.describe = arena_describe;
	expect_equal(strlen(describe(&source)), 63);
	source = source_vtable(NULL);
	expect(!strcmp(describe(&source), "the caller's source"));
}

static void a_vtable_must_be_filled_in(void)
{
	struct source source = make_vtable();
	void *memory;

	theirs.size = sizeof(theirs) - 1;
	expect_equal(obtain(&source, SIZE, &memory), -EINVAL);
	expect(strstr(error.text, "sizeof(struct floe_source)"));
	theirs.size = 0;
	expect_equal(obtain(&source, SIZE, &memory), -EINVAL);
	source = make_vtable();
	theirs.obtain = NULL;
	expect_equal(obtain(&source, SIZE, &memory), -EINVAL);
	source = source_vtable(NULL);
	expect_equal(obtain(&source, SIZE, &memory), -EINVAL);
}

static void a_vtable_of_the_future_must_leave_its_news_zero(void)
{
	struct {
		struct floe_source now;
		unsigned char later[24];
	} future = {.now = {sizeof(future), arena_obtain, arena_release, NULL, &arena}};
	struct source source = source_vtable(&future.now);
	void *memory;

	arena = (struct arena){0};
	use(source, SIZE);
	expect_equal(arena.released, 1);
	for (size_t i = 0; i < sizeof(future.later); i++) {
		future.later[i] = 1;
		expect_equal(obtain(&source, SIZE, &memory), -E2BIG);
		future.later[i] = 0;
	}
	expect_equal(arena.obtained, 1);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(anonymous_memory_comes_shared_and_private),
		TEST(address_space_alone_costs_no_memory),
		TEST(failed_anonymous_pages_are_given_back),
		TEST(a_memfd_belongs_to_its_source),
		TEST(no_step_of_a_memfd_leaks_when_it_fails),
		TEST(a_file_is_sized_and_stays_the_callers),
		TEST(a_file_that_cannot_be_written_is_refused),
		TEST(a_file_gives_back_all_steps_when_one_fails),
		TEST(huge_pages_that_are_not_there_are_no_device),
		TEST(huge_pages_come_whole),
		TEST(huge_pages_are_used_where_there_are_some),
		TEST(a_failing_huge_page_leaks_nothing),
		TEST(huge_pages_are_missing_in_many_ways),
		TEST(hugetlbfs_takes_whole_pages_only),
		TEST(a_block_must_be_aligned_and_large_enough),
		TEST(a_block_is_neither_read_nor_written_nor_unmapped),
		TEST(a_vtable_obtains_and_releases_once),
		TEST(reserving_keeps_what_is_in_a_vtables_memory),
		TEST(a_vtable_may_keep_its_memory),
		TEST(a_failing_vtable_passes_its_error_on),
		TEST(a_vtable_that_breaks_the_rules_is_refused),
		TEST(misplaced_memory_goes_back_to_the_vtable),
		TEST(a_vtable_describes_itself_within_its_room),
		TEST(a_vtable_must_be_filled_in),
		TEST(a_vtable_of_the_future_must_leave_its_news_zero),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
