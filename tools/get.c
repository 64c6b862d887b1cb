/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <errno.h>
#include <floe/board.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "object.h"
#include "text.h"

static struct {
	bool raw;
	bool names;
} wish;

static const struct frame_option options[] = {
	OPTION_FLAG("raw", 'r', &wish.raw, "the bytes of one key, for pipes"),
	OPTION_FLAG("names", 'n', &wish.names, "names of the keys only, one per line"),
	{0},
};

static void print_object(const struct frame *frame, const struct floe_board_key_info *key,
			 const void *value)
{
	json_t *object = json_object();

	(void)json_object_set_new(object, "board", object_text(frame->operands[0]));
	(void)json_object_set_new(object, "key", object_text(key->name));
	(void)json_object_set_new(object, "sequence", object_number(key->sequence));
	(void)json_object_set_new(object, "size", object_number(key->size));
	(void)json_object_set_new(object, "type", object_text(key->type));
	(void)json_object_set_new(object, "writer", object_number(key->writer));
	(void)json_object_set_new(object, "alive", json_boolean(key->is_alive));
	if (value)
		object_set_payload(object, value, key->size);
	object_print(object);
}

/* Text ends with the zeros that fill its place. */
static void print_text(const struct floe_board_key_info *key, const void *value)
{
	size_t size = key->size;

	while (value && size && !((const char *)value)[size - 1])
		size--;
	printf("%s %llu ", text_name(key->name).text, (unsigned long long)key->sequence);
	if (value)
		text_escape(stdout, value, size);
	(void)putchar('\n');
}

static int print_key(struct frame *frame, struct floe_board_reader *reader,
		     struct floe_board_key_info *key)
{
	int number = floe_board_find(reader, key->name, NULL, NULL);
	void *value = frame_alloc(key->size, 1);
	uint64_t sequence = 0;
	int r = number < 0 ? number : floe_board_read(reader, number, value, key->size, &sequence);

	if (r < 0) {
		free(value);
		return frame_fail(frame, "key '%s': %s", key->name, frame_reason(r));
	}
	key->sequence = sequence;
	if (wish.raw)
		(void)fwrite(value, 1, r ? key->size : 0, stdout);
	else if (frame->json)
		print_object(frame, key, r ? value : NULL);
	else
		print_text(key, r ? value : NULL);
	free(value);
	return FRAME_DONE;
}

static bool is_wanted(const struct frame *frame, const char *name)
{
	for (size_t i = 1; i < frame->operands_count; i++)
		if (!strcmp(frame->operands[i], name))
			return true;
	return frame->operands_count == 1;
}

static int print_all(struct frame *frame, struct floe_board_reader *reader)
{
	struct floe_board_key_info key;
	int status = FRAME_DONE;
	size_t found = 0;
	size_t wanted = frame->operands_count > 1 ? frame->operands_count - 1 : 1;

	for (size_t i = 0; floe_board_list(reader, i, &key, sizeof(key)) == 1; i++) {
		if (!is_wanted(frame, key.name))
			continue;
		found++;
		if (wish.names)
			(void)puts(key.name);
		else if (print_key(frame, reader, &key) != FRAME_DONE)
			status = FRAME_FAILED;
	}
	if (found < wanted)
		return frame_fail(frame, "board '%s' has no such key", frame->operands[0]);
	return status;
}

static int get_run(struct frame *frame)
{
	struct floe_error error = {{0}};
	struct floe_board_reader *reader = NULL;
	int status, r;

	if (wish.raw && (frame->json || wish.names || frame->operands_count != 2))
		return frame_usage(frame, "--raw wants one key, and neither --json nor --names");
	if (wish.names && frame->json)
		return frame_usage(frame, "--names and --json exclude each other");
	r = floe_board_reader_open(&reader, frame->operands[0],
				   &(struct floe_board_reader_options){
					   .size = sizeof(struct floe_board_reader_options),
					   .dir = frame->dir,
					   .domain = frame->domain,
					   .error = &error,
				   });
	if (r < 0)
		return frame_fail(frame, "%s", *error.text ? error.text : frame_reason(r));
	status = print_all(frame, reader);
	floe_board_reader_close(reader);
	return status;
}

const struct command get_command = {
	.name = "get",
	.summary = "show the values of a board",
	.operands = "BOARD [KEY...]",
	.operands_min = 1,
	.operands_max = SIZE_MAX,
	.options = options,
	.text = "Each line is a key, the sequence of its value (0: none was written yet) and\n"
		"the value, escaped. What a dead writer left is shown as long as it is there.\n",
	.examples = "  floe get car\n"
		    "  floe get car speed --raw | od -t f8\n"
		    "  floe get car --json | jq -r 'select(.alive | not) | .key'\n",
	.run = get_run,
};
