/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEMO_PICTURE_H
#define DEMO_PICTURE_H

/*
 * A small picture of the current frame for a terminal with at least 256 colours: half blocks,
 * two pixels in each character. It is scaled down from the frame where it lies in shared memory.
 */

#include <floe/floe.h>

#include <stdio.h>

#include "terminal.h"
#include "topics.h"

#define PICTURE_COLUMNS_MAX 160
#define PICTURE_ROWS_MAX 120 /* pixels: twice as many as lines */

struct picture {
	struct floe_subscriber *subscriber; /* only while there is room for a picture */
	uint32_t columns;                   /* 0: there is no picture */
	uint32_t rows;
	uint8_t pixel[PICTURE_ROWS_MAX][PICTURE_COLUMNS_MAX][3]; /* red, green, blue */
};

/* Takes the newest frame and scales it to fit `columns` characters and `lines` lines. If there
 * is no new frame the old picture stays. Errors leave no picture: the show goes on without. */
void picture_update(struct picture *p, unsigned columns, unsigned lines);

/* Leaves the topic; the picture stays. */
void picture_close(struct picture *p);

/* Draws boxes, in pixels of a frame of this size. */
void picture_draw_boxes(struct picture *p, const struct motion_message *motion, uint32_t width,
			uint32_t height);

void picture_write(FILE *out, const struct picture *p, const struct terminal *t, const char *end);

#endif
