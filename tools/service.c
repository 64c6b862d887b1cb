/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include <stdio.h>

#include "object.h"
#include "table.h"
#include "text.h"

static void add_participant(struct table *table, const struct look_topic *topic,
			    const struct floe_subscriber_info *who)
{
	table_add(table, "%s", group_id_of(topic->info.name));
	table_add(table, "%s", text_state(who->state));
	table_add(table, "%d", who->pid);
	table_add(table, "%s", text_name(who->process).text);
	table_add_number(table, topic->info.publishers);
	table_add_number(table, who->received);
	table_add_number(table, who->behind);
	table_add(table, "%llu/%llu", (unsigned long long)who->held,
		  (unsigned long long)who->holds_max);
	table_add(table, "%s", text_bytes(topic->info.memory).text);
}

static void print_participants(const struct look_topics *topics, const char *service,
			       enum group_part part)
{
	bool serves = part == GROUP_SERVER;
	const struct table_column columns[] = {
		{serves ? "SERVER" : "CLIENT", false},
		{"STATE", false},
		{"PID", true},
		{"PROCESS", false},
		{serves ? "CLIENTS" : "SERVERS", true},
		{serves ? "REQUESTS" : "RESPONSES", true},
		{"BEHIND", true},
		{"HELD", true},
		{"MEMORY", true},
	};
	struct table table;

	table_init(&table, columns, FRAME_COUNT_OF(columns));
	for (size_t i = 0; i < topics->count; i++) {
		const struct look_topic *topic = &topics->topics[i];

		if (group_part_in(topic->info.name, service) != part)
			continue;
		for (size_t k = 0; k < topic->subscribers_count; k++)
			add_participant(&table, topic, &topic->subscribers[k]);
	}
	if (table_count_rows(&table) > 0) {
		(void)putchar('\n');
		table_print(&table, stdout);
	}
	table_deinit(&table);
}

static void print_service(const struct group_service *service, const struct look_topics *topics)
{
	printf("service     %s\n", text_name(service->name).text);
	printf("state       %s\n", text_state(service->state));
	printf("types       %s\n", text_name(*service->type ? service->type : "none named").text);
	printf("servers     %u\n", service->servers);
	printf("clients     %u\n", service->clients);
	printf("leftovers   %u\n", service->leftovers);
	printf("requests    %llu\n", (unsigned long long)service->requests);
	printf("responses   %llu\n", (unsigned long long)service->responses);
	printf("memory      %s\n", text_bytes(service->memory).text);
	print_participants(topics, service->name, GROUP_SERVER);
	print_participants(topics, service->name, GROUP_CLIENT);
}

static json_t *list_participants(const struct look_topics *topics, const char *service,
				 enum group_part part)
{
	json_t *list = json_array();

	for (size_t i = 0; i < topics->count; i++) {
		const struct look_topic *topic = &topics->topics[i];

		if (group_part_in(topic->info.name, service) != part)
			continue;
		for (size_t k = 0; k < topic->subscribers_count; k++)
			(void)json_array_append_new(list, object_participant(topic, k, part));
	}
	return list;
}

static void print_service_object(const struct group_service *service,
				 const struct look_topics *topics)
{
	json_t *object = object_service(service);

	(void)json_object_set_new(object, "server_list",
				  list_participants(topics, service->name, GROUP_SERVER));
	(void)json_object_set_new(object, "client_list",
				  list_participants(topics, service->name, GROUP_CLIENT));
	object_print(object);
}

int service_show(struct frame *frame, const struct group_service *service,
		 struct look_topics *topics)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < topics->count; i++)
		if (group_part_in(topics->topics[i].info.name, service->name) != GROUP_NONE)
			r = look_inside(&topics->topics[i], frame->view);
	if (r < 0)
		return frame_fail(frame, "cannot look at '%s': %s", service->name, frame_reason(r));
	if (frame->json)
		print_service_object(service, topics);
	else
		print_service(service, topics);
	return FRAME_DONE;
}
