/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_NODE_LAYOUT_H
#define REGISTRY_NODE_LAYOUT_H

/*
 * Node: one process in one domain, and the ports of its subscribers. The process writes the file,
 * everybody else maps it read-only.
 *
 *   +0     identity, id, process    written before the file has a name, never again
 *   +192   used                     bytes of the file that ports fill, from +256 on
 *   +200   omen                     see channel/omen_layout.h
 *   +256   ports                    one after the other, each says its size
 *
 * The process holds a write lock on the file (open-file-description lock, Linux 3.15) from before
 * it has a name until its end: the kernel takes it away when the process is gone, never earlier,
 * however long the process is stopped. Who gets the lock on a file with a name knows its owner
 * is dead.
 *
 * A port is laid out before `used` covers it; ports of closed subscribers are used again.
 */

#include <stddef.h>

#include "base/identity.h"
#include "channel/omen_layout.h"
#include "channel/port_layout.h"

#define NODE_MAGIC IDENTITY_MAGIC('n', 'o', 'd', 'e')

/* Address space for ports; memory is reserved as they are made. A port with few holds takes 1088
 * bytes: room for 15,000. */
#define NODE_SIZE_MAX ((size_t)16 << 20)

struct node_shared {
	struct identity_shared identity;
	uint64_t id;
	int32_t pid;
	uint32_t uid;
	uint64_t pid_space; /* the PID namespace that `pid` is of; 0: unknown */
	uint64_t reserved[3];

	FLOE_CACHELINE_ALIGNED char process[64];
	/* Of a coordinator's node: what it has done, see floed/status.h. The first one is when it
	 * began; 0: no coordinator. */
	shared_u64 count[8];
	FLOE_CACHELINE_ALIGNED shared_u64 used;
	shared_u32 omen;

	FLOE_CACHELINE_ALIGNED unsigned char ports[];
};
static_assert(offsetof(struct node_shared, process) == 64, "layout");
static_assert(offsetof(struct node_shared, used) == 192, "layout");
static_assert(offsetof(struct node_shared, omen) == 200, "layout");
static_assert(offsetof(struct node_shared, ports) == 256, "layout");

#define NODE_SIGNATURE \
	(IDENTITY_SIGN(sizeof(struct node_shared), offsetof(struct node_shared, used), \
		       offsetof(struct node_shared, ports), sizeof(struct type_shared)) ^ \
	 PORT_SIGNATURE)

#endif
