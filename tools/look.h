/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_LOOK_H
#define TOOLS_LOOK_H

/*
 * What is in a domain at one moment, as lists that own their memory. Topics are sorted by name,
 * nodes by pid.
 */

#include <stdbool.h>
#include <stddef.h>

#include <floe/inspect.h>

struct look_nodes {
	struct floe_node_info *nodes;
	size_t count;
};

struct look_loan {
	uint32_t publisher;
	struct floe_loan_info info;
};

struct look_attribute {
	uint32_t publisher;
	struct floe_attribute_info info;
};

struct look_topic {
	struct floe_topic_info info;
	struct floe_publisher_info *publishers; /* NULL until look_inside */
	size_t publishers_count;
	struct look_loan *loans; /* of all publishers, those that are known */
	size_t loans_count;
	struct look_attribute *attributes; /* of all publishers */
	size_t attributes_count;
	struct floe_subscriber_info *subscribers;
	size_t subscribers_count;
	struct floe_seat_info *seats; /* notifiers and board writers */
	size_t seats_count;
};

struct look_topics {
	struct look_topic *topics;
	size_t count;
};

/* 0 or -errno. */
int look_nodes(struct look_nodes *ret, struct floe_view *view);
int look_topics(struct look_topics *ret, struct floe_view *view);

/* Who publishes and subscribes. A topic that vanished meanwhile, is damaged, or may not be read has
 * nobody: the state of its info says which. 0 or -errno. */
int look_inside(struct look_topic *topic, struct floe_view *view);

/* Only who has seats there, in the same way. */
int look_seats(struct look_topic *topic, struct floe_view *view);

/* NULL: none of this name. */
struct look_topic *look_find(const struct look_topics *topics, const char *name);

/* Bytes of the file system that holds the domain's folder, or of the nearest folder above that
 * exists. 0 or -errno. */
struct look_space {
	uint64_t size;
	uint64_t free;
	bool is_tmpfs;
};
int look_space(struct look_space *ret, const char *path);

void look_topic_end(struct look_topic *topic);
void look_nodes_end(struct look_nodes *nodes);
void look_topics_end(struct look_topics *topics);

#endif
