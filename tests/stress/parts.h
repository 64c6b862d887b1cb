/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_PARTS_H
#define TESTS_PARTS_H

/*
 * The parts of a stress test: what a publisher does and what a subscriber does, each with its own
 * seed. Processes play them, or threads; they meet on a stage, which is shared memory.
 */

#include <pthread.h>
#include <stdatomic.h>

#include <floe/floe.h>

#include "stress/message.h"

#define PARTS_TOPIC "stress"
#define LIVES_MAX 1024

struct stage {
	pthread_barrier_t open; /* all have opened their handles */
	/* Before closing they meet again: what lies in a caller's block goes with its publisher. */
	bool close_together;
	pthread_barrier_t close;
	_Atomic bool stop;
	/* By writer: messages that floe_publish has certainly sent. One more may have been sent when
	 * the writer was killed. */
	_Atomic uint64_t sent[LIVES_MAX];
};

/* players: how many meet at the barriers */
struct stage *stage_create(unsigned players);
void stage_destroy(struct stage *stage);

struct publisher_part {
	struct stage *stage;
	struct floe_publisher_options options;
	uint64_t writer; /* below LIVES_MAX */
	uint64_t seed;
	uint64_t count;  /* messages; 0: until the stage stops */
	unsigned pauses; /* one message in so many is followed by a short sleep; 0: none */
};

/* Opens, meets the others, sends, says which message is the last, closes. */
void play_publisher(const struct publisher_part *part);
/* The same without the meeting: it replaces one that died. */
void play_substitute(const struct publisher_part *part);

struct subscriber_part {
	struct stage *stage;
	struct floe_subscriber_options options;
	uint64_t seed;
	uint64_t publishers; /* it ends when so many have said their last */
	unsigned pauses;
};

/*
 * Opens, meets the others, takes everything, holds some of it for a while and looks at it again,
 * and closes when all publishers are through. The account must be exact; a reliable subscriber
 * has got everything.
 */
void play_subscriber(const struct subscriber_part *part);

/* Joins and leaves again and again until the stage stops. */
void play_visitor(const struct subscriber_part *part);

#endif
