/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Setting up: which memory is taken, what is refused and how, and that a refusal leaves everything
 * as it was.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/forbidden.h"
#include "uring/place.h"

#define SIZE (4 * PAGE)

static void rings_work_in_every_kind_of_memory(void)
{
	need_rings();
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct seat seat;

		seat_take(&seat, kind, 64, with(0));
		run_nops(&seat.ring, 400);
		expect_equal(floe_uring_exit(&seat.ring, FLOE_URING_SAFE), 0);
		place_end(&seat.place);
	}
}

static void the_two_blocks_may_lie_anywhere(void)
{
	struct io_uring_params params = with(FLOE_URING_NO_SQARRAY);
	struct place sqes, rings;
	size_t sqes_size, rings_size;
	struct io_uring ring;

	need_rings();
	expect_equal(floe_uring_memory_sizes(256, &params, &sqes_size, &rings_size), 0);
	rings = place_make(SHARED, rings_size);
	sqes = place_make(PRIVATE, sqes_size);
	expect_equal(floe_uring_init_split(256, &ring, &params, sqes.base, sqes.size, rings.base,
					   rings.size),
		     sqes_size + rings_size);
	run_nops(&ring, 2000);
	expect_equal(floe_uring_exit(&ring, FLOE_URING_SAFE), 0);
	place_end(&sqes);
	place_end(&rings);
}

/* What a failed call gave back must be what it got. */
static int refuse(unsigned entries, uint32_t flags, void *memory, size_t size)
{
	struct io_uring_params params = with(flags), before = params;
	struct io_uring ring, empty;
	int r;

	memset(&ring, 0x5a, sizeof(ring));
	empty = ring;
	empty.ring_fd = empty.enter_ring_fd = -1;
	r = floe_uring_init_mem(entries, &ring, &params, memory, size);
	expect(r < 0);
	expect(floe_uring_explain(r)[0]);
	expect(!memcmp(&ring, &empty, sizeof(ring)));
	expect(!memcmp(&params, &before, sizeof(params)));
	/* Who calls exit all the same does no harm. */
	expect_equal(floe_uring_exit(&ring, FLOE_URING_SAFE), 0);
	return r;
}

static void wrong_arguments_are_refused(void)
{
	struct place place = place_make(PRIVATE, SIZE);
	struct io_uring_params params = with(0);
	struct io_uring ring;

	need_rings();
	expect_equal(refuse(8, 0, NULL, SIZE), -EINVAL);
	expect_equal(refuse(8, 0, place.base + 64, SIZE - PAGE), -EINVAL);
	expect_equal(refuse(8, 0, place.base + PAGE / 2, SIZE - PAGE), -EINVAL);
	expect_equal(refuse(0, 0, place.base, SIZE), -EINVAL);
	expect_equal(refuse(40000, 0, place.base, SIZE), -EINVAL);
	expect_equal(refuse(8, IORING_SETUP_CQSIZE, place.base, SIZE), -EINVAL);
	expect_equal(refuse(8, IORING_SETUP_DEFER_TASKRUN, place.base, SIZE), -EINVAL);
	expect_equal(refuse(8, IORING_SETUP_SQ_AFF, place.base, SIZE), -EINVAL);
	expect_equal(refuse(8, IORING_SETUP_TASKRUN_FLAG, place.base, SIZE), -EINVAL);
	expect_equal(refuse(8, 1u << 31, place.base, SIZE), -EINVAL);
	expect_equal(refuse(8, 1u << 15, place.base, SIZE), -EOPNOTSUPP); /* REGISTERED_FD_ONLY */
	expect_equal(floe_uring_init_mem(8, NULL, &params, place.base, SIZE), -EINVAL);
	expect_equal(floe_uring_init_mem(8, &ring, NULL, place.base, SIZE), -EINVAL);
	expect_equal(ring.ring_fd, -1);
	expect(place_is(&place, 0xab));
	place_end(&place);
}

static void blocks_that_overlap_are_refused(void)
{
	struct place place = place_make(PRIVATE, 8 * PAGE);
	struct io_uring_params params = with(FLOE_URING_NO_SQARRAY);
	size_t sqes, rings;
	struct io_uring ring;

	need_rings();
	expect_equal(floe_uring_memory_sizes(128, &params, &sqes, &rings), 0);
	expect_equal(sqes, 2 * PAGE);
	expect_equal(rings, 2 * PAGE);
	for (size_t at = 0; at < 6; at++) {
		int r = floe_uring_init_split(128, &ring, &params, place.base + 2 * PAGE, sqes,
					      place.base + at * PAGE, rings);

		if (at == 0 || at >= 4) {
			expect_equal(r, sqes + rings);
			expect_equal(floe_uring_exit(&ring, FLOE_URING_SAFE), 0);
			params = with(FLOE_URING_NO_SQARRAY);
		} else {
			expect_equal(r, -EINVAL);
			expect_equal(ring.ring_fd, -1);
		}
	}
	/* Blocks may be larger than what is used of them. */
	expect_equal(floe_uring_init_split(128, &ring, &params, place.base, 8 * PAGE,
					   place.base + 2 * PAGE, 6 * PAGE),
		     sqes + rings);
	expect_equal(floe_uring_exit(&ring, FLOE_URING_SAFE), 0);
	place_end(&place);
}

static void too_little_memory_is_found_without_asking_the_kernel(void)
{
	struct place place = place_make(PRIVATE, SIZE);

	forbid(SYS_io_uring_setup, EPERM);
	expect_equal(refuse(64, 0, place.base, 2 * PAGE - 1), -ENOMEM);
	expect_equal(refuse(256, 0, place.base, SIZE), -ENOMEM);
	expect_equal(refuse(64, FLOE_URING_NO_SQARRAY, place.base, 2 * PAGE - 1), -ENOMEM);
	expect_equal(refuse(64, 0, place.base, 0), -ENOMEM);
	expect_equal(refuse(64, FLOE_URING_NO_SQARRAY, place.base, 2 * PAGE), -EPERM);
	expect(place_is(&place, 0xab));
	place_end(&place);
}

static void the_kernels_own_lack_of_memory_is_told_apart(void)
{
	struct place place = place_make(PRIVATE, SIZE);

	forbid(SYS_io_uring_setup, ENOMEM);
	expect_equal(refuse(64, 0, place.base, SIZE), -EDQUOT);
	expect(place_is(&place, 0xab));
	place_end(&place);
}

static void a_kernel_that_is_too_old_is_named(void)
{
	struct place place = place_make(PRIVATE, SIZE);

	forbid(SYS_io_uring_setup, EINVAL);
	expect_equal(refuse(64, 0, place.base, SIZE), -EOPNOTSUPP);
	expect(strstr(floe_uring_explain(-EOPNOTSUPP), "Linux 6.5"));
	expect(place_is(&place, 0xab));
	place_end(&place);
}

static void without_io_uring_that_is_said(void)
{
	struct place place = place_make(PRIVATE, SIZE);

	forbid(SYS_io_uring_setup, ENOSYS);
	expect_equal(refuse(64, 0, place.base, SIZE), -ENOSYS);
	expect(place_is(&place, 0xab));
	place_end(&place);
}

/* As an ordinary user with a small limit: rings until there is no more. */
static int fill_the_limit(void)
{
	static struct io_uring rings[64];
	struct rlimit limit = {256 * 1024, 256 * 1024};
	unsigned count = 0;
	int r = 1;

	expect_equal(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	expect_equal(setgid(54321), 0);
	expect_equal(setuid(54321), 0);
	while (r > 0 && count < TEST_COUNT(rings)) {
		struct io_uring_params params = with(0);
		struct place place = place_make(PRIVATE, 16 * PAGE);

		r = floe_uring_init_mem(256, &rings[count], &params, place.base, place.size);
		count += r > 0;
	}
	expect(count > 0);
	return r == -EDQUOT;
}

static void an_ordinary_users_limit_is_told_apart_too(void)
{
	pid_t child;
	int status;

	need_rings();
	if (geteuid() != 0)
		skip("becoming another user needs root");
	child = fork();
	if (child == 0)
		_exit(!fill_the_limit());
	expect_equal(waitpid(child, &status, 0), child);
	expect_equal(status, 0);
}

static void memory_that_cannot_be_pinned_is_an_error_and_no_signal(void)
{
	struct place place = place_make(PRIVATE, SIZE);
	int fd = memfd_create("read-only", MFD_CLOEXEC);
	void *mapped;

	need_rings();
	expect_equal(mprotect(place.base, SIZE, PROT_READ), 0);
	expect_equal(refuse(64, 0, place.base, SIZE), -EFAULT);
	expect_equal(mprotect(place.base, SIZE, PROT_NONE), 0);
	expect_equal(refuse(64, 0, place.base, SIZE), -EFAULT);
	expect_equal(mprotect(place.base, SIZE, PROT_READ | PROT_WRITE), 0);
	expect(place_is(&place, 0xab));
	/* The first block is there, the last page of the second is not. */
	expect_equal(mprotect(place.base + 3 * PAGE, PAGE, PROT_NONE), 0);
	expect_equal(refuse(128, 0, place.base, SIZE), -EFAULT);
	expect_equal(munmap(place.base, SIZE), 0);
	expect_equal(refuse(64, 0, place.base, SIZE), -EFAULT);
	expect_equal(refuse(64, 0, (void *)(UINTPTR_MAX / PAGE * PAGE - SIZE), SIZE), -EFAULT);
	expect_equal(refuse(64, 0, (void *)(UINTPTR_MAX / PAGE * PAGE), SIZE), -EINVAL);

	expect_equal(ftruncate(fd, (off_t)SIZE), 0);
	mapped = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	expect_equal(refuse(64, 0, mapped, SIZE), -EFAULT);
	munmap(mapped, SIZE);
	close(fd);
}

static void a_mapped_disk_file_is_refused(void)
{
	int fd = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	struct statfs about;
	void *mapped;

	need_rings();
	if (fd < 0 || fstatfs(fd, &about) || about.f_type != EXT4_SUPER_MAGIC)
		skip("/var/tmp is not on ext4");
	expect_equal(ftruncate(fd, (off_t)SIZE), 0);
	mapped = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memset(mapped, 0xab, SIZE);
	expect_equal(refuse(64, 0, mapped, SIZE), -EFAULT);
	for (size_t i = 0; i < SIZE; i++)
		expect(((unsigned char *)mapped)[i] == 0xab);
	munmap(mapped, SIZE);
	close(fd);
}

static void nothing_outside_is_written(void)
{
	struct io_uring_params params = with(0);
	struct place place = place_make(SHARED, 64 * PAGE);
	ssize_t size = floe_uring_memory_size(100, &params);
	unsigned char *middle = place.base + 16 * PAGE;
	struct io_uring ring;

	need_rings();
	expect_equal(floe_uring_init_mem(100, &ring, &params, middle, 48 * PAGE), size);
	run_nops(&ring, 1000);
	expect_equal(floe_uring_exit(&ring, FLOE_URING_SAFE), 0);
	for (unsigned char *at = place.base; at < place.base + place.size; at++)
		if (at < middle || at >= middle + size)
			expect(*at == 0xab);
	place_end(&place);
}

static void a_child_does_not_get_the_ring(void)
{
	struct seat seat;
	int status;
	pid_t child;

	need_rings();
	for (enum kind kind = PRIVATE; kind <= SHARED; kind++) {
		seat_take(&seat, kind, 8, with(0));
		child = fork();
		if (child == 0) {
			signal(SIGSEGV, SIG_DFL);
			_exit(*(volatile unsigned char *)seat.place.base);
		}
		expect_equal(waitpid(child, &status, 0), child);
		expect(WIFSIGNALED(status));
		run_nops(&seat.ring, 100);
		expect_equal(floe_uring_exit(&seat.ring, FLOE_URING_SAFE), 0);
		/* Afterwards it is memory as any other. */
		seat.place.base[0] = 7;
		child = fork();
		if (child == 0)
			_exit(*(volatile unsigned char *)seat.place.base);
		expect_equal(waitpid(child, &status, 0), child);
		expect_equal(WEXITSTATUS(status), 7);
		place_end(&seat.place);
	}
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(rings_work_in_every_kind_of_memory),
		TEST(the_two_blocks_may_lie_anywhere),
		TEST(wrong_arguments_are_refused),
		TEST(blocks_that_overlap_are_refused),
		TEST(too_little_memory_is_found_without_asking_the_kernel),
		TEST(the_kernels_own_lack_of_memory_is_told_apart),
		TEST(a_kernel_that_is_too_old_is_named),
		TEST(without_io_uring_that_is_said),
		TEST(an_ordinary_users_limit_is_told_apart_too),
		TEST(memory_that_cannot_be_pinned_is_an_error_and_no_signal),
		TEST(a_mapped_disk_file_is_refused),
		TEST(nothing_outside_is_written),
		TEST(a_child_does_not_get_the_ring),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
