/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_SUBSCRIPTION_H
#define API_SUBSCRIPTION_H

/*
 * Subscription: what lies behind a struct floe_subscriber, and what clients and servers receive by.
 */

#include "api/descriptor.h"
#include "api/safe.h"
#include "api/words.h"
#include "channel/subscriber.h"
#include "registry/feeds.h"
#include "registry/node.h"
#include "registry/origins.h"
#include "registry/topic.h"

struct subscription {
	struct subscriber subscriber; /* first: the data path needs nothing else */
	struct node *node;
	struct topic topic;
	struct feeds feeds;
	struct party says;
	struct accord_shared *wish; /* NULL: it wants nothing */
	struct port_shared *port;
	bool placed;
	void *tables;
	struct origins *origins;       /* NULL until something relayed was met */
	struct descriptor *descriptor; /* NULL until somebody asked for it */
	struct words *words;           /* the same */
	uint64_t history;
	bool joining;
	struct floe_error *error;    /* while opening */
	void (*changed)(void *user); /* the folder has been read again; or NULL */
	void *user;
	struct safe safe;  /* with FLOE_THREAD_SAFE */
	shared_u64 owners; /* who opened it, and each sample that is shared: the last one ends it */
};

/* floe_subscriber_open, without a handle. */
int subscription_open(struct subscription **ret, const char *topic,
		      const struct floe_subscriber_options *options, void (*changed)(void *user),
		      void *user);

/* One owner less; any thread. */
void subscription_put(struct subscription *s);

/* NULL is fine. While samples are shared it stays for these, and takes nothing any more. */
void subscription_close(struct subscription *s);

/* floe_subscriber_fd */
int subscription_get_fd(struct subscription *s);

/* Would floe_take say something? Also true of what is no handle, as it then says. */
bool subscription_has_more(struct floe_subscriber *sub);

/* A call above it said that there is nothing, and perhaps there is: then its descriptor has an edge. */
void subscription_go_on(struct subscription *s);

/* A call above it left something that no word tells of: its descriptor is readable, with an edge. */
void subscription_ring(struct subscription *s);

#endif
