/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "group.h"
#include "look.h"
#include "object.h"
#include "service.h"
#include "table.h"
#include "text.h"
#include "wait.h"

static struct {
	bool schema;
} wish;

static const struct frame_option options[] = {
	OPTION_FLAG("schema", 's', &wish.schema, "print only the schema text of the type"),
	{0},
};

/*
 * The domain
 */

static uint64_t sum_topics(const struct look_topics *topics)
{
	uint64_t memory = 0;

	for (size_t i = 0; i < topics->count; i++)
		memory += topics->topics[i].info.memory;
	return memory;
}

static uint64_t sum_nodes(const struct look_nodes *nodes)
{
	uint64_t memory = 0;

	for (size_t i = 0; i < nodes->count; i++)
		memory += nodes->nodes[i].memory;
	return memory;
}

static size_t count_services(const struct look_topics *topics)
{
	struct group_services services;
	size_t count;

	group_services(&services, topics);
	count = services.count;
	group_services_end(&services);
	return count;
}

static void print_nodes(const struct look_nodes *nodes)
{
	static const struct table_column columns[] = {
		{"PID", true}, {"PROCESS", false},    {"STATE", false},
		{"UID", true}, {"SUBSCRIBERS", true}, {"MEMORY", true},
	};
	struct table table;

	table_init(&table, columns, FRAME_COUNT_OF(columns));
	for (size_t i = 0; i < nodes->count; i++) {
		const struct floe_node_info *node = &nodes->nodes[i];

		table_add(&table, "%d", node->pid);
		table_add(&table, "%s", text_name(node->process).text);
		table_add(&table, "%s", text_state(node->state));
		table_add_number(&table, node->uid);
		table_add_number(&table, node->subscribers);
		table_add(&table, "%s", text_bytes(node->memory).text);
	}
	if (nodes->count)
		(void)putchar('\n');
	if (nodes->count)
		table_print(&table, stdout);
	table_deinit(&table);
}

static void print_domain(const char *path, const struct look_topics *topics,
			 const struct look_nodes *nodes, const struct look_space *space)
{
	printf("folder  %s\n", text_name(path).text);
	printf("topics  %zu, %s\n", topics->count, text_bytes(sum_topics(topics)).text);
	if (count_services(topics))
		printf("        %zu services are made of some of them\n", count_services(topics));
	printf("nodes   %zu, %s\n", nodes->count, text_bytes(sum_nodes(nodes)).text);
	printf("free    %s of %s (%s)\n", text_bytes(space->free).text,
	       text_bytes(space->size).text, space->is_tmpfs ? "tmpfs" : "not a tmpfs");
	print_nodes(nodes);
}

static void print_domain_object(const char *path, const struct look_topics *topics,
				const struct look_nodes *nodes, const struct look_space *space)
{
	json_t *object = json_object();
	json_t *list = json_array();

	for (size_t i = 0; i < nodes->count; i++)
		(void)json_array_append_new(list, object_node(&nodes->nodes[i]));
	(void)json_object_set_new(object, "folder", object_text(path));
	(void)json_object_set_new(object, "topics", object_number(topics->count));
	(void)json_object_set_new(object, "nodes", object_number(nodes->count));
	(void)json_object_set_new(object, "topic_memory", object_number(sum_topics(topics)));
	(void)json_object_set_new(object, "node_memory", object_number(sum_nodes(nodes)));
	(void)json_object_set_new(object, "tmpfs_size", object_number(space->size));
	(void)json_object_set_new(object, "tmpfs_free", object_number(space->free));
	(void)json_object_set_new(object, "node_list", list);
	(void)json_object_set_new(object, "services", object_number(count_services(topics)));
	object_print(object);
}

static int show_domain(struct frame *frame)
{
	const char *path = floe_view_path(frame->view);
	struct look_topics topics = {0};
	struct look_nodes nodes = {0};
	struct look_space space = {0};
	int r;

	r = look_topics(&topics, frame->view);
	if (r >= 0)
		r = look_nodes(&nodes, frame->view);
	if (r >= 0)
		r = look_space(&space, path);
	if (r < 0)
		frame_fail(frame, "cannot look into '%s': %s", path, frame_reason(r));
	else if (frame->json)
		print_domain_object(path, &topics, &nodes, &space);
	else
		print_domain(path, &topics, &nodes, &space);
	look_nodes_end(&nodes);
	look_topics_end(&topics);
	return r < 0 ? FRAME_FAILED : FRAME_DONE;
}

/*
 * A topic
 */

static void add_elastic(struct table *table, const struct floe_publisher_info *publisher)
{
	if (publisher->flags & FLOE_ELASTIC)
		table_add(table, "%s/%s", text_bytes(publisher->solid).text,
			  text_bytes(publisher->quota).text);
	else
		table_add(table, "no");
}

static void add_header(struct table *table, const struct floe_publisher_info *publisher)
{
	if (publisher->header_size)
		table_add(table, "%llu %s", (unsigned long long)publisher->header_size,
			  text_name(publisher->header).text);
	else
		table_add(table, "no");
}

static void add_lanes(struct table *table, const struct floe_publisher_info *publisher)
{
	if (publisher->lanes_max)
		table_add(table, "%llu of %llu, %llu dropped",
			  (unsigned long long)publisher->lanes_max,
			  (unsigned long long)publisher->lane_depth,
			  (unsigned long long)publisher->lanes_dropped);
	else
		table_add(table, "no");
}

static void print_publishers(const struct look_topic *topic)
{
	static const struct table_column columns[] = {
		{"PUBLISHER", true},   {"STATE", false},   {"PID", true},
		{"PROCESS", false},    {"SEQUENCE", true}, {"DEPTH", true},
		{"PAYLOAD MAX", true}, {"CHUNKS", true},   {"LOANS", true},
		{"WOULD BLOCK", true}, {"WAKES", true},    {"MODE", true},
		{"TIMES", false},      {"SPILLED", true},  {"ELASTIC", true},
		{"HEADER", false},     {"LANES", false},   {"MEMORY", true},
	};
	struct table table;

	table_init(&table, columns, FRAME_COUNT_OF(columns));
	for (size_t i = 0; i < topic->publishers_count; i++) {
		const struct floe_publisher_info *publisher = &topic->publishers[i];

		table_add_number(&table, publisher->index);
		table_add(&table, "%s", text_state(publisher->state));
		table_add(&table, "%d", publisher->pid);
		table_add(&table, "%s", text_name(publisher->process).text);
		table_add_number(&table, publisher->sequence);
		table_add_number(&table, publisher->depth);
		table_add(&table, "%s", text_bytes(publisher->payload_max).text);
		table_add_number(&table, publisher->chunks);
		table_add(&table, "%llu/%llu", (unsigned long long)publisher->loans,
			  (unsigned long long)publisher->loans_max);
		table_add_number(&table, publisher->would_block);
		table_add_number(&table, publisher->wakes);
		table_add(&table, "%04o", publisher->mode);
		table_add(&table, "%s", publisher->flags & FLOE_TIMESTAMPS ? "yes" : "no");
		table_add_number(&table, publisher->spilled);
		add_elastic(&table, publisher);
		add_header(&table, publisher);
		add_lanes(&table, publisher);
		table_add(&table, "%s", text_bytes(publisher->memory).text);
	}
	if (topic->publishers_count) {
		(void)putchar('\n');
		table_print(&table, stdout);
	}
	table_deinit(&table);
}

static void print_attributes(const struct look_topic *topic)
{
	static const struct table_column columns[] = {
		{"ATTRIBUTE OF", true},
		{"KEY", false},
		{"VALUE", false},
	};
	struct table table;

	table_init(&table, columns, FRAME_COUNT_OF(columns));
	for (size_t i = 0; i < topic->attributes_count; i++) {
		const struct look_attribute *attribute = &topic->attributes[i];

		table_add_number(&table, attribute->publisher);
		table_add(&table, "%s", text_name(attribute->info.key).text);
		table_add(&table, "%s", text_name(attribute->info.value).text);
	}
	if (topic->attributes_count) {
		(void)putchar('\n');
		table_print(&table, stdout);
	}
	table_deinit(&table);
}

static void add_loan(struct table *table, const struct look_topic *topic,
		     const struct look_loan *loan, int64_t now_ns)
{
	const struct floe_publisher_info *publisher = topic->publishers;

	while (publisher->index != loan->publisher)
		publisher++;
	table_add_number(table, loan->publisher);
	table_add(table, "%d", publisher->pid);
	table_add(table, "%s", text_name(publisher->process).text);
	table_add(table, "%s", text_bytes(loan->info.size).text);
	table_add(table, "%s%s", loan->info.exact ? "" : "> ",
		  text_duration(now_ns - (int64_t)loan->info.since_ns).text);
	table_add(table, "%s", text_place(loan->info.file, loan->info.line).text);
}

static void print_loans(const struct look_topic *topic)
{
	static const struct table_column columns[] = {
		{"LOAN OF", true}, {"PID", true}, {"PROCESS", false},
		{"SIZE", true},    {"OUT", true}, {"LENT AT", false},
	};
	struct table table;

	table_init(&table, columns, FRAME_COUNT_OF(columns));
	for (size_t i = 0; i < topic->loans_count; i++)
		add_loan(&table, topic, &topic->loans[i], wait_now_ns());
	if (topic->loans_count) {
		(void)putchar('\n');
		table_print(&table, stdout);
	}
	table_deinit(&table);
}

static void print_subscribers(const struct look_topic *topic)
{
	static const struct table_column columns[] = {
		{"SUBSCRIBER", true}, {"STATE", false},   {"PID", true},  {"PROCESS", false},
		{"POLICY", false},    {"RECEIVED", true}, {"LOST", true}, {"HELD", true},
		{"BEHIND", true},     {"SLEEPS", false},
	};
	struct table table;

	table_init(&table, columns, FRAME_COUNT_OF(columns));
	for (size_t i = 0; i < topic->subscribers_count; i++) {
		const struct floe_subscriber_info *subscriber = &topic->subscribers[i];

		table_add_number(&table, subscriber->index);
		table_add(&table, "%s", text_state(subscriber->state));
		table_add(&table, "%d", subscriber->pid);
		table_add(&table, "%s", text_name(subscriber->process).text);
		table_add(&table, "%s", text_policy(subscriber->policy));
		table_add_number(&table, subscriber->received);
		table_add_number(&table, subscriber->lost);
		table_add(&table, "%llu/%llu", (unsigned long long)subscriber->held,
			  (unsigned long long)subscriber->holds_max);
		table_add_number(&table, subscriber->behind);
		table_add(&table, "%s", subscriber->sleeping ? "yes" : "no");
	}
	if (topic->subscribers_count) {
		(void)putchar('\n');
		table_print(&table, stdout);
	}
	table_deinit(&table);
}

static void print_seats(const struct look_topic *topic, uint32_t kind)
{
	bool notifies = kind == FLOE_SEAT_NOTIFIER;
	const struct table_column columns[] = {
		{notifies ? "NOTIFIER" : "WRITER", true},
		{"STATE", false},
		{"PID", true},
		{"PROCESS", false},
		{notifies ? "IDS" : "KEYS", true},
		{notifies ? "NOTIFIED" : "WRITTEN", true},
		{"TAKEN", true},
		{"MODE", true},
		{"MEMORY", true},
	};
	struct table table;

	table_init(&table, columns, FRAME_COUNT_OF(columns));
	for (size_t i = 0; i < topic->seats_count; i++) {
		const struct floe_seat_info *seat = &topic->seats[i];

		if (seat->kind != kind)
			continue;
		table_add_number(&table, seat->index);
		table_add(&table, "%s", text_state(seat->state));
		table_add(&table, "%d", seat->pid);
		table_add(&table, "%s", text_name(seat->process).text);
		table_add_number(&table, seat->count);
		table_add_number(&table, seat->total);
		table_add_number(&table, seat->generation);
		table_add(&table, "%04o", seat->mode);
		table_add(&table, "%s", text_bytes(seat->memory).text);
	}
	if (table_count_rows(&table) > 0) {
		(void)putchar('\n');
		table_print(&table, stdout);
	}
	table_deinit(&table);
}

static void print_type(const struct floe_topic_info *topic)
{
	if (!*topic->type.name) {
		printf("type        none named\n");
		return;
	}
	printf("type        %s (size %llu, alignment %llu, hash %016llx)\n",
	       text_name(topic->type.name).text, (unsigned long long)topic->type.size,
	       (unsigned long long)topic->type.alignment, (unsigned long long)topic->type.hash);
}

static void print_topic(const struct look_topic *topic)
{
	const struct floe_topic_info *info = &topic->info;

	printf("topic       %s\n", text_name(info->name).text);
	printf("state       %s\n", text_state(info->state));
	print_type(info);
	printf("publishers  %u\n", info->publishers);
	printf("subscribers %u\n", info->subscribers);
	printf("leftovers   %u\n", info->leftovers);
	printf("published   %llu\n", (unsigned long long)info->published);
	if (info->notifiers || info->writers)
		printf("notifiers   %u\nwriters     %u\n", info->notifiers, info->writers);
	printf("memory      %s\n", text_bytes(info->memory).text);
	print_publishers(topic);
	print_attributes(topic);
	print_loans(topic);
	print_subscribers(topic);
	print_seats(topic, FLOE_SEAT_NOTIFIER);
	print_seats(topic, FLOE_SEAT_WRITER);
}

static int show_topic(struct frame *frame, struct look_topic *topic)
{
	int r = look_inside(topic, frame->view);

	if (r < 0)
		return frame_fail(frame, "cannot look at '%s': %s", topic->info.name,
				  frame_reason(r));
	if (frame->json)
		object_print(object_inside(topic));
	else
		print_topic(topic);
	return FRAME_DONE;
}

/* What has this name; it may be a topic and a service. */
static int show_both(struct frame *frame, const char *name, struct look_topics *topics,
		     const struct group_services *services)
{
	struct look_topic *topic = look_find(topics, name);
	const struct group_service *service = group_find(services, name);
	int r = FRAME_DONE;

	if (!topic && !service)
		return frame_fail(frame, "there is no topic '%s' in '%s'", name,
				  floe_view_path(frame->view));
	if (topic)
		r = show_topic(frame, topic);
	if (topic && service && !frame->json)
		(void)putchar('\n');
	return service && r == FRAME_DONE ? service_show(frame, service, topics) : r;
}

static int show_name(struct frame *frame, const char *name)
{
	struct look_topics topics = {0};
	struct group_services services;
	int r = look_topics(&topics, frame->view);

	if (r < 0) {
		look_topics_end(&topics);
		return frame_fail(frame, "cannot look at '%s': %s", name, frame_reason(r));
	}
	group_services(&services, &topics);
	r = show_both(frame, name, &topics, &services);
	group_services_end(&services);
	look_topics_end(&topics);
	return r;
}

static int show_schema(struct frame *frame, const char *name)
{
	char none[1];
	ssize_t length = floe_view_schema(frame->view, name, none, sizeof(none));
	char *schema;

	if (length < 0)
		return frame_fail(frame, "'%s': %s", name, frame_reason((int)length));
	if (length == 0)
		return frame_fail(frame, "nobody gave a schema for '%s'", name);

	schema = frame_alloc((size_t)length + 1, 1);
	length = floe_view_schema(frame->view, name, schema, (size_t)length + 1);
	if (length > 0 && frame->json)
		object_print(json_pack("{s:o, s:o}", "topic", object_text(name), "schema",
				       object_text(schema)));
	else if (length > 0)
		(void)puts(schema);
	free(schema);
	return length > 0 ? FRAME_DONE : frame_fail(frame, "the schema of '%s' has gone", name);
}

static int info_run(struct frame *frame)
{
	if (wish.schema && frame->operands_count == 0)
		return frame_usage(frame, "--schema wants a topic");
	if (!frame_view(frame))
		return FRAME_FAILED;

	if (wish.schema)
		return show_schema(frame, frame->operands[0]);
	if (frame->operands_count == 0)
		return show_domain(frame);
	return show_name(frame, frame->operands[0]);
}

const struct command info_command = {
	.name = "info",
	.summary = "show all about a topic or a service, or about the domain",
	.operands = "[NAME]",
	.operands_max = 1,
	.options = options,
	.text = "Without a topic: the domain, its memory and its nodes (a node is a process\n"
		"that has publishers or subscribers). With a topic: its type, and who\n"
		"publishes and subscribes, notifies and writes. With a service: its servers\n"
		"and clients, what each of them got, and BEHIND: what it has not taken yet.\n"
		"\n"
		"LOANS and HELD are \"now/limit\". WOULD BLOCK counts how often a reliable\n"
		"subscriber stopped the publisher, WAKES how often it had to wake a sleeper\n"
		"by a system call. BEHIND is what is published and not yet taken. TAKEN is how\n"
		"many one after the other had the place of a notifier or a board writer.\n"
		"SPILLED counts chunks that were larger than the best because that pool was\n"
		"exhausted. ELASTIC is the memory of chunks of any size, and its quota.\n"
		"HEADER is what a publisher sends beside each payload: its bytes and the name\n"
		"of their type. Attributes are what publishers say about themselves.\n"
		"\n"
		"Loans that are out are listed when their program runs with\n"
		"FLOE_TRACE_LOANS=1 or was compiled with it, or when it had none left (then\n"
		"OUT is at least so long). PROGRAM+0xOFFSET is for addr2line -e PROGRAM.\n",
	.examples = "  floe info\n"
		    "  floe info camera\n"
		    "  floe info camera --schema\n",
	.run = info_run,
};
