/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_VIEW_H
#define REGISTRY_VIEW_H

/*
 * View: what a domain's files say about nodes, topics, publishers and subscribers, read without
 * taking part. All of it is input.
 *
 * Each call fills at most `count` elements of the caller's and returns how many there are.
 */

#include <floe/inspect.h>

#include "registry/domain.h"
#include "registry/seat_file.h"

int view_nodes(const struct domain *domain, struct floe_node_info *ret, size_t count);
int view_publishers(const struct domain *domain, const char *topic, struct floe_publisher_info *ret,
		    size_t count);
int view_loans(const struct domain *domain, const char *topic, uint32_t publisher,
	       struct floe_loan_info *ret, size_t count);
int view_attributes(const struct domain *domain, const char *topic, uint32_t publisher,
		    struct floe_attribute_info *ret, size_t count);
int view_subscribers(const struct domain *domain, const char *topic,
		     struct floe_subscriber_info *ret, size_t count);

int view_seats(const struct domain *domain, const char *topic, struct floe_seat_info *ret,
	       size_t count);

/* Calls `each` with the name of every topic. */
int view_each_topic(const struct domain *domain, int (*each)(void *user, const char *name),
		    void *user);

/* Summary of one topic; the arrays are room to work in: all publishers and subscribers. */
struct view_room {
	struct floe_publisher_info publisher[FLOE_PUBLISHERS_MAX];
	struct floe_subscriber_info subscriber[FLOE_SUBSCRIBERS_MAX];
	struct floe_seat_info seat[2 * SEATS_MAX];
	int publishers, subscribers, seats; /* how many there were, or -errno */
};
int view_topic(const struct domain *domain, const char *topic, struct view_room *room,
	       struct floe_topic_info *ret);

/* As floe_view_schema. */
ssize_t view_schema(const struct domain *domain, const char *topic, char *ret, size_t size);

#endif
