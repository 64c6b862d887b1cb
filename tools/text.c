/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <stdbool.h>
#include <string.h>

#include <floe/inspect.h>

#include "frame.h"

/* Three digits that matter are enough to see which. */
static int decimals(double value)
{
	return value < 10 ? 2 : value < 100 ? 1 : 0;
}

struct text text_bytes(uint64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes / 1024;
	size_t unit = 0;
	struct text text;

	if (bytes < 1024) {
		(void)snprintf(text.text, sizeof(text.text), "%u B", (unsigned)bytes);
		return text;
	}

	while (value >= 1024 && unit + 1 < FRAME_COUNT_OF(units)) {
		value /= 1024;
		unit++;
	}
	(void)snprintf(text.text, sizeof(text.text), "%.*f %s", decimals(value) ? 1 : 0, value,
		       units[unit]);
	return text;
}

struct text text_duration(int64_t ns)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	double value = (double)ns;
	size_t unit = 0;
	struct text text;

	while ((value >= 1000 || value <= -1000) && unit + 1 < FRAME_COUNT_OF(units)) {
		value /= 1000;
		unit++;
	}
	(void)snprintf(text.text, sizeof(text.text), "%.*f %s", unit ? decimals(value) : 0, value,
		       units[unit]);
	return text;
}

struct text text_rate(double times_a_second)
{
	struct text text;

	(void)snprintf(text.text, sizeof(text.text), "%.*f/s",
		       times_a_second > 0 ? decimals(times_a_second) : 0, times_a_second);
	return text;
}

const char *text_state(uint32_t state)
{
	static const char *const names[] = {
		[FLOE_STATE_ALIVE] = "alive",   [FLOE_STATE_DEAD] = "dead",
		[FLOE_STATE_CLOSED] = "closed", [FLOE_STATE_BROKEN] = "broken",
		[FLOE_STATE_HIDDEN] = "hidden",
	};

	return state < FRAME_COUNT_OF(names) ? names[state] : "unknown";
}

const char *text_policy(uint32_t policy)
{
	switch (policy) {
	case FLOE_POLICY_KEEP_LAST:
		return "keep-last";
	case FLOE_POLICY_RELIABLE:
		return "reliable";
	case FLOE_POLICY_DROP_NEWEST:
		return "drop-newest";
	default:
		return "unknown";
	}
}

/*
 * Bytes of others
 */

/* Length of the UTF-8 character at `bytes`, 0 if there is none; *ret_point is its number. */
static size_t decode(const unsigned char *bytes, size_t size, uint32_t *ret_point)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = bytes[0] < 0x80   ? 1
			: bytes[0] < 0xc0 ? 0
			: bytes[0] < 0xe0 ? 2
			: bytes[0] < 0xf0 ? 3
			: bytes[0] < 0xf8 ? 4
					  : 0;
	uint32_t point = length > 1 ? bytes[0] & (0x7fu >> length) : bytes[0];

	if (length == 0 || length > size)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (bytes[i] & 0x3f);
	}
	if (point < smallest[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return 0;
	*ret_point = point;
	return length;
}

static bool is_control(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0);
}

/* Marks, embeddings, overrides and isolates: they make text look as if it were another. */
static bool turns_text(uint32_t point)
{
	return point == 0x61c || point == 0x200e || point == 0x200f ||
	       (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

/* What stands for one character or stray byte; *ret_used: how many bytes of input it covers. */
static struct text escape_one(const unsigned char *bytes, size_t size, size_t *ret_used)
{
	static const char named[][2] = {{'\n', 'n'}, {'\t', 't'}, {'\r', 'r'}, {'\\', '\\'}};
	uint32_t point = 0;
	size_t length = decode(bytes, size, &point);
	struct text text = {0};

	*ret_used = length ? length : 1;
	for (size_t i = 0; i < FRAME_COUNT_OF(named); i++) {
		if (length == 1 && bytes[0] == (unsigned char)named[i][0]) {
			(void)snprintf(text.text, sizeof(text.text), "\\%c", named[i][1]);
			return text;
		}
	}

	if (length == 0 || (length == 1 && is_control(point)))
		(void)snprintf(text.text, sizeof(text.text), "\\x%02x", bytes[0]);
	else if (is_control(point) || turns_text(point))
		(void)snprintf(text.text, sizeof(text.text), "\\u{%x}", point);
	else
		memcpy(text.text, bytes, length);
	return text;
}

void text_escape(FILE *file, const void *bytes, size_t size)
{
	const unsigned char *at = bytes;

	for (size_t i = 0, used; i < size; i += used) {
		/* Most bytes of most payloads. */
		if (at[i] >= 0x20 && at[i] < 0x7f && at[i] != '\\') {
			(void)putc_unlocked(at[i], file);
			used = 1;
			continue;
		}
		(void)fputs(escape_one(at + i, size - i, &used).text, file);
	}
}

struct text_name text_name(const char *name)
{
	const unsigned char *at = (const unsigned char *)name;
	size_t size = strlen(name);
	struct text_name escaped = {0};
	size_t length = 0;

	for (size_t i = 0, used; i < size; i += used) {
		struct text one = escape_one(at + i, size - i, &used);
		size_t step = strlen(one.text);

		if (length + step >= sizeof(escaped.text))
			break;
		memcpy(escaped.text + length, one.text, step);
		length += step;
	}
	return escaped;
}

static void hex_line(FILE *file, const unsigned char *bytes, size_t offset, size_t count)
{
	(void)fprintf(file, "%08zx ", offset);
	for (size_t i = 0; i < 16; i++) {
		const char *gap = i % 8 ? " " : "  ";

		if (i < count)
			(void)fprintf(file, "%s%02x", gap, bytes[i]);
		else
			(void)fprintf(file, "%s  ", gap);
	}
	(void)fputs("  |", file);
	for (size_t i = 0; i < count; i++)
		(void)putc_unlocked(bytes[i] >= 0x20 && bytes[i] < 0x7f ? bytes[i] : '.', file);
	(void)fputs("|\n", file);
}

void text_hex(FILE *file, const void *bytes, size_t size)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < size; i += 16)
		hex_line(file, at + i, i, size - i < 16 ? size - i : 16);
}

size_t text_columns(const char *text)
{
	size_t columns = 0;

	for (; *text; text++)
		columns += ((unsigned char)*text & 0xc0) != 0x80;
	return columns;
}

struct text_place text_place(const char *file, uint32_t line)
{
	struct text_place place = {"-"};

	if (*file && line)
		(void)snprintf(place.text, sizeof(place.text), "%.140s:%u", text_name(file).text,
			       line);
	else if (*file)
		(void)snprintf(place.text, sizeof(place.text), "%.150s", text_name(file).text);
	return place;
}
