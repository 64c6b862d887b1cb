/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Sizes: what floe_uring_memory_size says is what the kernel uses, to the page. A ring is accepted
 * in memory that ends there in front of a page that nobody may touch, and refused when one page of
 * either block is missing.
 */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "uring/place.h"

#define NO_MMAP (1u << 14)
#define DEFER (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)

static const uint32_t flag_sets[] = {
	0,
	FLOE_URING_NO_SQARRAY,
	IORING_SETUP_CLAMP,
	IORING_SETUP_SQE128,
	IORING_SETUP_CQE32,
	IORING_SETUP_SQE128 | IORING_SETUP_CQE32 | FLOE_URING_NO_SQARRAY,
	IORING_SETUP_R_DISABLED,
	IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
	DEFER | FLOE_URING_NO_SQARRAY,
	DEFER | IORING_SETUP_SQE128 | IORING_SETUP_CQE32,
	IORING_SETUP_SQPOLL,
	IORING_SETUP_IOPOLL,
};

static const unsigned entry_counts[] = {1, 2, 3, 5, 8, 63, 64, 65, 255, 512, 1000, 4096};

/* The kernel itself, with blocks that end where they are told to. */
static int ask_kernel(unsigned entries, struct io_uring_params params, const struct place *sqes,
		      const struct place *rings)
{
	uintptr_t addresses[2] = {(uintptr_t)sqes->base, (uintptr_t)rings->base};
	int fd;

	params.flags |= NO_MMAP;
	memcpy((char *)&params.sq_off + 32, &addresses[0], 8);
	memcpy((char *)&params.cq_off + 32, &addresses[1], 8);
	memset(rings->base, 0, 64);
	fd = (int)syscall(SYS_io_uring_setup, entries, &params);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* A page short: the last one is gone. */
static int ask_with_less(unsigned entries, struct io_uring_params params, size_t sqes_size,
			 size_t rings_size, int which)
{
	struct place sqes = place_make(PRIVATE, sqes_size);
	struct place rings = place_make(PRIVATE, rings_size);
	struct place *less = which ? &rings : &sqes;
	int r;

	if (less->size == PAGE && which) {
		place_end(&sqes);
		place_end(&rings);
		return -EFAULT; /* nothing would be left */
	}
	expect_equal(mprotect(less->base + less->size - PAGE, PAGE, PROT_NONE), 0);
	r = ask_kernel(entries, params, &sqes, &rings);
	place_end(&sqes);
	place_end(&rings);
	return r;
}

static void expect_exact(unsigned entries, struct io_uring_params params)
{
	size_t sqes, rings;
	struct seat seat;

	seat_take(&seat, PRIVATE, entries, params);
	expect_equal(floe_uring_memory_sizes(entries, &params, &sqes, &rings), 0);
	expect_equal(sqes + rings, seat.place.size);
	if (params.flags == 0 || params.flags == (DEFER | FLOE_URING_NO_SQARRAY))
		run_nops(&seat.ring, 3 * seat.ring.cq.ring_entries > 500 ? 500 : 30);
	expect_equal(floe_uring_exit(&seat.ring, FLOE_URING_SAFE), 0);
	place_end(&seat.place);
	for (int which = 0; which < 2; which++)
		expect_equal(ask_with_less(entries, params, sqes, rings, which), -EFAULT);
}

/* What a closed ring had pinned counts until the kernel is done with it. */
static void need_much_pinned_memory(void)
{
	need_rings();
	if (geteuid() != 0)
		skip("an ordinary user may not pin so much in so short a time");
}

static void sizes_are_what_the_kernel_uses(void)
{
	need_much_pinned_memory();
	for (size_t f = 0; f < sizeof(flag_sets) / sizeof(flag_sets[0]); f++)
		for (size_t e = 0; e < sizeof(entry_counts) / sizeof(entry_counts[0]); e++)
			expect_exact(entry_counts[e], with(flag_sets[f]));
}

static void sizes_follow_a_completion_queue_of_its_own(void)
{
	static const unsigned pairs[][2] = {{1, 1},   {8, 5},     {8, 9},      {16, 4096},
					    {64, 64}, {256, 255}, {4096, 4096}};

	need_much_pinned_memory();
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		for (uint32_t extra = 0; extra < 4; extra++) {
			struct io_uring_params params = with(
				IORING_SETUP_CQSIZE | (extra & 1 ? IORING_SETUP_CQE32 : 0) |
				(extra & 2 ? FLOE_URING_NO_SQARRAY : 0));

			params.cq_entries = pairs[i][1];
			expect_exact(pairs[i][0], params);
		}
	}
}

static void the_largest_rings_fit_as_well(void)
{
	need_much_pinned_memory();
	expect_exact(32768, with(0));
	expect_exact(32768, with(FLOE_URING_NO_SQARRAY));
	expect_exact(100000, with(IORING_SETUP_CLAMP));
	expect_exact(32768, with(IORING_SETUP_SQE128 | IORING_SETUP_CQE32));
}

static void known_sizes_are_these(void)
{
	static const struct {
		unsigned entries;
		uint32_t flags;
		ssize_t size;
	} known[] = {
		{8, FLOE_URING_NO_SQARRAY, 8192},
		{64, FLOE_URING_NO_SQARRAY, 8192},
		{256, FLOE_URING_NO_SQARRAY, 28672},
		{4096, FLOE_URING_NO_SQARRAY, 397312},
		{4096, 0, 413696},
		{32768, FLOE_URING_NO_SQARRAY, 3149824},
		{32768, FLOE_URING_NO_SQARRAY | IORING_SETUP_SQE128 | IORING_SETUP_CQE32, 6295552},
	};

	if (sysconf(_SC_PAGESIZE) != PAGE)
		skip("pages are not of 4 KiB here");
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct io_uring_params params = with(known[i].flags);

		expect_equal(floe_uring_memory_size(known[i].entries, &params), known[i].size);
	}
	expect_equal(floe_uring_memory_size(4096, NULL), 413696);
}

static ssize_t size_of(unsigned entries, uint32_t flags, unsigned cq_entries)
{
	struct io_uring_params params = with(flags);

	params.cq_entries = cq_entries;
	return floe_uring_memory_size(entries, &params);
}

static void wrong_numbers_are_refused_as_the_kernel_does(void)
{
	expect_equal(size_of(0, 0, 0), -EINVAL);
	expect_equal(size_of(32769, 0, 0), -EINVAL);
	expect(size_of(32769, IORING_SETUP_CLAMP, 0) == size_of(32768, 0, 0));
	expect_equal(size_of(8, IORING_SETUP_CQSIZE, 0), -EINVAL);
	expect_equal(size_of(8, IORING_SETUP_CQSIZE, 4), -EINVAL);
	expect(size_of(8, IORING_SETUP_CQSIZE, 5) > 0);
	expect_equal(size_of(8, IORING_SETUP_CQSIZE, 65537), -EINVAL);
	expect(size_of(8, IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP, 65537) > 0);
	/* Clamping one of them does not clamp the other. */
	expect_equal(size_of(UINT32_MAX, IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP, 16), -EINVAL);
	expect_equal(size_of(1, IORING_SETUP_CQSIZE | FLOE_URING_CQE_MIXED, 1), -EOVERFLOW);
	expect_equal(size_of(1, FLOE_URING_SQE_MIXED, 0), -EOVERFLOW);
	expect_equal(size_of(8, FLOE_URING_CQE_MIXED | IORING_SETUP_CQE32, 0), -EINVAL);
	expect_equal(size_of(8, FLOE_URING_SQE_MIXED | IORING_SETUP_SQE128, 0), -EINVAL);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(sizes_are_what_the_kernel_uses),
		TEST(sizes_follow_a_completion_queue_of_its_own),
		TEST(the_largest_rings_fit_as_well),
		TEST(known_sizes_are_these),
		TEST(wrong_numbers_are_refused_as_the_kernel_does),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
