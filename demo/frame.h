/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEMO_FRAME_H
#define DEMO_FRAME_H

/*
 * A frame of the video as it lies in a loan: a head, then the pixels, 3 bytes each.
 */

#include <floe/floe.h>

#include <stdbool.h>

#include "topics.h"

#define FRAME_WIDTH_MAX 4096
#define FRAME_HEIGHT_MAX 2304

/* What publishers and subscribers of the video agree on. */
extern const struct floe_type frame_type;

/* Bytes of a loan for one frame. */
size_t frame_size(uint32_t width, uint32_t height);

/* Writes the head for pixels that are in their place already. */
void frame_seal(struct frame_head *head, uint64_t number, uint32_t width, uint32_t height);

/* Writes the head that says that nothing follows. */
void frame_seal_end(struct frame_head *head, uint64_t number);

/* The head of a sample, or NULL if these bytes are neither a frame nor the end mark. */
const struct frame_head *frame_open(const struct floe_sample *sample);

bool frame_is_end(const struct frame_head *head);
const uint8_t *frame_pixels(const struct frame_head *head);

/* Any change of a single word of eight bytes changes the result. */
uint64_t frame_checksum(const uint8_t *pixels, size_t size);

#endif
