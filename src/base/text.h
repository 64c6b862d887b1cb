/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

/*
 * Text: a buffer of the caller's that is written from the beginning, and counts what does not fit in
 * as well.
 *
 *	buffer[0 .. min(length, size - 1))    the text, then a NUL if size > 0
 */

#include <stddef.h>

#include "base/compiler.h"

struct text {
	char *buffer;
	size_t size;
	size_t length; /* that all of it has */
};

floe_format(2, 3) void text_add(struct text *text, const char *format, ...);

/* In quotes, as JSON wants it. */
void text_add_string(struct text *text, const char *string);

#endif
