/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_LANE_LAYOUT_H
#define CHANNEL_LANE_LAYOUT_H

/*
 * Lane: a queue for one subscriber that drops the newest, in the publisher's segment. The publisher
 * writes it, that subscriber reads it.
 *
 *   +0      head                   last sequence of the lane whose message was sent
 *   +8      dropped                for people
 *   +64     slot[lane_depth]       as those of the ring, with sequences of the lane's own
 *   ...     origin[lane_depth]     which message of the ring it is; whole lines
 *
 * Entry l lies in slot[l % lane_depth], and stays until that subscriber's cursor, which counts the lane's
 * sequences, is past it: while its place is taken the message that would have come is dropped for this
 * subscriber. Lane n belongs to the subscriber with index FLOE_SUBSCRIBERS_MAX - 1 - n, whoever that is.
 *
 * Entries are written before the message's slot in the ring turns even, and that sends them too: an entry
 * whose slot[origin % depth].sequence in the ring is less than 2 * origin is not there yet.
 *
 * The publisher may die between any two stores. An entry whose message was not sent is odd again when
 * somebody adopts the segment, before his first message, which takes its place. A head that is behind its
 * slots is set from them.
 */

#include <stddef.h>

#include "channel/segment_layout.h"

struct lane_shared {
	FLOE_CACHELINE_ALIGNED shared_u64 head;
	shared_u64 dropped;
	FLOE_CACHELINE_ALIGNED struct slot_shared slot[];
};
static_assert(offsetof(struct lane_shared, slot) == 64, "layout");

#endif
