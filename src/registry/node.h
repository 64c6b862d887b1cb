/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_NODE_H
#define REGISTRY_NODE_H

/*
 * Node: this process's membership of a domain: one file, one descriptor, one lock, shared by all
 * publishers and subscribers that the process has in it.
 *
 * The table of nodes is the process's; all calls may come from any thread.
 */

#include <pthread.h>

#include "memory/region.h"
#include "registry/domain.h"
#include "registry/node_layout.h"

struct node {
	struct domain domain;
	struct region region;
	struct node_shared *shared;
	uint64_t id;
	int32_t pid; /* 0: free; another process's: inherited by fork, not ours */
	int fd;      /* holds the lock */
	uint32_t users;
	bool fenced;        /* membarrier(2) is not to be had */
	uint32_t abandoned; /* ports without a subscriber that relays still need */
	/* Of threads that open, close and republish at the same time one cleans these, or looks for its
	 * note. Taken before the lock of all nodes. */
	pthread_mutex_t cleaning;
};

/* The process's node in the domain of these options, made if this is its first use. -EMFILE: more
 * domains than a process needs. */
int node_get(struct node **ret_node, const char *dir, const char *domain, struct floe_error *error);

/* This thread watches over the omen, if none does: called where somebody waits or wakes. */
void node_watch(const struct node *node);

/* The last one to put it removes the file and, where they are empty, its folders. NULL is fine. */
void node_put(struct node *node);

/* Its subscriber is closed, and somebody may need what it holds: the port stays open. Cleaning takes it
 * later, cleanup_abandoned; after the last node_put the node is like a dead one's. */
void node_abandon_port(struct node *node, struct port_shared *port);
bool node_has_abandoned(struct node *node);

/* Memory for a port in this node's file, zeroed, not open. */
int node_add_port(struct node *node, uint32_t holds_max, uint32_t accord_size,
		  struct port_shared **ret_port, struct floe_error *error);
/* The same port as our own, to be written. */
static inline struct port_shared *node_port(const struct node *node, const struct port_shared *port)
{
	return (struct port_shared *)(void *)(node->region.base +
					      ((const unsigned char *)port - node->region.base));
}

void node_remove_port(struct node *node, struct port_shared *port);

/* The memory of its ports as far as there is some now: other threads add ports. */
struct region node_region(struct node *node);

/* "<domain>/nodes/<id>" into DOMAIN_NAME_MAX bytes. */
void node_path(const struct domain *domain, uint64_t id, char *ret_path);

#endif
