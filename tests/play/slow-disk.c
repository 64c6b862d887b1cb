/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that is slow, for a recorder that is watched (LD_PRELOAD): what is written in several pieces waits until
 * the file FLOE_TEST_DISK is there.
 */

#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

__attribute__((visibility("default"))) ssize_t pwritev(int fd, const struct iovec *pieces,
						       int count, off_t offset);

ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t offset)
{
	const struct timespec nap = {.tv_nsec = 1000000};
	const char *sign = getenv("FLOE_TEST_DISK");

	while (count > 1 && sign && access(sign, F_OK) < 0)
		(void)nanosleep(&nap, NULL);
	return syscall(SYS_pwritev, fd, pieces, count, (long)offset, 0L);
}
