/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_PUBLICATION_H
#define API_PUBLICATION_H

/*
 * Publication: what lies behind a struct floe_publisher, and what clients and servers send by.
 */

#include "api/safe.h"
#include "channel/publisher.h"
#include "registry/members.h"
#include "registry/node.h"
#include "registry/ring_file.h"
#include "registry/topic.h"

struct publication {
	struct publisher publisher; /* first: the data path needs nothing else */
	struct node *node;
	struct topic topic;
	struct ring_file file;
	void *tables;
	void *stretch;          /* NULL: not elastic */
	struct relays *relays;  /* NULL: there are none */
	struct lane *lanes;     /* the same */
	bool noted;             /* the node has a note for this ring */
	uint32_t chunks_needed; /* without the holds of members */
	uint32_t holds_reserved;
	uint32_t loans_limit; /* at first */
	uint64_t quota_limit;
	bool fixed;
	bool spill;
	bool chunks_only;
	bool drops;
	bool many_threads; /* FLOE_THREAD_SAFE */
	int (*would_block)(void *user);
	void *user;
	void (*notice)(void *user, const char *sentence);
	void *notice_user;
	struct safe safe;       /* with FLOE_THREAD_SAFE */
	struct members members; /* last: its tables are touched when somebody subscribes */
};

/*
 * floe_publisher_open, without a handle. `sender`: the id of a client or server, or 0. What a sender
 * publishes is for one reader: nobody adopts its ring.
 */
int publication_open(struct publication **ret, const char *topic,
		     const struct floe_publisher_options *options, uint64_t sender);

/* `keep`: the ring stays while somebody alive may want what is in it. NULL is fine. */
void publication_close(struct publication *p, bool keep);

#endif
