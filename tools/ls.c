/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <fnmatch.h>
#include <stdio.h>

#include "follow.h"
#include "group.h"
#include "look.h"
#include "object.h"
#include "table.h"
#include "text.h"
#include "words.h"

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
		    "only these: topic, service, event, board; with --watch: node, topic, "
		    "publisher, subscriber, notifier, writer, server, client; commas between"),
	OPTION_TEXT("states", 's', &wish.states, "STATES",
		    "with --watch only what has or had such a state: alive, dead, closed, "
		    "broken, hidden"),
	OPTION_TEXT("process", 'p', &wish.process, "PATTERN",
		    "with --watch only processes of such a name"),
	OPTION_FLAG("inside", 'i', &wish.inside, "also the topics that services are made of"),
	{0},
};

static bool is_wanted(const struct frame *frame, const char *name)
{
	for (size_t i = 0; i < frame->operands_count; i++)
		if (fnmatch(frame->operands[i], name, 0) == 0)
			return true;
	return frame->operands_count == 0;
}

/*
 * What is listed, and in which order
 */

enum kind {
	KIND_TOPIC,
	KIND_SERVICE,
	KIND_EVENT,
	KIND_BOARD,
	KINDS,
};

static const char *const kind_names[] = {"topic", "service", "event", "board"};

static uint32_t kinds_of(const struct look_topic *topic)
{
	uint32_t kinds = 0;

	for (size_t i = 0; i < topic->seats_count; i++)
		kinds |= topic->seats[i].kind == FLOE_SEAT_NOTIFIER ? 1u << KIND_EVENT
								    : 1u << KIND_BOARD;
	return group_is_topic(topic) ? kinds | 1u << KIND_TOPIC : kinds;
}

static bool is_inside(const char *topic)
{
	size_t length;

	return !wish.inside && group_part_of(topic, &length) != GROUP_NONE;
}

struct list {
	const struct frame *frame;
	struct look_topics topics;
	struct group_services services;
	uint32_t kinds; /* that are wanted */
	size_t count;   /* that were listed */
};

static bool is_listed(const struct list *list, const struct look_topic *topic, uint32_t kinds)
{
	return kinds_of(topic) & kinds & list->kinds && !is_inside(topic->info.name) &&
	       is_wanted(list->frame, topic->info.name);
}

static bool is_service_listed(const struct list *list, const struct group_service *service)
{
	return list->kinds & 1u << KIND_SERVICE && is_wanted(list->frame, service->name);
}

/*
 * As tables
 */

static void add_topic(struct table *table, const struct look_topic *topic)
{
	const struct floe_topic_info *info = &topic->info;

	table_add_number(table, info->publishers);
	table_add_number(table, info->subscribers);
	table_add_number(table, info->leftovers);
	table_add_number(table, info->published);
	table_add(table, "%s", text_bytes(info->memory).text);
	table_add(table, "%s", text_name(*info->type.name ? info->type.name : "-").text);
}

static void add_seats(struct table *table, const struct look_topic *topic, uint32_t kind)
{
	struct group_seats seats = group_seats(topic, kind);

	table_add_number(table, seats.alive);
	table_add_number(table, seats.dead);
	table_add_number(table, seats.count);
	table_add_number(table, seats.total);
	table_add(table, "%s", text_bytes(seats.memory).text);
}

static void add_event(struct table *table, const struct look_topic *topic)
{
	add_seats(table, topic, FLOE_SEAT_NOTIFIER);
}

static void add_board(struct table *table, const struct look_topic *topic)
{
	add_seats(table, topic, FLOE_SEAT_WRITER);
}

static void add_service(struct table *table, const struct group_service *service)
{
	table_add(table, "%s", text_name(service->name).text);
	table_add(table, "%s", text_state(service->state));
	table_add_number(table, service->servers);
	table_add_number(table, service->clients);
	table_add_number(table, service->leftovers);
	table_add_number(table, service->requests);
	table_add_number(table, service->responses);
	table_add(table, "%s", text_bytes(service->memory).text);
	table_add(table, "%s", text_name(*service->type ? service->type : "-").text);
}

/* One of several: with an empty line before all but the first. */
static void end_table(struct list *list, struct table *table)
{
	size_t rows = table_count_rows(table);

	if (rows && list->count)
		(void)putchar('\n');
	if (rows)
		table_print(table, stdout);
	list->count += rows;
	table_deinit(table);
}

static void print_kind(struct list *list, enum kind kind, const struct table_column *columns,
		       size_t columns_count,
		       void (*add)(struct table *table, const struct look_topic *topic))
{
	struct table table;

	table_init(&table, columns, columns_count);
	for (size_t i = 0; i < list->topics.count; i++) {
		const struct look_topic *topic = &list->topics.topics[i];

		if (!is_listed(list, topic, 1u << kind))
			continue;
		table_add(&table, "%s", text_name(topic->info.name).text);
		table_add(&table, "%s", text_state(topic->info.state));
		add(&table, topic);
	}
	end_table(list, &table);
}

static void print_services(struct list *list)
{
	static const struct table_column columns[] = {
		{"SERVICE", false},  {"STATE", false},    {"SERVERS", true},
		{"CLIENTS", true},   {"LEFTOVERS", true}, {"REQUESTS", true},
		{"RESPONSES", true}, {"MEMORY", true},    {"TYPES", false},
	};
	struct table table;

	table_init(&table, columns, FRAME_COUNT_OF(columns));
	for (size_t i = 0; i < list->services.count; i++)
		if (is_service_listed(list, &list->services.services[i]))
			add_service(&table, &list->services.services[i]);
	end_table(list, &table);
}

static void print_tables(struct list *list)
{
	static const struct table_column topics[] = {
		{"TOPIC", false},      {"STATE", false},    {"PUBLISHERS", true},
		{"SUBSCRIBERS", true}, {"LEFTOVERS", true}, {"PUBLISHED", true},
		{"MEMORY", true},      {"TYPE", false},
	};
	static const struct table_column events[] = {
		{"EVENT", false}, {"STATE", false},   {"NOTIFIERS", true}, {"LEFTOVERS", true},
		{"IDS", true},    {"NOTIFIED", true}, {"MEMORY", true},
	};
	static const struct table_column boards[] = {
		{"BOARD", false}, {"STATE", false},  {"WRITERS", true}, {"LEFTOVERS", true},
		{"KEYS", true},   {"WRITTEN", true}, {"MEMORY", true},
	};

	print_kind(list, KIND_TOPIC, topics, FRAME_COUNT_OF(topics), add_topic);
	print_services(list);
	print_kind(list, KIND_EVENT, events, FRAME_COUNT_OF(events), add_event);
	print_kind(list, KIND_BOARD, boards, FRAME_COUNT_OF(boards), add_board);
}

/*
 * As names, as objects: one for each name, whatever it is, and one for each service
 */

static void print_names(struct list *list)
{
	for (size_t i = 0; i < list->topics.count; i++) {
		const struct look_topic *topic = &list->topics.topics[i];

		if (!is_listed(list, topic, ~0u))
			continue;
		(void)puts(topic->info.name);
		list->count++;
	}
	for (size_t i = 0; i < list->services.count; i++) {
		const struct group_service *service = &list->services.services[i];
		const struct look_topic *same = look_find(&list->topics, service->name);

		if (!is_service_listed(list, service))
			continue;
		if (!same || !is_listed(list, same, ~0u))
			(void)puts(service->name);
		list->count++;
	}
}

static void print_objects(struct list *list)
{
	for (size_t i = 0; i < list->topics.count; i++) {
		const struct look_topic *topic = &list->topics.topics[i];

		if (!is_listed(list, topic, ~0u))
			continue;
		object_print(object_name(topic));
		list->count++;
	}
	for (size_t i = 0; i < list->services.count; i++) {
		if (!is_service_listed(list, &list->services.services[i]))
			continue;
		object_print(object_service(&list->services.services[i]));
		list->count++;
	}
}

/* Only of names where somebody may have one. */
static int look_at_seats(struct look_topics *topics, struct floe_view *view)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < topics->count; i++) {
		const struct floe_topic_info *info = &topics->topics[i].info;

		if (info->notifiers || info->writers || info->leftovers)
			r = look_seats(&topics->topics[i], view);
	}
	return r;
}

static void print_list(struct list *list)
{
	if (wish.names)
		print_names(list);
	else if (list->frame->json)
		print_objects(list);
	else
		print_tables(list);
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

static int list_domain(struct frame *frame, uint32_t kinds)
{
	struct list list = {.frame = frame, .kinds = kinds};
	int r;

	if (!frame_view(frame))
		return FRAME_FAILED;
	r = look_topics(&list.topics, frame->view);
	if (r >= 0)
		r = look_at_seats(&list.topics, frame->view);
	if (r < 0) {
		look_topics_end(&list.topics);
		return frame_fail(frame, "cannot list '%s': %s", floe_view_path(frame->view),
				  frame_reason(r));
	}
	group_services(&list.services, &list.topics);
	print_list(&list);
	group_services_end(&list.services);
	look_topics_end(&list.topics);
	if (list.count == 0 && frame->operands_count > 0)
		return frame_fail(frame, "nothing in '%s' has such a name",
				  floe_view_path(frame->view));
	return FRAME_DONE;
}

static int ls_run(struct frame *frame)
{
	uint32_t kinds = 0;

	if (wish.watches)
		return watch_domain(frame);
	if (wish.states || wish.process)
		return frame_usage(frame, "--states and --process belong to --watch");
	if (wish.names && frame->json)
		return frame_usage(frame, "--names and --json exclude each other");
	if (!words_read(frame, "kinds", wish.kinds, kind_names, KINDS, &kinds))
		return FRAME_USAGE;
	return list_domain(frame, kinds ? kinds : ~0u);
}

const struct command ls_command = {
	.name = "ls",
	.summary = "list the topics, services, events and boards of the domain",
	.operands = "[PATTERN...]",
	.operands_max = SIZE_MAX,
	.options = options,
	.text = "What others are counted is alive; LEFTOVERS are those whose process died,\n"
		"that were closed while others still read, or whose file is broken ('floe\n"
		"clean' removes what nobody uses). PUBLISHED, REQUESTS, RESPONSES, NOTIFIED\n"
		"and WRITTEN count what those did that are listed, MEMORY is what they take\n"
		"of the tmpfs. A name that has messages and notifiers is listed with both.\n"
		"With patterns, only names that match one of them (as the shell matches file\n"
		"names); none is a failure.\n"
		"\n"
		"--watch first tells who is there, then what changes, until Ctrl-C. It sleeps\n"
		"meanwhile: the kernel says when something has changed. Patterns choose topics\n"
		"and who is on them. With --json a line is an object.\n",
	.examples = "  floe ls\n"
		    "  floe ls 'camera*'\n"
		    "  floe ls --kinds service,event\n"
		    "  floe ls --watch --kinds node,publisher\n"
		    "  floe ls --json | jq -r 'select(.publishers == 0) | .topic'\n",
	.run = ls_run,
};
