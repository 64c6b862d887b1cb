/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <errno.h>
#include <floe/event.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "object.h"

static struct {
	uint64_t times;
	uint64_t ids;
} wish = {.times = 1};

static const struct frame_option options[] = {
	OPTION_COUNT("times", 'n', &wish.times, "N", "notify each id this many times, default 1"),
	OPTION_COUNT("ids", 0, &wish.ids, "N",
		     "have ids up to N - 1; default 64, or as many as are needed"),
	{0},
};

/* 0 to FLOE_EVENT_IDS_MAX - 1, or -1 */
static long read_id(const char *text)
{
	char *end;
	long id;

	errno = 0;
	id = strtol(text, &end, 10);
	return errno || end == text || *end || id < 0 || id >= FLOE_EVENT_IDS_MAX ? -1 : id;
}

static int notify(struct frame *frame, struct floe_notifier *notifier, uint32_t id)
{
	int woken = 0;

	for (uint64_t i = 0; i < wish.times; i++) {
		int r = floe_notify(notifier, id);

		if (r < 0)
			return frame_fail(frame, "'%s': id %u: %s", frame->operands[0], id,
					  frame_reason(r));
		woken += r;
	}
	if (frame->json)
		object_print(json_pack("{s:o, s:i, s:o, s:i}", "event",
				       object_text(frame->operands[0]), "id", (int)id, "count",
				       object_number(wish.times), "woken", woken));
	return FRAME_DONE;
}

static int notify_all(struct frame *frame, size_t ids)
{
	struct floe_error error = {{0}};
	struct floe_notifier *notifier = NULL;
	int status = FRAME_DONE;
	int r = floe_notifier_open(&notifier, frame->operands[0],
				   &(struct floe_notifier_options){
					   .size = sizeof(struct floe_notifier_options),
					   .ids = ids,
					   .dir = frame->dir,
					   .domain = frame->domain,
					   .error = &error,
				   });

	if (r < 0)
		return frame_fail(frame, "%s", *error.text ? error.text : frame_reason(r));
	for (size_t i = 1; i < frame->operands_count && status == FRAME_DONE; i++)
		status = notify(frame, notifier, (uint32_t)read_id(frame->operands[i]));
	floe_notifier_close(notifier);
	return status;
}

static int notify_run(struct frame *frame)
{
	size_t ids = wish.ids ? wish.ids : 64;

	for (size_t i = 1; i < frame->operands_count; i++) {
		long id = read_id(frame->operands[i]);

		if (id < 0 || (wish.ids && (uint64_t)id >= wish.ids))
			return frame_usage(frame, "'%s' is no id: they go from 0 to %llu",
					   frame->operands[i],
					   wish.ids ? (unsigned long long)wish.ids - 1
						    : FLOE_EVENT_IDS_MAX - 1ULL);
		if ((size_t)id >= ids)
			ids = (size_t)id + 1;
	}
	return notify_all(frame, ids);
}

const struct command notify_command = {
	.name = "notify",
	.summary = "notify ids of an event",
	.operands = "EVENT ID...",
	.operands_min = 2,
	.operands_max = SIZE_MAX,
	.options = options,
	.text = "Opens a notifier, counts each id, wakes who listens, and leaves. Who does\n"
		"not listen yet is not told later.\n",
	.examples = "  floe notify door 0\n"
		    "  floe notify door 3 4 --times 10\n",
	.run = notify_run,
};
