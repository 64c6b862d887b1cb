/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHEDULE_ACTOR_H
#define SCHEDULE_ACTOR_H

/*
 * Actor: what the parts of the scheduler know of each other. schedule.c has the actors and the
 * decisions, words.c what they touch, calls.c where they sleep.
 */

#include "os/os.h"
#include "schedule.h"
#include "stack.h"

enum state {
	STATE_NEW, /* `after` lives */
	STATE_READY,
	STATE_ASLEEP,
	STATE_DONE,
	STATE_DEAD,
	STATE_STOPPED, /* for ever, as far as this execution goes */
};

struct actor {
	struct stack stack;
	enum state state;
	struct play play;
	const struct os_wait *words; /* that can wake it: */
	unsigned count;
	int64_t deadline_ns;
	bool woken;
	int result; /* of the wait */
};

extern struct actor actors[ACTORS_MAX];
extern unsigned actor_count;
extern struct actor *current; /* NULL: nobody acts, the world is laid out or looked at */
extern bool explaining;

static inline unsigned number(const struct actor *actor)
{
	return (unsigned)(actor - actors);
}

/* Whoever acts is about to touch a shared word: he may be interrupted, or killed. */
void actor_point(void);
/* He stops here, until he is chosen again. */
void actor_give_way(void);
/* After somebody began, slept, was woken, ended. */
void actor_look_who_is_ready(void);
/* Ends the execution. */
void actor_fail(const char *text);

/* words.c: a new scene; whether a word turned out to be shared since this was last asked. */
void words_begin(void);
bool words_found_shared(void);
/* What the kernel compares with is the low half of a word; its own lock is a fence. */
uint32_t words_load_half(const uint32_t *half);

/* calls.c: a new execution; nobody can go on, so time passes until the first deadline: false: there
 * is none. */
const struct os *calls_table(void);
void calls_begin(void);
bool calls_let_time_pass(void);

#endif
