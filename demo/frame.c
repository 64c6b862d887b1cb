/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"

#include <string.h>

#define LANES 4
#define PIXEL_SIZE 3

const struct floe_type frame_type = {.name = "demo.frame", .alignment = 64};

static size_t pixels_size(uint32_t width, uint32_t height)
{
	return (size_t)width * height * PIXEL_SIZE;
}

size_t frame_size(uint32_t width, uint32_t height)
{
	return sizeof(struct frame_head) + pixels_size(width, height);
}

void frame_seal(struct frame_head *head, uint64_t number, uint32_t width, uint32_t height)
{
	size_t size = pixels_size(width, height);

	*head = (struct frame_head){
		.magic = FRAME_MAGIC,
		.number = number,
		.width = width,
		.height = height,
		.pixels_size = size,
		.checksum = frame_checksum(frame_pixels(head), size),
	};
}

void frame_seal_end(struct frame_head *head, uint64_t number)
{
	*head = (struct frame_head){.magic = FRAME_MAGIC, .flags = FRAME_END, .number = number};
}

const struct frame_head *frame_open(const struct floe_sample *sample)
{
	const struct frame_head *head = sample->data;

	if (sample->size < sizeof(*head) || head->magic != FRAME_MAGIC)
		return NULL;
	if (frame_is_end(head))
		return head;
	if (head->width > FRAME_WIDTH_MAX || head->height > FRAME_HEIGHT_MAX)
		return NULL;
	if (sample->size != frame_size(head->width, head->height))
		return NULL;
	if (head->pixels_size != pixels_size(head->width, head->height))
		return NULL;
	return head;
}

bool frame_is_end(const struct frame_head *head)
{
	return head->flags & FRAME_END;
}

const uint8_t *frame_pixels(const struct frame_head *head)
{
	return (const uint8_t *)(head + 1);
}

/* Odd, so that the multiplication is reversible: together with the xor no two words can lead
 * from one state to the same next one. */
static uint64_t mix(uint64_t state, uint64_t word)
{
	return (state ^ word) * 0x9e3779b97f4a7c15u;
}

/* Four independent lanes, because one would wait for each multiplication. */
static void mix_block(uint64_t *state, const void *block)
{
	uint64_t word[LANES];

	memcpy(word, block, sizeof(word));
	for (unsigned i = 0; i < LANES; i++)
		state[i] = mix(state[i], word[i]);
}

uint64_t frame_checksum(const uint8_t *pixels, size_t size)
{
	uint64_t state[LANES] = {1, 2, 3, 4};
	uint8_t tail[LANES * sizeof(uint64_t)] = {0};
	uint64_t sum = size;
	size_t done;

	for (done = 0; size - done >= sizeof(tail); done += sizeof(tail))
		mix_block(state, pixels + done);
	memcpy(tail, pixels + done, size - done);
	mix_block(state, tail);

	for (unsigned i = 0; i < LANES; i++) {
		sum = mix(sum, state[i]);
		sum ^= sum >> 32;
	}
	return sum;
}
