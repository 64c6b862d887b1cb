/* SPDX-License-Identifier: Apache-2.0 */
#include "flight.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>

int flights_open(struct flights *ret_flights, int fd)
{
	struct io_uring *ring = malloc(sizeof(*ring));
	int r = ring ? io_uring_queue_init(FLIGHTS_MAX, ring, 0) : -ENOMEM;

	*ret_flights = FLIGHTS_NULL;
	if (r < 0) {
		free(ring);
		return r;
	}
	ret_flights->ring = ring;
	ret_flights->fd = fd;
	return 0;
}

void flights_close(struct flights *flights)
{
	assert(flights_count(flights) == 0);
	if (flights->ring)
		io_uring_queue_exit(flights->ring);
	free(flights->ring);
	*flights = FLIGHTS_NULL;
}

int flights_begin(struct flights *flights, const struct iovec *pieces, int count, uint64_t offset)
{
	unsigned number = flights->begun % FLIGHTS_MAX;
	struct io_uring_sqe *sqe = io_uring_get_sqe(flights->ring);
	int r;

	assert(flights_can_begin(flights));
	assert(sqe);
	io_uring_prep_writev(sqe, flights->fd, pieces, (unsigned)count, offset);
	io_uring_sqe_set_data64(sqe, number);
	do
		r = io_uring_submit(flights->ring);
	while (r == -EINTR);
	if (r != 1) {
		/* The entry is still there: nobody submits it any more. */
		flights->is_broken = true;
		return r < 0 ? r : -EAGAIN;
	}
	flights->table[number] = (struct flight){0};
	flights->begun++;
	return 0;
}

/* Only a signal keeps the kernel from waiting. */
static void reap(struct flights *flights)
{
	struct io_uring_cqe *cqe;
	struct flight *flight;

	if (io_uring_wait_cqe(flights->ring, &cqe) < 0)
		return;
	flight = &flights->table[io_uring_cqe_get_data64(cqe) % FLIGHTS_MAX];
	flight->result = cqe->res;
	flight->is_done = true;
	io_uring_cqe_seen(flights->ring, cqe);
}

int64_t flights_land(struct flights *flights)
{
	const struct flight *oldest = &flights->table[flights->landed % FLIGHTS_MAX];

	assert(flights_count(flights) > 0);
	while (!oldest->is_done)
		reap(flights);
	flights->landed++;
	return oldest->result;
}
