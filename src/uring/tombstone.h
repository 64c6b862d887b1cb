/* SPDX-License-Identifier: Apache-2.0 */
#ifndef URING_TOMBSTONE_H
#define URING_TOMBSTONE_H

/*
 * Tombstone: a pipe whose writing end only the ring has, in its table of files. The kernel closes it
 * when it frees the ring, after the last write into its memory; then the reading end hangs up. This
 * does not depend on how the process that owned the ring ended.
 *
 * The ring remembers the reading end in a word that liburing does not use (cq.pad).
 */

#include <liburing.h>
#include <stdint.h>

/* The reading end, the ring's own; -EBUSY: the application has registered files. */
int tombstone_raise(struct io_uring *ring, unsigned files);

/* Of a ring that has one; else -1. Taken: the caller's to close. */
int tombstone_take(struct io_uring *ring);

#endif
