/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_SERVICE_H
#define API_SERVICE_H

/*
 * Service: what clients and servers agree on. They meet on topics:
 *
 *   NAME@service      each server announces itself here, each client listens
 *   NAME@server.<id>  the server subscribes; a ring of each client that talks to it
 *   NAME@client.<id>  the client subscribes; a ring of each server that it talks to
 *
 * A ring says in `sender` whose it is. Its depth is what keeps everybody from waiting:
 *
 *   requests:   depth = active_max of the client, which has no more requests out than that; so none
 *               is overwritten before it is taken, and nobody looks whether it would be
 *   responses:  depth = responses_max of the server + depth of the requests; one that is not the
 *               last is sent only while more than the latter are free, so the last always finds room
 */

#include <floe/service.h>

#include "channel/segment_layout.h"

#define ACTIVE_DEFAULT 8
#define RESPONSES_DEFAULT 8
#define CLIENT_HOLDS_DEFAULT 4
#define SERVICE_NAME_MAX (FLOE_SERVICE_NAME_MAX + 32)
static_assert(FLOE_REQUESTS_MAX < REQUESTS_MAX, "each has a bit that says it is unwanted");
static_assert(FLOE_CLIENTS_MAX <= FLOE_PUBLISHERS_MAX, "each has a ring on the server's topic");

/* Marks: the request's number, and in responses what else they say. */
#define MARK_INDEX ((uint64_t)0xff)
#define MARK_REQUEST (((uint64_t)1 << 40) - 1)
#define MARK_MORE ((uint64_t)1 << 40) /* further responses will come */
#define MARK_END ((uint64_t)1 << 41)  /* no response: the payload is a status, int32_t */
#define MARK_NEXT_REQUEST ((uint64_t)1 << 8)
static_assert(MARK_END < (uint64_t)1 << SLOT_MARK_BITS, "fits beside the payload");

/* What a server publishes on NAME@service, when it comes and when it goes. */
struct announcement {
	uint64_t server;
	uint64_t node;
	uint32_t active_max;
	uint32_t leaving;
};
static_assert(sizeof(struct announcement) <= FLOE_INLINE_MAX, "it travels in its slot");

/* The name is checked; SERVICE_NAME_MAX bytes. */
void service_topic(char *ret, const char *service);
void service_server_topic(char *ret, const char *service, uint64_t id);
void service_client_topic(char *ret, const char *service, uint64_t id);

/* What a topic's name says of it. */
enum service_part {
	SERVICE_NONE,    /* it is no part of a service */
	SERVICE_MEETING, /* NAME@service */
	SERVICE_INSIDE,  /* NAME@server.<id>, NAME@client.<id> */
};
/* ret_length: of NAME */
enum service_part service_part_of(const char *topic, size_t *ret_length);

int service_check_name(const char *service, struct floe_error *error);

/* One type of both, so that the topic NAME@service compares them: "REQUEST -> RESPONSE". */
struct service_type {
	struct floe_type type;
	char name[128];
};
int service_join_types(struct service_type *ret, const struct floe_type *request,
		       const struct floe_type *response, struct floe_error *error);

/* What one says of itself on NAME@service: its attributes, and the headers as further ones, so that these are
 * compared there too. */
struct service_says {
	struct floe_attribute attribute[FLOE_ATTRIBUTES_MAX];
	size_t count;
	char request_header[FLOE_ATTRIBUTE_VALUE_MAX + 1];
	char response_header[FLOE_ATTRIBUTE_VALUE_MAX + 1];
};
int service_join_headers(struct service_says *ret, const struct floe_attribute *attributes,
			 size_t count, const struct floe_type *request,
			 const struct floe_type *response, struct floe_error *error);

/* What rings need to know of a header, kept beyond the call: NULL, or ret. */
const struct floe_type *service_keep_header(struct floe_type *ret, const struct floe_type *header);

/* Bytes in tmpfs of the rings that `count` peers have: -EINVAL more than count_max; or as
 * floe_publisher_memory_size. */
ssize_t service_rings_size(const struct floe_publisher_options *ring, size_t count,
			   size_t count_max);

/* A number that is not 0 and nobody else's. */
int service_make_id(uint64_t *ret, struct floe_error *error);

#endif
