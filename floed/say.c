/* SPDX-License-Identifier: Apache-2.0 */
#include "say.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"

/* So many at once, and so many a second. */
#define BURST 50
#define RATE 10

static enum say_level wanted = SAY_INFO;
static bool is_journal;
static int64_t full_at_ns; /* when the bucket would be full again, were nothing said */
static unsigned dropped;

void say_init(enum say_level level)
{
	wanted = level;
	is_journal = getenv("JOURNAL_STREAM") != NULL;
}

bool say_find_level(const char *word, enum say_level *ret_level)
{
	static const char *const words[] = {"off", "error", "warning", "info", "verbose"};

	for (size_t i = 0; i < FLOE_COUNT(words); i++)
		if (!strcmp(words[i], word)) {
			*ret_level = (enum say_level)i;
			return true;
		}
	return false;
}

/* That some were left out is a line as well. */
static bool is_allowed(void)
{
	const int64_t lines = dropped ? 2 : 1;
	const int64_t step = 1000000000 / RATE;
	int64_t now = os->now_ns();

	if (full_at_ns < now)
		full_at_ns = now;
	if (full_at_ns - now > (BURST - lines) * step) {
		dropped++;
		return false;
	}
	full_at_ns += lines * step;
	return true;
}

/* One write, so that lines of several programs do not mix. */
static void print(enum say_level level, const char *text)
{
	static const int urgency[] = {0, 3, 4, 6, 7}; /* syslog(3) */

	if (is_journal)
		(void)fprintf(stderr, "<%d>%s\n", urgency[level], text);
	else
		(void)fprintf(stderr, "floed: %s\n", text);
}

void say(enum say_level level, const char *format, ...)
{
	char text[512];
	va_list arguments;

	if (level > wanted || !is_allowed())
		return;
	if (dropped) {
		(void)snprintf(text, sizeof(text), "%u lines were left out", dropped);
		dropped = 0;
		print(SAY_WARNING, text);
	}
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	print(level, text);
}
