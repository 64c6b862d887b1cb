/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor of recording: pwritev(2) with O_DIRECT from one block of memory, 16 MiB at a time, into a
 * file whose space was set aside; to copy that block once, 256 bytes at a time; its CRC. Usage: plain
 * FILE MIB [large|again|deep]: that memory in large pages; the file written once before, so that its pages are
 * there; three threads with 8 MiB each, from large pages. Prints seconds and CPU seconds of the writing, CPU
 * seconds of the copy and of the CRC.
 */

#include <fcntl.h>
#include <libdeflate.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define PIECE (1u << 20)
#define PIECES 16
#define THREADS 3
#define LARGE_PAGE ((size_t)2 << 20)

static double now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double cpu(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

struct work {
	int fd;
	unsigned char *memory;
	size_t count;
	size_t pieces; /* at a time */
	_Atomic size_t next;
	atomic_bool has_failed;
};

static void *write_rest(void *user)
{
	struct work *work = user;

	for (size_t i; (i = atomic_fetch_add(&work->next, work->pieces)) < work->count;) {
		ssize_t size = (ssize_t)(work->pieces * PIECE);
		struct iovec pieces[PIECES];

		for (size_t k = 0; k < work->pieces; k++)
			pieces[k] = (struct iovec){work->memory + (i + k) * PIECE, PIECE};
		if (pwritev(work->fd, pieces, (int)work->pieces, (off_t)(i * PIECE)) != size)
			work->has_failed = true;
	}
	return NULL;
}

static int write_all(int fd, unsigned char *memory, size_t count, bool is_deep)
{
	struct work work = {fd, memory, count, is_deep ? PIECES / 2 : PIECES, 0, false};
	pthread_t threads[THREADS - 1];
	size_t others = is_deep ? THREADS - 1 : 0;

	for (size_t i = 0; i < others; i++)
		if (pthread_create(&threads[i], NULL, write_rest, &work))
			abort();
	(void)write_rest(&work);
	for (size_t i = 0; i < others; i++)
		(void)pthread_join(threads[i], NULL);
	return work.has_failed ? -1 : 0;
}

/* All of the block; the results are used, so that they are made. */
static double copy_all(const unsigned char *memory, size_t count)
{
	static unsigned char to[PIECE];
	double began = cpu();
	unsigned sum = 0;

	for (size_t i = 0; i < count * PIECE; i += 256) {
		memcpy(to + i % PIECE, memory + i, 256);
		sum += to[i % PIECE];
	}
	return cpu() - began + (sum == 1 ? 1e-9 : 0);
}

static double sum_all(const unsigned char *memory, size_t count)
{
	double began = cpu();
	unsigned sum = 0;

	for (size_t i = 0; i < count; i++)
		sum = libdeflate_crc32(sum, memory + i * PIECE, PIECE);
	return cpu() - began + (sum == 1 ? 1e-9 : 0);
}

/* On tmpfs that would be to write everything twice. */
static int set_aside(int fd, off_t size)
{
	struct statfs status;

	if (fstatfs(fd, &status) < 0)
		return -1;
	return status.f_type == TMPFS_MAGIC ? 0 : fallocate(fd, 0, 0, size);
}

/* Begins where large pages do. */
static unsigned char *make_memory(size_t size, bool is_large)
{
	unsigned char *memory = mmap(NULL, size + LARGE_PAGE, PROT_READ | PROT_WRITE,
				     (is_large ? MAP_PRIVATE : MAP_SHARED) | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	memory += LARGE_PAGE - (uintptr_t)memory % LARGE_PAGE;
	if (is_large && madvise(memory, size, MADV_HUGEPAGE) < 0)
		return NULL;
	return memory;
}

int main(int argc, char **argv)
{
	size_t count = argc >= 3 ? strtoul(argv[2], NULL, 10) / PIECES * PIECES : 0;
	const char *how = argc == 4 ? argv[3] : "";
	bool is_deep = !strcmp(how, "deep");
	unsigned char *memory;
	double began;
	double used;
	int fd;

	if (count == 0)
		return 2;
	memory = make_memory(count * PIECE, is_deep || !strcmp(how, "large"));
	fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
	if (!memory || fd < 0) {
		perror(argv[1]);
		return 1;
	}
	for (size_t i = 0; i < count * PIECE / 8; i++)
		((uint64_t *)(void *)memory)[i] = (i + 1) * 0x9e3779b97f4a7c15u ^ i << 17;
	if (!strcmp(how, "again") && write_all(fd, memory, count, false) < 0) {
		perror(argv[1]);
		return 1;
	}
	began = now();
	used = cpu();
	if (set_aside(fd, (off_t)(count * PIECE)) < 0 ||
	    write_all(fd, memory, count, is_deep) < 0) {
		perror(argv[1]);
		return 1;
	}
	began = now() - began;
	used = cpu() - used;
	printf("%.6f %.6f %.6f %.6f\n", began, used, copy_all(memory, count),
	       sum_all(memory, count));
	return 0;
}
