/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_INVENTORY_H
#define API_INVENTORY_H

/*
 * Inventory: what was in a domain when it was looked at last, shelf by shelf: one with the nodes, one
 * for each topic with who is on it. A shelf is read anew and compared, and what differs is told.
 *
 * Private to one watch.
 */

#include <floe/watch.h>

#include "registry/view.h"

/* Something that is there, as it would be told. */
struct item {
	struct floe_watch_event event;
	uint64_t generation; /* another one is another owner's */
};

struct shelf {
	char topic[FLOE_TOPIC_NAME_MAX + 1]; /* "": the nodes */
	struct item *item;
	size_t count;
};

struct inventory {
	const struct domain *domain;
	struct shelf *shelf;
	size_t count, room;
	struct view_room work;
	/* Called for each difference. `before`: its state until now, or as it is. */
	int (*tell)(void *user, const struct floe_watch_event *event, uint32_t before);
	void *user;
};

void inventory_deinit(struct inventory *inventory);

/* Reads one topic's shelf, or that of the nodes, and tells what differs. 0, or -errno: what was there
 * is still what is known */
int inventory_read_topic(struct inventory *inventory, const char *topic);
int inventory_read_nodes(struct inventory *inventory);

/* Calls `each` for every topic on which this node has something. */
void inventory_each_topic_of(const struct inventory *inventory, uint64_t node,
			     void (*each)(void *user, const char *topic), void *user);

#endif
