/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASH_SCENE_H
#define CRASH_SCENE_H

/*
 * Scene: a folder of its own for everything that dies, which goes with the program, also when that
 * is ended by a signal; and the line that shows how far it is.
 */

#include <stdbool.h>
#include <stddef.h>

/* Makes an empty folder and puts it into $FLOE_DIR. `end`: stops what still runs, before the folder
 * goes; it may be called from a signal handler. */
void scene_begin(void (*end)(void));
/* What is left in the folder goes, too. */
void scene_end(void);

/* A folder beside that one, for what is put aside. */
const char *scene_store(void);

/* On one processor, the n-th from `first` on: those who take turns anyway switch soonest there. Who
 * starts several asks once where it is itself: they come to life anywhere. */
void scene_stay_on(int first, unsigned n);

double scene_now(void); /* seconds */
/* Who has not come so many seconds later will not come: 60, times FLOE_TEST_SLOW. */
double scene_patience(void);

struct progress {
	const char *build;
	const char *name;
	const char *what;
	size_t all;
	double begin;
	double shown;
	bool silent;
};

void progress_begin(struct progress *progress, const char *build, const char *name,
		    const char *what, size_t all);
/* On a terminal: a bar on standard error. */
void progress_show(struct progress *progress, size_t done, size_t failed);
void progress_end(struct progress *progress);

#endif
