/* SPDX-License-Identifier: Apache-2.0 */
#include "object.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "frame.h"
#include "text.h"

json_t *object_text(const char *text)
{
	json_t *string = json_string(text);

	return string ? string : json_string(text_name(text).text);
}

/* JSON's integers are signed here; what does not fit is a nonsense of the other side. */
json_t *object_number(uint64_t number)
{
	return json_integer(number > INT64_MAX ? INT64_MAX : (json_int_t)number);
}

static void set(json_t *object, const char *key, uint64_t number)
{
	(void)json_object_set_new(object, key, object_number(number));
}

/* All 64 bits matter here, and many readers of JSON keep only 53 of a number. */
static void set_hex(json_t *object, const char *key, uint64_t number)
{
	(void)json_object_set_new(object, key, json_sprintf("%016llx", (unsigned long long)number));
}

static void set_pid(json_t *object, int32_t pid)
{
	(void)json_object_set_new(object, "pid", json_integer(pid));
}

static void set_text(json_t *object, const char *key, const char *text)
{
	(void)json_object_set_new(object, key, object_text(text));
}

json_t *object_node(const struct floe_node_info *node)
{
	json_t *object = json_object();

	set_hex(object, "node", node->id);
	set_text(object, "state", text_state(node->state));
	set_pid(object, node->pid);
	set_text(object, "process", node->process);
	set(object, "uid", node->uid);
	set(object, "subscribers", node->subscribers);
	set(object, "memory", node->memory);
	return object;
}

json_t *object_topic(const struct floe_topic_info *topic)
{
	json_t *object = json_object();

	set_text(object, "topic", topic->name);
	set_text(object, "state", text_state(topic->state));
	set(object, "publishers", topic->publishers);
	set(object, "subscribers", topic->subscribers);
	set(object, "leftovers", topic->leftovers);
	set(object, "published", topic->published);
	set(object, "memory", topic->memory);
	set_text(object, "type", topic->type.name);
	set(object, "type_size", topic->type.size);
	set(object, "type_alignment", topic->type.alignment);
	set_hex(object, "type_hash", topic->type.hash);
	set(object, "notifiers", topic->notifiers);
	set(object, "writers", topic->writers);
	return object;
}

static void set_seats(json_t *object, const struct look_topic *topic, uint32_t kind,
		      const char *count, const char *total)
{
	struct group_seats seats = group_seats(topic, kind);

	if (!seats.alive && !seats.dead)
		return;
	set(object, count, seats.count);
	set(object, total, seats.total);
}

json_t *object_name(const struct look_topic *topic)
{
	json_t *object = object_topic(&topic->info);

	set_seats(object, topic, FLOE_SEAT_NOTIFIER, "ids", "notified");
	set_seats(object, topic, FLOE_SEAT_WRITER, "keys", "written");
	return object;
}

json_t *object_service(const struct group_service *service)
{
	json_t *object = json_object();

	set_text(object, "service", service->name);
	set_text(object, "state", text_state(service->state));
	set(object, "servers", service->servers);
	set(object, "clients", service->clients);
	set(object, "leftovers", service->leftovers);
	set(object, "requests", service->requests);
	set(object, "responses", service->responses);
	set(object, "memory", service->memory);
	set_text(object, "type", service->type);
	return object;
}

json_t *object_publisher(const struct floe_publisher_info *publisher)
{
	json_t *object = json_object();

	set(object, "publisher", publisher->index);
	set_text(object, "state", text_state(publisher->state));
	set_pid(object, publisher->pid);
	set_text(object, "process", publisher->process);
	set(object, "uid", publisher->uid);
	set_hex(object, "node", publisher->node);
	(void)json_object_set_new(object, "mode", json_sprintf("%04o", publisher->mode));
	(void)json_object_set_new(object, "timestamps",
				  json_boolean(publisher->flags & FLOE_TIMESTAMPS));
	set(object, "sequence", publisher->sequence);
	set(object, "depth", publisher->depth);
	set(object, "payload_max", publisher->payload_max);
	set(object, "chunks", publisher->chunks);
	set(object, "loans", publisher->loans);
	set(object, "loans_max", publisher->loans_max);
	set(object, "loans_ceiling", publisher->loans_ceiling);
	set(object, "loans_refused", publisher->loans_refused);
	set(object, "would_block", publisher->would_block);
	set(object, "wakes", publisher->wakes);
	set(object, "spilled", publisher->spilled);
	set(object, "solid", publisher->solid);
	set(object, "quota", publisher->quota);
	set(object, "quota_ceiling", publisher->quota_ceiling);
	set(object, "memory", publisher->memory);
	set(object, "generation", publisher->generation);
	set_text(object, "type", publisher->type);
	set(object, "header_size", publisher->header_size);
	set_text(object, "header", publisher->header);
	set(object, "lanes_max", publisher->lanes_max);
	set(object, "lane_depth", publisher->lane_depth);
	set(object, "lanes_dropped", publisher->lanes_dropped);
	return object;
}

json_t *object_subscriber(const struct floe_subscriber_info *subscriber)
{
	json_t *object = json_object();

	set(object, "subscriber", subscriber->index);
	set_text(object, "state", text_state(subscriber->state));
	set_pid(object, subscriber->pid);
	set_text(object, "process", subscriber->process);
	set(object, "uid", subscriber->uid);
	set_hex(object, "node", subscriber->node);
	set_text(object, "policy", text_policy(subscriber->policy));
	(void)json_object_set_new(object, "sleeping", json_boolean(subscriber->sleeping));
	set(object, "received", subscriber->received);
	set(object, "lost", subscriber->lost);
	set(object, "held", subscriber->held);
	set(object, "holds_max", subscriber->holds_max);
	set(object, "holds_ceiling", subscriber->holds_ceiling);
	set(object, "behind", subscriber->behind);
	set_text(object, "type", subscriber->type);
	set(object, "header_size_wanted", subscriber->header_size);
	set(object, "attributes_wanted", subscriber->attributes);
	set(object, "queue_max", subscriber->queue_max);
	return object;
}

json_t *object_seat(const struct floe_seat_info *seat)
{
	bool notifies = seat->kind == FLOE_SEAT_NOTIFIER;
	json_t *object = json_object();

	set(object, notifies ? "notifier" : "writer", seat->index);
	set_text(object, "state", text_state(seat->state));
	set_pid(object, seat->pid);
	set_text(object, "process", seat->process);
	set(object, "uid", seat->uid);
	set_hex(object, "node", seat->node);
	(void)json_object_set_new(object, "mode", json_sprintf("%04o", seat->mode));
	set(object, notifies ? "ids" : "keys", seat->count);
	set(object, notifies ? "notified" : "written", seat->total);
	set(object, "wakes", seat->wakes);
	set(object, "memory", seat->memory);
	set(object, "generation", seat->generation);
	return object;
}

json_t *object_participant(const struct look_topic *topic, size_t index, enum group_part part)
{
	const struct floe_subscriber_info *who = &topic->subscribers[index];
	bool serves = part == GROUP_SERVER;
	json_t *object = json_object();

	set_text(object, serves ? "server" : "client", group_id_of(topic->info.name));
	set_text(object, "state", text_state(who->state));
	set_pid(object, who->pid);
	set_text(object, "process", who->process);
	set(object, "uid", who->uid);
	set_hex(object, "node", who->node);
	set(object, serves ? "clients" : "servers", topic->info.publishers);
	set(object, serves ? "requests" : "responses", who->received);
	set(object, "behind", who->behind);
	set(object, "held", who->held);
	set(object, "holds_max", who->holds_max);
	set(object, "memory", topic->info.memory);
	return object;
}

static json_t *object_loan(const struct look_loan *loan)
{
	json_t *object = json_object();

	set(object, "publisher", loan->publisher);
	set(object, "size", loan->info.size);
	set(object, "since_ns", loan->info.since_ns);
	(void)json_object_set_new(object, "exact", json_boolean(loan->info.exact));
	set_text(object, "file", loan->info.file);
	set(object, "line", loan->info.line);
	return object;
}

/* A publisher with what it says about itself. */
static json_t *object_with_attributes(const struct look_topic *topic,
				      const struct floe_publisher_info *publisher)
{
	json_t *object = object_publisher(publisher);
	json_t *attributes = json_object();

	for (size_t i = 0; i < topic->attributes_count; i++)
		if (topic->attributes[i].publisher == publisher->index)
			set_text(attributes, topic->attributes[i].info.key,
				 topic->attributes[i].info.value);
	(void)json_object_set_new(object, "attributes", attributes);
	return object;
}

json_t *object_inside(const struct look_topic *topic)
{
	json_t *object = object_topic(&topic->info);
	json_t *publishers = json_array();
	json_t *loans = json_array();
	json_t *subscribers = json_array();
	json_t *notifiers = json_array();
	json_t *writers = json_array();

	for (size_t i = 0; i < topic->publishers_count; i++)
		(void)json_array_append_new(publishers,
					    object_with_attributes(topic, &topic->publishers[i]));
	for (size_t i = 0; i < topic->subscribers_count; i++)
		(void)json_array_append_new(subscribers, object_subscriber(&topic->subscribers[i]));
	for (size_t i = 0; i < topic->loans_count; i++)
		(void)json_array_append_new(loans, object_loan(&topic->loans[i]));
	(void)json_object_set_new(object, "publisher_list", publishers);
	(void)json_object_set_new(object, "loan_list", loans);
	for (size_t i = 0; i < topic->seats_count; i++) {
		const struct floe_seat_info *seat = &topic->seats[i];

		(void)json_array_append_new(seat->kind == FLOE_SEAT_NOTIFIER ? notifiers : writers,
					    object_seat(seat));
	}
	(void)json_object_set_new(object, "subscriber_list", subscribers);
	(void)json_object_set_new(object, "notifier_list", notifiers);
	(void)json_object_set_new(object, "writer_list", writers);
	return object;
}

json_t *object_hex(const void *bytes, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *at = bytes;
	char *hex = frame_alloc(2 * size + 1, 1);
	json_t *string;

	for (size_t i = 0; i < size; i++) {
		hex[2 * i] = digits[at[i] >> 4];
		hex[2 * i + 1] = digits[at[i] & 15];
	}
	string = json_string(hex);
	free(hex);
	return string;
}

void object_set_payload(json_t *object, const void *bytes, size_t size)
{
	json_t *string = json_stringn(bytes, size);

	if (string)
		(void)json_object_set_new(object, "data", string);
	else
		(void)json_object_set_new(object, "hex", object_hex(bytes, size));
}

void object_print(json_t *object)
{
	/* U+0080 to U+009F are plain text in JSON, and control characters on a terminal. */
	size_t flags = JSON_COMPACT | (isatty(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0);

	(void)json_dumpf(object, stdout, flags);
	(void)putchar('\n');
	json_decref(object);
}
