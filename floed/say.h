/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOED_SAY_H
#define FLOED_SAY_H

/*
 * Say: what floed tells, a line each on standard error; with the number of its urgency before it
 * where that is systemd's journal. No more than a few lines a second: what is beyond is counted, and
 * the count is told.
 */

#include <stdbool.h>

#include "base/compiler.h"

enum say_level {
	SAY_NOTHING, /* as a wish: off */
	SAY_ERROR,
	SAY_WARNING,
	SAY_INFO,
	SAY_VERBOSE,
};

#define SAY_LEVELS "off, error, warning, info or verbose"

void say_init(enum say_level wanted);
bool say_find_level(const char *word, enum say_level *ret_level);
void say(enum say_level level, const char *format, ...) floe_format(2, 3);

#endif
