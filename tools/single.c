/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that is one sub-command: floe-NAME, which `floe NAME` becomes. COMMAND is its struct.
 */

#include "frame.h"

extern const struct command COMMAND;

int main(int argc, char **argv)
{
	struct frame frame;
	int status;

	if (frame_begin(&frame, &COMMAND, argc, (const char **)(void *)argv, &status))
		status = COMMAND.run(&frame);
	return frame_end(&frame, status);
}
