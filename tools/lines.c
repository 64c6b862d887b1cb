/* SPDX-License-Identifier: Apache-2.0 */
#include "lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "wait.h"

/* As much as a large pipe holds. */
#define BUFFER_LOW ((size_t)1 << 20)

void lines_open(struct lines *lines, int fd, size_t size_max)
{
	/* One more than the longest line, for its end. */
	size_t buffer_size = size_max + 1 > BUFFER_LOW ? size_max + 1 : BUFFER_LOW;

	*lines = (struct lines){
		.fd = fd,
		.size_max = size_max,
		.buffer = frame_alloc(buffer_size, 1),
		.buffer_size = buffer_size,
	};
}

/* Makes room behind what is not given out, and reads. 1, 0 at the end, -errno. */
static int fill(struct lines *lines)
{
	ssize_t r;

	memmove(lines->buffer, lines->buffer + lines->start, lines->end - lines->start);
	lines->end -= lines->start;
	lines->start = 0;
	r = wait_read(lines->fd, lines->buffer + lines->end, lines->buffer_size - lines->end);
	if (r <= 0)
		return (int)r;
	lines->end += (size_t)r;
	return 1;
}

/* 1 the line ends at *ret_stop; 0 it has not ended yet. */
static int find_end(const struct lines *lines, size_t seen, const char **ret_stop)
{
	const char *end = lines->buffer + lines->end;
	const char *stop = memchr(lines->buffer + lines->start + seen, '\n',
				  lines->end - lines->start - seen);

	*ret_stop = stop ? stop : end;
	return stop || lines->is_at_end;
}

int lines_next(struct lines *lines, const char **ret_line, size_t *ret_size)
{
	const char *stop;
	size_t seen = 0;
	bool has_ended;

	while (!find_end(lines, seen, &stop)) {
		int r;

		seen = lines->end - lines->start;
		if (seen > lines->size_max)
			return -E2BIG;
		r = fill(lines);
		if (r < 0)
			return r;
		if (r == 0 && wait_is_stopped())
			return 0;
		lines->is_at_end = r == 0;
	}

	*ret_line = lines->buffer + lines->start;
	*ret_size = (size_t)(stop - *ret_line);
	if (*ret_size > lines->size_max)
		return -E2BIG;
	has_ended = stop < lines->buffer + lines->end;
	lines->start += *ret_size + has_ended;
	return has_ended || *ret_size > 0;
}

void lines_close(struct lines *lines)
{
	free(lines->buffer);
	*lines = (struct lines){0};
}
