/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rings of liburing: the kernel's memory, mapped; or with RING_IN_MEMORY in the caller's, where
 * liburing can do that (2.5). The kernel may still write there after io_uring_queue_exit, and here it is
 * used again all the same: that is what the call offers.
 */

#include <string.h>
#include <sys/mman.h>

#include "../session.h"
#include "ring.h"

#if RING_IN_MEMORY
#define RING_SPACE 16384u /* more than it takes */

static char *memory;

void rings_prepare(unsigned count)
{
	memory = mmap(NULL, (size_t)count * RING_SPACE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		fail("out of memory");
}

static int make(struct io_uring *ring, unsigned index)
{
	struct io_uring_params params = {0};

	return io_uring_queue_init_mem(RING_ENTRIES, ring, &params,
				       memory + (size_t)index * RING_SPACE, RING_SPACE);
}
#else
void rings_prepare(unsigned count)
{
	(void)count;
}

static int make(struct io_uring *ring, unsigned index)
{
	(void)index;
	return io_uring_queue_init(RING_ENTRIES, ring, 0);
}
#endif

void ring_open(struct io_uring *ring, unsigned index)
{
	int r = make(ring, index);

	if (r < 0)
		fail("cannot make a ring: %s", strerror(-r));
}

void ring_close(struct io_uring *ring)
{
	io_uring_queue_exit(ring);
}
