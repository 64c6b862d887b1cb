/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_NOTIFIER_H
#define CHANNEL_NOTIFIER_H

/*
 * Notifier: the writing side of an event. It owns the memory of event_layout.h and is used by one
 * thread at a time.
 *
 * A notification has a fence of its own, unlike a message: it is rarer, and so who is going to sleep
 * needs no membarrier(2), and listeners no memory that notifiers would have to look at.
 */

#include "channel/event_layout.h"
#include "channel/hints_layout.h"

struct notifier {
	struct event_shared *event;
	struct hints_shared *hints;
	shared_u64 *group, *count;
	uint64_t listeners_seen;  /* the hint as it was when nobody could be asleep any more */
	uint64_t listeners_woken; /* as it was at the last wake */
	uint32_t ids;
	bool timed;
	void (*watch)(void *user); /* called before a wake; may be NULL */
	void *user;
};

/* Lays the memory out, which is zero; the seat is the caller's. */
void event_format(struct event_shared *event, uint32_t ids);

/* Begins to notify in memory that was just laid out, or that was taken over: sums are made right.
 * `ids` as they were when it was checked. */
void notifier_init(struct notifier *ret, struct event_shared *event, uint32_t ids,
		   struct hints_shared *hints, int64_t deadline_ns);

/* The hint says that somebody sleeps, or did. How many woke. */
int notifier_wake(struct notifier *notifier);

/* id: below ids. How many woke. */
int notifier_notify(struct notifier *notifier, uint32_t id);

#endif
