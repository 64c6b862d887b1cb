/* SPDX-License-Identifier: Apache-2.0 */
#include "uring/tombstone.h"

#include <errno.h>
#include <floe/uring.h>

#include "base/compiler.h"
#include "os/os.h"

static int put_into_table(struct io_uring *ring, unsigned files, int end)
{
	int r = io_uring_register_files_sparse(ring, files + 1);

	if (r < 0)
		return r;
	r = io_uring_register_files_update(ring, files, &end, 1);
	if (r == 1)
		return 0;
	(void)io_uring_unregister_files(ring);
	return r < 0 ? r : -EIO;
}

int tombstone_raise(struct io_uring *ring, unsigned files)
{
	floe_cleanup(os_close_fdp) int reading = -1;
	floe_cleanup(os_close_fdp) int writing = -1;
	int ends[2];
	int r = os->make_pipe(ends);

	if (r < 0)
		return r;
	reading = ends[0];
	writing = ends[1];
	r = put_into_table(ring, files, writing);
	if (r < 0)
		return r;
	ring->cq.pad[0] = (unsigned)reading + 1;
	return take_fd(&reading);
}

int tombstone_take(struct io_uring *ring)
{
	int fd = (int)ring->cq.pad[0] - 1;

	ring->cq.pad[0] = 0;
	return fd;
}

FLOE_PUBLIC int floe_uring_tombstone(struct io_uring *ring, unsigned files)
{
	int fd, copy;

	if (!ring || ring->ring_fd < 0 || files >= UINT32_MAX)
		return -EINVAL;
	fd = ring->cq.pad[0] ? (int)ring->cq.pad[0] - 1 : tombstone_raise(ring, files);
	if (fd < 0)
		return fd;
	copy = os->copy_fd(fd);
	return copy;
}
