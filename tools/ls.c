/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <fnmatch.h>
#include <stdio.h>

#include "follow.h"
#include "look.h"
#include "object.h"
#include "table.h"
#include "text.h"

static struct {
	bool names;
	bool watches;
	bool inside;
	char *kinds;
	char *states;
	char *process;
} wish;

static const struct frame_option options[] = {
	OPTION_FLAG("names", 'n', &wish.names, "names only, one per line"),
	OPTION_FLAG("watch", 'w', &wish.watches,
		    "go on: a line for who is there, comes, changes, dies and goes"),
	OPTION_TEXT("kinds", 'k', &wish.kinds, "KINDS",
		    "with --watch only these: node, topic, publisher, subscriber, notifier, "
		    "writer, server, client; commas between"),
	OPTION_TEXT("states", 's', &wish.states, "STATES",
		    "with --watch only what has or had such a state: alive, dead, closed, "
		    "broken, hidden"),
	OPTION_TEXT("process", 'p', &wish.process, "PATTERN",
		    "with --watch only processes of such a name"),
	OPTION_FLAG("inside", 'i', &wish.inside,
		    "with --watch also the topics that services are made of"),
	{0},
};

static bool is_wanted(const struct frame *frame, const char *name)
{
	for (size_t i = 0; i < frame->operands_count; i++)
		if (fnmatch(frame->operands[i], name, 0) == 0)
			return true;
	return frame->operands_count == 0;
}

/* Of a name without messages: what else it is. */
static struct text_name describe_type(const struct floe_topic_info *topic)
{
	const char *kind = topic->notifiers && topic->writers ? "(event, board)"
			   : topic->notifiers                 ? "(event)"
			   : topic->writers                   ? "(board)"
							      : "-";

	return text_name(*topic->type.name ? topic->type.name : kind);
}

static void add_row(struct table *table, const struct floe_topic_info *topic)
{
	table_add(table, "%s", text_name(topic->name).text);
	table_add(table, "%s", text_state(topic->state));
	table_add_number(table, topic->publishers);
	table_add_number(table, topic->subscribers);
	table_add_number(table, topic->leftovers);
	table_add_number(table, topic->published);
	table_add(table, "%s", text_bytes(topic->memory).text);
	table_add(table, "%s", describe_type(topic).text);
}

static size_t print_topics(const struct frame *frame, const struct look_topics *topics)
{
	static const struct table_column columns[] = {
		{"TOPIC", false},      {"STATE", false},    {"PUBLISHERS", true},
		{"SUBSCRIBERS", true}, {"LEFTOVERS", true}, {"PUBLISHED", true},
		{"MEMORY", true},      {"TYPE", false},
	};
	struct table table;
	size_t count = 0;

	table_init(&table, columns, FRAME_COUNT_OF(columns));
	for (size_t i = 0; i < topics->count; i++) {
		const struct floe_topic_info *topic = &topics->topics[i].info;

		if (!is_wanted(frame, topic->name))
			continue;
		count++;
		if (wish.names)
			(void)puts(topic->name);
		else if (frame->json)
			object_print(object_topic(topic));
		else
			add_row(&table, topic);
	}
	if (table_count_rows(&table) > 0)
		table_print(&table, stdout);
	table_deinit(&table);
	return count;
}

static int watch_domain(struct frame *frame)
{
	const struct follow follow = {
		.kinds = wish.kinds,
		.states = wish.states,
		.process = wish.process,
		.inside = wish.inside,
	};

	if (wish.names)
		return frame_usage(frame, "--names and --watch exclude each other");
	return follow_run(frame, &follow);
}

static int ls_run(struct frame *frame)
{
	struct look_topics topics;
	size_t count;
	int r;

	if (wish.watches)
		return watch_domain(frame);
	if (wish.kinds || wish.states || wish.process || wish.inside)
		return frame_usage(frame,
				   "--kinds, --states, --process and --inside belong to --watch");
	if (wish.names && frame->json)
		return frame_usage(frame, "--names and --json exclude each other");
	if (!frame_view(frame))
		return FRAME_FAILED;
	r = look_topics(&topics, frame->view);
	if (r < 0)
		return frame_fail(frame, "cannot list '%s': %s", floe_view_path(frame->view),
				  frame_reason(r));

	count = print_topics(frame, &topics);
	look_topics_end(&topics);
	if (count == 0 && frame->operands_count > 0)
		return frame_fail(frame, "no topic in '%s' has such a name",
				  floe_view_path(frame->view));
	return FRAME_DONE;
}

const struct command ls_command = {
	.name = "ls",
	.summary = "list the topics of the domain",
	.operands = "[PATTERN...]",
	.operands_max = SIZE_MAX,
	.options = options,
	.text = "PUBLISHERS and SUBSCRIBERS are alive; LEFTOVERS are those whose process\n"
		"died, that were closed while others still read, or whose file is broken\n"
		"('floe clean' removes what nobody uses). PUBLISHED counts the messages of\n"
		"all publishers, MEMORY is what they take of the tmpfs; a name that has only\n"
		"notifiers or board writers shows (event), (board). With patterns, only\n"
		"topics whose name matches one of them (as the shell matches file names);\n"
		"none is a failure.\n"
		"\n"
		"--watch first tells who is there, then what changes, until Ctrl-C. It sleeps\n"
		"meanwhile: the kernel says when something has changed. Patterns choose topics\n"
		"and who is on them. With --json a line is an object.\n",
	.examples = "  floe ls\n"
		    "  floe ls 'camera*'\n"
		    "  floe ls --watch --kinds node,publisher\n"
		    "  floe ls --json | jq -r 'select(.publishers == 0) | .topic'\n",
	.run = ls_run,
};
