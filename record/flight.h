/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECORD_FLIGHT_H
#define RECORD_FLIGHT_H

/*
 * Flights: writes to one file that are under way at the same time, through an io_uring of this process. They
 * land in the order in which they began, whatever the disk does. One thread at a time.
 *
 *   landed <= begun <= landed + FLIGHTS_MAX
 *
 * A process that is killed takes none back that the disk has begun; one that has not begun is not written. So
 * what was under way may be missing in front of what is there: where the file was new, as zeros.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#define FLIGHTS_MAX 8u

struct flight {
	int64_t result;
	bool is_done;
};

struct flights {
	struct io_uring *ring; /* NULL: there is none, nothing can begin */
	int fd;
	bool is_broken; /* the kernel did not take a write: no more begin */
	unsigned begun;
	unsigned landed;
	struct flight table[FLIGHTS_MAX]; /* by number modulo FLIGHTS_MAX */
};

#define FLIGHTS_NULL ((struct flights){.fd = -1})

/* `fd` stays the caller's, until flights_close. -ENOSYS, -EPERM io_uring is missing or forbidden; -ENOMEM
 * this user may not lock more memory (RLIMIT_MEMLOCK); -EMFILE and the like */
int flights_open(struct flights *ret_flights, int fd);

/* Nothing is under way. FLIGHTS_NULL is fine. */
void flights_close(struct flights *flights);

static inline unsigned flights_count(const struct flights *flights)
{
	return flights->begun - flights->landed;
}

static inline bool flights_can_begin(const struct flights *flights)
{
	return flights->ring && !flights->is_broken && flights_count(flights) < FLIGHTS_MAX;
}

/* Writes the pieces one after the other. They, and what they name, stay as they are until this has landed.
 * Only if flights_can_begin. 0; -errno: it has not begun */
int flights_begin(struct flights *flights, const struct iovec *pieces, int count, uint64_t offset);

/* Waits for the oldest, of which there is one. Bytes written, or -errno */
int64_t flights_land(struct flights *flights);

#endif
