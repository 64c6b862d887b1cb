/* SPDX-License-Identifier: Apache-2.0 */

/*
 * liburing's own calls on rings in memory of one's own: all kinds of entries, waits, registered
 * files and buffers, hundreds of rings side by side. Memory ends before a page that nobody may touch.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "uring/place.h"

#define DEFER (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)
#define COOP (IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG)

static const uint32_t flag_sets[] = {
	0,
	FLOE_URING_NO_SQARRAY,
	IORING_SETUP_SUBMIT_ALL | COOP,
	DEFER | FLOE_URING_NO_SQARRAY,
	IORING_SETUP_SQE128,
	IORING_SETUP_CQE32,
	IORING_SETUP_SQE128 | IORING_SETUP_CQE32 | DEFER | FLOE_URING_NO_SQARRAY,
	IORING_SETUP_SQPOLL,
};

static void take_and_use(enum kind kind, unsigned entries, uint32_t flags)
{
	struct seat seat;

	seat_take(&seat, kind, entries, with(flags));
	/* Both queues go round more than once. */
	run_nops(&seat.ring, entries < 100 ? 5 * entries : 2 * entries + 50);
	expect_equal(floe_uring_exit(&seat.ring, FLOE_URING_SAFE), 0);
	place_end(&seat.place);
}

static void all_kinds_of_rings_go_round(void)
{
	static const unsigned entries[] = {1, 4, 64, 1024};

	need_rings();
	for (size_t f = 0; f < TEST_COUNT(flag_sets); f++)
		for (size_t e = 0; e < TEST_COUNT(entries); e++)
			take_and_use(MEMFD, entries[e], flag_sets[f]);
}

/* Those that one wants for a reason. A kernel may not know the youngest. */
static const struct {
	uint32_t flags;
	uint32_t cq_entries;
	bool may_be_unknown;
} rare_sets[] = {
	{.flags = IORING_SETUP_CLAMP},
	{.flags = IORING_SETUP_SUBMIT_ALL},
	{.flags = IORING_SETUP_COOP_TASKRUN},
	{.flags = IORING_SETUP_SINGLE_ISSUER},
	{.flags = IORING_SETUP_CQSIZE, .cq_entries = 128},
	{.flags = IORING_SETUP_R_DISABLED},
	{.flags = IORING_SETUP_R_DISABLED | DEFER},
	{.flags = IORING_SETUP_SQPOLL | IORING_SETUP_SQ_AFF},
	{.flags = IORING_SETUP_IOPOLL},
	{.flags = FLOE_URING_CQE_MIXED, .may_be_unknown = true},
	{.flags = DEFER | IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_R_DISABLED |
		  IORING_SETUP_SQE128 | IORING_SETUP_CQE32 | IORING_SETUP_CQSIZE |
		  FLOE_URING_NO_SQARRAY,
	 .cq_entries = 64},
};

static void use_rare(uint32_t flags, uint32_t cq_entries, bool may_be_unknown)
{
	struct io_uring_params params = {.flags = flags, .cq_entries = cq_entries};
	struct place place = place_make(MEMFD, (size_t)floe_uring_memory_size(8, &params));
	struct io_uring ring;
	int r = floe_uring_init_mem(8, &ring, &params, place.base, place.size);

	if (r == -EINVAL && may_be_unknown) {
		place_end(&place);
		return;
	}
	expect_equal(r, place.size);
	expect_equal(ring.flags & flags, flags);
	if (flags & IORING_SETUP_R_DISABLED)
		expect_equal(syscall(SYS_io_uring_register, ring.ring_fd,
				     IORING_REGISTER_ENABLE_RINGS, NULL, 0),
			     0);
	run_nops(&ring, 300);
	expect_equal(floe_uring_exit(&ring, FLOE_URING_SAFE), 0);
	place_end(&place);
}

static void so_do_rings_of_rarer_kinds(void)
{
	need_rings();
	for (size_t i = 0; i < TEST_COUNT(rare_sets); i++)
		use_rare(rare_sets[i].flags, rare_sets[i].cq_entries, rare_sets[i].may_be_unknown);
}

static void batches_come_back_whole(void)
{
	struct seat seat;

	need_rings();
	seat_take(&seat, PRIVATE, 32, with(0));
	for (uint64_t round = 0; round < 50; round++) {
		struct io_uring_cqe *cqes[32];
		uint64_t sum = 0;

		for (uint64_t i = 0; i < 32; i++) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(&seat.ring);

			io_uring_prep_nop(sqe);
			sqe->user_data = round + i;
		}
		expect(!io_uring_get_sqe(&seat.ring));
		expect_equal(io_uring_submit_and_wait(&seat.ring, 32), 32);
		expect_equal(io_uring_peek_batch_cqe(&seat.ring, cqes, 32), 32);
		for (int i = 0; i < 32; i++)
			sum += cqes[i]->user_data;
		expect_equal(sum, 32 * round + 31 * 16);
		io_uring_cq_advance(&seat.ring, 32);
	}
	expect_equal(floe_uring_exit(&seat.ring, FLOE_URING_SAFE), 0);
	place_end(&seat.place);
}

static void completions_that_do_not_fit_are_not_lost(void)
{
	struct io_uring_params params = with(IORING_SETUP_CQSIZE);
	struct io_uring_cqe *cqe;
	struct seat seat;

	need_rings();
	params.cq_entries = 8;
	seat_take(&seat, PRIVATE, 8, params);
	for (int i = 0; i < 40; i++) {
		io_uring_prep_nop(io_uring_get_sqe(&seat.ring));
		expect_equal(io_uring_submit(&seat.ring), 1);
	}
	for (int i = 0; i < 40; i++) {
		expect_equal(io_uring_wait_cqe(&seat.ring, &cqe), 0);
		io_uring_cqe_seen(&seat.ring, cqe);
	}
	expect_equal(io_uring_peek_cqe(&seat.ring, &cqe), -EAGAIN);
	expect_equal(floe_uring_exit(&seat.ring, FLOE_URING_SAFE), 0);
	place_end(&seat.place);
}

static void waiting_ends_at_its_time(void)
{
	struct __kernel_timespec soon = {.tv_nsec = 20000000};
	struct io_uring_cqe *cqe;
	struct seat seat;
	int64_t begin;

	need_rings();
	seat_take(&seat, PRIVATE, 8, with(DEFER));
	begin = now();
	expect_equal(io_uring_wait_cqe_timeout(&seat.ring, &cqe, &soon), -ETIME);
	expect(now() - begin >= 20000000);
	run_nops(&seat.ring, 10);
	expect_equal(floe_uring_exit(&seat.ring, FLOE_URING_SAFE), 0);
	place_end(&seat.place);
}

static int complete(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int r;

	expect_equal(io_uring_submit(ring), 1);
	expect_equal(io_uring_wait_cqe(ring, &cqe), 0);
	r = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return r;
}

/* Files, buffers and the ring's own descriptor are registered, and beside the tombstone's place the
 * table is the application's. */
static void what_is_registered_works(void)
{
	char text[] = "written", read_back[sizeof(text)] = "";
	struct iovec buffer = {text, sizeof(text)};
	int fd = memfd_create("file", MFD_CLOEXEC), tombstone;
	struct io_uring_sqe *sqe;
	struct seat seat;

	need_rings();
	seat_take(&seat, PRIVATE, 8, with(0));
	tombstone = floe_uring_tombstone(&seat.ring, 3);
	expect(tombstone >= 0);
	expect_equal(io_uring_register_files_update(&seat.ring, 2, &fd, 1), 1);
	expect_equal(io_uring_register_buffers(&seat.ring, &buffer, 1), 0);
	expect_equal(io_uring_register_ring_fd(&seat.ring), 1);
	sqe = io_uring_get_sqe(&seat.ring);
	io_uring_prep_write_fixed(sqe, 2, text, sizeof(text), 0, 0);
	sqe->flags |= IOSQE_FIXED_FILE;
	expect_equal(complete(&seat.ring), sizeof(text));
	expect_equal(pread(fd, read_back, sizeof(read_back), 0), sizeof(text));
	expect(!strcmp(read_back, "written"));
	expect_equal(floe_uring_exit(&seat.ring, FLOE_URING_SAFE), 0);
	close(tombstone);
	close(fd);
	place_end(&seat.place);
}

/* As a recorder has it, who sees the memory of publishers. */
static void what_may_only_be_read_is_not_registered_but_written(void)
{
	char read_back[PAGE];
	int from = memfd_create("segment", MFD_CLOEXEC), to = memfd_create("file", MFD_CLOEXEC);
	struct iovec buffer = {.iov_len = PAGE};
	struct io_uring_sqe *sqe;
	struct seat seat;

	need_rings();
	memset(read_back, 0x5a, sizeof(read_back));
	expect_equal(pwrite(from, read_back, PAGE, 0), PAGE);
	buffer.iov_base = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, from, 0);
	expect(buffer.iov_base != MAP_FAILED);
	seat_take(&seat, PRIVATE, 8, with(0));
	expect_equal(io_uring_register_buffers(&seat.ring, &buffer, 1), -EFAULT);
	sqe = io_uring_get_sqe(&seat.ring);
	io_uring_prep_writev(sqe, to, &buffer, 1, 0);
	expect_equal(complete(&seat.ring), PAGE);
	memset(read_back, 0, sizeof(read_back));
	expect_equal(pread(to, read_back, PAGE, 0), PAGE);
	for (size_t i = 0; i < PAGE; i++)
		expect_equal(read_back[i], 0x5a);
	expect_equal(floe_uring_exit(&seat.ring, FLOE_URING_SAFE), 0);
	munmap(buffer.iov_base, PAGE);
	close(from);
	close(to);
	place_end(&seat.place);
}

/* One region for all; each ring has the bytes that it was told, and no others. */
static void hundreds_of_rings_share_a_region(void)
{
	enum {
		COUNT = 256
	};
	static struct io_uring rings[COUNT];
	struct io_uring_params params = with(FLOE_URING_NO_SQARRAY);
	size_t size = (size_t)floe_uring_memory_size(64, &params);
	struct place place = place_make(MEMFD, COUNT * size);

	need_rings();
	expect_equal(COUNT * size, 2 << 20);
	for (size_t i = 0; i < COUNT; i++) {
		params = with(FLOE_URING_NO_SQARRAY);
		expect_equal(
			floe_uring_init_mem(64, &rings[i], &params, place.base + i * size, size),
			size);
	}
	for (size_t round = 0; round < 4; round++)
		for (size_t i = 0; i < COUNT; i++)
			run_nops(&rings[(i * 97) % COUNT], 40);
	for (size_t i = 0; i < COUNT; i++)
		expect_equal(floe_uring_exit(&rings[i], FLOE_URING_SAFE), 0);
	place_end(&place);
}

/* All of a huge page but the last ring's place, which stays as it was. */
static void hundreds_of_rings_share_one_huge_page(void)
{
	size_t huge = (size_t)2 << 20, size;
	struct io_uring_params params = with(FLOE_URING_NO_SQARRAY);
	unsigned char *area = mmap(NULL, 2 * huge, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *page = area + (huge - (uintptr_t)area % huge) % huge;
	static struct io_uring rings[255];

	need_rings();
	(void)madvise(page, huge, MADV_HUGEPAGE);
	memset(page, 0xab, huge);
	size = (size_t)floe_uring_memory_size(64, &params);
	for (size_t i = 0; i < TEST_COUNT(rings); i++) {
		params = with(FLOE_URING_NO_SQARRAY);
		expect(floe_uring_init_mem(64, &rings[i], &params, page + i * size, size) > 0);
	}
	for (size_t i = 0; i < TEST_COUNT(rings); i++)
		run_nops(&rings[i * 97 % TEST_COUNT(rings)], 80);
	for (size_t i = 0; i < TEST_COUNT(rings); i++)
		expect_equal(floe_uring_exit(&rings[i], FLOE_URING_SAFE), 0);
	for (size_t i = TEST_COUNT(rings) * size; i < huge; i++)
		expect(page[i] == 0xab);
	munmap(area, 2 * huge);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(all_kinds_of_rings_go_round),
		TEST(so_do_rings_of_rarer_kinds),
		TEST(batches_come_back_whole),
		TEST(completions_that_do_not_fit_are_not_lost),
		TEST(waiting_ends_at_its_time),
		TEST(what_is_registered_works),
		TEST(what_may_only_be_read_is_not_registered_but_written),
		TEST(hundreds_of_rings_share_a_region),
		TEST(hundreds_of_rings_share_one_huge_page),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
