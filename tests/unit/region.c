/* SPDX-License-Identifier: Apache-2.0 */
/* What a region says is reserved can be written to the last byte; what cannot be had is an error
 * code, and then nothing has changed. */
#include "memory/region.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "unit/failing_os.h"
#include "unit/tmpfs.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

static struct floe_error error;
static size_t page;
static int fd = -1;

static void setup(void)
{
	page = (size_t)sysconf(_SC_PAGESIZE);
	fd = tmpfs_open();
}

/* The same in a file system of its own with as many bytes. */
static void setup_small(const char *options)
{
	tmpfs_mount("tmpfs", options);
	setup();
}

static void teardown(void)
{
	close(fd);
}

static struct region make(size_t size, size_t reserved)
{
	struct source source = source_file(fd);
	struct region region = REGION_NULL;

	expect_equal(region_create(&region, &source, size, reserved, &error), 0);
	return region;
}

static size_t hole(void)
{
	return (size_t)lseek(fd, 0, SEEK_HOLE);
}

static bool is_filled(const struct region *region, size_t size, unsigned char value)
{
	for (size_t i = 0; i < size; i++)
		if (region->base[i] != value)
			return false;
	return true;
}

/* Making */

static void a_new_region_is_sized_aligned_and_zero(void)
{
	struct region region;
	struct stat stat;

	setup();
	region = make(MIB + 100, 10 * KIB);
	expect_equal(fstat(fd, &stat), 0);
	expect_equal(stat.st_size, MIB + 100);
	expect_equal(region.size, MIB + 100);
	expect(region.reserved >= 10 * KIB && region.reserved < 10 * KIB + page);
	expect_equal((uintptr_t)region.base % FLOE_CACHELINE, 0);
	expect(region.writable);
	expect(is_filled(&region, region.reserved, 0));
	expect_equal(tmpfs_size(fd), region.reserved);
	region_close(&region);
	teardown();
}

static void sizes_that_make_no_sense_are_refused(void)
{
	struct source source;
	struct region region = REGION_NULL;

	setup();
	source = source_file(fd);
	expect_equal(region_create(&region, &source, 0, 0, &error), -EINVAL);
	expect_equal(region_create(&region, &source, 4096, 4097, &error), -EINVAL);
	expect(strstr(error.text, "4096 bytes with 4097"));
	expect_equal(region_create(&region, &source, REGION_SIZE_MAX + 1, 0, &error), -EINVAL);
	expect_equal(region_create(&region, &source, SIZE_MAX, SIZE_MAX, &error), -EINVAL);
	expect(!region.base);
	teardown();
}

/* The machine may have less address space than that; the limit is not the reason then. */
static void the_largest_size_is_allowed(void)
{
	struct source source = source_anonymous(false);
	struct region region = REGION_NULL;
	int r = region_create(&region, &source, REGION_SIZE_MAX, 0, &error);

	expect(r == 0 || r == -ENOMEM);
	region_close(&region);
	setup();
	expect(ftruncate(fd, (off_t)REGION_SIZE_MAX) == 0);
	r = region_attach(&region, fd, 0, false, &error);
	expect(r == 0 || r == -ENOMEM);
	region_close(&region);
	teardown();
}

static void a_region_may_start_with_nothing_reserved(void)
{
	struct region region;

	setup();
	region = make(MIB, 0);
	expect_equal(region.reserved, 0);
	expect_equal(tmpfs_size(fd), 0);
	expect(!region_at(&region, 0, 1));
	region_close(&region);
	teardown();
}

static void one_byte_can_be_all_there_is(void)
{
	struct region region;

	setup();
	region = make(1, 1);
	expect_equal(region.reserved, 1);
	expect_equal(hole(), 1);
	region.base[0] = 1;
	region_close(&region);
	teardown();
}

/* Reserving */

static void reserving_grows_and_keeps_what_was_written(void)
{
	struct region region;

	setup();
	region = make(MIB, page);
	memset(region.base, 0xa5, page);
	for (size_t size = page; size <= MIB; size += 3 * page + 7) {
		expect_equal(region_reserve(&region, size, &error), 0);
		expect(region.reserved >= size && region.reserved < size + page);
		expect(tmpfs_size(fd) == region.reserved);
	}
	expect(is_filled(&region, page, 0xa5));
	expect_equal(region.base[page], 0);
	expect_equal(region_reserve(&region, MIB, &error), 0);
	expect_equal(region.reserved, MIB);
	region_close(&region);
	teardown();
}

static void reserving_less_changes_nothing_and_asks_nothing(void)
{
	struct region region;

	setup();
	region = make(MIB, 5 * page);
	failing_os_begin();
	expect_equal(region_reserve(&region, 0, &error), 0);
	expect_equal(region_reserve(&region, 1, &error), 0);
	expect_equal(region_reserve(&region, 5 * page, &error), 0);
	expect_equal(failing_os.calls[FAILING_ANY], 0);
	failing_os_end();
	expect_equal(region.reserved, 5 * page);
	region_close(&region);
	teardown();
}

static void nothing_is_reserved_beyond_the_end(void)
{
	struct region region;

	setup();
	region = make(10 * page, page);
	expect_equal(region_reserve(&region, 10 * page + 1, &error), -ENOMEM);
	expect(strstr(error.text, "the region ends at"));
	expect_equal(region_reserve(&region, SIZE_MAX, NULL), -ENOMEM);
	expect_equal(region.reserved, page);
	expect_equal(tmpfs_size(fd), page);
	region_close(&region);
	teardown();
}

/* fallocate alone leaves pages that nobody touched, and those count as a hole. */
static void others_see_as_solid_what_is_reserved(void)
{
	struct region region;

	setup();
	region = make(MIB, 7 * page);
	expect_equal(hole(), 7 * page);
	expect_equal(region_reserve(&region, MIB, &error), 0);
	expect_equal(hole(), MIB);
	region_close(&region);
	teardown();
}

static void kernels_without_populate_touch_each_page(void)
{
	struct region region;

	setup();
	failing_os_begin();
	failing_os_plan((struct failing_plan){
		.call = FAILING_advise, .at = 1, .code = -EINVAL, .stays = true});
	region = make(MIB, page);
	memset(region.base, 0xa5, page);
	expect_equal(region_reserve(&region, 20 * page, &error), 0);
	expect_equal(failing_os.failed, 2);
	expect_equal(hole(), 20 * page);
	expect(is_filled(&region, page, 0xa5));
	for (size_t i = page; i < region.reserved; i++)
		expect_equal(region.base[i], 0);
	region_close(&region);
	failing_os_end();
	teardown();
}

static void what_would_have_been_sigbus_is_out_of_memory(void)
{
	struct region region;

	setup();
	failing_os_begin();
	region = make(MIB, page);
	failing_os_plan((struct failing_plan){.call = FAILING_advise, .at = 1, .code = -EFAULT});
	expect_equal(region_reserve(&region, MIB, &error), -ENOMEM);
	expect(strstr(error.text, "out of memory"));
	expect_equal(region.reserved, page);
	expect_equal(tmpfs_size(fd), page);
	region_close(&region);
	failing_os_end();
	teardown();
}

static void ignore(int number)
{
	(void)number;
}

static void signals_do_not_stop_a_large_reservation(void)
{
	const struct sigaction action = {.sa_handler = ignore};
	const struct itimerval fast = {.it_interval = {.tv_usec = 1000},
				       .it_value = {.tv_usec = 1}};
	struct region region;

	setup();
	expect(sigaction(SIGALRM, &action, NULL) == 0);
	expect(setitimer(ITIMER_REAL, &fast, NULL) == 0);
	region = make(32 * MIB, 0);
	expect_equal(region_reserve(&region, 32 * MIB, &error), 0);
	expect_equal(hole(), 32 * MIB);
	region_close(&region);
	teardown();
}

/* A full file system */

static void a_full_file_system_is_an_error_and_no_signal(void)
{
	struct region region;

	setup_small("size=1m");
	region = make(4 * MIB, 100 * KIB);
	memset(region.base, 0xa5, region.reserved);
	expect_equal(region_reserve(&region, 2 * MIB, &error), -ENOSPC);
	expect(strstr(error.text, "the file system is full"));
	expect_equal(region.reserved, 100 * KIB);
	expect_equal(hole(), 100 * KIB);
	expect_equal(tmpfs_size(fd), 100 * KIB);
	expect(is_filled(&region, 100 * KIB, 0xa5));
	region_close(&region);
	teardown();
}

static void what_a_failed_step_added_can_be_had_again(void)
{
	struct region region;

	setup_small("size=1m");
	region = make(4 * MIB, 0);
	for (int i = 0; i < 10; i++)
		expect_equal(region_reserve(&region, MIB + 1, &error), -ENOSPC);
	expect_equal(region_reserve(&region, MIB, &error), 0);
	memset(region.base, 0xa5, MIB);
	expect_equal(region_reserve(&region, MIB + 1, &error), -ENOSPC);
	expect(is_filled(&region, MIB, 0xa5));
	region_close(&region);
	teardown();
}

/* Until the last page is gone: whatever was promised can be written, by two who compete. */
static void promises_hold_when_two_fill_the_file_system(void)
{
	struct region one, two;
	struct source source;
	int other;

	setup_small("size=1m");
	other = tmpfs_open();
	one = make(4 * MIB, 0);
	source = source_file(other);
	expect_equal(region_create(&two, &source, 4 * MIB, 0, &error), 0);
	for (size_t size = 0; size < 2 * MIB; size += 24 * KIB) {
		int r = region_reserve(&one, size, &error);

		expect(r == 0 || r == -ENOSPC);
		r = region_reserve(&two, size, &error);
		expect(r == 0 || r == -ENOSPC);
		memset(one.base, 1, one.reserved);
		memset(two.base, 2, two.reserved);
	}
	expect(one.reserved + two.reserved > MIB - 48 * KIB);
	expect(one.reserved + two.reserved <= MIB);
	region_close(&one);
	region_close(&two);
	close(other);
	teardown();
}

static void a_region_that_cannot_be_reserved_is_not_made(void)
{
	struct region region = REGION_NULL;
	struct source source;

	setup_small("size=1m");
	source = source_file(fd);
	failing_os_begin();
	expect_equal(region_create(&region, &source, 2 * MIB, 2 * MIB, &error), -ENOSPC);
	expect(!region.base);
	expect_equal(failing_os.mapped, 0);
	expect_equal(tmpfs_size(fd), 0);
	failing_os_end();
	teardown();
}

static void every_failing_call_leaves_the_region_whole(void)
{
	static const int codes[] = {-ENOMEM, -ENOSPC, -EINTR, -EPERM};
	struct source source = source_memfd("camera");

	setup();
	failing_os_begin();
	for (uint64_t n = 1;; n++) {
		struct region region = REGION_NULL;
		int r;

		failing_os_plan((struct failing_plan){
			.at = n, .code = codes[n % TEST_COUNT(codes)], .stays = true});
		r = region_create(&region, &source, 8 * MIB, MIB, NULL);
		expect(r == 0 || r == codes[n % TEST_COUNT(codes)]);
		expect((r == 0) == (region.base != NULL));
		if (r == 0 && region_reserve(&region, 8 * MIB, NULL) < 0)
			expect_equal(region.reserved, MIB);
		for (size_t i = 0; i < region.reserved; i += page)
			region.base[i] = 0xa5;
		region_close(&region);
		expect_equal(failing_os.descriptors, 0);
		expect_equal(failing_os.mapped, 0);
		if (failing_os.failed == 0)
			break;
	}
	failing_os_end();
	teardown();
}

/* Sources of other kinds */

static void every_source_makes_a_region(void)
{
	static FLOE_CACHELINE_ALIGNED unsigned char block[64 * 1024];
	const struct source sources[] = {
		source_anonymous(true),
		source_anonymous(false),
		source_memfd("camera"),
		source_block(block, sizeof(block)),
	};

	setup();
	failing_os_begin();
	for (size_t i = 0; i < TEST_COUNT(sources); i++) {
		struct region region;

		expect_equal(region_create(&region, &sources[i], sizeof(block), 100, &error), 0);
		expect_equal(region.reserved, page);
		expect_equal(region_reserve(&region, sizeof(block), &error), 0);
		memset(region.base, 0xa5, region.reserved);
		expect_equal(region_fd(&region) >= 0, i == 2);
		region_close(&region);
		expect_equal(region_fd(&region), -1);
	}
	expect_equal(failing_os.descriptors, 0);
	expect_equal(failing_os.mapped, 0);
	failing_os_end();
	expect_equal(block[0], 0xa5);
	expect_equal(block[sizeof(block) - 1], 0xa5);
	teardown();
}

/* The neighbours cannot be touched at all; the block's own bytes are only counted. */
static void a_block_between_guards_is_used_to_its_last_byte(void)
{
	struct source source;
	struct region region;
	unsigned char *memory;
	size_t size;

	setup();
	size = page + 192;
	memory = mmap(NULL, 4 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	expect(memory != MAP_FAILED);
	expect(mprotect(memory + page, 2 * page, PROT_READ | PROT_WRITE) == 0);
	memset(memory + page, 0x5a, 2 * page);
	source = source_block(memory + 3 * page - size, size);
	expect_equal(region_create(&region, &source, size, 64, &error), 0);
	expect_equal(region_reserve(&region, size, &error), 0);
	expect_equal(region_reserve(&region, size + 1, &error), -ENOMEM);
	for (size_t i = 0; i < 2 * page; i++)
		expect_equal(memory[page + i], 0x5a);
	expect(region_at(&region, size - 1, 1) == memory + 3 * page - 1);
	region_close(&region);
	expect_equal(memory[3 * page - 1], 0x5a);
	expect_equal(region_create(&region, &source, size + 1, 0, &error), -ENOMEM);
	expect(munmap(memory, 4 * page) == 0);
	teardown();
}

/* Attaching */

static void what_the_owner_writes_is_read_by_others(void)
{
	struct region owner, reader;

	setup();
	owner = make(MIB, 10 * page);
	expect_equal(region_attach(&reader, fd, MIB, false, &error), 0);
	expect_equal(reader.size, MIB);
	expect_equal(reader.reserved, 10 * page);
	expect(!reader.writable);
	memset(owner.base, 0xa5, owner.reserved);
	expect(is_filled(&reader, reader.reserved, 0xa5));
	region_close(&owner);
	region_close(&reader);
	teardown();
}

static void a_reader_cannot_write(void)
{
	struct region owner, reader;
	int status;
	pid_t child;

	setup();
	owner = make(page, page);
	expect_equal(region_attach(&reader, fd, page, false, &error), 0);
	child = fork();
	if (child == 0) {
		(void)signal(SIGSEGV, SIG_DFL);
		reader.base[0] = 1;
		_exit(0);
	}
	expect(waitpid(child, &status, 0) == child);
	expect(WIFSIGNALED(status));
	expect_equal(WTERMSIG(status), SIGSEGV);
	expect_equal(region_reserve(&reader, page, &error), 0);
	region_close(&owner);
	region_close(&reader);
	teardown();
}

static void a_reader_reserves_nothing(void)
{
	struct region owner, reader;

	setup();
	owner = make(MIB, page);
	expect_equal(region_attach(&reader, fd, 0, false, &error), 0);
	expect_equal(region_reserve(&reader, 2 * page, &error), -EACCES);
	expect(strstr(error.text, "for reading only"));
	expect_equal(tmpfs_size(fd), page);
	region_close(&owner);
	region_close(&reader);
	teardown();
}

static void a_successor_goes_on_reserving(void)
{
	struct region owner, successor;

	setup();
	owner = make(MIB, 3 * page);
	memset(owner.base, 0xa5, owner.reserved);
	region_close(&owner);
	expect_equal(region_attach(&successor, fd, MIB, true, &error), 0);
	expect_equal(successor.reserved, 3 * page);
	expect_equal(region_reserve(&successor, MIB, &error), 0);
	expect(is_filled(&successor, 3 * page, 0xa5));
	memset(successor.base, 1, MIB);
	expect_equal(hole(), MIB);
	region_close(&successor);
	teardown();
}

static void a_memfd_is_attached_by_its_descriptor(void)
{
	struct source source = source_memfd("camera");
	struct region owner, reader;

	setup();
	expect_equal(region_create(&owner, &source, MIB, 2 * page, &error), 0);
	expect_equal(region_attach(&reader, region_fd(&owner), MIB, false, &error), 0);
	expect_equal(reader.reserved, 2 * page);
	owner.base[7] = 7;
	expect_equal(reader.base[7], 7);
	region_close(&owner);
	expect_equal(reader.base[7], 7);
	region_close(&reader);
	teardown();
}

static bool is_refused(int file, size_t size_min, const char *reason)
{
	struct region region = REGION_NULL;
	int r = region_attach(&region, file, size_min, false, &error);

	expect_equal(r, -EPROTO);
	expect(!region.base);
	return strstr(error.text, reason);
}

static void only_regular_files_are_attached(void)
{
	int pair[2], folder, device;

	expect(pipe2(pair, O_CLOEXEC) == 0);
	expect(is_refused(pair[0], 0, "not a regular file"));
	close(pair[0]);
	close(pair[1]);
	expect(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	expect(is_refused(pair[0], 0, "not a regular file"));
	close(pair[0]);
	close(pair[1]);
	folder = open(getenv("FLOE_DIR"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	expect(is_refused(folder, 0, "not a regular file"));
	close(folder);
	device = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	expect(is_refused(device, 0, "not a regular file"));
	close(device);
}

static void files_of_a_wrong_size_are_refused(void)
{
	struct region region;

	setup();
	expect(is_refused(fd, 0, "the file has 0 bytes"));
	expect(is_refused(fd, 1, "at least 1 are needed"));
	expect(ftruncate(fd, 100) == 0);
	expect(is_refused(fd, 101, "the file has 100 bytes, at least 101 are needed"));
	expect(is_refused(fd, SIZE_MAX, "the file has 100 bytes"));
	expect_equal(region_attach(&region, fd, 100, false, &error), 0);
	expect_equal(region.size, 100);
	expect_equal(region.reserved, 0);
	region_close(&region);
	expect(ftruncate(fd, (off_t)REGION_SIZE_MAX + 1) == 0);
	expect(is_refused(fd, 0, "nobody made that"));
	expect(ftruncate(fd, INT64_MAX) == 0);
	expect(is_refused(fd, 0, "nobody made that"));
	teardown();
}

static void a_hole_in_the_middle_ends_what_is_reserved(void)
{
	struct region region;

	setup();
	expect(ftruncate(fd, (off_t)(10 * page)) == 0);
	expect_equal(pwrite(fd, "x", 1, 0), 1);
	expect_equal(pwrite(fd, "x", 1, (off_t)(5 * page)), 1);
	expect_equal(region_attach(&region, fd, 0, false, &error), 0);
	expect_equal(region.reserved, page);
	expect(!region_at(&region, 5 * page, 1));
	region_close(&region);
	teardown();
}

static void attaching_fails_cleanly_at_every_call(void)
{
	struct region owner, reader = REGION_NULL;
	uint64_t steps = 0;

	setup();
	owner = make(MIB, page);
	failing_os_begin();
	for (uint64_t n = 1;; n++) {
		failing_os_plan((struct failing_plan){.at = n, .code = -ENOMEM});
		if (region_attach(&reader, fd, 0, false, &error) == 0)
			break;
		expect(error.text[0]);
		expect(!reader.base);
		expect_equal(failing_os.mapped, 0);
		steps++;
	}
	expect_equal(steps, 3);
	region_close(&reader);
	expect_equal(failing_os.mapped, 0);
	failing_os_end();
	expect_equal(region_attach(&reader, -1, 0, false, &error), -EBADF);
	region_close(&owner);
	teardown();
}

static void a_file_without_permission_is_not_attached_for_writing(void)
{
	struct region region = REGION_NULL;
	char path[32];
	int reader;

	setup();
	expect(ftruncate(fd, 4096) == 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	expect_equal(region_attach(&region, reader, 0, true, &error), -EACCES);
	expect(strstr(error.text, "cannot map"));
	expect_equal(region_attach(&region, reader, 0, false, &error), 0);
	region_close(&region);
	close(reader);
	teardown();
}

/* Looking again */

static void looking_again_follows_the_owner(void)
{
	struct region owner, reader;

	setup();
	owner = make(MIB, page);
	expect_equal(region_attach(&reader, fd, 0, false, &error), 0);
	expect_equal(region_look_again(&reader, fd), 0);
	expect_equal(reader.reserved, page);
	expect(!region_at(&reader, page, 1));

	expect_equal(region_reserve(&owner, 9 * page, &error), 0);
	expect_equal(region_look_again(&reader, fd), 1);
	expect_equal(reader.reserved, 9 * page);
	expect(region_at(&reader, page, 8 * page));
	expect_equal(region_look_again(&reader, fd), 0);

	expect_equal(region_reserve(&owner, MIB, &error), 0);
	expect_equal(region_look_again(&reader, fd), 1);
	expect_equal(reader.reserved, MIB);
	expect_equal(region_look_again(&reader, fd), 0);
	region_close(&owner);
	region_close(&reader);
	teardown();
}

static void looking_again_says_when_the_file_was_cut(void)
{
	struct region owner, reader;

	setup();
	owner = make(MIB, 9 * page);
	expect_equal(region_attach(&reader, fd, 0, false, &error), 0);
	expect(ftruncate(fd, (off_t)(3 * page)) == 0);
	expect_equal(region_look_again(&reader, fd), -EPROTO);
	expect(!region_at(&reader, 0, 1));
	expect_equal(region_look_again(&reader, -1), -EBADF);
	region_close(&owner);
	region_close(&reader);
	teardown();
}

static void a_file_that_grew_is_read_as_far_as_it_was_mapped(void)
{
	struct region reader;
	struct region owner;

	setup();
	owner = make(4 * page, page);
	expect_equal(region_attach(&reader, fd, 0, false, &error), 0);
	region_close(&owner);
	owner = make(8 * page, 8 * page);
	expect_equal(region_look_again(&reader, fd), 1);
	expect_equal(reader.reserved, 4 * page);
	region_close(&owner);
	region_close(&reader);
	teardown();
}

/* Addresses */

static void addresses_are_given_inside_only(void)
{
	struct region region;
	unsigned char *base;

	setup();
	region = make(MIB, 4 * page);
	base = region.base;
	expect(region_at(&region, 0, 0) == base);
	expect(region_at(&region, 0, 1) == base);
	expect(region_at(&region, 0, 4 * page) == base);
	expect(region_at(&region, 1, 4 * page - 1) == base + 1);
	expect(region_at(&region, 4 * page - 1, 1) == base + 4 * page - 1);
	expect(region_at(&region, 4 * page, 0) == base + 4 * page);

	expect(!region_at(&region, 0, 4 * page + 1));
	expect(!region_at(&region, 1, 4 * page));
	expect(!region_at(&region, 4 * page, 1));
	expect(!region_at(&region, 4 * page + 1, 0));
	expect(!region_at(&region, MIB - 1, 1));
	expect(!region_at(&region, 0, SIZE_MAX));
	expect(!region_at(&region, 1, SIZE_MAX));
	expect(!region_at(&region, UINT64_MAX, 1));
	expect(!region_at(&region, UINT64_MAX, SIZE_MAX));
	expect(!region_at(&region, UINT64_MAX - 4 * page, 8 * page));
	region_close(&region);
	teardown();
}

static void a_closed_region_has_no_addresses(void)
{
	struct region region = REGION_NULL;

	region_close(&region);
	expect(!region_at(&region, 0, 0));
	expect(!region_at(&region, 0, 1));
	setup();
	region = make(page, page);
	region_close(&region);
	region_close(&region);
	expect(!region_at(&region, 0, 1));
	teardown();
}

static void a_region_that_is_given_away_is_empty(void)
{
	struct region region, given;

	setup();
	region = make(page, page);
	given = take_region(&region);
	expect(!region.base);
	expect(given.base);
	region_close(&region);
	given.base[0] = 1;
	region_close(&given);
	teardown();
}

/* Large pages */

static void large_files_begin_where_large_pages_can(void)
{
	struct region region;
	struct region seen = REGION_NULL;

	setup();
	region = make(3 * OS_LARGE_PAGE, page);
	expect_equal((uintptr_t)region.base % OS_LARGE_PAGE, 0);
	expect_equal(region_attach(&seen, fd, 1, false, &error), 0);
	expect_equal((uintptr_t)seen.base % OS_LARGE_PAGE, 0);
	region_close(&seen);
	region_close(&region);
	teardown();
}

/* Of the file as a whole: it has no more memory than before either. */
static void large_pages_have_the_same_bytes(void)
{
	size_t reserved = 2 * OS_LARGE_PAGE + page;
	struct region region;

	setup();
	region = make(3 * OS_LARGE_PAGE, reserved);
	memset(region.base, 0x5a, reserved);
	region_enlarge_pages(&region);
	expect(is_filled(&region, reserved, 0x5a));
	expect_equal(hole(), reserved);
	expect_equal(tmpfs_size(fd), reserved);
	region_close(&region);
	teardown();
}

static void a_kernel_without_large_pages_is_asked_once(void)
{
	struct region region;

	setup();
	region = make(3 * OS_LARGE_PAGE, 3 * OS_LARGE_PAGE);
	failing_os_begin();
	failing_os_plan((struct failing_plan){
		.call = FAILING_advise, .at = 1, .code = -EINVAL, .stays = true});
	region_enlarge_pages(&region);
	expect_equal(failing_os.failed, 1);
	failing_os_end();
	region_close(&region);
	teardown();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_new_region_is_sized_aligned_and_zero),
		TEST(sizes_that_make_no_sense_are_refused),
		TEST(the_largest_size_is_allowed),
		TEST(a_region_may_start_with_nothing_reserved),
		TEST(one_byte_can_be_all_there_is),
		TEST(reserving_grows_and_keeps_what_was_written),
		TEST(reserving_less_changes_nothing_and_asks_nothing),
		TEST(nothing_is_reserved_beyond_the_end),
		TEST(others_see_as_solid_what_is_reserved),
		TEST(kernels_without_populate_touch_each_page),
		TEST(what_would_have_been_sigbus_is_out_of_memory),
		TEST(signals_do_not_stop_a_large_reservation),
		TEST(a_full_file_system_is_an_error_and_no_signal),
		TEST(what_a_failed_step_added_can_be_had_again),
		TEST(promises_hold_when_two_fill_the_file_system),
		TEST(a_region_that_cannot_be_reserved_is_not_made),
		TEST(every_failing_call_leaves_the_region_whole),
		TEST(every_source_makes_a_region),
		TEST(a_block_between_guards_is_used_to_its_last_byte),
		TEST(what_the_owner_writes_is_read_by_others),
		TEST(a_reader_cannot_write),
		TEST(a_reader_reserves_nothing),
		TEST(a_successor_goes_on_reserving),
		TEST(a_memfd_is_attached_by_its_descriptor),
		TEST(only_regular_files_are_attached),
		TEST(files_of_a_wrong_size_are_refused),
		TEST(a_hole_in_the_middle_ends_what_is_reserved),
		TEST(attaching_fails_cleanly_at_every_call),
		TEST(a_file_without_permission_is_not_attached_for_writing),
		TEST(looking_again_follows_the_owner),
		TEST(looking_again_says_when_the_file_was_cut),
		TEST(a_file_that_grew_is_read_as_far_as_it_was_mapped),
		TEST(addresses_are_given_inside_only),
		TEST(a_closed_region_has_no_addresses),
		TEST(a_region_that_is_given_away_is_empty),
		TEST(large_files_begin_where_large_pages_can),
		TEST(large_pages_have_the_same_bytes),
		TEST(a_kernel_without_large_pages_is_asked_once),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
