/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_PLACE_H
#define REGISTRY_PLACE_H

/*
 * Place: a subscriber's name in the topic's folder, `sub.<k>`: a further name of its node's file,
 * so that it costs no file of its own and dies with the node's lock.
 */

#include "channel/accord.h"
#include "registry/node.h"
#include "registry/topic.h"

struct place_options {
	uint32_t policy;
	uint64_t depth;
	uint64_t patience_ns;
	const struct floe_type *type;
	const struct accord_shared *accord; /* what it wants; the port was made with room for it */
};

/* Opens the port and claims a place with it; the topic is locked. -EMFILE: all are taken. */
int place_claim(struct port_shared *port, const struct place_options *options,
		const struct node *node, const struct topic *topic, struct floe_error *error);

/* Gives the place back; the port is free for others afterwards. */
void place_give_back(struct port_shared *port, struct node *node, const struct topic *topic);

/* In a child made by fork: another thread may have been about to claim one. */
void place_forget_parent(void);

#endif
