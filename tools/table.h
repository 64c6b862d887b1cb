/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_TABLE_H
#define TOOLS_TABLE_H

/*
 * Rows of text under titles, as wide as their widest cell. Cells are added from left to right,
 * row after row; what they say must be safe for a terminal already.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct table_column {
	const char *title;
	bool is_number; /* stands to the right */
};

#define TABLE_COLUMNS_MAX 24

struct table {
	const struct table_column *columns; /* TABLE_COLUMNS_MAX at most */
	size_t columns_count;
	size_t widths[TABLE_COLUMNS_MAX]; /* of the widest cell so far, titles included */
	char **cells;
	size_t cells_count;
	size_t cells_max;
};

void table_init(struct table *table, const struct table_column *columns, size_t columns_count);
void table_add(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_add_number(struct table *table, unsigned long long number);

size_t table_count_rows(const struct table *table);

/* One line with its new line; row 0 is the titles, the first row of cells is 1. */
void table_print_row(const struct table *table, size_t row, FILE *file);
void table_print(const struct table *table, FILE *file);

void table_deinit(struct table *table);

#endif
