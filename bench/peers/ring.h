/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_PEERS_RING_H
#define BENCH_PEERS_RING_H

/*
 * A way to make rings of io_uring. One program is linked for each; what is done with the rings is in
 * ring.c, and the same for all. Any failure ends the program with fail().
 */

#include <liburing.h>

#define RING_ENTRIES 64u /* the completion queue is twice as long */
#define RINGS_MAX 256u

/* Once, before all else: memory for so many rings, where that is the caller's. */
void rings_prepare(unsigned count);

/* index: which of them */
void ring_open(struct io_uring *ring, unsigned index);
void ring_close(struct io_uring *ring);

#endif
