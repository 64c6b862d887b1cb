/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_RECORD_LAYOUT_H
#define REGISTRY_RECORD_LAYOUT_H

/*
 * Record: stands in the topic's folder for a segment that lies in a caller's block.
 *
 *   +0    identity
 *   +16   owner
 *   +24   whose memory: process, at +32 its address and size there
 *   +48   the shared mapping that the block lies in, so that others can map its object
 *
 * Written before the file has a name, never again. The memory goes with its process, so a
 * record whose owner is dead leads nowhere and is removed, not adopted.
 */

#include "base/identity.h"
#include "base/shared.h"

#define RECORD_MAGIC IDENTITY_MAGIC('l', 'e', 'n', 't')

struct record_shared {
	struct identity_shared identity;
	uint64_t owner;
	int32_t pid;
	uint32_t reserved;
	uint64_t address;
	uint64_t size;
	uint64_t map_begin; /* of the shared mapping that the block lies in; 0: private memory */
	uint64_t map_end;
	uint64_t map_offset; /* of that mapping in its object */
	uint64_t reserved2[7];
};
static_assert(sizeof(struct record_shared) == 128, "layout");

#define RECORD_SIGNATURE IDENTITY_SIGN(sizeof(struct record_shared), 16, 32, 56)

#endif
