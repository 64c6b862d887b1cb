/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_RELAY_LAYOUT_H
#define CHANNEL_RELAY_LAYOUT_H

/*
 * Relay: a chunk of another publisher that slots of this ring may name. The ring's owner writes it,
 * everybody else reads it.
 *
 *	slot of publisher 2     relay of publisher 2          port of the process of publisher 2
 *	 what: foreign, n  -->   n: where the chunk lies       hold: the chunk, of publisher 1
 *	                            whose port holds it   -->
 *
 * The owner took the chunk as a subscriber of the other topic, and that port's hold stays where it
 * is, in the same word, until no slot of the ring and no hold of its own subscribers names the relay.
 * So publisher 1 knows nothing of it: it sees a hold.
 *
 *   a slot with an even sequence names relay n   =>   holder is not 0, and the hold is there
 *
 * All but the holder is written while no slot names the relay and nobody holds it; the holder last, and
 * 0 first. The owner may die between any two stores: a relay that no slot names is taken back by
 * whoever adopts the ring. The dead process's port stays in its place while a ring with a name has a
 * relay of it and somebody alive can read that ring: registry/relays.h.
 */

#include <stddef.h>

#include "base/shared.h"
#include "channel/segment_layout.h"

#define RELAY_TOPIC_WORDS ((FLOE_TOPIC_NAME_MAX + 1) / 8)

struct relay_shared {
	FLOE_CACHELINE_ALIGNED shared_u64 holder; /* the node whose port holds the chunk; 0: free */
	shared_u64 port;                          /* where in that node's file the port lies */
	shared_u64 life;   /* what the port's word of that name said, see port_layout.h */
	shared_u64 offset; /* of the chunk in its segment */
	shared_u64 file;   /* which file the segment is */
	shared_u64 index;  /* of its publisher, in the topic of this name */
	FLOE_CACHELINE_ALIGNED shared_u64 topic[RELAY_TOPIC_WORDS];
};
static_assert(offsetof(struct relay_shared, topic) == 64, "layout");
static_assert(sizeof(struct relay_shared) == 320, "layout");

#endif
