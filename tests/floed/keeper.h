/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_KEEPER_H
#define TESTS_KEEPER_H

/*
 * A keeper is a floed of a test: started by its program's path in FLOED, with what it prints kept in
 * memory, and waited for by what it tells a service manager.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct keeper {
	pid_t pid;
	int log;    /* a memfd with all that it printed */
	int notice; /* where it tells that it is ready; -1 */
};

/* `arguments` end with a NULL, without the program's name; NULL: none. */
struct keeper keeper_start(const char *const *arguments);
/* The same, and it has said READY=1. */
struct keeper keeper_start_ready(const char *const *arguments);
/* 1 it said so; 0 it ended first. */
bool keeper_is_ready(struct keeper *keeper);
/* The next thing that it tells the service manager, into `ret`; it comes, or the test has failed. */
void keeper_hear(struct keeper *keeper, char *ret, size_t size);

/* A signal, and it has ended. Returns the status of waitpid(2). */
int keeper_end(struct keeper *keeper, int signal_number);
/* It ends by itself. */
int keeper_wait(struct keeper *keeper);

/* What it printed, with a NUL; lines of it. For keepers that run or have ended. */
void keeper_read(const struct keeper *keeper, char *ret, size_t size);
size_t keeper_count_lines(const struct keeper *keeper);
void keeper_forget(struct keeper *keeper); /* closes what is left of one that has ended */

/* A floed.conf of this text, for the test alone, one folder above its domains: arguments for keeper_start. */
const char *const *keeper_configure(const char *text);
void keeper_unconfigure(void); /* removes it */

#endif
