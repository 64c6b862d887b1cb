/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_PEERS_SIDES_H
#define BENCH_PEERS_SIDES_H

/*
 * Sides: the senders of one channel in the first process, its receivers in a second one, or in a second
 * thread where the peer has no other way. The first measures; what the second does is the work's
 * `serve`, which gets a copy of this struct with the receivers in it.
 */

#include "ends.h"

struct sides {
	const struct task *task;
	void *shared; /* zeroed, seen by both */
	size_t shared_size;
	struct pair_role role;
	struct pair pair;
	struct senders senders;     /* of the first */
	struct receivers receivers; /* of the second */
};

/* Both are open and pinned; the second does not serve yet. */
void sides_open(struct sides *sides, const struct task *task, size_t shared_size,
		void (*serve)(void *second));

/* Lets the second serve. Returns when what is sent from now on reaches all; serve begins with
 * receivers_meet. */
void sides_meet(struct sides *sides);

/* Returns when serve has returned; why it does is between the two. */
void sides_wait(struct sides *sides);

void sides_close(struct sides *sides);

#endif
