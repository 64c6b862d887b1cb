/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_ATTACK_H
#define TESTS_ATTACK_H

/*
 * An attack: a process takes part in a topic as anybody may, and then writes nonsense into the
 * memory that it may write, and into nothing else: random words, words at the borders of what is
 * allowed, and words that are nearly right. Now and then it puts back what was right, so that its
 * victims come as far as they would with a decent peer.
 *
 * It uses the library to join and never again: whether that survives in its own process is not what
 * is asked.
 */

#include <stdint.h>

#include <floe/floe.h>

#include "channel/hints_layout.h"

enum attack_target {
	ATTACK_SEGMENT,  /* as a publisher, its ring */
	ATTACK_LEFT,     /* the same, after it said that it left, so that it is adopted */
	ATTACK_LANES,    /* as a publisher with lanes, its ring and what waits in it */
	ATTACK_RELAY,    /* as a republisher, its ring and the relays in it */
	ATTACK_NODE,     /* as a subscriber, its port and all of its node */
	ATTACK_DROPPER,  /* as a subscriber that drops the newest, its cursors */
	ATTACK_HINTS,    /* the line that all may write */
	ATTACK_EVENT,    /* as a notifier, its counters */
	ATTACK_BOARD,    /* as a board's writer, its keys and values */
	ATTACK_SERVICE,  /* as a server, what it announces */
	ATTACK_ANSWERS,  /* the same, its responses to the first client that asks */
	ATTACK_REQUESTS, /* as a client, its requests to the first server */
};

#define ATTACK_LANES_MAX 4

struct attack {
	const char *topic;
	enum attack_target target;
	uint64_t seed;
	int wire; /* its own */
};

/* What lies beside each request and each response, also of who attacks: inline, or in a chunk. */
extern const struct floe_type attack_header;

/* The line of a topic in which this process takes part. */
struct hints_shared *attack_find_hints(void);

/* For peer_start: joins, says 1 on the wire, attacks until it is killed. ATTACK_ANSWERS says 1 before it
 * is asked, too, and ATTACK_REQUESTS before it is told that a server is there. argument: struct attack */
void attack_life(int wire, void *argument);

#endif
