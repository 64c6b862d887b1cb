/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASH_BOARD_H
#define CRASH_BOARD_H

/*
 * Board: what several processes that sweep the same steps have done so far. It lies in memory that
 * all share, and a lock orders who writes.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#define BOARD_JOBS 64
#define BOARD_STEPS 256

enum kind {
	KIND_DEATHS,
	KIND_STOPS,
	KIND_MEETINGS,
	KIND_COUNT
};

struct tally {
	size_t instructions;
	size_t points[KIND_COUNT];
	size_t looks; /* worlds that were looked at after a death */
	size_t missed;
	size_t failed;
	double seconds;
};

struct board {
	pthread_mutex_t lock;
	size_t reported; /* lines of the report */
	bool left_out;   /* some steps need more rights */
	struct {
		struct tally tally;
		unsigned done; /* jobs that have finished this step */
	} step[BOARD_STEPS];
};

struct board *board_make(void);

/* A file that outlives a run which is stopped: a line for each step that was finished, under a name
 * that says what was done. True: it is there. */
bool board_recall(const char *file, const char *name, struct tally *ret);
void board_note(const char *file, const char *name, const struct tally *tally);

/* One of `jobs` has finished a step. True: it was the last one, and `ret` is what all did; the lock
 * is not held any more. */
bool board_add(struct board *board, size_t step, const struct tally *tally, unsigned jobs,
	       struct tally *ret);

struct tally board_sum(const struct board *board);

#endif
