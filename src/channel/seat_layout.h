/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_SEAT_LAYOUT_H
#define CHANNEL_SEAT_LAYOUT_H

/*
 * Seat: the head of a notifier's and of a board writer's file. One process has it at a time; when
 * that one is dead or has closed, another one may take it over and go on where it stood.
 *
 *   +0    identity, size, topic_id, index     written before the file has a name, never again
 *   +64   owner                               id of the node; 0: closed
 *   +72   generation                          how often it was taken, 1 at first
 *   +80   dropped                             how often it was given up in order
 *   +128  what the seat is for
 *
 *   dropped <= generation
 *   generation - dropped - (somebody alive has it ? 1 : 0) = how many died with it
 *
 * The owner writes it, everybody else maps it read-only. Taking it: owner, then generation. Giving it
 * up: dropped, then owner = 0. Dying between two of these stores: while it is taken, the same as dead
 * before; while it is given up, closed and not dead, for dropped says so.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/identity.h"
#include "base/shared.h"

struct seat_shared {
	struct identity_shared identity;
	uint64_t size; /* of the file */
	uint64_t topic_id;
	uint32_t index;
	uint32_t reserved;
	uint64_t reserved2[3];

	FLOE_CACHELINE_ALIGNED shared_u64 owner;
	shared_u64 generation;
	shared_u64 dropped;
	uint64_t reserved3[5];
};
static_assert(offsetof(struct seat_shared, owner) == 64, "layout");
static_assert(sizeof(struct seat_shared) == 128, "layout");

#define SEAT_SIGNATURE \
	IDENTITY_SIGN(sizeof(struct seat_shared), offsetof(struct seat_shared, index), \
		      offsetof(struct seat_shared, owner), offsetof(struct seat_shared, dropped))

/* How many died with it, as far as is known who has it now. */
static inline uint64_t seat_count_died(uint64_t generation, uint64_t dropped, bool is_taken)
{
	return generation - dropped - is_taken;
}

#endif
