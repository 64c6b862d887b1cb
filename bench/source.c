/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bench/record records: COUNT messages of SIZE bytes through a ring of DEPTH, over and over,
 * as fast as process PID writes, by what the kernel says of it (/proc/PID/io), but not more than RATE a
 * second. It is never more than half a ring ahead, so that who keeps up loses nothing. Small messages are
 * written whole. Usage: source TOPIC SIZE DEPTH COUNT [RATE].
 * Prints a line when its ring is there, reads PID, prints when it began, by CLOCK_MONOTONIC, and stays
 * until its input ends.
 */

#include <fcntl.h>
#include <floe/floe.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* What a message has in a recording beside its payload: a head, and a place in the index; around the
 * page cache a large one begins at a multiple of 64 KiB. */
#define IN_FILE 47
#define IN_FILE_LARGE 65536
#define LARGE (1u << 20)
#define SMALL 4096u

/* How often the clock is looked at, in messages; how long it sleeps when it is ahead of its rate. */
#define LOOK 64
#define PAUSE_NS 50000

static uint64_t find_number(const char *text, const char *key)
{
	const char *word = strstr(text, key);

	return word ? strtoull(word + strlen(key), NULL, 10) : 0;
}

/* Bytes that the process has passed to write(2) and its kin, or by io_uring, which counts only what goes to a
 * disk; the greatest number once it is gone. */
static uint64_t read_written(int fd)
{
	char text[256];
	ssize_t size = pread(fd, text, sizeof(text) - 1, 0);
	uint64_t passed;
	uint64_t to_disk;

	if (size <= 0)
		return UINT64_MAX;
	text[size] = '\0';
	passed = find_number(text, "wchar: ");
	to_disk = find_number(text, "write_bytes: ");
	return passed > to_disk ? passed : to_disk;
}

static int send_one(struct floe_publisher *publisher, size_t size, uint64_t number)
{
	struct floe_loan loan;

	if (floe_loan(publisher, size, &loan) != 1)
		return -1;
	if (size <= SMALL)
		memset(loan.data, (int)number, size);
	memcpy(loan.data, &number, sizeof(number));
	return floe_publish(publisher, &loan) < 0 ? -1 : 0;
}

static void pause_shortly(void)
{
	const struct timespec pause = {0, PAUSE_NS};

	(void)nanosleep(&pause, NULL);
}

/* Until message number `i` is due. */
static void keep_pace(uint64_t i, double rate, double began)
{
	while (rate > 0 && i % LOOK == 0 && (double)i > (now() - began) * rate)
		pause_shortly();
}

static int send_all(struct floe_publisher *publisher, size_t size, size_t depth, uint64_t count,
		    double rate, int io)
{
	uint64_t before = read_written(io);
	uint64_t each = size + (size < LARGE ? IN_FILE : IN_FILE_LARGE);
	uint64_t most = depth / 2;
	double began = now();

	for (uint64_t i = 0; i < count; i++) {
		keep_pace(i, rate, began);
		while (i == most) {
			uint64_t written = read_written(io);

			if (written == UINT64_MAX)
				return -1;
			most = depth / 2 + (written - before) / each;
			if (i == most)
				pause_shortly();
		}
		if (send_one(publisher, size, i) < 0)
			return -1;
	}
	return 0;
}

/* -1: there is no such process, or we may not look. */
static int open_io(void)
{
	char path[64];
	int pid;

	if (scanf("%d", &pid) != 1)
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/%d/io", pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

int main(int argc, char **argv)
{
	size_t size = argc == 5 || argc == 6 ? strtoul(argv[2], NULL, 10) : 0;
	size_t depth = size ? strtoul(argv[3], NULL, 10) : 0;
	double rate = argc == 6 ? strtod(argv[5], NULL) : 0;
	const struct floe_publisher_options options = {
		.size = sizeof(options),
		.depth = depth,
		.payload_max = size,
		.loans_max = 1,
		.holds_max = 1,
	};
	struct floe_publisher *publisher;
	int io;

	if (size < sizeof(uint64_t))
		return 2;
	if (floe_publisher_open(&publisher, argv[1], &options) < 0)
		return 1;
	(void)puts("ready");
	(void)fflush(stdout);
	(void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	io = open_io();
	if (io < 0)
		return 1;
	printf("%.6f\n", now());
	(void)fflush(stdout);
	if (send_all(publisher, size, depth, strtoull(argv[4], NULL, 10), rate, io) < 0)
		return 1;
	while (getchar() != EOF)
		;
	floe_publisher_close(publisher);
	return 0;
}
