/* SPDX-License-Identifier: Apache-2.0 */
#ifndef URING_LAYOUT_H
#define URING_LAYOUT_H

/*
 * Layout: where the parts of a ring lie in the application's memory, by the kernel's own formula.
 * Pure arithmetic, no system call.
 *
 *   block of submission entries    sq * 64 bytes, with SQE128 128
 *   block of everything else
 *     +0     heads, tails, masks   64 bytes
 *     +64    cqe[cq]               16 bytes each
 *     ...    index[sq]             4 bytes each, at a multiple of 64; not with NO_SQARRAY
 *
 * With CQE32 the kernel doubles all that comes before the index, the 64 bytes included. Each block is
 * rounded up to whole pages.
 */

#include <liburing.h>
#include <stddef.h>
#include <stdint.h>

/* Not in liburing 2.3. */
#define SETUP_NO_MMAP (1u << 14)
#define SETUP_REGISTERED_FD_ONLY (1u << 15)

#define LAYOUT_HEADER 64

struct layout {
	uint32_t sq; /* entries, powers of two */
	uint32_t cq;
	size_t sqes_size; /* whole pages */
	size_t rings_size;
	size_t rings_used; /* of them */
};

/* p: flags, cq_entries. -EINVAL, -EOVERFLOW: what the kernel would say */
int layout_plan(struct layout *ret_layout, unsigned entries, const struct io_uring_params *p);

/* Of a ring that is there. */
void layout_of(struct layout *ret_layout, const struct io_uring *ring);

/* Memory of a ring that is one piece. */
struct block {
	unsigned char *base;
	size_t size;
};

/* One where the two blocks adjoin, as in memory of floe_uring_init_mem, else two; how many. */
unsigned layout_blocks(struct block ret_blocks[2], const struct layout *layout,
		       const struct io_uring *ring);

#endif
