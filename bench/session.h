/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_SESSION_H
#define BENCH_SESSION_H

/*
 * One run of the program: the folder that its topics live in, and every way to its end. The
 * folder is a fresh one on tmpfs, so that a run meets nobody else's topics and leaves none.
 */

#include <stdbool.h>

/* Makes the folder and catches SIGINT, SIGTERM and SIGHUP. What it made goes away at exit().
 * program: how sentences begin, and a part of the folder's name; kept. */
void session_open(const char *program);

/* Takes part in a run whose folder is somebody else's: it stays, and so do the signals. */
void session_join(const char *program, const char *dir);

/* For floe's `dir` option. */
const char *session_dir(void);

/* A signal asked us to end: the program looks here between two measurements. */
bool session_interrupted(void);

/* In a fresh child: signals for the terminal's whole group are the parent's business, and the
 * child goes when the parent does. */
void session_enter_child(void);

/* Says "<program>: <sentence>" and ends this process; in the first process the session too. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
