/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASH_ACTOR_H
#define CRASH_ACTOR_H

/*
 * Actor: a process that does what it is told, one command after the other. It talks through a
 * shared page, so that a command costs two switches. What it finds wrong it prints, and ends.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct mailbox;

struct actor {
	const char *name;
	int64_t (*serve)(int command, int64_t argument);
	pid_t pid;
	struct mailbox *box;
};

void actor_start(struct actor *actor);

/* Tells it and waits for the result. False: it ended, or it does not go on
 * (scene_patience); then it is killed. */
bool actor_tell(struct actor *actor, int command, int64_t argument, int64_t *ret_result);

/* A copy of it as it is now, with all that it has open, made behind the back of its library; what
 * both have in common, others take for one process. It is told things as any actor. */
bool actor_copy(struct actor *actor, struct actor *ret);
/* It is gone when this returns. */
bool actor_end_copy(struct actor *actor, struct actor *copy);

/* SIGKILL. */
void actor_kill(struct actor *actor);

bool actor_is_there(const struct actor *actor);

#endif
