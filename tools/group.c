/* SPDX-License-Identifier: Apache-2.0 */
#include "group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"

#define ID_LENGTH 16

static bool is_id(const char *text)
{
	return strlen(text) == ID_LENGTH && strspn(text, "0123456789abcdef") == ID_LENGTH;
}

enum group_part group_part_of(const char *topic, size_t *ret_length)
{
	const char *at = strrchr(topic, '@');

	*ret_length = at ? (size_t)(at - topic) : strlen(topic);
	if (!at || at == topic)
		return GROUP_NONE;
	if (strcmp(at, "@service") == 0)
		return GROUP_MEETING;
	if (strncmp(at, "@server.", 8) == 0 && is_id(at + 8))
		return GROUP_SERVER;
	return strncmp(at, "@client.", 8) == 0 && is_id(at + 8) ? GROUP_CLIENT : GROUP_NONE;
}

const char *group_id_of(const char *topic)
{
	return topic + strlen(topic) - ID_LENGTH;
}

enum group_part group_part_in(const char *topic, const char *service)
{
	size_t length;
	enum group_part part = group_part_of(topic, &length);

	return length == strlen(service) && memcmp(topic, service, length) == 0 ? part : GROUP_NONE;
}

static struct group_service *find(const struct group_services *services, const char *name,
				  size_t length)
{
	for (size_t i = 0; i < services->count; i++)
		if (strlen(services->services[i].name) == length &&
		    memcmp(services->services[i].name, name, length) == 0)
			return &services->services[i];
	return NULL;
}

const struct group_service *group_find(const struct group_services *services, const char *name)
{
	return find(services, name, strlen(name));
}

/* Those who meet are told by the topic where they do; the others say how much went through. */
static void add_topic(struct group_service *service, const struct floe_topic_info *topic,
		      enum group_part part)
{
	if (service->state != FLOE_STATE_ALIVE)
		service->state = topic->state;
	service->leftovers += topic->leftovers;
	service->memory += topic->memory;
	if (part == GROUP_SERVER)
		service->requests += topic->published;
	if (part == GROUP_CLIENT)
		service->responses += topic->published;
	if (part != GROUP_MEETING)
		return;
	service->servers = topic->publishers;
	service->clients = topic->subscribers;
	(void)snprintf(service->type, sizeof(service->type), "%s", topic->type.name);
}

static int compare(const void *a, const void *b)
{
	const struct group_service *left = a;
	const struct group_service *right = b;

	return strcmp(left->name, right->name);
}

void group_services(struct group_services *ret, const struct look_topics *topics)
{
	*ret = (struct group_services){
		.services = frame_alloc(topics->count + 1, sizeof(*ret->services))};
	for (size_t i = 0; i < topics->count; i++) {
		const struct floe_topic_info *topic = &topics->topics[i].info;
		size_t length;
		enum group_part part = group_part_of(topic->name, &length);
		struct group_service *service = find(ret, topic->name, length);

		if (part == GROUP_NONE)
			continue;
		if (!service) {
			service = &ret->services[ret->count++];
			memcpy(service->name, topic->name, length);
			service->state = topic->state;
		}
		add_topic(service, topic, part);
	}
	qsort(ret->services, ret->count, sizeof(*ret->services), compare);
}

void group_services_end(struct group_services *services)
{
	free(services->services);
	*services = (struct group_services){0};
}

struct group_seats group_seats(const struct look_topic *topic, uint32_t kind)
{
	struct group_seats sum = {0};

	for (size_t i = 0; i < topic->seats_count; i++) {
		const struct floe_seat_info *seat = &topic->seats[i];

		if (seat->kind != kind)
			continue;
		sum.alive += seat->state == FLOE_STATE_ALIVE;
		sum.dead += seat->state != FLOE_STATE_ALIVE;
		if (kind == FLOE_SEAT_WRITER)
			sum.count += seat->count;
		else if (seat->count > sum.count)
			sum.count = seat->count;
		sum.total += seat->total;
		sum.memory += seat->memory;
	}
	return sum;
}

bool group_is_topic(const struct look_topic *topic)
{
	const struct floe_topic_info *info = &topic->info;
	struct group_seats notifiers = group_seats(topic, FLOE_SEAT_NOTIFIER);
	struct group_seats writers = group_seats(topic, FLOE_SEAT_WRITER);

	return topic->seats_count == 0 || info->publishers || info->subscribers ||
	       info->published || info->leftovers > notifiers.dead + writers.dead;
}
