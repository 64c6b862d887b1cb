/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOE_EVENT_H
#define FLOE_EVENT_H

/*
 * Events: somebody is told that something happened, and how often, without any bytes.
 *
 *	floe_notifier_open  ->  { floe_notify }*                        ->  floe_notifier_close
 *	floe_listener_open  ->  { floe_listener_wait -> floe_listener_take }*  ->  floe_listener_close
 *
 * An event has a name and ids from 0 on. Each id has a counter in its notifier's own memory, which
 * listeners read and compare with what they have seen: nothing is lost, however late they look, and
 * nobody's queue overflows. Ids that are notified between two looks come once, with a count; there is
 * no order among ids.
 *
 * Listeners are also told when a notifier came, left or died, and when one, or an id, was silent for
 * longer than agreed. There may be many of both, in any order of coming; a listener costs its notifiers
 * nothing while it does not sleep, and its death costs nothing at all.
 *
 * The name is one of a topic: topic, event and board of one name share a folder, and are otherwise
 * strangers. Threads, fork, results and blocking: as in floe/floe.h. Only floe_listener_wait, opening
 * and closing block.
 */

#include <floe/floe.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Open at the same time on one event. More: -EMFILE. Any number of listeners. */
#define FLOE_NOTIFIERS_MAX 64

/* Ids of one notifier. */
#define FLOE_EVENT_IDS_MAX 65536

/* Ids that one listener expects; see floe_listener_expect. */
#define FLOE_EXPECTATIONS_MAX 64

struct floe_notifier;
struct floe_listener;

/* Zero means the default; `size` as in floe_publisher_options. */
struct floe_notifier_options {
	size_t size;
	size_t ids; /* 0..ids - 1 can be notified; default 64 */
	/* Promise: something is notified at least this often. Listeners are told when it is not. 0:
	 * none. With it each notification reads the clock. */
	int64_t deadline_ns;
	uint32_t flags;  /* 0 */
	uint32_t mode;   /* who may listen, as for publishers: default 0600, 0444 & mode */
	const char *dir; /* as in floe_publisher_options, these three */
	const char *domain;
	struct floe_error *error;
};

struct floe_listener_options {
	size_t size;
	uint64_t spin_ns; /* how long wait looks before it sleeps; default 20 us, 1: not at all */
	uint32_t flags;   /* 0 */
	uint32_t reserved;
	const char *dir;
	const char *domain;
	struct floe_error *error;
};

/* floe_event.kind */
#define FLOE_EVENT_NOTIFIED 1u /* `id`, `count` times */
#define FLOE_EVENT_CREATED 2u  /* a notifier is there, or took the place of an earlier one */
#define FLOE_EVENT_DROPPED 3u  /* it was closed */
#define FLOE_EVENT_DIED 4u     /* its process is gone; all that it notified was told before this */
#define FLOE_EVENT_MISSED 5u /* a promise, or an expectation: `count` further periods were silent */

struct floe_event {
	uint32_t kind;
	uint32_t id;      /* of NOTIFIED, and of MISSED when an id was expected; else 0 */
	int32_t notifier; /* below FLOE_NOTIFIERS_MAX; -1: MISSED by all of them */
	uint32_t reserved;
	uint64_t count; /* how often since it was last told */
};

/*
 * Opens a notifier. Each has a place of its own; that of one that closed or died is taken over, with
 * its counters, by one of the same user with as many ids.
 *   -EINVAL name, options, ids beyond the limit; -EMFILE FLOE_NOTIFIERS_MAX; else as
 *   floe_publisher_open
 */
FLOE_PUBLIC int floe_notifier_open(struct floe_notifier **ret, const char *name,
				   const struct floe_notifier_options *options);

/* What was notified can still be taken by who listens. NULL is fine. */
FLOE_PUBLIC void floe_notifier_close(struct floe_notifier *notifier);

/* Exact bytes of the notifier's file; -EINVAL, -E2BIG as open. */
FLOE_PUBLIC ssize_t floe_notifier_memory_size(const struct floe_notifier_options *options);

/* Counts `id` once more and wakes who sleeps. No system call while nobody does.
 *   how many it woke, 0: nobody slept; -EINVAL no such id, no notifier of ours; -EPROTO its memory is
 *   gone (floe_guard_install) */
FLOE_PUBLIC int floe_notify(struct floe_notifier *notifier, uint32_t id);

/* Opens a listener: it is told what happens from now on; notifiers that are there already are not
 * told as created. No notifier has to be there yet. One that may not be read, or is damaged, is left out:
 * `error` says so, and the first take. Other errors as floe_subscriber_open. */
FLOE_PUBLIC int floe_listener_open(struct floe_listener **ret, const char *name,
				   const struct floe_listener_options *options);

/* NULL is fine. */
FLOE_PUBLIC void floe_listener_close(struct floe_listener *listener);

/*
 * What happened since the last look; notifiers are served in turn.
 *   1; 0 nothing; -EINVAL; -EPROTO, -EACCES once for each notifier whose file is not what it must be or
 *   may not be read: it is left out from then on; -EMFILE, -ENOMEM and the like: there may be a
 *   notifier that could not be looked at for now.
 */
FLOE_PUBLIC int floe_listener_take(struct floe_listener *listener, struct floe_event *ret);

/* Waits until floe_listener_take would not say "nothing". deadline_ns: CLOCK_MONOTONIC, -1 for ever.
 *   1 ready; 0 deadline; -EINVAL; -EINTR a signal; or what take would say */
FLOE_PUBLIC int floe_listener_wait(struct floe_listener *listener, int64_t deadline_ns);

/* A descriptor for poll and epoll: readable when there is something to take, and as with
 * floe_subscriber_fd perhaps once more. It is silenced by the take that finds nothing. Ours, closed with
 * the listener. -EINVAL; -EMFILE, -ENFILE, -ENOMEM */
FLOE_PUBLIC int floe_listener_fd(struct floe_listener *listener);

/* From now on `id` is expected at least every `period_ns`, from whichever notifier; when this listener
 * takes none of them in that time it is told FLOE_EVENT_MISSED. 0: no longer.
 *   0; -EINVAL; -ENOBUFS FLOE_EXPECTATIONS_MAX */
FLOE_PUBLIC int floe_listener_expect(struct floe_listener *listener, uint32_t id,
				     int64_t period_ns);

#ifdef __cplusplus
}
#endif
#endif
