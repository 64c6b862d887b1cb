/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_USAGE_H
#define REGISTRY_USAGE_H

/*
 * Usage: what users have in a domain, from the owners of its files, which the kernel vouches for.
 */

#include "registry/domain.h"

struct usage {
	uint32_t uid;
	uint32_t publishers; /* whose process lives */
	uint64_t memory;     /* bytes allocated by nodes, segments and seats, also of the dead */
};

/* Fills up to `count` elements, one for each user; returns how many users there are, or -errno. */
int usage_read(const struct domain *domain, struct usage *ret, size_t count);

/* Of one user alone. 0 or -errno. */
int usage_read_of(const struct domain *domain, uint32_t uid, struct usage *ret);

#endif
