/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_PORT_LAYOUT_H
#define CHANNEL_PORT_LAYOUT_H

/*
 * Port: what a subscriber shows to the publishers of its topic. It lies in the file of the
 * subscriber's node; the subscriber writes it, everybody else maps it read-only.
 *
 *   +0      what it is             written before the port is open, never while it is
 *   +64     sleeping, counters     what was received is the sum of all cursors, and `received`
 *   +88     holds_limit            for so many holds publishers reserve chunks; at most holds_max
 *   +96     begun                  bit i turns over before it begins with a ring of index i, after the cursor
 *                                  has lost what it said of the ring before
 *   +128    cursor[publisher]      next sequence that it takes; 0: has not begun with it;
 *                                  CURSOR_NEVER: it will not
 *   +640    topic, type
 *   +1056   hold[holds_max]        what it reads now
 *   ...     accord                 what it wants, accord_layout.h; mostly nothing
 *
 * A hold is 0 or, in one word, publisher's index + 1 (8 bits) and the chunk's offset in that
 * publisher's segment (56 bits), or SLOT_FOREIGN and a relay of it. It is stored before the slot is
 * looked at a second time, so a publisher that finds a chunk neither in its slots nor in any hold may
 * write it again.
 *
 * The subscriber may die between any two stores: a hold that is left keeps one chunk from being
 * reused, which the publisher has reserved for it, until the port is cleaned away.
 */

#include <stddef.h>

#include "base/shared.h"
#include "channel/segment_layout.h"

/* While a port is closed and laid out again, its size, holds_max and accord_size stay what they are, so
 * that who walks the ports of a node finds the next one at any time. */
#define PORT_FREE 0u
#define PORT_OPEN 1u
#define PORT_TAKEN 2u   /* being laid out: no place leads here yet */
#define PORT_LEAVING 3u /* its place may still lead here, or to another port of the node already */

/* No subscriber but a note, without holds: publisher `index` of that topic keeps holds of this node by
 * its relays. */
#define PORT_NOTE 4u

/*
 * What is held by a relay counts as long as that is needed, also when its subscriber is closed or dead.
 * Whoever may end that (the process, or who cleans up after it, under the node's lock) sets the second
 * bit, and only then looks for the last time whether it is: who takes such a message stores his hold
 * and only then looks at the bit. The port's next use counts up, so that an old relay is told from a
 * new one.
 */
#define PORT_ABANDONED ((uint64_t)1) /* its subscriber is closed */
#define PORT_WITHDRAWN ((uint64_t)2) /* nobody may take by its holds any more */
#define PORT_LIFE ((uint64_t)4)      /* the least difference between two uses */

#define CURSOR_NEVER UINT64_MAX /* above SEQUENCE_MAX, as no cursor is */

#define HOLD_NONE ((uint64_t)0)
#define HOLD_OFFSET_BITS 56
#define HOLD_OFFSET_MASK (((uint64_t)1 << HOLD_OFFSET_BITS) - 1)

struct port_shared {
	uint32_t size; /* of the port with its holds and its accord, a multiple of 64 */
	shared_u32 state;
	uint64_t topic_id;
	uint32_t index; /* which subscriber of the topic */
	uint32_t holds_max;
	uint32_t policy;
	uint32_t accord_size; /* whole lines; 0: it wants nothing */
	uint64_t depth;       /* never lags more than this, 0: as far as the ring goes */
	uint64_t patience_ns; /* who is reliable is waited for so long, 0: for ever */
	shared_u64 life;      /* how often the port was used, and below: PORT_LIFE */
	uint64_t ring_file;   /* of a note: which file its ring is */

	FLOE_CACHELINE_ALIGNED shared_u64 sleeping;
	shared_u64 received; /* modulo 2^64, to be added to the cursors: port_received */
	shared_u64 lost;
	shared_u64 holds_limit; /* samples at the same time, for now */
	shared_u64 begun;       /* FLOE_PUBLISHERS_MAX bits */

	FLOE_CACHELINE_ALIGNED shared_u64 cursor[FLOE_PUBLISHERS_MAX];

	char topic[FLOE_TOPIC_NAME_MAX + 1];
	struct type_shared type;

	shared_u64 hold[];
};
static_assert(offsetof(struct port_shared, life) == 48, "layout");
static_assert(offsetof(struct port_shared, sleeping) == 64, "layout");
static_assert(offsetof(struct port_shared, holds_limit) == 88, "layout");
static_assert(offsetof(struct port_shared, begun) == 96, "layout");
static_assert(offsetof(struct port_shared, cursor) == 128, "layout");
static_assert(FLOE_PUBLISHERS_MAX <= 64, "a bit of begun for each");
static_assert(offsetof(struct port_shared, topic) == 640, "layout");
static_assert(offsetof(struct port_shared, hold) == 1056, "layout");

#define PORT_SIGNATURE \
	IDENTITY_SIGN(sizeof(struct port_shared), offsetof(struct port_shared, accord_size), \
		      offsetof(struct port_shared, topic), offsetof(struct port_shared, hold))

static inline uint64_t hold_make(uint32_t publisher, uint64_t offset)
{
	return ((uint64_t)publisher + 1) << HOLD_OFFSET_BITS | offset;
}

/* Without what is wanted. */
static inline uint32_t port_size(uint32_t holds_max)
{
	return (uint32_t)((offsetof(struct port_shared, hold) + holds_max * sizeof(uint64_t) + 63) &
			  ~(size_t)63);
}

/*
 * How many messages were taken since the port was opened. A cursor says it together with where it
 * began and what was left out, which `received` subtracts: so a message that is taken costs one
 * store, and whoever looks between two stores may see less for a moment, never more.
 */
static inline uint64_t port_received(const struct port_shared *port)
{
	uint64_t sum = load_relaxed(&port->received);

	for (uint32_t i = 0; i < FLOE_PUBLISHERS_MAX; i++) {
		uint64_t cursor = load_relaxed(&port->cursor[i]);

		sum += cursor == CURSOR_NEVER ? 0 : cursor;
	}
	return sum > INT64_MAX ? 0 : sum;
}

#endif
