/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "os/os.h"

/* Longer lines exist (a path has up to 4096 bytes); of those only the beginning counts. */
#define WINDOW 4096

struct reader {
	int fd;
	uint64_t offset;
	size_t length;
	char text[WINDOW + 1];
};

/* The next bytes of the file, from the beginning of a line. False: there are none. */
static bool read_on(struct reader *reader, size_t consumed)
{
	ssize_t got;

	reader->offset += consumed;
	got = os->read_at(reader->fd, reader->text, WINDOW, reader->offset);
	reader->length = got > 0 ? (size_t)got : 0;
	reader->text[reader->length] = 0;
	return got > 0;
}

static const char *read_hex(const char *at, uintptr_t *ret)
{
	*ret = 0;
	for (;; at++) {
		unsigned digit = (unsigned char)*at;

		if (digit >= '0' && digit <= '9')
			digit -= '0';
		else if (digit >= 'a' && digit <= 'f')
			digit -= 'a' - 10;
		else
			return at;
		*ret = *ret << 4 | digit;
	}
}

struct range {
	uintptr_t begin;
	uintptr_t end;
	bool writable;
};

/* A line is: begin-end permissions ... */
static bool read_line(const char *line, struct range *ret)
{
	const char *at = read_hex(line, &ret->begin);

	if (*at != '-')
		return false;
	at = read_hex(at + 1, &ret->end);
	ret->writable = at[0] == ' ' && at[1] == 'r' && at[2] == 'w';
	return at[0] == ' ';
}

/* Moves *at over the mapping if it holds it. 0, or what is wrong with the range. */
static int step_over(const struct range *range, uintptr_t *at)
{
	if (range->end <= *at)
		return 0;
	if (range->begin > *at)
		return -EFAULT;
	if (!range->writable)
		return -EACCES;
	*at = range->end;
	return 0;
}

static int walk(struct reader *reader, uintptr_t at, uintptr_t end)
{
	size_t consumed = 0;

	while (at < end && read_on(reader, consumed)) {
		char *line = reader->text;

		for (char *stop; at < end && (stop = strchr(line, '\n')); line = stop + 1) {
			struct range range;
			int r = read_line(line, &range) ? step_over(&range, &at) : 0;

			if (r < 0)
				return r;
		}
		consumed = line > reader->text ? (size_t)(line - reader->text) : reader->length;
	}
	return at < end ? -EFAULT : 0;
}

int mapped_is_writable(const void *memory, size_t size)
{
	struct reader reader = {.fd = -1};
	int r;

	reader.fd = os->open(AT_FDCWD, "/proc/self/maps", O_RDONLY, 0);
	if (reader.fd < 0)
		return 0;
	r = walk(&reader, (uintptr_t)memory, (uintptr_t)memory + size);
	os->close(reader.fd);
	return r;
}
