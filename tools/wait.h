/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_WAIT_H
#define TOOLS_WAIT_H

/*
 * Time, and the two reasons to stop before it is up: SIGINT or SIGTERM, and a reader who closed
 * our standard output. Only commands that run for long call wait_begin; the others leave signals
 * as they are.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WAIT_SECOND INT64_C(1000000000)
#define WAIT_FOREVER INT64_MAX

/* From now on the first signal asks to stop, the second one kills; SIGPIPE is an error of
 * write(2). for_reader: without one for our output there is nothing to go on for. */
void wait_begin(bool for_reader);

bool wait_is_stopped(void);
int64_t wait_now_ns(void); /* CLOCK_MONOTONIC */

/* False when it is time to stop. */
bool wait_until(int64_t deadline_ns);

/* From now on this thread's sleeps end as punctually as the kernel can: no timer slack, and, if that
 * is wished, before all threads of ordinary priority (SCHED_FIFO); wait_exactly looks at the clock for
 * longer then. 0; or -errno of the latter, and only the timer slack is gone */
int wait_be_punctual(bool is_realtime);

/* As wait_until, but not later than the scheduler makes it: the last moments are spent looking at
 * the clock. */
bool wait_exactly(int64_t deadline_ns);

/* Until something can be read, or the deadline; false when it is time to stop. */
bool wait_readable(int fd, int64_t deadline_ns);

/* Reads what is there, waiting for the first byte. Bytes; 0 at the end, and when it is time to
 * stop; -errno. */
ssize_t wait_read(int fd, void *buffer, size_t size);

/*
 * How often to look at memory that does not call: the naps get longer while nothing comes.
 */
struct wait_pace {
	int64_t longest_ns;
	int64_t next_ns; /* length of the next nap */
};

#define WAIT_PACE_SHORTEST_NS INT64_C(20000)

void wait_pace_reset(struct wait_pace *pace);

/* Naps, but not beyond the deadline; false when it is time to stop. */
bool wait_pace_nap(struct wait_pace *pace, int64_t deadline_ns);

#endif
