/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LATE_H
#define TESTS_LATE_H

/*
 * Flights as record/flight.h has them, on a disk that is as late as it may be: nothing is written before it
 * lands, so that memory that was given back too early shows in the file. Linked in place of those of io_uring.
 */

#include "record/flight.h"

/* What comes of a flight. */
enum fate {
	FATE_WRITTEN,
	FATE_SHORT,   /* the first half */
	FATE_FAILED,  /* -EIO, and nothing is written */
	FATE_REFUSED, /* it does not even begin */
};

/* Asked for each; by default a few of each kind, by turns. */
extern enum fate (*late_fate)(unsigned number);

/* Called before each lands; NULL: nobody. */
extern void (*late_lands)(void);

/* Under way, and the most that ever were. */
unsigned late_count(void);
extern unsigned late_most;

/* What a kill may leave: those of them, by bits, are on the disk. */
void late_apply(int fd, unsigned which);

#endif
