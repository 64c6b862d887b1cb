/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "text.h"

#define GAP 2

void table_init(struct table *table, const struct table_column *columns, size_t columns_count)
{
	*table = (struct table){.columns = columns, .columns_count = columns_count};
	for (size_t i = 0; i < columns_count; i++)
		table->widths[i] = text_columns(columns[i].title);
}

static void grow(struct table *table)
{
	size_t cells_max = table->cells_max ? 2 * table->cells_max : 64;
	char **cells = frame_alloc(cells_max, sizeof(*cells));

	if (table->cells_count)
		memcpy(cells, table->cells, table->cells_count * sizeof(*cells));
	free(table->cells);
	table->cells = cells;
	table->cells_max = cells_max;
}

void table_add(struct table *table, const char *format, ...)
{
	char cell[512];
	size_t column = table->cells_count % table->columns_count;
	size_t size, width;
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(cell, sizeof(cell), format, arguments);
	va_end(arguments);

	if (table->cells_count == table->cells_max)
		grow(table);
	size = strlen(cell) + 1;
	width = text_columns(cell);
	if (width > table->widths[column])
		table->widths[column] = width;
	table->cells[table->cells_count] = frame_alloc(size, 1);
	memcpy(table->cells[table->cells_count++], cell, size);
}

void table_add_number(struct table *table, unsigned long long number)
{
	table_add(table, "%llu", number);
}

size_t table_count_rows(const struct table *table)
{
	return table->cells_count / table->columns_count;
}

static const char *cell_at(const struct table *table, size_t row, size_t column)
{
	if (row == 0)
		return table->columns[column].title;
	return table->cells[(row - 1) * table->columns_count + column];
}

/* printf pads by bytes, which is not what UTF-8 takes on the screen. */
void table_print_row(const struct table *table, size_t row, FILE *file)
{
	for (size_t i = 0; i < table->columns_count; i++) {
		const char *cell = cell_at(table, row, i);
		size_t pad = table->widths[i] - text_columns(cell);
		bool is_last = i + 1 == table->columns_count;
		bool is_number = table->columns[i].is_number;

		if (is_last && !*cell)
			break;
		(void)fprintf(file, "%*s%s", is_number ? (int)pad : 0, "", cell);
		if (!is_last)
			(void)fprintf(file, "%*s", (is_number ? 0 : (int)pad) + GAP, "");
	}
	(void)fputc('\n', file);
}

void table_print(const struct table *table, FILE *file)
{
	for (size_t row = 0; row <= table_count_rows(table); row++)
		table_print_row(table, row, file);
}

void table_deinit(struct table *table)
{
	for (size_t i = 0; i < table->cells_count; i++)
		free(table->cells[i]);
	free(table->cells);
	*table = (struct table){0};
}
