/* SPDX-License-Identifier: Apache-2.0 */
#include "reading.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"

const char *const reading_section_names[] = {"", "floed", "domain", "user", "topic"};

int reading_refuse(const struct reading *reading, struct ini_place place, const char *format, ...)
{
	char text[160];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return error_set(reading->error, -EINVAL, "%.80s:%u:%u: %s", reading->path, place.line,
			 place.column, text);
}

int reading_refuse_value(const struct reading *reading, const char *expected)
{
	return reading_refuse(reading, reading->item.value_place, "%s is '%.40s', but should be %s",
			      reading->item.word, reading->item.value, expected);
}
