/* SPDX-License-Identifier: Apache-2.0 */
#include "movement.h"

#include <stdlib.h>
#include <string.h>

#define CELL MOVEMENT_CELL
#define CELL_ROW_BYTES (CELL * 3)
#define CELL_BYTES (CELL * CELL_ROW_BYTES)

/* Mean difference of a byte from which on a cell moves; the noise of the coding stays below. */
#define THRESHOLD 10

/* Smaller things are leaves and shadows. */
#define THING_CELLS_MIN 3

/* A thing: its cells and the corners around them, in cells. */
struct thing {
	uint32_t cells;
	uint32_t left, top, right, bottom;
};

static uint32_t row_difference(const uint8_t *a, const uint8_t *b)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < CELL_ROW_BYTES; i++)
		sum += (uint32_t)abs(a[i] - b[i]);
	return sum;
}

static bool has_moved(const uint8_t *a, const uint8_t *b, size_t stride)
{
	uint32_t sum = 0;

	for (unsigned y = 0; y < CELL; y++)
		sum += row_difference(a + y * stride, b + y * stride);
	return sum > THRESHOLD * CELL_BYTES;
}

/* Returns how many cells move. */
static uint32_t compare(struct movement *m, const struct frame_head *before,
			const struct frame_head *now)
{
	size_t stride = (size_t)now->width * 3;
	uint32_t count = 0;

	for (uint32_t row = 0; row < m->rows; row++) {
		for (uint32_t column = 0; column < m->columns; column++) {
			size_t at = row * CELL * stride + column * CELL_ROW_BYTES;
			bool moved = has_moved(frame_pixels(before) + at, frame_pixels(now) + at,
					       stride);

			m->moving[row * m->columns + column] = moved;
			count += moved;
		}
	}
	return count;
}

/* Takes a moving cell out of the grid and puts it on the stack. */
static void push(struct movement *m, size_t *depth, uint32_t column, uint32_t row)
{
	uint32_t cell = row * m->columns + column;

	if (column >= m->columns || row >= m->rows || !m->moving[cell])
		return;
	m->moving[cell] = 0;
	m->stack[(*depth)++] = cell;
}

/* Left of 0 wraps to a huge number, which push refuses. */
static void push_around(struct movement *m, size_t *depth, uint32_t column, uint32_t row)
{
	for (uint32_t y = 0; y < 3; y++)
		for (uint32_t x = 0; x < 3; x++)
			push(m, depth, column + x - 1, row + y - 1);
}

static void grow(struct thing *thing, uint32_t column, uint32_t row)
{
	thing->cells++;
	if (column < thing->left)
		thing->left = column;
	if (column > thing->right)
		thing->right = column;
	if (row < thing->top)
		thing->top = row;
	if (row > thing->bottom)
		thing->bottom = row;
}

/* All cells that touch this one, directly or through others. Each is on the stack once. */
static struct thing collect(struct movement *m, uint32_t column, uint32_t row)
{
	struct thing thing = {.left = column, .top = row, .right = column, .bottom = row};
	size_t depth = 0;

	push(m, &depth, column, row);
	while (depth > 0) {
		uint32_t cell = m->stack[--depth];

		column = cell % m->columns;
		row = cell / m->columns;
		grow(&thing, column, row);
		push_around(m, &depth, column, row);
	}
	return thing;
}

/* Keeps `things` sorted, the largest first; the smallest falls out when it is full. */
static void insert(struct thing *things, uint32_t *count, struct thing thing)
{
	uint32_t at = *count;

	if (*count < MOTION_BOXES_MAX)
		(*count)++;
	else
		at--;
	if (things[at].cells > thing.cells)
		return;
	for (; at > 0 && things[at - 1].cells < thing.cells; at--)
		things[at] = things[at - 1];
	things[at] = thing;
}

static struct motion_box box_around(const struct thing *thing)
{
	return (struct motion_box){
		.x = (uint16_t)(thing->left * CELL),
		.y = (uint16_t)(thing->top * CELL),
		.width = (uint16_t)((thing->right - thing->left + 1) * CELL),
		.height = (uint16_t)((thing->bottom - thing->top + 1) * CELL),
	};
}

static uint32_t find_things(struct movement *m, struct thing *things)
{
	uint32_t count = 0;

	for (uint32_t row = 0; row < m->rows; row++) {
		for (uint32_t column = 0; column < m->columns; column++) {
			struct thing thing;

			if (!m->moving[row * m->columns + column])
				continue;
			thing = collect(m, column, row);
			if (thing.cells >= THING_CELLS_MIN)
				insert(things, &count, thing);
		}
	}
	return count;
}

void movement_between(struct movement *m, const struct frame_head *before,
		      const struct frame_head *now, struct motion_message *ret)
{
	struct thing things[MOTION_BOXES_MAX] = {0};
	uint32_t moving;

	m->columns = now->width / CELL;
	m->rows = now->height / CELL;
	moving = compare(m, before, now);

	*ret = (struct motion_message){.number = now->number};
	if (moving > 0)
		ret->permille = 1000 * moving / (m->columns * m->rows);
	ret->boxes_count = find_things(m, things);
	for (uint32_t i = 0; i < ret->boxes_count; i++)
		ret->boxes[i] = box_around(&things[i]);
}
