/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOED_INI_H
#define FLOED_INI_H

/*
 * The text of a configuration, piece by piece, each with its place. The grammar is in
 * floed.conf(5):
 *
 *	text     = { line }
 *	line     = [ blank ] [ section | setting ] [ blank ] [ "#" comment ] "\n"
 *	section  = "[" word [ blank value ] "]"
 *	setting  = word [ blank ] "=" [ blank ] value
 *	word     = a-z and "-"
 *	value    = bare | quoted
 *	bare     = any characters but control characters, "#", quotes and, in a section, "]"
 *	quoted   = double quotes around any characters; \" and \\ stand for themselves
 *
 * A bare value ends before the blanks at its end. There is no line that goes on in the next one.
 */

#include <stddef.h>

#define INI_VALUE_MAX 512

/* Where something is in the text, both from 1; columns count bytes. */
struct ini_place {
	unsigned line;
	unsigned column;
};

enum ini_kind {
	INI_END,
	INI_SECTION, /* word, and value or "" */
	INI_SETTING, /* word and value */
};

struct ini {
	const char *at;
	const char *end;
	const char *line_start;
	unsigned line;
};

struct ini_item {
	enum ini_kind kind;
	char word[64];
	char value[INI_VALUE_MAX + 1];
	struct ini_place word_place;
	struct ini_place value_place;
};

/* The text stays the caller's and must not change. */
void ini_init(struct ini *ini, const char *text, size_t size);

/* The next piece. NULL; or what is wrong, and where. */
const char *ini_next(struct ini *ini, struct ini_item *ret_item, struct ini_place *ret_wrong);

#endif
