/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEMO_TABLE_H
#define DEMO_TABLE_H

/*
 * The figures of all processes as text: as a table, or as one line each.
 */

#include <stdio.h>

#include "board.h"
#include "terminal.h"

/* Lines of table_write. */
#define TABLE_LINES (1 + ROLE_COUNT)

/* Each line ends with `end`. */
void table_write(FILE *out, const struct board *b, const struct terminal *t, const char *end);

/* One line for each process that has been heard of, with the time in front. */
void table_write_lines(FILE *out, const struct board *b, double seconds);

#endif
