/* SPDX-License-Identifier: Apache-2.0 */
#include "uring/layout.h"

#include <errno.h>
#include <floe/uring.h>
#include <stdbool.h>
#include <unistd.h>

#define SQ_MAX 32768u
#define CQ_MAX 65536u

static size_t align(size_t size, size_t to)
{
	return (size + to - 1) / to * to;
}

static uint32_t round_up(uint32_t entries)
{
	uint32_t power = 1;

	while (power < entries)
		power *= 2;
	return power;
}

/* Clamping comes before rounding. 0, or -EINVAL */
static int round_entries(uint32_t *ret_entries, uint32_t entries, uint32_t max, bool clamp)
{
	if (entries == 0 || (entries > max && !clamp))
		return -EINVAL;
	*ret_entries = round_up(entries > max ? max : entries);
	return 0;
}

static int check_flags(const struct layout *l, uint32_t flags)
{
	bool mixed_cq = flags & FLOE_URING_CQE_MIXED, mixed_sq = flags & FLOE_URING_SQE_MIXED;

	if ((mixed_cq && flags & IORING_SETUP_CQE32) || (mixed_sq && flags & IORING_SETUP_SQE128))
		return -EINVAL;
	if ((mixed_cq && l->cq < 2) || (mixed_sq && l->sq < 2))
		return -EOVERFLOW;
	return 0;
}

static void measure(struct layout *l, uint32_t flags)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t sqes = (size_t)l->sq * (flags & IORING_SETUP_SQE128 ? 128 : 64);
	size_t rings = LAYOUT_HEADER + (size_t)l->cq * sizeof(struct io_uring_cqe);

	if (flags & IORING_SETUP_CQE32)
		rings *= 2;
	rings = align(rings, LAYOUT_HEADER);
	if (!(flags & FLOE_URING_NO_SQARRAY))
		rings += l->sq * sizeof(uint32_t);
	l->rings_used = rings;
	l->sqes_size = align(sqes, page);
	l->rings_size = align(rings, page);
}

int layout_plan(struct layout *ret_layout, unsigned entries, const struct io_uring_params *p)
{
	bool clamp = p->flags & IORING_SETUP_CLAMP;
	struct layout l = {0};
	int r = round_entries(&l.sq, entries, SQ_MAX, clamp);

	if (r < 0)
		return r;
	l.cq = 2 * l.sq;
	if (p->flags & IORING_SETUP_CQSIZE)
		r = round_entries(&l.cq, p->cq_entries, CQ_MAX, clamp);
	/* After rounding: 5 completions for 8 requests become 8. */
	if (r < 0 || l.cq < l.sq)
		return -EINVAL;
	r = check_flags(&l, p->flags);
	if (r < 0)
		return r;
	measure(&l, p->flags);
	*ret_layout = l;
	return 0;
}

void layout_of(struct layout *ret_layout, const struct io_uring *ring)
{
	*ret_layout = (struct layout){.sq = ring->sq.ring_entries, .cq = ring->cq.ring_entries};
	measure(ret_layout, ring->flags);
}

unsigned layout_blocks(struct block ret[2], const struct layout *l, const struct io_uring *ring)
{
	unsigned char *sqes = (unsigned char *)ring->sq.sqes;
	unsigned char *rings = ring->sq.ring_ptr;

	ret[0] = (struct block){sqes, l->sqes_size};
	ret[1] = (struct block){rings, l->rings_size};
	if (sqes + l->sqes_size != rings)
		return 2;
	ret[0].size += l->rings_size;
	return 1;
}
