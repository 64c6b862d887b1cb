/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_TOPIC_H
#define REGISTRY_TOPIC_H

/*
 * Topic: a folder in the domain with the files of its participants.
 *
 * Joining: under a shared lock on the file `topic`, so that nobody removes the folder meanwhile;
 * then a place is claimed by making a name that must not exist. The lock stays for as long as the
 * file is mapped, also without its descriptor (the mapping keeps the open file, and that its
 * locks), so it ends when the topic is closed or its process is gone. Removing: under the exclusive
 * lock, which so only the last user can have; of two who leave at once, whoever gets it finds
 * the other's place gone. Either may die anywhere: names made are complete, names left are found
 * and removed by the next one.
 *
 * struct topic is this process's view, one for each publisher and subscriber.
 */

#include "memory/region.h"
#include "registry/domain.h"
#include "registry/topic_layout.h"

struct topic {
	const struct domain *domain; /* the node's, which outlives this */
	char name[FLOE_TOPIC_NAME_MAX + 1];
	char path[DOMAIN_NAME_MAX]; /* of the folder */
	struct region region;
	struct hints_shared *hints;
	uint64_t id;
	uint64_t file; /* which file `topic` is in it; 0: who looks on from outside looks himself */
	int lock;      /* its descriptor while joining, else -1 */
};

#define TOPIC_NULL ((struct topic){.region = REGION_NULL, .lock = -1})

/* Opens the topic, made if it is missing, and locks it shared. The name is checked by the caller.
 * -EBUSY: somebody keeps the lock for more than a second. */
int topic_open(struct topic *ret_topic, struct domain *domain, const char *name,
	       struct floe_error *error);

/* The same, and nobody's lock is waited for: where somebody is who has joined none is kept. */
int topic_try_open(struct topic *ret_topic, struct domain *domain, const char *name,
		   struct floe_error *error);

/* Joined: the descriptor is not needed any more. */
void topic_settle(struct topic *topic);

/* Ends this view; see cleanup_leave. TOPIC_NULL is fine. */
void topic_close(struct topic *topic);

/* A descriptor on the folder, for listing and for *at calls. */
int topic_open_dir(const struct topic *topic, struct floe_error *error);

/* The same, of the topic that was joined: -ESTALE its folder is gone, or is another topic's by now. */
int topic_open_ours(const struct topic *topic);

/* "pub.3" into 16 bytes */
#define PLACE_NAME_MAX 16
void place_name(char *ret_name, const char *prefix, uint32_t index);

/* Tells the others that a publisher or a subscriber came or went. */
void topic_tell_subscribers(struct hints_shared *hints);
void topic_tell_publishers(struct hints_shared *hints);

/* Maps the topic file in this folder for its hints. -ENOENT; -EPROTO with a sentence */
int topic_map(struct region *ret_region, int fd, const char *path, uint64_t *ret_id,
	      struct floe_error *error);

#endif
