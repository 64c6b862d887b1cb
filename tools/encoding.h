/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_ENCODING_H
#define TOOLS_ENCODING_H

/*
 * Encoding: what a type's schema text says about how messages and the schema itself are written, in
 * the words of MCAP. Its first line may be
 *
 *	@encoding MESSAGE SCHEMA
 *
 * such as "@encoding cdr ros2msg" or "@encoding json jsonschema"; what follows is the schema as
 * others read it. Without that line only floe's own programs know.
 */

#include <stdbool.h>
#include <stddef.h>

#define ENCODING_MAX 31

struct encoding {
	char message[ENCODING_MAX + 1];
	char schema[ENCODING_MAX + 1];
	size_t skip; /* bytes of that line; 0: there is none */
};

/* Without such a line "floe" for both, the latter only if there is a text. */
void encoding_read(struct encoding *ret, const char *text, size_t size);

/* The line for these, with its NUL; NULL: they need none, or cannot stand in one. To be freed. */
char *encoding_line(const char *message, const char *schema);

#endif
