/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_TERMS_LAYOUT_H
#define REGISTRY_TERMS_LAYOUT_H

/*
 * Terms: what a coordinator has laid down, in two kinds of small files.
 *
 *	<domain>/topics/<name>/terms    for one topic
 *	<domain>/quotas                 for users, in all topics together
 *
 * Written before the file has a name, never again: other terms are another file. Zero means that
 * nothing is laid down. They are read by who opens a publisher or a subscriber, and stay in force
 * when their author is dead.
 */

#include <stddef.h>

#include "base/identity.h"
#include "channel/segment_layout.h"

#define TERMS_MAGIC IDENTITY_MAGIC('t', 'e', 'r', 'm')
#define QUOTAS_MAGIC IDENTITY_MAGIC('q', 'u', 'o', 't')
#define QUOTAS_MAX 256

/* Depth, loans, payload and pools are those of a publisher that does not say; what one says is only
 * bounded by the memory that it comes to. */
struct terms_shared {
	struct identity_shared identity;
	uint64_t author; /* node of the coordinator */
	uint32_t publishers_max;
	uint32_t subscribers_max;
	uint32_t depth;
	uint32_t loans_max;
	uint64_t payload_max;
	uint64_t memory_max; /* bytes of one publisher's segment */
	uint32_t mode;       /* of a segment whose publisher does not say who may read */
	uint32_t pool_count;
	struct {
		uint64_t chunk_size;
		uint64_t chunk_count;
	} pool[FLOE_POOLS_MAX];
	struct type_shared type;
};
static_assert(offsetof(struct terms_shared, pool) == 64, "layout");
static_assert(sizeof(struct terms_shared) == 352, "layout");

struct quota_shared {
	uint32_t uid;
	uint32_t publishers_max;
	uint64_t memory_max; /* bytes of all files of that user in the domain */
};

struct quotas_shared {
	struct identity_shared identity;
	uint64_t author;
	uint32_t count;
	uint32_t reserved;
	struct quota_shared others; /* whoever is not listed; its uid means nothing */
	struct quota_shared user[QUOTAS_MAX];
};
static_assert(offsetof(struct quotas_shared, user) == 48, "layout");

#define TERMS_SIGNATURE \
	IDENTITY_SIGN(sizeof(struct terms_shared), offsetof(struct terms_shared, payload_max), \
		      offsetof(struct terms_shared, pool), offsetof(struct terms_shared, type))
#define QUOTAS_SIGNATURE \
	IDENTITY_SIGN(sizeof(struct quotas_shared), sizeof(struct quota_shared), \
		      offsetof(struct quotas_shared, others), \
		      offsetof(struct quotas_shared, user))

#endif
