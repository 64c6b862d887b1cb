/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <errno.h>
#include <floe/board.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "object.h"
#include "wait.h"

static struct {
	uint64_t size;
	bool stay;
	bool input;
} wish;

static const struct frame_option options[] = {
	OPTION_SIZE("size", 's', &wish.size, "BYTES",
		    "bytes of the value; a shorter text is filled up with zeros"),
	OPTION_FLAG("stay", 0, &wish.stay, "remain the writer until Ctrl-C"),
	OPTION_FLAG("input", 'i', &wish.input,
		    "each line of standard input is a further value; wants --size"),
	{0},
};

static int write_value(struct frame *frame, struct floe_board_writer *writer, const char *text,
		       size_t length, size_t size)
{
	char *value = frame_alloc(size, 1);
	uint64_t sequence = 0;
	int r = -EMSGSIZE;

	if (length <= size) {
		memcpy(value, text, length);
		r = floe_board_write(writer, 0, value, size, &sequence);
	}
	free(value);
	if (r == -EMSGSIZE)
		return frame_fail(frame, "the value has %zu bytes, --size is %zu", length, size);
	if (r < 0)
		return frame_fail(frame, "'%s': %s", frame->operands[0], frame_reason(r));
	if (frame->json)
		object_print(json_pack("{s:o, s:o, s:o}", "board", object_text(frame->operands[0]),
				       "key", object_text(frame->operands[1]), "sequence",
				       object_number(sequence)));
	return FRAME_DONE;
}

static int write_lines(struct frame *frame, struct floe_board_writer *writer, size_t size)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t length;
	int status = FRAME_DONE;

	while (status == FRAME_DONE && (length = getline(&line, &room, stdin)) > 0) {
		size_t end = (size_t)length - (line[length - 1] == '\n');

		status = write_value(frame, writer, line, end, size);
		(void)fflush(stdout);
	}
	free(line);
	return status;
}

static int write_all(struct frame *frame, struct floe_board_writer *writer, size_t size)
{
	const char *text = frame->operands_count > 2 ? frame->operands[2] : NULL;
	int status = text ? write_value(frame, writer, text, strlen(text), size) : FRAME_DONE;

	if (status == FRAME_DONE && wish.input)
		status = write_lines(frame, writer, size);
	if (status == FRAME_DONE && wish.stay) {
		wait_begin(false);
		(void)fflush(stdout);
		(void)wait_until(WAIT_FOREVER);
	}
	return status;
}

static int set_run(struct frame *frame)
{
	struct floe_error error = {{0}};
	struct floe_board_writer *writer = NULL;
	struct floe_board_key key = {.name = frame->operands[1]};
	int status, r;

	if (wish.input ? !wish.size : frame->operands_count < 3)
		return frame_usage(frame,
				   wish.input ? "--input wants --size" : "a value is missing");
	key.size = wish.size ? wish.size : strlen(frame->operands[2]);
	r = floe_board_writer_open(&writer, frame->operands[0],
				   &(struct floe_board_writer_options){
					   .size = sizeof(struct floe_board_writer_options),
					   .keys = &key,
					   .keys_count = 1,
					   .dir = frame->dir,
					   .domain = frame->domain,
					   .error = &error,
				   });
	if (r < 0)
		return frame_fail(frame, "%s", *error.text ? error.text : frame_reason(r));
	status = write_all(frame, writer, key.size);
	floe_board_writer_close(writer);
	return status;
}

const struct command set_command = {
	.name = "set",
	.summary = "write a value of a board",
	.operands = "BOARD KEY [VALUE]",
	.operands_min = 2,
	.operands_max = 3,
	.options = options,
	.text = "A key has one writer: while another one lives, this fails and says who it is.\n"
		"The value stays while somebody has the board open, and goes with the last one\n"
		"who leaves; --stay keeps it there.\n",
	.examples = "  floe set car driver Ada --size 32 --stay\n"
		    "  seq 100 | floe set car count --size 8 --input --stay\n",
	.run = set_run,
};
