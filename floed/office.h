/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOED_OFFICE_H
#define FLOED_OFFICE_H

/*
 * Office: that this process, and no other, coordinates a domain: a lock (flock(2)) on the domain's
 * folder, which the kernel takes away at the process's end, and a node like that of any participant,
 * whose file goes with whoever cleans when floed is dead.
 */

#include "config.h"
#include "registry/node.h"

struct office {
	int folder; /* open, locked; -1 */
	struct node *node;
};

#define OFFICE_NULL ((struct office){.folder = -1})

/* Makes the folders as the configuration says. Another coordinator that is just ending is waited for
 * until `deadline_ns`; then -EBUSY with a sentence that names it. */
int office_take(struct office *ret_office, const struct config *config, int64_t deadline_ns,
		struct floe_error *error);

/* Is it still there? Somebody may have removed the folder with all that is in it. */
bool office_is_held(const struct office *office);

void office_leave(struct office *office);

#endif
