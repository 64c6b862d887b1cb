/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEMO_CHILD_H
#define DEMO_CHILD_H

/*
 * A process that the supervisor started. It gets SIGTERM when the supervisor dies, and is in a
 * process group of its own, so that Ctrl-C reaches the supervisor alone.
 */

#include <stdbool.h>
#include <sys/types.h>

struct child {
	pid_t pid;  /* 0: none runs */
	int status; /* wait status of the last one that ended */
};

/* argv[0] is searched in PATH if it has no slash. The descriptors become standard input, output
 * and error; -1: /dev/null for input and output, the supervisor's own for error. 0 or -errno; a
 * program that cannot be started ends with status 127 and a message. */
int child_start(struct child *c, const char *const *argv, const int *stdio);

/* True: it has ended since the last look. */
bool child_reap(struct child *c);

/* Nothing happens if it does not run. */
void child_signal(const struct child *c, int number);

/* Stops it (SIGSTOP) and waits until it stands still. False: it ended instead. */
bool child_freeze(struct child *c);

/* SIGKILL; returns when it is gone. */
void child_kill(struct child *c);

bool child_has_failed(const struct child *c);

/* How the last one ended, for a message: "status" or "signal", and its number. */
const char *child_ending(const struct child *c);
int child_code(const struct child *c);

#endif
