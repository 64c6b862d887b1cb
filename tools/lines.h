/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_LINES_H
#define TOOLS_LINES_H

/*
 * A descriptor read line by line. Lines that have come are given out at once, also while their
 * writer goes on to think.
 */

#include <stdbool.h>
#include <stddef.h>

struct lines {
	int fd;
	size_t size_max; /* of a line, without its new line */
	char *buffer;
	size_t buffer_size;
	size_t start; /* what is read and not yet given out */
	size_t end;
	bool is_at_end;
};

void lines_open(struct lines *lines, int fd, size_t size_max);

/* 1 a line, without its new line, valid until the next call; 0 the end, or time to stop;
 * -E2BIG longer than size_max; -errno. */
int lines_next(struct lines *lines, const char **ret_line, size_t *ret_size);

void lines_close(struct lines *lines);

#endif
