/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_TOPIC_LAYOUT_H
#define REGISTRY_TOPIC_LAYOUT_H

/*
 * Topic: identity and hints. All participants map it writable, for the hints alone.
 *
 *   +0    identity, id    written before the file has a name; a copy is kept by who uses it
 *   +64   hints           see channel/hints_layout.h
 *
 * The id tells this topic from an earlier one of the same name. Locks on the file (shared while
 * joining, exclusive while removing) end with their process.
 */

#include <stddef.h>

#include "base/identity.h"
#include "channel/hints_layout.h"

#define TOPIC_MAGIC IDENTITY_MAGIC('t', 'o', 'p', 'c')

struct topic_shared {
	struct identity_shared identity;
	uint64_t id;
	uint64_t reserved[5];
	struct hints_shared hints;
};
static_assert(offsetof(struct topic_shared, hints) == 64, "layout");
static_assert(sizeof(struct topic_shared) == 128, "layout");

#define TOPIC_SIGNATURE \
	IDENTITY_SIGN(sizeof(struct topic_shared), offsetof(struct topic_shared, hints), \
		      offsetof(struct hints_shared, sleepers), \
		      offsetof(struct hints_shared, firsts))

#endif
