/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHEDULE_SCHEDULE_H
#define SCHEDULE_SCHEDULE_H

/*
 * Schedule: runs a scene in all orders that its bounds allow, one execution after the other.
 *
 * A scene is a world, laid out once, and actors that act in it: functions on stacks of their own.
 * At each access to a word that several of them use and at least one writes, whoever is about to
 * do it goes on, or is interrupted by another one (a preemption), or dies there (a kill), or stands
 * still there from then on (a stop). Words
 * that nobody shares are no such points: found by running, until no further word turns out to be
 * shared. What a load finds is up to memory.h (stale).
 *
 * An execution is the list of all decisions. The next one differs in the last decision that has
 * another answer left, and everything is played again from the beginning, so that the code under
 * test needs no help to go back. Without an end within the limits an exploration is not complete.
 *
 * System calls are played: who waits on a futex sleeps until he is woken. Time goes on only when
 * all who live sleep, and only in scenes where somebody died: elsewhere nobody may need it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access.h"
#include "memory.h"

#define ACTORS_MAX 8

struct scene {
	const char *name;
	void (*begin)(void); /* lays out the world in schedule_allocate's memory, adds actors */
	void (*end)(void);   /* everybody has returned or is dead: what must hold now? */
};

struct bounds {
	enum model model;
	unsigned preemptions;
	unsigned kills;
	unsigned stops;
	unsigned stale; /* loads that find another than the last store */
	double seconds; /* of this core, at most, 0: no limit */
};

struct outcome {
	uint64_t executions;
	uint64_t points; /* decisions about who acts */
	uint64_t kills;
	double seconds; /* of this core */
	bool complete;
	bool failed;
	char text[160]; /* what failed */
};

/* Until it fails, is complete, or reaches a limit. Afterwards schedule_explain shows a failure. */
struct outcome schedule_explore(const struct scene *scene, const struct bounds *bounds);

/* Plays the failure once more and prints each access. */
void schedule_explain(void);

/* Called now and then; share: of all executions that there are, as far as decisions tell. */
extern void (*schedule_progress)(const struct outcome *outcome, double share);

/* died: it may die anywhere, and then this is called; NULL: it does not. stopped: the same, but it
 * only stands still while the others must go on. after: it begins when that
 * one is dead, and knows all that it did; NULL: at once. */
struct actor;
enum role {
	ROLE_WRITER,
	ROLE_READER,
	ROLE_OTHER,
};

struct play {
	const char *name;
	enum role role;
	void (*play)(void *user);
	void (*died)(void *user);
	void (*stopped)(void *user);
	void *user;
	const struct actor *after;
};

struct actor *schedule_add(const struct play *play);

/* Zeroed, and as it was after the scene's begin at the beginning of each execution. */
void *schedule_allocate(size_t size);
/* Nobody writes there: it need not be restored. */
void schedule_keep(const void *from, const void *to);

/* Which one acts now; NULL: none, we are before or after the play. */
struct actor *schedule_actor(void);
unsigned schedule_number(void);
enum role schedule_role(void);
/* How many died or stand still. */
unsigned schedule_losses(void);
void schedule_pass_time(int64_t ns);
bool schedule_is_dead(const struct actor *actor);

/* How words are called, for schedule_explain and for mutants. */
enum word {
	WORD_OTHER,
	WORD_HOLD,
	WORD_SEQUENCE,
	WORD_WHAT,   /* of a slot */
	WORD_INLINE, /* payload in a slot */
	WORD_HEAD,
	WORD_LANE,   /* sequence of an entry there */
	WORD_ORIGIN, /* of an entry */
	WORD_CURSOR, /* of a port */
	WORD_MARK,   /* beside a chunk */
	WORD_LIFE,   /* of a port */
	WORD_PAYLOAD,
	WORD_BEGUN, /* of a board's value */
	WORD_DONE,
	WORD_BYTES,
	WORD_COUNT, /* of an event */
	WORD_TOTAL,
	WORD_LISTENERS,
};
struct word_name {
	enum word word;
	char text[32];
};
extern struct word_name (*schedule_name)(const void *address);

#endif
