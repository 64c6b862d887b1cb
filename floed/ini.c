/* SPDX-License-Identifier: Apache-2.0 */
#include "ini.h"

#include <stdbool.h>
#include <string.h>

void ini_init(struct ini *ini, const char *text, size_t size)
{
	*ini = (struct ini){.at = text, .end = text + size, .line_start = text, .line = 1};
}

static struct ini_place place(const struct ini *ini)
{
	return (struct ini_place){ini->line, (unsigned)(ini->at - ini->line_start) + 1};
}

/* 0 at the end of the text, which a NUL in it is not. */
static char peek(const struct ini *ini)
{
	return ini->at == ini->end ? 0 : *ini->at;
}

static void skip_blanks(struct ini *ini)
{
	while (peek(ini) == ' ' || peek(ini) == '\t')
		ini->at++;
}

static bool at_line_end(const struct ini *ini)
{
	return ini->at == ini->end || *ini->at == '\n' || *ini->at == '#';
}

static void skip_line(struct ini *ini)
{
	while (ini->at != ini->end && *ini->at != '\n')
		ini->at++;
	if (ini->at == ini->end)
		return;
	ini->line_start = ++ini->at;
	ini->line++;
}

static const char *read_word(struct ini *ini, char *ret, size_t size)
{
	size_t length = 0;

	while (length + 1 < size && ((peek(ini) >= 'a' && peek(ini) <= 'z') || peek(ini) == '-'))
		ret[length++] = *ini->at++;
	ret[length] = 0;
	return length ? NULL : "a word of small letters is expected here";
}

static bool is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

static const char *read_quoted(struct ini *ini, char *ret)
{
	size_t length = 0;

	ini->at++;
	while (ini->at != ini->end && *ini->at != '"') {
		if (*ini->at == '\\' && ini->end - ini->at > 1 &&
		    (ini->at[1] == '"' || ini->at[1] == '\\'))
			ini->at++;
		if (is_control(*ini->at))
			return *ini->at == '\n' ? "the quote is not closed in this line"
						: "a control character";
		if (length == INI_VALUE_MAX)
			return "the value is too long";
		ret[length++] = *ini->at++;
	}
	ret[length] = 0;
	if (ini->at == ini->end)
		return "the quote is not closed in this line";
	ini->at++;
	return NULL;
}

static const char *read_bare(struct ini *ini, char closing, char *ret)
{
	size_t length = 0;

	while (!at_line_end(ini) && *ini->at != closing) {
		if (is_control(*ini->at) && *ini->at != '\t')
			return "a control character";
		if (*ini->at == '"')
			return "a quote in the middle of a value";
		if (length == INI_VALUE_MAX)
			return "the value is too long";
		ret[length++] = *ini->at++;
	}
	while (length > 0 && (ret[length - 1] == ' ' || ret[length - 1] == '\t'))
		length--;
	ret[length] = 0;
	return NULL;
}

static const char *read_value(struct ini *ini, char closing, struct ini_item *item)
{
	skip_blanks(ini);
	item->value_place = place(ini);
	return peek(ini) == '"' ? read_quoted(ini, item->value)
				: read_bare(ini, closing, item->value);
}

static const char *read_section(struct ini *ini, struct ini_item *item)
{
	const char *wrong;

	item->kind = INI_SECTION;
	ini->at++;
	skip_blanks(ini);
	item->word_place = place(ini);
	wrong = read_word(ini, item->word, sizeof(item->word));
	if (!wrong)
		wrong = read_value(ini, ']', item);
	if (wrong)
		return wrong;
	skip_blanks(ini);
	if (peek(ini) != ']')
		return "']' is expected here";
	ini->at++;
	return NULL;
}

static const char *read_setting(struct ini *ini, struct ini_item *item)
{
	const char *wrong;

	item->kind = INI_SETTING;
	item->word_place = place(ini);
	wrong = read_word(ini, item->word, sizeof(item->word));
	if (wrong)
		return wrong;
	skip_blanks(ini);
	if (peek(ini) != '=')
		return "'=' is expected here";
	ini->at++;
	wrong = read_value(ini, 0, item);
	if (!wrong && !item->value[0])
		return "a value is expected here";
	return wrong;
}

const char *ini_next(struct ini *ini, struct ini_item *ret_item, struct ini_place *ret_wrong)
{
	const char *wrong;

	for (;; skip_line(ini)) {
		skip_blanks(ini);
		if (!at_line_end(ini))
			break;
		if (ini->at == ini->end) {
			ret_item->kind = INI_END;
			return NULL;
		}
	}
	wrong = peek(ini) == '[' ? read_section(ini, ret_item) : read_setting(ini, ret_item);
	if (!wrong) {
		skip_blanks(ini);
		if (!at_line_end(ini))
			wrong = "the line should end here";
	}
	*ret_wrong = place(ini);
	skip_line(ini);
	return wrong;
}
