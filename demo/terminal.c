/* SPDX-License-Identifier: Apache-2.0 */
#include "terminal.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "";
}

static enum colours count_colours(void)
{
	const char *type = variable("TERM");
	const char *colours = variable("COLORTERM");

	if (!isatty(STDOUT_FILENO) || *variable("NO_COLOR") || !*type || strcmp(type, "dumb") == 0)
		return COLOURS_NONE;
	if (strcmp(colours, "truecolor") == 0 || strcmp(colours, "24bit") == 0)
		return COLOURS_TRUE;
	return strstr(type, "256color") ? COLOURS_256 : COLOURS_FEW;
}

void terminal_init(struct terminal *t)
{
	setlocale(LC_CTYPE, "");
	*t = (struct terminal){
		.is_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
		.colours = count_colours(),
	};
	terminal_measure(t);
}

const char *terminal_colour(const struct terminal *t, const char *escape)
{
	return t->colours == COLOURS_NONE ? "" : escape;
}

void terminal_measure(struct terminal *t)
{
	struct winsize size;

	t->columns = 80;
	t->rows = 24;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
		t->columns = size.ws_col;
		t->rows = size.ws_row;
	}
}
