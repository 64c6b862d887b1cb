/* SPDX-License-Identifier: Apache-2.0 */
#ifndef URING_ALARM_H
#define URING_ALARM_H

/*
 * Alarm: a descriptor that becomes readable when one of several futex words is woken.
 *
 *   alarm_ring                 =>  the descriptor is readable, until alarm_set
 *   set, and does not ring     =>  a wake of any of its words makes it ring, and so does its time
 *
 * With io_uring it is an eventfd, raised by a queue. Where there is no io_uring that can wait on
 * futex words, or it is forbidden, it is a timer that rings a millisecond after it was set, whether
 * something happened or not.
 *
 * One thread at a time, not always the same.
 */

#include <stdbool.h>

#include "os/os.h"
#include "uring/queue.h"

#define ALARM_WORDS_MAX OS_WAIT_MAX
static_assert(ALARM_WORDS_MAX <= QUEUE_ENTRIES, "all words are prepared at once");

struct alarm {
	int fd;
	bool raised; /* by us */
	bool timed;
	int64_t due_ns; /* of the timer */
	struct queue queue;
	unsigned count;
	struct alarm_word {
		const uint32_t *word;
		uint32_t expected;
		uint32_t
			turn; /* how often it was prepared: completions of earlier ones are stale */
		bool waits;
	} words[ALARM_WORDS_MAX];
	struct {
		int64_t wanted_ns; /* when it rings at the latest; INT64_MAX: it need not */
		int64_t set_ns;    /* when it will; INT64_MAX: it will not */
		uint32_t turn;
	} clock;
};

/* One that was not opened. Not zero: that is a descriptor. */
#define ALARM_NULL ((struct alarm){.fd = -1, .queue = QUEUE_NULL})

/* timed: a timer in any case. It neither is set nor rings. -EMFILE and the like */
int alarm_open(struct alarm *ret_alarm, bool timed);

/* ALARM_NULL, or opened and failed, is fine. */
void alarm_close(struct alarm *alarm);

/* False: it does not, and nothing it waits for came. True can be late news: the kernel says so, and raises
 * the event, when who woke a word comes to it, and by then that wake may have been found and the event
 * cleared. So who wants the descriptor to be readable calls alarm_ring whatever this says. */
bool alarm_rings(const struct alarm *alarm);

/* Makes it ring now, if that was not done yet. */
void alarm_ring(struct alarm *alarm);

/* The same, and an edge for who saw it ring already. */
void alarm_ring_anew(struct alarm *alarm);

/* From the next alarm_set on it rings at this time (CLOCK_MONOTONIC; INT64_MAX: at none), if nothing
 * else made it; it may ring once at an earlier one that was wanted before. Then at most
 * ALARM_WORDS_MAX - 1 words. */
void alarm_set_clock(struct alarm *alarm, int64_t at_ns);

/*
 * Silences it and waits for these words. Those that it waits for with the same expectation already
 * are left as they are, unless `anew`, which is due when there may be other memory behind their
 * addresses than last time.
 * 1 set; 0 one of them is not what is expected, or was woken meanwhile, and nothing is certain:
 * look again; -errno as 0
 */
int alarm_set(struct alarm *alarm, const struct os_wait *words, unsigned count, bool anew);

#endif
