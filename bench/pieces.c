/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel alone takes for a file in memory: pwrite(2) of 1 MiB at a time from one block, which stays in
 * the cache. Usage: pieces FILE MIB. Prints CPU seconds.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PIECE ((size_t)1 << 20)

static double cpu(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int write_all(int fd, const unsigned char *block, size_t size)
{
	for (size_t at = 0; at < size; at += PIECE)
		if (pwrite(fd, block, PIECE, (off_t)at) != (ssize_t)PIECE)
			return -1;
	return 0;
}

int main(int argc, char **argv)
{
	size_t size = argc == 3 ? (strtoul(argv[2], NULL, 10) << 20) / PIECE * PIECE : 0;
	unsigned char *block = aligned_alloc(PIECE, PIECE);
	double used;
	int fd;

	if (size == 0 || !block)
		return 2;
	(void)madvise(block, PIECE, MADV_HUGEPAGE);
	memset(block, 'f', PIECE);
	fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	used = cpu();
	if (write_all(fd, block, size) < 0) {
		perror(argv[1]);
		return 1;
	}
	printf("%.6f\n", cpu() - used);
	free(block);
	(void)close(fd);
	return 0;
}
