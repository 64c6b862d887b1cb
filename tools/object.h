/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_OBJECT_H
#define TOOLS_OBJECT_H

/*
 * What --json prints. The keys are promised: new ones may come, none changes its meaning.
 */

#include <jansson.h>
#include <stddef.h>

#include "group.h"
#include "look.h"

json_t *object_node(const struct floe_node_info *node);
json_t *object_topic(const struct floe_topic_info *topic);
/* The same of a name that may be an event or a board as well: then with what those have. */
json_t *object_name(const struct look_topic *topic);
json_t *object_service(const struct group_service *service);
/* A server, or a client: subscriber `index` of its topic. */
json_t *object_participant(const struct look_topic *topic, size_t index, enum group_part part);
json_t *object_publisher(const struct floe_publisher_info *publisher);
json_t *object_subscriber(const struct floe_subscriber_info *subscriber);

json_t *object_seat(const struct floe_seat_info *seat);

/* The topic, with all who are on it as arrays. */
json_t *object_inside(const struct look_topic *topic);

/* A string that others wrote: what is not UTF-8 is escaped as on a terminal. */
json_t *object_text(const char *text);
json_t *object_number(uint64_t number);

json_t *object_hex(const void *bytes, size_t size);

/* Adds "data" when the bytes are UTF-8, else "hex". */
void object_set_payload(json_t *object, const void *bytes, size_t size);

/* Prints one line on stdout and ends the object. */
void object_print(json_t *object);

#endif
