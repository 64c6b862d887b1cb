/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_ACTORS_H
#define UNIT_ACTORS_H

/*
 * Actors: functions that run in turns, each on a stack of its own, and are interrupted before any
 * access to a shared word. Chance decides who goes on; the same seed, the same play.
 *
 * Their system calls are played as well: who waits on a futex is asleep until he is woken, the
 * clock goes on only when all are asleep. So nobody is ever woken by luck.
 */

#include <stdbool.h>
#include <stdint.h>

#define ACTORS_MAX 8

void actors_begin(uint64_t seed);
void actors_end(void);

/* Returns which actor it is. */
unsigned actor_add(void (*play)(void *user), void *user);

/* Until all have returned: true; false: those who have not are asleep, and nobody will wake them. */
bool actors_run(void);

/* Between plays: the clock goes on. */
void actors_pass_time(int64_t ns);
int64_t actors_time_passed(void);

/* Lets this one go on for so many accesses, then stops it: true; false: it has returned. */
bool actor_run_until(unsigned which, uint32_t accesses);

/* Something for each actor; NULL outside of them. */
const void *actors_self(void);

/* Lets the others act; in an actor. */
void actor_yield(void);

/* To be called before each access to a shared word; outside of actors it does nothing. */
void actors_point(void);

/* A number below `below`, from the seed. */
uint32_t actors_chance(uint32_t below);

/* After a longjmp on an actor's stack: AddressSanitizer does not know that stack, and would go on
 * guarding what the frames left behind had there. */
void actors_forget_frames(void);

#endif
