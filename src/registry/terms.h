/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_TERMS_H
#define REGISTRY_TERMS_H

/*
 * Terms: what a coordinator has laid down about a topic and about users, and whether who joins
 * keeps to it.
 *
 * Each participant asks this of himself, so it stops who uses this library, as it should be
 * stopped: before he is seen to work. It stops nobody who writes such files by other means.
 */

#include "registry/domain.h"
#include "registry/terms_layout.h"
#include "registry/topic.h"

enum terms_role {
	TERMS_PUBLISHER,
	TERMS_SENDER, /* a publisher on the topic of its one reader, who has no say in it */
	TERMS_SUBSCRIBER,
};

/* The terms of a topic: 1; 0 there are none, or none that count: of a user who is neither root nor this one
 * nor, but for a sender, the owner of the folder; -EPROTO the file is not what it must be. */
int terms_read(struct terms_shared *ret_terms, const struct domain *domain, const char *topic,
	       enum terms_role role, struct floe_error *error);

/* The same for the domain. */
int terms_read_quotas(struct quotas_shared *ret_quotas, const struct domain *domain,
		      struct floe_error *error);

/* The quota of this user. */
struct quota_shared terms_find_quota(const struct quotas_shared *quotas, uint32_t uid);

/*
 * May who has just taken a place stay? Asked afterwards, as the census is: of two who come at the
 * same time at least the later sees the other. 0; -EDQUOT there are too many, or too much is used;
 * -EPROTOTYPE another type.
 */
int terms_admit(const struct topic *topic, enum terms_role role, const struct type_shared *type,
		struct floe_error *error);

/* May this user have so many bytes more? Asked before they are taken, and so of each of two who take some at
 * the same time. 0; -EDQUOT */
int terms_admit_memory(const struct domain *domain, uint64_t size, struct floe_error *error);

/* Lays them down, in place of earlier ones. Dying between the two names: nothing is laid down. */
int terms_write(const struct terms_shared *terms, const struct domain *domain, const char *topic,
		mode_t mode, struct floe_error *error);
int terms_write_quotas(const struct quotas_shared *quotas, const struct domain *domain, mode_t mode,
		       struct floe_error *error);
void terms_remove(const struct domain *domain, const char *topic);
void terms_remove_quotas(const struct domain *domain);

#endif
