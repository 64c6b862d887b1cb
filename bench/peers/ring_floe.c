/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rings of floe, side by side in one block of memory. It is the caller's again when floe_uring_exit
 * returns, and the next rings are made in it.
 */

#include <floe/uring.h>

#include <sys/mman.h>

#include "../session.h"
#include "ring.h"

static struct {
	char *memory;
	size_t size; /* of one ring */
} block;

void rings_prepare(unsigned count)
{
	ssize_t size = floe_uring_memory_size(RING_ENTRIES, NULL);

	if (size < 0)
		fail("%s", floe_uring_explain((int)size));
	block.size = (size_t)size;
	block.memory = mmap(NULL, count * block.size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (block.memory == MAP_FAILED)
		fail("out of memory");
}

void ring_open(struct io_uring *ring, unsigned index)
{
	struct io_uring_params params = {0};
	int r = floe_uring_init_mem(RING_ENTRIES, ring, &params, block.memory + index * block.size,
				    block.size);

	if (r < 0)
		fail("%s", floe_uring_explain(r));
}

void ring_close(struct io_uring *ring)
{
	int r = floe_uring_exit(ring, FLOE_URING_SAFE);

	if (r < 0)
		fail("%s", floe_uring_explain(r));
}
