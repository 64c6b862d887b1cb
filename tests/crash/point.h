/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASH_POINT_H
#define CRASH_POINT_H

/*
 * Point: one death. The world is made, the victim brought to an instruction, perhaps somebody
 * meets it while it stands there, it is killed, and then everything must be as promised:
 *
 *	- the survivor goes on without a second attempt, and its sums are exact
 *	- a visitor works at once, without a sleep, adopts the ring, and finds all that was sent, in
 *	  order
 *	- every chunk can be lent that nobody alive holds
 *	- one clean-up leaves nothing of the dead; when all have gone there is no file
 *	- nobody has a descriptor more than before
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "still.h"
#include "trace.h"
#include "victim.h"

/* What happens after the death. */
enum way {
	WAY_VISIT,     /* the survivor goes on, a visitor comes, then somebody cleans */
	WAY_CLEAN,     /* somebody cleans first */
	WAY_ALL_DEAD,  /* the survivor dies too; somebody cleans, then a visitor comes */
	WAY_ALL_VISIT, /* the survivor dies too; a visitor comes, then somebody cleans */
	WAY_COUNT,
};

/* What happens while the victim is stopped there. */
enum meeting {
	MEETING_NONE,
	MEETING_LIFE,    /* all others do everything they do */
	MEETING_PUBLISH, /* one message */
	MEETING_LAP,     /* a ring full of them */
	MEETING_MANY,    /* so many that each chunk is written again */
	MEETING_TAKE,    /* all there is */
	MEETING_VISIT,   /* somebody comes, works, and goes */
	MEETING_RIVAL,   /* the same, and would adopt the victim's ring or a predecessor's */
	MEETING_CLEAN,   /* somebody cleans */
	MEETING_COUNT,
};

extern const char *const meeting_names[MEETING_COUNT];

/* A step to be killed in, after its script's predecessors died at these instructions. */
struct round {
	const struct script *script;
	size_t step;
	size_t predecessor_k[PREDECESSORS_MAX];
	struct trace predecessor[PREDECESSORS_MAX];
	struct trace trace;
	bool deep;
};

struct point {
	const struct round *round;
	size_t k;
	enum way way;
	enum meeting meeting;
	bool goes_on;               /* the victim is not killed, but plays its script to the end */
	const struct still *leaves; /* what its death must leave, or NULL */
};

enum point_result {
	POINT_PASSED,
	POINT_FAILED, /* what was wrong is on standard error */
	POINT_MISSED, /* the step went another way and was over before */
};

/* Starts the actors, in $FLOE_DIR, which is empty. */
void point_begin(void);
void point_end(void);

/* Walks through the step; the predecessors die at `fraction` of theirs, in 1/1000. False: not even
 * that works. */
bool round_prepare(struct round *round, const struct script *script, size_t step, unsigned fraction,
		   bool deep);
void round_free(struct round *round);

/* The same world for many deaths: it is as before the victim's life, with its predecessors dead.
 * round_prepare_copy does what a copy of the survivor has to do before the victim's step `i`. */
bool round_open(const struct round *round);
bool round_copy_survivor(void);
bool round_prepare_copy(const struct script *script, size_t i);
bool round_end_copy(void);
void round_close(void);

enum point_result point_run(const struct point *point);

/* Those in which somebody who is there does something, each another thing. */
size_t meeting_list(const struct script *script, enum meeting *ret);

#endif
