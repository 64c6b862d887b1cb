/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_TEXT_H
#define TOOLS_TEXT_H

/*
 * What people read: sizes and times with units, and bytes of others made safe for a terminal.
 * Short texts are returned by value, to be used as printf("%s", text_bytes(n).text).
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct text {
	char text[32];
};

struct text text_bytes(uint64_t bytes);       /* "1.5 MiB" */
struct text text_duration(int64_t ns);        /* "20 us" */
struct text text_rate(double times_a_second); /* "29.97/s" */

/* "file.c:77", "program+0x123", or "-" */
struct text_place {
	char text[160];
};
struct text_place text_place(const char *file, uint32_t line);

const char *text_state(uint32_t state);   /* FLOE_STATE_... */
const char *text_policy(uint32_t policy); /* FLOE_POLICY_... */

/*
 * Writes bytes on one line so that they change nothing on a terminal and can be told apart: UTF-8
 * stays, a backslash doubles, control characters and what is not UTF-8 become \n, \t, \r, \xNN,
 * and characters that change the direction of text become \u{NNNN}.
 */
void text_escape(FILE *file, const void *bytes, size_t size);

/* The same for a string that others wrote, cut to fit. */
struct text_name {
	char text[520];
};
struct text_name text_name(const char *name);

/* Lines of 16 bytes: offset, hexadecimal, ASCII. */
void text_hex(FILE *file, const void *bytes, size_t size);

/* How many columns of a terminal a UTF-8 string takes, wide characters counted as one. */
size_t text_columns(const char *text);

#endif
