/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEMO_TERMINAL_H
#define DEMO_TERMINAL_H

/*
 * What the terminal on standard output can show.
 */

#include <stdbool.h>

enum colours {
	COLOURS_NONE, /* no terminal, or NO_COLOR is set */
	COLOURS_FEW,
	COLOURS_256,
	COLOURS_TRUE,
};

#define TERMINAL_BOLD "\x1b[1m"
#define TERMINAL_DIM "\x1b[2m"
#define TERMINAL_REVERSE "\x1b[7m"
#define TERMINAL_RED "\x1b[31m"
#define TERMINAL_GREEN "\x1b[32m"
#define TERMINAL_YELLOW "\x1b[33m"
#define TERMINAL_CYAN "\x1b[36m"
#define TERMINAL_RESET "\x1b[0m"

struct terminal {
	bool is_utf8;
	enum colours colours;
	unsigned columns;
	unsigned rows;
};

/* Looks at the environment and at standard output. */
void terminal_init(struct terminal *t);

/* The escape sequence, or "" where there are no colours. */
const char *terminal_colour(const struct terminal *t, const char *escape);

/* The window may have changed. */
void terminal_measure(struct terminal *t);

#endif
