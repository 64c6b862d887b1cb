/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Ending a ring so that its memory can be used again. close(2) returns long before the kernel has
 * stored its last word into the ring (measured: 17 to 62 ms on average, 159 ms at worst), so closing
 * alone is never enough.
 */

#include <errno.h>
#include <floe/uring.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/compiler.h"
#include "os/os.h"
#include "uring/layout.h"
#include "uring/tombstone.h"

#define REGISTER_RESIZE_RINGS 33
#define USER_ADDRESS 32
#define WAIT_NS ((int64_t)10 * 1000000000)

/* Armed waits that end with the descriptor alone would swallow a wake that comes before. */
static void end_requests(struct io_uring *ring)
{
	struct io_uring_sync_cancel_reg all = {
		.flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL,
		.timeout = {.tv_sec = 1},
	};

	(void)io_uring_register_sync_cancel(ring, &all);
	(void)os->ring_enter(ring->ring_fd, 0, 0, IORING_ENTER_GETEVENTS);
	__atomic_store_n(ring->cq.khead, __atomic_load_n(ring->cq.ktail, __ATOMIC_ACQUIRE),
			 __ATOMIC_RELEASE);
	/* It would keep the ring after its descriptor is closed. */
	if (ring->enter_ring_fd != ring->ring_fd)
		(void)io_uring_unregister_ring_fd(ring);
}

/* Fresh pages behind these addresses. Shared memory gets a hole; private memory only forgets. */
static int detach_block(void *base, size_t size)
{
	int r = os->advise(base, size, MADV_REMOVE);

	if (r == -EINVAL || r == -EACCES)
		r = os->advise(base, size, MADV_DONTNEED);
	if (r < 0)
		return -EOPNOTSUPP;
	/* Parts of huge pages are zeroed where they are, and are still the kernel's. */
	return os->is_resident(base, size) == 0 ? 0 : -EOPNOTSUPP;
}

static int detach(struct io_uring *ring, const struct layout *l)
{
	struct block blocks[2];
	unsigned count = layout_blocks(blocks, l, ring);
	int r = 0;

	for (unsigned i = 0; i < count && r == 0; i++)
		r = detach_block(blocks[i].base, blocks[i].size);
	if (r == 0 || count == 2)
		return r;
	/* Perhaps of two kinds, of which each wants its own way. */
	r = detach_block(ring->sq.sqes, l->sqes_size);
	return r < 0 ? r : detach_block(ring->sq.ring_ptr, l->rings_size);
}

/* The smallest ring there is takes the place of this one; then the old one is nobody's. */
static int resize(struct io_uring *ring)
{
	struct io_uring_params p = {.flags = IORING_SETUP_CQSIZE, .sq_entries = 1, .cq_entries = 2};
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *area;
	uintptr_t addresses[2];
	void *mapped;
	int r;

	if (!(ring->flags & IORING_SETUP_DEFER_TASKRUN))
		return -EOPNOTSUPP;
	r = os->map(&mapped, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r < 0)
		return r;
	area = mapped;
	addresses[0] = (uintptr_t)area;
	addresses[1] = (uintptr_t)area + page;
	memcpy((char *)&p.sq_off + USER_ADDRESS, &addresses[0], sizeof(addresses[0]));
	memcpy((char *)&p.cq_off + USER_ADDRESS, &addresses[1], sizeof(addresses[1]));
	__atomic_store_n(ring->sq.ktail, __atomic_load_n(ring->sq.khead, __ATOMIC_ACQUIRE),
			 __ATOMIC_RELEASE);
	r = os->ring_register(ring->ring_fd, REGISTER_RESIZE_RINGS, &p, 1);
	/* The kernel has its own hold on these pages. */
	(void)os->unmap(area, 2 * page);
	return r < 0 ? -EOPNOTSUPP : 0;
}

/* The pages are a child's again, as all others. */
static void close_ring(struct io_uring *ring, const struct layout *l)
{
	struct block blocks[2];
	unsigned count = layout_blocks(blocks, l, ring);
	int tombstone = tombstone_take(ring);

	for (unsigned i = 0; i < count; i++)
		(void)os->advise(blocks[i].base, blocks[i].size, MADV_DOFORK);
	os->close(ring->ring_fd);
	os_close_fdp(&tombstone);
	memset(ring, 0, sizeof(*ring));
	ring->ring_fd = -1;
	ring->enter_ring_fd = -1;
}

static int wait_for_kernel(struct io_uring *ring, const struct layout *l)
{
	floe_cleanup(os_close_fdp) int tombstone = tombstone_take(ring);
	int r;

	if (tombstone < 0) {
		/* Without one of ours the table is the application's, and of no more use. */
		(void)io_uring_unregister_files(ring);
		r = tombstone_raise(ring, 0);
		if (r < 0)
			return r;
		tombstone = tombstone_take(ring);
	}
	close_ring(ring, l);
	r = os->wait_hangup(tombstone, WAIT_NS);
	return r == 0 ? -ETIMEDOUT : r < 0 ? r : 0;
}

static int make_safe(struct io_uring *ring, const struct layout *l)
{
	int r = detach(ring, l);

	if (r < 0)
		r = resize(ring);
	if (r < 0)
		return wait_for_kernel(ring, l);
	close_ring(ring, l);
	return 0;
}

FLOE_PUBLIC int floe_uring_exit(struct io_uring *ring, enum floe_uring_exit_mode mode)
{
	struct layout l;
	int r = 0;

	if (!ring || (unsigned)mode > FLOE_URING_ABANDON)
		return -EINVAL;
	if (ring->ring_fd < 0)
		return 0;
	layout_of(&l, ring);
	end_requests(ring);
	if (mode == FLOE_URING_SAFE)
		return make_safe(ring, &l);
	if (mode == FLOE_URING_WAIT)
		return wait_for_kernel(ring, &l);
	if (mode == FLOE_URING_DETACH)
		r = detach(ring, &l);
	else if (mode == FLOE_URING_RESIZE)
		r = resize(ring);
	if (r == 0)
		close_ring(ring, &l);
	return r;
}
