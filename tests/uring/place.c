/* SPDX-License-Identifier: Apache-2.0 */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

const char *const kind_names[KINDS] = {"private", "shared", "memfd", "tmpfs", "copy"};

static int make_file(enum kind kind, size_t size)
{
	int fd = -1;

	if (kind == MEMFD || kind == COPY)
		fd = memfd_create("place", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	else if (kind == TMPFS)
		fd = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	else
		return -1;
	expect(fd >= 0);
	expect_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

struct place place_make(enum kind kind, size_t size)
{
	int flags = MAP_FIXED | (kind == PRIVATE || kind == COPY ? MAP_PRIVATE : MAP_SHARED);
	struct place place = {.size = size, .kind = kind, .fd = make_file(kind, size)};
	unsigned char *area = mmap(NULL, size + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
				   -1, 0);

	expect(area != MAP_FAILED);
	if (place.fd < 0)
		flags |= MAP_ANONYMOUS;
	place.base = mmap(area + PAGE, size, PROT_READ | PROT_WRITE, flags, place.fd, 0);
	expect(place.base == area + PAGE);
	memset(place.base, 0xab, size);
	return place;
}

void place_end(struct place *place)
{
	expect_equal(munmap(place->base - PAGE, place->size + 2 * PAGE), 0);
	if (place->fd >= 0)
		close(place->fd);
}

int place_is(const struct place *place, unsigned char value)
{
	for (size_t i = 0; i < place->size; i++)
		if (place->base[i] != value)
			return 0;
	return 1;
}

void need_rings(void)
{
	struct place place = place_make(PRIVATE, 4 * PAGE);
	struct io_uring_params params = with(FLOE_URING_NO_SQARRAY);
	struct io_uring ring;
	int r = floe_uring_init_mem(4, &ring, &params, place.base, place.size);

	if (r == -EPERM || r == -ENOSYS || r == -EOPNOTSUPP)
		skip(floe_uring_explain(r));
	expect(r > 0);
	expect_equal(floe_uring_exit(&ring, FLOE_URING_SAFE), 0);
	place_end(&place);
}

struct io_uring_params with(uint32_t flags)
{
	return (struct io_uring_params){.flags = flags};
}

void seat_take(struct seat *seat, enum kind kind, unsigned entries, struct io_uring_params params)
{
	ssize_t size = floe_uring_memory_size(entries, &params);

	expect(size > 0);
	seat->params = params;
	seat->place = place_make(kind, (size_t)size);
	expect_equal(floe_uring_init_mem(entries, &seat->ring, &seat->params, seat->place.base,
					 (size_t)size),
		     size);
}

/* The kernel's thread of SQPOLL says that something is done before it says that it has taken it. */
static struct io_uring_sqe *get_sqe(struct io_uring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (sqe)
		return sqe;
	expect(io_uring_sqring_wait(ring) >= 0);
	return io_uring_get_sqe(ring);
}

/* The entries of a ring may be 128 bytes, which io_uring_get_sqe of 2.3 does not clear. */
static void submit_nop(struct io_uring *ring, uint64_t number)
{
	struct io_uring_sqe *sqe = get_sqe(ring);

	expect(sqe != NULL);
	io_uring_prep_nop(sqe);
	sqe->user_data = number;
	/* The kernel's thread of SQPOLL may not have taken the one before yet. */
	expect(io_uring_submit_and_wait(ring, 1) >= 1);
}

void run_nops(struct io_uring *ring, unsigned count)
{
	for (uint64_t i = 1; i <= count; i++) {
		struct io_uring_cqe *cqe;

		submit_nop(ring, i);
		expect_equal(io_uring_wait_cqe(ring, &cqe), 0);
		expect_equal(cqe->user_data, i);
		expect_equal(cqe->res, 0);
		io_uring_cqe_seen(ring, cqe);
	}
}

int64_t now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}
