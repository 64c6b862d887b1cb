/* SPDX-License-Identifier: Apache-2.0 */
#include "picture.h"

#include <string.h>

#include "frame.h"

static const uint8_t first_box[3] = {255, 220, 0};
static const uint8_t other_box[3] = {0, 255, 120};

static bool join(struct picture *p)
{
	struct floe_subscriber_options options = {
		.size = sizeof(options),
		.depth = 1,
		.holds_max = 1,
		.type = &frame_type,
	};

	return p->subscriber || floe_subscriber_open(&p->subscriber, TOPIC_VIDEO, &options) == 0;
}

void picture_close(struct picture *p)
{
	floe_subscriber_close(p->subscriber);
	p->subscriber = NULL;
}

static uint32_t limit(uint32_t value, uint32_t max)
{
	return value < max ? value : max;
}

/* The largest size with the shape of the frame. A character is taken for twice as high as wide. */
static void choose_size(struct picture *p, const struct frame_head *head, uint32_t columns,
			uint32_t lines)
{
	p->columns = limit(limit(columns, PICTURE_COLUMNS_MAX), head->width);
	p->rows = p->columns * head->height / head->width;
	if (p->rows > limit(2 * lines, PICTURE_ROWS_MAX)) {
		p->rows = limit(2 * lines, PICTURE_ROWS_MAX);
		p->columns = limit(p->rows * head->width / head->height, PICTURE_COLUMNS_MAX);
	}
	p->rows &= ~1u;
}

/* The mean of the pixels from (x, y) up to (x_end, y_end), every second one: enough for this. */
static void average(uint8_t *ret, const struct frame_head *head, uint32_t x, uint32_t y,
		    uint32_t x_end, uint32_t y_end)
{
	const uint8_t *pixels = frame_pixels(head);
	uint32_t sum[3] = {0};
	uint32_t count = 0;

	for (uint32_t row = y; row < y_end; row += 2) {
		for (uint32_t column = x; column < x_end; column += 2) {
			const uint8_t *bgr = pixels + ((size_t)row * head->width + column) * 3;

			for (unsigned i = 0; i < 3; i++)
				sum[i] += bgr[2 - i];
			count++;
		}
	}
	for (unsigned i = 0; i < 3; i++)
		ret[i] = (uint8_t)(count ? sum[i] / count : 0);
}

static void scale(struct picture *p, const struct frame_head *head)
{
	for (uint32_t row = 0; row < p->rows; row++)
		for (uint32_t column = 0; column < p->columns; column++)
			average(p->pixel[row][column], head, column * head->width / p->columns,
				row * head->height / p->rows,
				(column + 1) * head->width / p->columns,
				(row + 1) * head->height / p->rows);
}

void picture_update(struct picture *p, unsigned columns, unsigned lines)
{
	const struct frame_head *head;
	struct floe_sample sample;

	if (!join(p) || floe_take(p->subscriber, &sample) <= 0)
		return;
	head = frame_open(&sample);
	if (head && !frame_is_end(head)) {
		choose_size(p, head, columns, lines);
		scale(p, head);
	}
	floe_release(p->subscriber, &sample);
}

static void draw_point(struct picture *p, uint32_t column, uint32_t row, const uint8_t *colour)
{
	if (column < p->columns && row < p->rows)
		memcpy(p->pixel[row][column], colour, 3);
}

static void draw_box(struct picture *p, uint32_t left, uint32_t top, uint32_t right,
		     uint32_t bottom, const uint8_t *colour)
{
	for (uint32_t column = left; column <= right; column++) {
		draw_point(p, column, top, colour);
		draw_point(p, column, bottom, colour);
	}
	for (uint32_t row = top; row <= bottom; row++) {
		draw_point(p, left, row, colour);
		draw_point(p, right, row, colour);
	}
}

void picture_draw_boxes(struct picture *p, const struct motion_message *motion, uint32_t width,
			uint32_t height)
{
	for (uint32_t i = motion->boxes_count; i-- > 0;) {
		const struct motion_box *box = &motion->boxes[i];
		uint32_t right = box->x + box->width - 1u;
		uint32_t bottom = box->y + box->height - 1u;

		draw_box(p, box->x * p->columns / width, box->y * p->rows / height,
			 right * p->columns / width, bottom * p->rows / height,
			 i == 0 ? first_box : other_box);
	}
}

static bool is_same(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, 3) == 0;
}

/* The six levels of the cube of 256 colours are 0, 95, 135, 175, 215 and 255. */
static unsigned level(unsigned value)
{
	if (value < 115)
		return value >= 48;
	return (value - 35) / 40;
}

/* layer: 38 foreground, 48 background */
static void write_colour(FILE *out, const struct terminal *t, int layer, const uint8_t *rgb)
{
	if (t->colours == COLOURS_TRUE)
		fprintf(out, "\x1b[%d;2;%u;%u;%um", layer, rgb[0], rgb[1], rgb[2]);
	else
		fprintf(out, "\x1b[%d;5;%um", layer,
			16 + 36 * level(rgb[0]) + 6 * level(rgb[1]) + level(rgb[2]));
}

/* A colour is written only where it changes. Without UTF-8 the lower pixel is left out. */
static void write_line(FILE *out, const struct picture *p, const struct terminal *t, uint32_t row)
{
	const uint8_t *upper = NULL;
	const uint8_t *lower = NULL;

	for (uint32_t column = 0; column < p->columns; column++) {
		const uint8_t *a = p->pixel[row][column];
		const uint8_t *b = p->pixel[row + t->is_utf8][column];

		if (t->is_utf8 && (!upper || !is_same(upper, a)))
			write_colour(out, t, 38, a);
		if (!lower || !is_same(lower, b))
			write_colour(out, t, 48, b);
		fputs(t->is_utf8 ? "\xe2\x96\x80" : " ", out);
		upper = a;
		lower = b;
	}
	fputs(TERMINAL_RESET, out);
}

void picture_write(FILE *out, const struct picture *p, const struct terminal *t, const char *end)
{
	for (uint32_t row = 0; row + 1 < p->rows; row += 2) {
		fputc(' ', out);
		write_line(out, p, t, row);
		fputs(end, out);
	}
}
