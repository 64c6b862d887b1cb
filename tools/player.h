/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_PLAYER_H
#define TOOLS_PLAYER_H

/*
 * Player: publishes the messages of a recording. Each channel of the file is a publisher. What
 * floe recorded says how its ring was made; a file of others gets a ring that becomes a larger one
 * when a larger message comes.
 */

#include <stdbool.h>
#include <stdint.h>

#include "frame.h"
#include "record/reader.h"

struct player;

struct player_counts {
	uint64_t messages;
	uint64_t bytes;
	uint64_t left_out; /* empty ones: a message of floe has at least one byte */
	uint64_t dropped;  /* while a reliable subscriber was behind, or time to stop */
};

/* topics: which ones, all when there are none; remap: OLD=NEW each; both are kept. lanes: of each publisher.
 * NULL: told */
struct player *player_open(struct frame *frame, struct reader *reader,
			   const struct frame_list *topics, const struct frame_list *remap,
			   size_t lanes);

/* Publishers of all channels that are played and say how they were made. FRAME_... */
int player_begin(struct player *player);

/* Is this message to be played? */
bool player_wants(const struct player *player, const struct message *message);

/* Waits for reliable subscribers that are behind. FRAME_... */
int player_send(struct player *player, const struct message *message);

/* How many subscribers there are of the topic that has the fewest. */
uint64_t player_subscribers(const struct player *player);

void player_count(const struct player *player, struct player_counts *ret);
void player_close(struct player *player);

#endif
