/* SPDX-License-Identifier: Apache-2.0 */
#include "base/name.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"

/* Length of the UTF-8 sequence at `text`, 0 if it is none (RFC 3629: shortest form, no
 * surrogates, up to U+10FFFF); *ret_point is what it encodes. */
static size_t decode(const unsigned char *text, uint32_t *ret_point)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = text[0] < 0x80   ? 1
			: text[0] < 0xc0 ? 0
			: text[0] < 0xe0 ? 2
			: text[0] < 0xf0 ? 3
			: text[0] < 0xf8 ? 4
					 : 0;
	uint32_t point = length > 1 ? text[0] & (0x7fu >> length) : text[0];

	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (text[i] & 0x3f);
	}
	if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff) ||
	    (length && point < smallest[length]))
		return 0;
	*ret_point = point;
	return length;
}

static bool is_control(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0);
}

int name_check_text(const char *text, const char *what, size_t size_max, struct floe_error *error)
{
	size_t size;

	if (!text)
		return error_set(error, -EINVAL, "the %s is NULL", what);
	size = strnlen(text, size_max + 1);
	if (size > size_max)
		return error_set(error, -EINVAL, "the %s is longer than %zu bytes", what, size_max);
	for (size_t i = 0, step; i < size; i += step) {
		uint32_t point = 0;

		step = decode((const unsigned char *)text + i, &point);
		if (step == 0)
			return error_set(error, -EINVAL, "the %s is not UTF-8 at byte %zu", what,
					 i);
		if (is_control(point))
			return error_set(error, -EINVAL,
					 "the %s has a control character at byte %zu", what, i);
	}
	return 0;
}

int name_check(const char *name, const char *what, size_t size_max, struct floe_error *error)
{
	int r = name_check_text(name, what, size_max, error);

	if (r < 0)
		return r;
	if (!*name)
		return error_set(error, -EINVAL, "the %s is empty", what);
	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return error_set(error, -EINVAL, "'%s' cannot be a %s: it means a folder", name,
				 what);
	if (strchr(name, '/'))
		return error_set(error, -EINVAL,
				 "the %s '%s' has a slash: use '.' or '-' between its parts", what,
				 name);
	return 0;
}
