/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <jansson.h>
#include <stdio.h>

#include "object.h"
#include "text.h"

static struct {
	bool dry_run;
	bool quiet;
} wish;

static const struct frame_option options[] = {
	OPTION_FLAG("dry-run", 'n', &wish.dry_run, "only tell what would be removed"),
	OPTION_FLAG("quiet", 'q', &wish.quiet, "tell nothing"),
	{0},
};

static void tell(void *user, const char *sentence)
{
	const struct frame *frame = user;

	if (wish.quiet)
		return;
	if (frame->json)
		object_print(json_pack("{s:o}", "found", object_text(sentence)));
	else
		(void)puts(text_name(sentence).text);
}

static int clean_run(struct frame *frame)
{
	int count;

	if (!frame_view(frame))
		return FRAME_FAILED;

	count = floe_view_clean(frame->view, wish.dry_run, tell, frame);
	if (count < 0)
		return frame_fail(frame, "cannot clean '%s': %s", floe_view_path(frame->view),
				  frame_reason(count));
	if (frame->json)
		object_print(json_pack("{s:i, s:b}", "count", count, "dry_run", wish.dry_run));
	else if (!wish.quiet)
		printf("%d thing%s %s\n", count, count == 1 ? "" : "s",
		       wish.dry_run ? "would be removed" : "removed");
	return FRAME_DONE;
}

const struct command clean_command = {
	.name = "clean",
	.summary = "remove what dead processes left",
	.operands = "",
	.options = options,
	.text = "Dead subscribers' places, rings that nobody alive reads, topics and nodes\n"
		"without users. What a dead publisher sent stays while somebody alive can\n"
		"still take it. Whoever is alive is left alone, so this is safe at any time,\n"
		"also when it is killed half-way.\n"
		"\n"
		"It is not needed for correctness: who opens a topic cleans up there. It\n"
		"frees memory now.\n",
	.examples = "  floe clean --dry-run\n"
		    "  floe clean\n",
	.run = clean_run,
};
