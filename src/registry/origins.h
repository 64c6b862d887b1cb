/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_ORIGINS_H
#define REGISTRY_ORIGINS_H

/*
 * Origins: the segments in which relayed chunks lie, and the nodes whose ports hold them, as a
 * subscriber or an observer maps them, read-only.
 *
 * Belongs to one subscriber, and is mapped as it is met. What nothing is held of gives way.
 */

#include "channel/subscriber.h"
#include "registry/domain.h"

#define ORIGINS_MAX 8

struct mapped_origin {
	struct origin origin; /* first: what the channel knows of it */
	uint64_t port;        /* with the holder: which port */
	uint64_t holder;
	struct feed feed; /* its segment; feed.file is 0: none */
	struct region node;
	char topic[FLOE_TOPIC_NAME_MAX + 1];
};

struct origins {
	struct mapped_origin mapped[ORIGINS_MAX];
	uint32_t next; /* to give way */
};

/* subscriber_calls.find_origin. origins: zeroed at first. -EMFILE: something is held of each, and of
 * ORIGINS_MAX others */
int origins_find(struct origins *origins, const struct domain *domain, const struct subscriber *sub,
		 const struct relay_shared *relay, const struct relay_seen *seen,
		 const struct origin **ret_origin);

/* Memory that nobody holds may go there at any time. */
bool origins_is_elastic(const struct origin *origin);

/* As feed_open_file, of what is mapped there. */
int origins_open_file(const struct origin *origin, const struct domain *domain, uint64_t size);

/* Unmaps all; NULL is fine. */
void origins_close(struct origins *origins);

#endif
