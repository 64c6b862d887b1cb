/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_RELAY_H
#define CHANNEL_RELAY_H

/*
 * Relays: chunks of other publishers that one publisher's ring names. What others see is
 * relay_layout.h; this is what the publisher remembers of it, private to the process and gone with it.
 *
 *   max = free + live + idle         live: a slot names it, or it left the ring and may be held
 *                                    idle: nobody needs it; its hold has not been given back yet
 *
 * One thread at a time, the publisher's. It knows no topics: where a chunk lies is told to it.
 */

#include <stdbool.h>

#include "channel/relay_layout.h"

struct relay {
	uint64_t ticket; /* of the sample that holds the chunk; 0: of a process that is gone */
	uint64_t file;   /* whose topic's name the shared relay has */
	uint64_t scan;   /* the one that found a hold on it */
	bool live;
};

struct relays {
	struct relay_shared *shared; /* [max] */
	uint32_t max;
	uint32_t live;
	uint32_t free_count;
	uint32_t idle_count;
	struct relay *relay; /* [max] */
	uint32_t *free;      /* stacks [max] */
	uint32_t *idle;
};

/* What a relay is to say. */
struct relay_plan {
	uint64_t holder;
	uint64_t port;
	uint64_t life;
	uint64_t offset;
	uint64_t file;
	uint64_t index;
	const char *topic; /* FLOE_TOPIC_NAME_MAX + 1 bytes, zeros behind the name */
	uint64_t ticket;
};

size_t relays_memory_size(uint32_t max);

/* In zeroed memory of that size; all are free. `shared`: set by publisher_init */
void relays_init(struct relays *r, void *memory, uint32_t max);

/* Takes a free one: 1, or 0 */
int relays_take(struct relays *r, uint32_t *ret_n);

/* Fills one that was taken. Dying before the last store: it is free. After it: a relay that no slot
 * names. */
void relays_fill(struct relays *r, uint32_t n, const struct relay_plan *plan);

/* A slot of an adopted ring names it: 1; 0 another one did; -EINVAL there is none, or it says nothing */
int relays_claim(struct relays *r, uint64_t n);

/* The rest of an adopted ring, one after the other, from 0 on: the next that says something and was not
 * claimed, which is live from now on; `max`: no more. */
uint32_t relays_inherit(struct relays *r, uint32_t n);

/* Nobody needs it any more. */
void relays_give(struct relays *r, uint32_t n);

/* Its hold has been given back: the idle one at `i` of the stack is free. */
void relays_settle(struct relays *r, uint32_t i);

/* The formula of the head comment. */
bool relays_check(const struct relays *r);

#endif
