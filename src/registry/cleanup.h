/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_CLEANUP_H
#define REGISTRY_CLEANUP_H

/*
 * Clean-up: what dead processes left, removed by whoever notices.
 *
 * Proof of death is the lock: a node file with a name whose lock can be had belongs to nobody
 * alive, and whoever has the lock is the only one who cleans. Every step removes one name; dying
 * between two leaves fewer names for the next one, and the name that led here is removed last.
 */

#include <floe/floe.h>

#include "registry/domain.h"
#include "registry/node.h"
#include "registry/topic.h"

/* Told what is found, before it is removed; may be NULL. */
struct cleanup {
	void (*tell)(void *user, const char *sentence);
	void *user;
	bool dry_run;
	int count; /* things found */
};

/* Removes a dead node: its places in all topics, then its file. 1 removed; 2 some places stay, for
 * somebody alive needs what they hold (registry/relays.h); 0 it lives, or is not ours to remove; -ENOENT */
int cleanup_node(const struct domain *domain, uint64_t id, struct cleanup *cleanup);

/* Removes the nodes of dead subscribers of this topic. */
int cleanup_places(const struct domain *domain, const char *topic, struct cleanup *cleanup);

/* Removes the records of this topic that lead to memory of dead processes. */
int cleanup_records(const struct domain *domain, const char *topic, struct cleanup *cleanup);

/* Removes the topic with all rings in it, unless somebody alive is in it. 1 removed (or
 * would be), 0 not. */
int cleanup_topic(const struct domain *domain, const char *topic, struct cleanup *cleanup);

/* Closes the view of a topic, also of one that could not be opened, and removes the topic if nobody
 * alive is left in it. TOPIC_NULL is fine. */
void cleanup_leave(struct topic *topic);

/* Removes dead nodes that have nothing in any topic; looks at a few nodes only, so that opening does
 * not take longer where there are many. */
void cleanup_bare_nodes(const struct domain *domain);

/* Takes away the places of closed subscribers of our own node that nobody needs any more. */
void cleanup_abandoned(struct node *node);

/* Everything in the domain. 0 or -errno; what was found is counted in `cleanup`. */
int cleanup_domain(const struct domain *domain, struct cleanup *cleanup);

#endif
