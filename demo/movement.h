/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEMO_MOVEMENT_H
#define DEMO_MOVEMENT_H

/*
 * What moves between two frames: a grid of cells is compared, cells that differ and touch each
 * other make a thing, and the largest things get a box.
 */

#include "frame.h"

#define MOVEMENT_CELL 16 /* pixels */
#define MOVEMENT_CELLS_MAX ((FRAME_WIDTH_MAX / MOVEMENT_CELL) * (FRAME_HEIGHT_MAX / MOVEMENT_CELL))

/* Room to work in, so that nothing is allocated for a frame. */
struct movement {
	uint32_t columns;
	uint32_t rows;
	uint8_t moving[MOVEMENT_CELLS_MAX];
	uint32_t stack[MOVEMENT_CELLS_MAX];
};

/* Two frames of the same size, both from frame_open. */
void movement_between(struct movement *m, const struct frame_head *before,
		      const struct frame_head *now, struct motion_message *ret);

#endif
