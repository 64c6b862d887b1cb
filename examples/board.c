/* SPDX-License-Identifier: Apache-2.0 */

/* The speed of a car, for who wants to know it now. */
#include <floe/board.h>
#include <stdio.h>

static void show(struct floe_board_reader *reader, int key, uint64_t *sequence)
{
	double speed;

	if (floe_board_read(reader, key, &speed, sizeof(speed), sequence) == 1)
		printf("speed %g (%d)\n", speed, (int)*sequence);
	else
		puts("unchanged");
}

int main(void)
{
	struct floe_board_key key = {.name = "speed", .size = sizeof(double)};
	struct floe_board_writer_options options = {
		.size = sizeof(options), .keys = &key, .keys_count = 1};
	struct floe_board_writer *car = NULL;
	struct floe_board_reader *reader = NULL;
	uint64_t sequence = 0; /* nothing was read yet */
	int speed;

	if (floe_board_writer_open(&car, "car", &options) < 0 ||
	    floe_board_reader_open(&reader, "car", NULL) < 0)
		return 1;
	speed = floe_board_find(reader, "speed", NULL, NULL);
	floe_board_write(car, 0, &(double){30}, sizeof(double), NULL);
	show(reader, speed, &sequence);
	show(reader, speed, &sequence);
	floe_board_write(car, 0, &(double){50}, sizeof(double), NULL);
	show(reader, speed, &sequence);
	floe_board_reader_close(reader);
	floe_board_writer_close(car);
	return 0;
}
