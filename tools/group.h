/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_GROUP_H
#define TOOLS_GROUP_H

/*
 * Groups: what belongs together in a domain. A service is several topics, floe/service.h says which;
 * a name may be a topic, an event and a board at once.
 */

#include <floe/service.h>

#include "look.h"

enum group_part {
	GROUP_NONE,    /* of no service */
	GROUP_MEETING, /* NAME@service */
	GROUP_SERVER,  /* NAME@server.<id> */
	GROUP_CLIENT,  /* NAME@client.<id> */
};

/* ret_length: of NAME */
enum group_part group_part_of(const char *topic, size_t *ret_length);

/* The id in the name of a server's or a client's topic. */
const char *group_id_of(const char *topic);

/* Is this topic part of the service, and which? */
enum group_part group_part_in(const char *topic, const char *service);

struct group_service {
	char name[FLOE_TOPIC_NAME_MAX + 1];
	uint32_t state;
	uint32_t servers; /* living */
	uint32_t clients; /* living */
	uint32_t leftovers;
	uint64_t requests; /* sent by those who are there; responses too */
	uint64_t responses;
	uint64_t memory;
	char type[128]; /* "REQUEST -> RESPONSE"; "": none */
};

struct group_services {
	struct group_service *services; /* sorted by name */
	size_t count;
};

/* NULL: none of this name. */
const struct group_service *group_find(const struct group_services *services, const char *name);

void group_services(struct group_services *ret, const struct look_topics *topics);
void group_services_end(struct group_services *services);

/* What those who have seats of one kind on a topic have there together; look_seats comes first. */
struct group_seats {
	uint32_t alive;
	uint32_t dead;
	uint64_t count; /* ids of the notifier that has most; keys of all writers */
	uint64_t total; /* notified, written */
	uint64_t memory;
};
struct group_seats group_seats(const struct look_topic *topic, uint32_t kind);

/* Has it, or had it, messages, or nothing else either? */
bool group_is_topic(const struct look_topic *topic);

#endif
