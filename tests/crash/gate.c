/* SPDX-License-Identifier: Apache-2.0 */
#include "gate.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RANGES_MAX 256
#define MAPS_SIZE 65536
#define NO_ROOM 5

static struct range {
	uintptr_t begin, end;
	int protection;
} range[RANGES_MAX];
static size_t range_count;
static bool is_closed;
static void (*tell)(void);
static uintptr_t left_out;

static void protect(bool closed)
{
	int before = errno;

	if (is_closed == closed)
		return;
	for (size_t i = 0; i < range_count; i++)
		(void)mprotect((void *)range[i].begin, range[i].end - range[i].begin,
			       closed ? PROT_NONE : range[i].protection);
	is_closed = closed;
	errno = before;
}

void gate_open(void)
{
	protect(false);
}

void gate_close(void)
{
	protect(true);
}

/*
 * What is mapped, /proc/self/maps
 */

static void add_range(uintptr_t begin, uintptr_t end, const char *mode)
{
	if (mode[3] != 's' || (begin <= left_out && left_out < end))
		return;
	if (range_count == RANGES_MAX)
		_exit(NO_ROOM);
	range[range_count++] = (struct range){begin, end,
					      (mode[0] == 'r' ? PROT_READ : 0) |
						      (mode[1] == 'w' ? PROT_WRITE : 0) |
						      (mode[2] == 'x' ? PROT_EXEC : 0)};
}

static size_t read_maps(char *text)
{
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t size = 0;
	ssize_t n = 1;

	while (fd >= 0 && n > 0 && size < MAPS_SIZE) {
		n = read(fd, text + size, MAPS_SIZE - size);
		size += n > 0 ? (size_t)n : 0;
	}
	if (fd < 0 || n != 0)
		_exit(NO_ROOM);
	(void)close(fd);
	return size;
}

/* "begin-end rwxs ..." in each line */
void gate_survey(void)
{
	static char text[MAPS_SIZE + 1];
	int before = errno;
	char *at = text;

	gate_open();
	range_count = 0;
	text[read_maps(text)] = 0;
	while (*at) {
		uintptr_t begin = strtoul(at, &at, 16), end = strtoul(at + 1, &at, 16);

		add_range(begin, end, at + 1);
		at += strcspn(at, "\n");
		at += *at == '\n';
	}
	errno = before;
}

/*
 * Touches
 */

static bool is_ours(uintptr_t address)
{
	for (size_t i = 0; i < range_count; i++)
		if (range[i].begin <= address && address < range[i].end)
			return true;
	return false;
}

/* A wound of its own ends it, as it would without this. */
static void fault(int number, siginfo_t *info, void *user)
{
	(void)user;
	if (!is_closed || !is_ours((uintptr_t)info->si_addr)) {
		(void)signal(number, SIG_DFL);
		return;
	}
	gate_open();
	tell();
}

void gate_make(void (*touched)(void), const void *own)
{
	struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};

	tell = touched;
	left_out = (uintptr_t)own;
	(void)sigaction(SIGSEGV, &action, NULL);
}
