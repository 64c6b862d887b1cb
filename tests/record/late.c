/* SPDX-License-Identifier: Apache-2.0 */
#include "late.h"

#include <errno.h>

#include "frame/frame.h"

struct io_uring {
	struct {
		const struct iovec *pieces;
		int count;
		uint64_t offset;
		enum fate fate;
	} under_way[FLIGHTS_MAX];
};

static struct io_uring disk;
static const struct flights *current;

static enum fate by_turns(unsigned number)
{
	if (number % 31 == 30)
		return FATE_REFUSED;
	return number % 5 == 3 ? FATE_FAILED : number % 3 == 1 ? FATE_SHORT : FATE_WRITTEN;
}

enum fate (*late_fate)(unsigned number) = by_turns;
void (*late_lands)(void);
unsigned late_most;

int flights_open(struct flights *ret_flights, int fd)
{
	*ret_flights = (struct flights){.ring = &disk, .fd = fd};
	current = ret_flights;
	return 0;
}

void flights_close(struct flights *flights)
{
	expect_equal(flights_count(flights), 0);
	if (current == flights)
		current = NULL;
	*flights = FLIGHTS_NULL;
}

int flights_begin(struct flights *flights, const struct iovec *pieces, int count, uint64_t offset)
{
	unsigned number = flights->begun;

	expect(flights_can_begin(flights));
	current = flights;
	disk.under_way[number % FLIGHTS_MAX].pieces = pieces;
	disk.under_way[number % FLIGHTS_MAX].count = count;
	disk.under_way[number % FLIGHTS_MAX].offset = offset;
	disk.under_way[number % FLIGHTS_MAX].fate = late_fate(number);
	if (disk.under_way[number % FLIGHTS_MAX].fate == FATE_REFUSED) {
		flights->is_broken = true;
		return -EAGAIN;
	}
	flights->begun++;
	if (late_count() > late_most)
		late_most = late_count();
	return 0;
}

/* So many bytes, at most; a multiple of a block. */
static int64_t write_flight(int fd, unsigned number, uint64_t size_max)
{
	const struct iovec *pieces = disk.under_way[number % FLIGHTS_MAX].pieces;
	uint64_t offset = disk.under_way[number % FLIGHTS_MAX].offset;
	uint64_t done = 0;

	for (int i = 0; i < disk.under_way[number % FLIGHTS_MAX].count && done < size_max; i++) {
		uint64_t size = pieces[i].iov_len;

		if (size > size_max - done)
			size = size_max - done;
		if (pwrite(fd, pieces[i].iov_base, size, (off_t)(offset + done)) != (ssize_t)size)
			return done ? (int64_t)done : -errno;
		done += size;
	}
	return (int64_t)done;
}

static uint64_t half(unsigned number)
{
	uint64_t size = 0;

	for (int i = 0; i < disk.under_way[number % FLIGHTS_MAX].count; i++)
		size += disk.under_way[number % FLIGHTS_MAX].pieces[i].iov_len;
	return size / 2 / 4096 * 4096;
}

int64_t flights_land(struct flights *flights)
{
	unsigned number = flights->landed;

	expect(late_count() > 0);
	if (late_lands)
		late_lands();
	flights->landed++;
	switch (disk.under_way[number % FLIGHTS_MAX].fate) {
	case FATE_FAILED:
		return -EIO;
	case FATE_SHORT:
		return write_flight(flights->fd, number, half(number));
	default:
		return write_flight(flights->fd, number, UINT64_MAX);
	}
}

unsigned late_count(void)
{
	return current ? flights_count(current) : 0;
}

void late_apply(int fd, unsigned which)
{
	for (unsigned i = 0; i < late_count(); i++)
		if (which >> i & 1)
			(void)write_flight(fd, current->landed + i, UINT64_MAX);
}
