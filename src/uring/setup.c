/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Setting a ring up in the application's memory: everything that can be wrong is found before the
 * kernel is asked, and what the kernel then says is told apart from that.
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

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static_assert(sizeof(struct io_uring_params) == 120, "the kernel's");
static_assert(sizeof(struct io_sqring_offsets) == 40, "the kernel's");
static_assert(sizeof(struct io_cqring_offsets) == 40, "the kernel's");
static_assert(sizeof(struct io_uring) == 216, "liburing 2.3 to 2.15");

/* The last member of both is the address; it had another name in liburing 2.3. */
#define USER_ADDRESS 32

FLOE_PUBLIC int floe_uring_memory_sizes(unsigned entries, const struct io_uring_params *params,
					size_t *ret_sqes_size, size_t *ret_rings_size)
{
	static const struct io_uring_params none;
	struct layout l;
	int r = layout_plan(&l, entries, params ? params : &none);

	if (r < 0)
		return r;
	if (ret_sqes_size)
		*ret_sqes_size = l.sqes_size;
	if (ret_rings_size)
		*ret_rings_size = l.rings_size;
	return 0;
}

FLOE_PUBLIC ssize_t floe_uring_memory_size(unsigned entries, const struct io_uring_params *params)
{
	size_t sqes, rings;
	int r = floe_uring_memory_sizes(entries, params, &sqes, &rings);

	return r < 0 ? r : (ssize_t)(sqes + rings);
}

static int check_block(const struct block *block, size_t needed)
{
	uintptr_t begin = (uintptr_t)block->base;

	if (!block->base || begin % (size_t)sysconf(_SC_PAGESIZE))
		return -EINVAL;
	if (block->size < needed)
		return -ENOMEM;
	return needed > UINTPTR_MAX - begin ? -EINVAL : 0;
}

/* The kernel would take blocks that overlap. */
static int check_blocks(const struct layout *l, const struct block *sqes, const struct block *rings)
{
	uintptr_t sqes_begin = (uintptr_t)sqes->base, rings_begin = (uintptr_t)rings->base;
	int r = check_block(sqes, l->sqes_size);

	if (r == 0)
		r = check_block(rings, l->rings_size);
	if (r == 0 && sqes_begin < rings_begin + l->rings_size &&
	    rings_begin < sqes_begin + l->sqes_size)
		return -EINVAL;
	return r;
}

static void put_addresses(struct io_uring_params *p, const void *sqes, const void *rings)
{
	memcpy((char *)&p->sq_off + USER_ADDRESS, &sqes, sizeof(sqes));
	memcpy((char *)&p->cq_off + USER_ADDRESS, &rings, sizeof(rings));
}

/* A kernel that knows the flags finds that there is no memory; one that does not, that they are
 * wrong. */
static bool has_flags(uint32_t flags)
{
	struct io_uring_params p = {.flags = SETUP_NO_MMAP | flags};
	int fd = os->ring_setup(1, &p);

	if (fd >= 0)
		os->close(fd);
	return fd != -EINVAL;
}

static int translate(int r, uint32_t flags)
{
	if (r == -ENOMEM)
		return -EDQUOT;
	if (r == -EINVAL && !has_flags(flags & FLOE_URING_NO_SQARRAY))
		return -EOPNOTSUPP;
	return r;
}

/*
 * Before Linux 6.19 the kernel takes heads and tails as it finds them, so they are zero beforehand;
 * and they are what they were when it refuses. The page is made present first, because memory that
 * cannot be written is an error here and not a signal.
 */
static int set_up(unsigned entries, struct io_uring_params *p, const struct block *rings)
{
	unsigned char before[LAYOUT_HEADER];
	int fd = os->advise(rings->base, (size_t)sysconf(_SC_PAGESIZE), MADV_POPULATE_WRITE);

	if (fd < 0)
		return has_flags(0) ? -EFAULT : -EOPNOTSUPP;
	memcpy(before, rings->base, sizeof(before));
	memset(rings->base, 0, sizeof(before));
	fd = os->ring_setup(entries, p);
	if (fd >= 0)
		return fd;
	memcpy(rings->base, before, sizeof(before));
	return translate(fd, p->flags);
}

static bool is_as_planned(const struct layout *l, const struct io_uring_params *p)
{
	size_t cqe = sizeof(struct io_uring_cqe) * (p->flags & IORING_SETUP_CQE32 ? 2 : 1);
	size_t cqes_end = p->cq_off.cqes + l->cq * cqe;
	size_t array_end = p->sq_off.array + l->sq * sizeof(uint32_t);

	if (p->sq_entries != l->sq || p->cq_entries != l->cq || cqes_end > l->rings_size)
		return false;
	return p->flags & FLOE_URING_NO_SQARRAY || array_end <= l->rings_size;
}

static unsigned *word_at(const struct block *rings, uint32_t offset)
{
	return (unsigned *)(void *)(rings->base + offset);
}

static void fill_sq(struct io_uring_sq *sq, const struct io_uring_params *p,
		    const struct block *sqes, const struct block *rings)
{
	sq->khead = word_at(rings, p->sq_off.head);
	sq->ktail = word_at(rings, p->sq_off.tail);
	sq->kring_mask = word_at(rings, p->sq_off.ring_mask);
	sq->kring_entries = word_at(rings, p->sq_off.ring_entries);
	sq->kflags = word_at(rings, p->sq_off.flags);
	sq->kdropped = word_at(rings, p->sq_off.dropped);
	sq->sqes = (struct io_uring_sqe *)(void *)sqes->base;
	sq->ring_ptr = rings->base;
	sq->ring_entries = p->sq_entries;
	sq->ring_mask = p->sq_entries - 1;
	if (p->flags & FLOE_URING_NO_SQARRAY)
		return;
	sq->array = word_at(rings, p->sq_off.array);
	for (unsigned i = 0; i < p->sq_entries; i++)
		sq->array[i] = i;
}

static void fill_cq(struct io_uring_cq *cq, const struct io_uring_params *p,
		    const struct block *rings)
{
	cq->khead = word_at(rings, p->cq_off.head);
	cq->ktail = word_at(rings, p->cq_off.tail);
	cq->kring_mask = word_at(rings, p->cq_off.ring_mask);
	cq->kring_entries = word_at(rings, p->cq_off.ring_entries);
	cq->kflags = word_at(rings, p->cq_off.flags);
	cq->koverflow = word_at(rings, p->cq_off.overflow);
	cq->cqes = (struct io_uring_cqe *)(void *)(rings->base + p->cq_off.cqes);
	cq->ring_ptr = rings->base;
	cq->ring_entries = p->cq_entries;
	cq->ring_mask = p->cq_entries - 1;
}

/* The sizes of mappings stay 0: there is nothing that liburing should unmap. */
static void fill(struct io_uring *ring, int fd, const struct io_uring_params *p,
		 const struct block *sqes, const struct block *rings)
{
	memset(ring, 0, sizeof(*ring));
	fill_sq(&ring->sq, p, sqes, rings);
	fill_cq(&ring->cq, p, rings);
	ring->flags = p->flags;
	ring->features = p->features;
	ring->ring_fd = fd;
	ring->enter_ring_fd = fd;
}

/* A child of private memory would see a copy, one of shared memory would drive the ring. */
static void keep_from_children(const struct io_uring *ring, const struct layout *l)
{
	struct block blocks[2];
	unsigned count = layout_blocks(blocks, l, ring);

	for (unsigned i = 0; i < count; i++)
		(void)os->advise(blocks[i].base, blocks[i].size, MADV_DONTFORK);
}

static int init(unsigned entries, struct io_uring *ring, struct io_uring_params *params,
		const struct block *sqes, const struct block *rings, const struct layout *l)
{
	struct io_uring_params p = *params;
	int fd;

	p.flags |= SETUP_NO_MMAP;
	put_addresses(&p, sqes->base, rings->base);
	fd = set_up(entries, &p, rings);
	if (fd < 0)
		return fd;
	if (!is_as_planned(l, &p)) {
		os->close(fd);
		return -EPROTO;
	}
	fill(ring, fd, &p, sqes, rings);
	keep_from_children(ring, l);
	*params = p;
	return (int)(l->sqes_size + l->rings_size);
}

FLOE_PUBLIC int floe_uring_init_split(unsigned entries, struct io_uring *ring,
				      struct io_uring_params *params, void *sqes, size_t sqes_size,
				      void *rings, size_t rings_size)
{
	struct block sqes_block = {sqes, sqes_size}, rings_block = {rings, rings_size};
	struct layout l;
	int r;

	if (!ring)
		return -EINVAL;
	ring->ring_fd = -1;
	ring->enter_ring_fd = -1;
	if (!params)
		return -EINVAL;
	if (params->flags & SETUP_REGISTERED_FD_ONLY)
		return -EOPNOTSUPP;
	r = layout_plan(&l, entries, params);
	if (r == 0)
		r = check_blocks(&l, &sqes_block, &rings_block);
	return r < 0 ? r : init(entries, ring, params, &sqes_block, &rings_block, &l);
}

FLOE_PUBLIC int floe_uring_init_mem(unsigned entries, struct io_uring *ring,
				    struct io_uring_params *params, void *memory, size_t size)
{
	size_t sqes = 0, rings = 0;
	int r;

	if (!ring)
		return -EINVAL;
	ring->ring_fd = -1;
	ring->enter_ring_fd = -1;
	if (!params || !memory)
		return -EINVAL;
	r = floe_uring_memory_sizes(entries, params, &sqes, &rings);
	if (r < 0)
		return r;
	if ((uintptr_t)memory % (size_t)sysconf(_SC_PAGESIZE))
		return -EINVAL;
	if (size < sqes + rings)
		return -ENOMEM;
	if (sqes + rings > UINTPTR_MAX - (uintptr_t)memory)
		return -EINVAL;
	return floe_uring_init_split(entries, ring, params, memory, sqes,
				     (unsigned char *)memory + sqes, rings);
}
