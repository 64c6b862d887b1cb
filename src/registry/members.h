/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_MEMBERS_H
#define REGISTRY_MEMBERS_H

/*
 * Members: the subscribers of a topic, as a publisher finds them in the topic's folder. Their
 * nodes are mapped read-only, each file once.
 *
 * Belongs to one publisher. Who cannot be read (no permission, damaged) is no member: his holds
 * protect nothing, and only he is hurt.
 */

#include "channel/publisher.h"
#include "registry/peer.h"
#include "registry/topic.h"

/* None: both counts are 0, whatever is in the tables. */
struct members {
	uint32_t count;
	uint32_t peer_count;
	struct member member[FLOE_SUBSCRIBERS_MAX];
	struct peer peer[FLOE_SUBSCRIBERS_MAX];
	uint32_t place[FLOE_SUBSCRIBERS_MAX]; /* of each member */
};

/* Reads the folder again. 0, or -errno for what may pass (no descriptor, no memory): then the
 * list is as it was. */
int members_read(struct members *members, const struct topic *topic);

/* Holds of all members together. */
uint32_t members_count_holds(const struct members *members);

/* Has a member still a cursor for a publisher of this index? */
bool members_remember(const struct members *members, uint32_t index);

/* Does a member, dead ones with a place included, hold a chunk of a publisher of this index? Others may
 * come to what it has republished by the ring's name only. */
bool members_hold(const struct members *members, uint32_t index);

void members_close(struct members *members);

#endif
