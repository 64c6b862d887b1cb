/* SPDX-License-Identifier: Apache-2.0 */
#include "encoding.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK "@encoding "

static size_t word_size(const char *text, const char *end)
{
	const char *at = text;

	while (at < end && (isalnum((unsigned char)*at) || strchr("_-./+", *at)) && *at)
		at++;
	return (size_t)(at - text);
}

/* The word at `*at`, which moves behind it and the character that ends it. */
static bool take_word(char *ret, const char **at, const char *end, char stop)
{
	size_t size = word_size(*at, end);

	if (size == 0 || size > ENCODING_MAX || *at + size == end || (*at)[size] != stop)
		return false;
	memcpy(ret, *at, size);
	ret[size] = '\0';
	*at += size + 1;
	return true;
}

void encoding_read(struct encoding *ret, const char *text, size_t size)
{
	const char *at = text + strlen(MARK);

	*ret = (struct encoding){0};
	if (size > strlen(MARK) && !memcmp(text, MARK, strlen(MARK)) &&
	    take_word(ret->message, &at, text + size, ' ') &&
	    take_word(ret->schema, &at, text + size, '\n')) {
		ret->skip = (size_t)(at - text);
		return;
	}
	*ret = (struct encoding){.message = "floe"};
	if (size)
		(void)strcpy(ret->schema, "floe");
}

static bool is_word(const char *text)
{
	size_t size = strlen(text);

	return size && size <= ENCODING_MAX && word_size(text, text + size) == size;
}

char *encoding_line(const char *message, const char *schema)
{
	char *line;

	if (!is_word(message) || !is_word(schema) || !strcmp(message, "floe"))
		return NULL;
	return asprintf(&line, MARK "%s %s\n", message, schema) < 0 ? NULL : line;
}
