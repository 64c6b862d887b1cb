/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Ending a ring: after floe_uring_exit nobody writes into its memory any more, in every mode that
 * promises this, whatever was in flight; and who reuses memory of a killed process can know when.
 *
 * That these tests can fail is a test as well: a ring that is merely closed goes on writing.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "uring/place.h"

#define OP_FUTEX_WAIT 51
#define DEFER (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)
#define QUIET_MS 200 /* the kernel's last word was 160 ms late at worst */
#define MARK 0xcd

static const uint32_t flag_sets[] = {0, FLOE_URING_NO_SQARRAY, DEFER};
#define FLAG_SETS TEST_COUNT(flag_sets)

/* What is in flight when the end comes. */
enum work {
	IDLE,
	USED,
	READS,
	TIMEOUTS,
	UNREAPED,
	WORKS
};

static int never[2]; /* a pipe that nobody writes to */

static struct io_uring_sqe *next_sqe(struct io_uring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	expect(sqe != NULL);
	return sqe;
}

static void begin(struct io_uring *ring, enum work work)
{
	static char byte;
	static struct __kernel_timespec minute = {.tv_sec = 60};

	if (work == USED)
		run_nops(ring, 100);
	for (int i = 0; i < 8 && work >= READS; i++) {
		struct io_uring_sqe *sqe = next_sqe(ring);

		if (work == READS)
			io_uring_prep_read(sqe, never[0], &byte, 1, 0);
		else if (work == TIMEOUTS)
			io_uring_prep_timeout(sqe, &minute, 0, 0);
		else
			io_uring_prep_nop(sqe);
	}
	if (work >= READS)
		expect_equal(io_uring_submit(ring), 8);
}

static struct seat seats[FLAG_SETS * WORKS];

/* Kinds of memory, flags and work in turn. */
static void take_seats(enum kind kinds, uint32_t only)
{
	expect_equal(pipe2(never, O_CLOEXEC), 0);
	for (size_t i = 0; i < TEST_COUNT(seats); i++) {
		seat_take(&seats[i], (enum kind)((i + i / FLAG_SETS) % kinds), 8,
			  with(flag_sets[i % FLAG_SETS] | only));
		begin(&seats[i].ring, (enum work)(i / FLAG_SETS));
	}
}

static void end_seats(enum floe_uring_exit_mode mode)
{
	for (size_t i = 0; i < TEST_COUNT(seats); i++) {
		expect_equal(floe_uring_exit(&seats[i].ring, mode), 0);
		expect_equal(seats[i].ring.ring_fd, -1);
		expect(!seats[i].ring.sq.sqes);
		/* It is the owner's: he writes something of his own. */
		memset(seats[i].place.base, MARK, seats[i].place.size);
	}
}

static size_t count_disturbed(void)
{
	size_t count = 0;

	sleep_ms(QUIET_MS);
	for (size_t i = 0; i < TEST_COUNT(seats); i++) {
		count += !place_is(&seats[i].place, MARK);
		place_end(&seats[i].place);
	}
	close(never[0]);
	close(never[1]);
	return count;
}

static void expect_quiet_after(enum floe_uring_exit_mode mode, enum kind kinds, uint32_t only)
{
	take_seats(kinds, only);
	end_seats(mode);
	expect_equal(count_disturbed(), 0);
}

static void a_ring_that_is_only_closed_goes_on_writing(void)
{
	need_rings();
	take_seats(PRIVATE + 1, 0);
	end_seats(FLOE_URING_ABANDON);
	if (count_disturbed() == 0)
		skip("this kernel is done when close(2) returns: the other tests show nothing");
}

static void by_default_memory_is_safe_at_once(void)
{
	need_rings();
	expect_quiet_after(FLOE_URING_SAFE, KINDS, 0);
}

/* Entries in one kind of memory, the rest in another right behind it: what lets go of one kind does not of
 * the other. */
static unsigned char *make_both_kinds(bool is_private_first)
{
	unsigned char *base = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	expect(base != MAP_FAILED);
	expect(mmap(base + (is_private_first ? PAGE : 0), PAGE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	return base;
}

static void blocks_of_two_kinds_side_by_side_are_both_safe(void)
{
	unsigned char *bases[8];
	struct io_uring ring;

	need_rings();
	expect_equal(pipe2(never, O_CLOEXEC), 0);
	for (size_t i = 0; i < TEST_COUNT(bases); i++) {
		struct io_uring_params params = with(0);

		bases[i] = make_both_kinds(i % 2);
		expect(floe_uring_init_split(8, &ring, &params, bases[i], PAGE, bases[i] + PAGE,
					     PAGE) > 0);
		begin(&ring, READS);
		expect_equal(floe_uring_exit(&ring, FLOE_URING_SAFE), 0);
		memset(bases[i], MARK, 2 * PAGE);
	}
	sleep_ms(QUIET_MS);
	for (size_t i = 0; i < TEST_COUNT(bases); i++) {
		for (size_t at = 0; at < 2 * PAGE; at++)
			expect_equal(bases[i][at], MARK);
		munmap(bases[i], 2 * PAGE);
	}
	close(never[0]);
	close(never[1]);
}

static void blocks_of_two_kinds_side_by_side_are_detached(void)
{
	struct io_uring ring;

	need_rings();
	for (int i = 0; i < 2; i++) {
		struct io_uring_params params = with(0);
		unsigned char *base = make_both_kinds(i);

		expect(floe_uring_init_split(8, &ring, &params, base, PAGE, base + PAGE, PAGE) > 0);
		run_nops(&ring, 20);
		expect_equal(floe_uring_exit(&ring, FLOE_URING_DETACH), 0);
		munmap(base, 2 * PAGE);
	}
}

static void detached_memory_is_safe_at_once(void)
{
	need_rings();
	/* A copy of a file is what the file is when it is detached, and that is in memory. */
	expect_quiet_after(FLOE_URING_DETACH, COPY, 0);
}

static void need_resize(void)
{
	struct seat seat;
	int r;

	need_rings();
	seat_take(&seat, PRIVATE, 8, with(DEFER));
	r = floe_uring_exit(&seat.ring, FLOE_URING_RESIZE);
	if (r == -EOPNOTSUPP)
		expect_equal(floe_uring_exit(&seat.ring, FLOE_URING_SAFE), 0);
	place_end(&seat.place);
	if (r == -EOPNOTSUPP)
		skip("this kernel cannot move rings (it can from Linux 6.13 on)");
}

static void a_ring_that_moved_away_leaves_safe_memory(void)
{
	need_resize();
	expect_quiet_after(FLOE_URING_RESIZE, KINDS, DEFER);
}

static void memory_is_safe_when_the_kernel_was_waited_for(void)
{
	need_rings();
	expect_quiet_after(FLOE_URING_WAIT, KINDS, 0);
}

static void a_new_ring_in_the_same_memory_sees_nothing_of_the_old_one(void)
{
	struct seat seat;

	need_rings();
	expect_equal(pipe2(never, O_CLOEXEC), 0);
	for (int round = 0; round < 100; round++) {
		struct io_uring_cqe *cqe;

		if (round == 0)
			seat_take(&seat, SHARED, 8, with(flag_sets[2]));
		else
			expect(floe_uring_init_mem(8, &seat.ring, &seat.params, seat.place.base,
						   seat.place.size) > 0);
		expect_equal(io_uring_peek_cqe(&seat.ring, &cqe), -EAGAIN);
		run_nops(&seat.ring, 20);
		begin(&seat.ring, (enum work)(round % WORKS));
		expect_equal(floe_uring_exit(&seat.ring, FLOE_URING_SAFE), 0);
		seat.params = with(flag_sets[(size_t)round % FLAG_SETS]);
	}
	place_end(&seat.place);
	close(never[0]);
	close(never[1]);
}

static void locked_memory_is_safe_too(void)
{
	need_rings();
	expect_equal(pipe2(never, O_CLOEXEC), 0);
	for (size_t i = 0; i < TEST_COUNT(seats); i++) {
		seat_take(&seats[i], SHARED, 8, with(flag_sets[i % FLAG_SETS]));
		/* AddressSanitizer has a mlock of its own, which does nothing. */
		if (syscall(SYS_mlock, seats[i].place.base, seats[i].place.size))
			skip("memory may not be locked here");
		begin(&seats[i].ring, (enum work)(i / FLAG_SETS));
		if (i == 0)
			expect_equal(floe_uring_exit(&seats[0].ring, FLOE_URING_DETACH),
				     -EOPNOTSUPP);
	}
	end_seats(FLOE_URING_SAFE);
	expect_equal(count_disturbed(), 0);
}

/* What may not be written any more may not get a hole either. */
static void sealed_memory_is_safe_too(void)
{
	need_rings();
	take_seats(MEMFD + 1, 0);
	for (size_t i = 0; i < TEST_COUNT(seats); i++) {
		if (seats[i].place.kind != MEMFD)
			continue;
		expect_equal(fcntl(seats[i].place.fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
		expect_equal(floe_uring_exit(&seats[i].ring, FLOE_URING_DETACH), -EOPNOTSUPP);
	}
	end_seats(FLOE_URING_SAFE);
	expect_equal(count_disturbed(), 0);
}

static void rings_in_one_huge_page_leave_it_safe(void)
{
	size_t huge = (size_t)2 << 20, size;
	struct io_uring_params params;
	struct io_uring rings[16];
	unsigned char *page = mmap(NULL, huge, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	need_rings();
	if (page == MAP_FAILED)
		skip("there is no free huge page (sysctl vm.nr_hugepages)");
	for (size_t i = 0; i < TEST_COUNT(rings); i++) {
		params = with(i % 2 ? DEFER : 0);
		size = (size_t)floe_uring_memory_size(8, &params);
		expect(floe_uring_init_mem(8, &rings[i], &params, page + i * size, size) > 0);
		run_nops(&rings[i], 50);
	}
	expect_equal(floe_uring_exit(&rings[0], FLOE_URING_DETACH), -EOPNOTSUPP);
	for (size_t i = 0; i < TEST_COUNT(rings); i++)
		expect_equal(floe_uring_exit(&rings[i], FLOE_URING_SAFE), 0);
	memset(page, MARK, huge);
	sleep_ms(QUIET_MS);
	for (size_t i = 0; i < huge; i++)
		expect(page[i] == MARK);
	munmap(page, huge);
}

/*
 * What is easily forgotten
 */

static void a_registered_descriptor_does_not_keep_the_ring(void)
{
	struct seat seat;
	int tombstone;
	struct pollfd entry = {0};

	need_rings();
	seat_take(&seat, PRIVATE, 8, with(0));
	tombstone = floe_uring_tombstone(&seat.ring, 0);
	expect(tombstone >= 0);
	expect_equal(io_uring_register_ring_fd(&seat.ring), 1);
	run_nops(&seat.ring, 10);
	expect_equal(floe_uring_exit(&seat.ring, FLOE_URING_ABANDON), 0);
	entry.fd = tombstone;
	expect_equal(poll(&entry, 1, 60000), 1);
	expect(entry.revents & POLLHUP);
	close(tombstone);
	place_end(&seat.place);
}

static void a_wait_on_a_futex_swallows_no_wake_afterwards(void)
{
	static uint32_t word;
	struct seat seat;

	need_rings();
	for (int i = 0; i < 20; i++) {
		struct io_uring_sqe *sqe;
		struct io_uring_cqe *cqe;

		seat_take(&seat, PRIVATE, 8, with(i % 2 ? DEFER : 0));
		sqe = next_sqe(&seat.ring);
		io_uring_prep_rw(OP_FUTEX_WAIT, sqe, 2, &word, 0, word);
		sqe->addr3 = UINT32_MAX;
		expect_equal(io_uring_submit(&seat.ring), 1);
		if (io_uring_peek_cqe(&seat.ring, &cqe) == 0)
			skip("io_uring cannot wait on futex words here (it can from Linux 6.7 on)");
		expect_equal(floe_uring_exit(&seat.ring, FLOE_URING_SAFE), 0);
		/* Nobody waits any more, so nobody is woken. */
		expect_equal(syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0), 0);
		place_end(&seat.place);
	}
}

static void *end_elsewhere(void *argument)
{
	(void)argument;
	end_seats(FLOE_URING_SAFE);
	return NULL;
}

static void another_thread_may_end_it(void)
{
	pthread_t thread;

	need_rings();
	take_seats(COPY, DEFER);
	expect_equal(pthread_create(&thread, NULL, end_elsewhere, NULL), 0);
	expect_equal(pthread_join(thread, NULL), 0);
	expect_equal(count_disturbed(), 0);
}

static void the_memory_stays_mapped_and_ending_twice_is_fine(void)
{
	struct seat seat;

	need_rings();
	seat_take(&seat, PRIVATE, 8, with(0));
	for (int i = 0; i < 3; i++)
		expect_equal(floe_uring_exit(&seat.ring, FLOE_URING_SAFE), 0);
	memset(seat.place.base, MARK, seat.place.size);
	expect_equal(floe_uring_exit(NULL, FLOE_URING_SAFE), -EINVAL);
	seat.ring.ring_fd = 0;
	expect_equal(floe_uring_exit(&seat.ring, (enum floe_uring_exit_mode)7), -EINVAL);
	place_end(&seat.place);
}

static void registered_files_are_no_obstacle(void)
{
	struct seat seat;

	need_rings();
	expect_equal(pipe2(never, O_CLOEXEC), 0);
	seat_take(&seat, PRIVATE, 8, with(0));
	expect_equal(io_uring_register_files(&seat.ring, never, 2), 0);
	expect_equal(floe_uring_tombstone(&seat.ring, 0), -EBUSY);
	expect_equal(floe_uring_exit(&seat.ring, FLOE_URING_WAIT), 0);
	place_end(&seat.place);
	close(never[0]);
	close(never[1]);
}

/* Nothing tells: neither an error nor a completion. It can be ended all the same. */
static void a_hole_in_its_memory_silences_it(void)
{
	need_rings();
	expect_equal(pipe2(never, O_CLOEXEC), 0);
	for (size_t i = 0; i < TEST_COUNT(seats); i++) {
		struct io_uring_cqe *cqe;

		seat_take(&seats[i], PRIVATE, 8, with(flag_sets[i % FLAG_SETS]));
		expect_equal(madvise(seats[i].place.base, seats[i].place.size, MADV_DONTNEED), 0);
		io_uring_prep_nop(next_sqe(&seats[i].ring));
		expect_equal(io_uring_submit(&seats[i].ring), 0);
		expect_equal(io_uring_peek_cqe(&seats[i].ring, &cqe), -EAGAIN);
	}
	end_seats(FLOE_URING_SAFE);
	expect_equal(count_disturbed(), 0);
}

/*
 * The owner is killed
 */

static void hang_up_to(int wire, int fd)
{
	char data = 0, control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {&data, 1};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	expect_equal(sendmsg(wire, &message, 0), 1);
}

static int take_over(int wire)
{
	char data, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {&data, 1};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	int fd;

	expect_equal(recvmsg(wire, &message, MSG_CMSG_CLOEXEC), 1);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

_Noreturn static void own_a_ring(const struct place *place, int wire, int round)
{
	struct io_uring_params params = with(flag_sets[(size_t)round % FLAG_SETS]);
	struct io_uring ring;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	expect(floe_uring_init_mem(8, &ring, &params, place->base, place->size) > 0);
	hang_up_to(wire, floe_uring_tombstone(&ring, 4));
	begin(&ring, (enum work)(round % WORKS));
	for (;;)
		pause();
}

static void memory_of_a_killed_owner_is_safe_when_its_tombstone_hangs_up(void)
{
	need_rings();
	expect_equal(pipe2(never, O_CLOEXEC), 0);
	for (int round = 0; round < 8; round++) {
		struct io_uring_params params = with(0);
		struct place place = place_make(MEMFD, (size_t)floe_uring_memory_size(8, &params));
		struct pollfd entry = {0};
		int wire[2];
		pid_t owner;

		expect_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, wire), 0);
		owner = fork();
		if (owner == 0)
			own_a_ring(&place, wire[1], round);
		entry.fd = take_over(wire[0]);
		expect_equal(poll(&entry, 1, 10), 0);
		kill(owner, SIGKILL);
		expect_equal(waitpid(owner, NULL, 0), owner);
		expect_equal(poll(&entry, 1, 60000), 1);
		expect(entry.revents & POLLHUP);
		memset(place.base, MARK, place.size);
		sleep_ms(30);
		expect(place_is(&place, MARK));
		place_end(&place);
		close(entry.fd);
		close(wire[0]);
		close(wire[1]);
	}
	close(never[0]);
	close(never[1]);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_ring_that_is_only_closed_goes_on_writing),
		TEST(by_default_memory_is_safe_at_once),
		TEST(blocks_of_two_kinds_side_by_side_are_both_safe),
		TEST(blocks_of_two_kinds_side_by_side_are_detached),
		TEST(detached_memory_is_safe_at_once),
		TEST(a_ring_that_moved_away_leaves_safe_memory),
		TEST(memory_is_safe_when_the_kernel_was_waited_for),
		TEST(a_new_ring_in_the_same_memory_sees_nothing_of_the_old_one),
		TEST(locked_memory_is_safe_too),
		TEST(sealed_memory_is_safe_too),
		TEST(rings_in_one_huge_page_leave_it_safe),
		TEST(a_registered_descriptor_does_not_keep_the_ring),
		TEST(a_wait_on_a_futex_swallows_no_wake_afterwards),
		TEST(another_thread_may_end_it),
		TEST(the_memory_stays_mapped_and_ending_twice_is_fine),
		TEST(registered_files_are_no_obstacle),
		TEST(a_hole_in_its_memory_silences_it),
		TEST(memory_of_a_killed_owner_is_safe_when_its_tombstone_hangs_up),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
