/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOE_WAITSET_H
#define FLOE_WAITSET_H

/*
 * Wait set: one thread waits for many things at once: subscribers, listeners of events, clients and
 * servers, descriptors, timers, signals.
 *
 *	floe_waitset_open  ->  floe_waitset_add_...  ->  { floe_waitset_wait }*  ->  floe_waitset_close
 *
 * What a wait costs depends on what is ready, not on what is attached. What is attached stays its
 * owner's, who removes it here before he closes it. A subscriber takes two descriptors of the process, a
 * descriptor none more, and all timers and signals of a set one each.
 *
 * Threads: as any handle; but floe_waitset_stop may be called by any thread, and in a signal handler.
 * Only floe_waitset_start makes a thread, if it is called: the only one that this library ever makes.
 */

#include <floe/event.h>
#include <floe/floe.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Attached to one wait set. More: -ENOSPC. */
#define FLOE_WAITSET_MAX 65536

struct floe_waitset;

/* floe_ready.kind */
#define FLOE_READY_SUBSCRIBER 1u /* floe_take; it may find nothing, as with floe_subscriber_fd */
#define FLOE_READY_LISTENER 2u   /* floe_listener_take; the same */
#define FLOE_READY_FD 3u         /* value: what poll(2) would say, POLLIN and so on */
#define FLOE_READY_TIMER 4u      /* value: how often it went off since it was last told */
#define FLOE_READY_SIGNAL 5u     /* value: how many of these signals were read */
#define FLOE_READY_LATE 6u /* expect_ns; value: in how many further periods it was not ready */

struct floe_ready {
	uint32_t id; /* what add returned */
	uint32_t kind;
	uint64_t value;
	void *user; /* what add was given */
};

/* How something is attached. NULL: all zero. */
struct floe_waitset_options {
	size_t size;
	void *user;
	/* For floe_waitset_start: called in its thread when it is ready. */
	void (*call)(struct floe_waitset *waitset, const struct floe_ready *ready);
	int32_t priority; /* of what is ready at the same time the highest comes first */
	uint32_t flags;   /* 0 */
	/* It should be ready at least so often: when it was not, FLOE_READY_LATE says so, and again after
	 * each further period. Of a subscriber a message must have been there, of a listener an event. Of
	 * other descriptors that cannot be told: those of clients and servers may ring with nothing there,
	 * where io_uring is forbidden each millisecond, and are never late then. Counted from when it was
	 * attached, and from when a wait said it was ready. 0: it need not; not for timers and signals.
	 * A wait looks at the subscriber or listener: from the thread that uses it, or, a subscriber, with
	 * FLOE_THREAD_SAFE. The subscriber's own expect_ns is for floe_wait. */
	int64_t expect_ns;
};

/* -EINVAL; -EMFILE, -ENFILE, -ENOMEM */
FLOE_PUBLIC int floe_waitset_open(struct floe_waitset **ret);

/* Stops and joins its thread, if there is one. What was attached goes on. NULL is fine. */
FLOE_PUBLIC void floe_waitset_close(struct floe_waitset *waitset);

/*
 * Each attaches something and returns its id, 0 or more.
 *   -EINVAL; -EEXIST that descriptor is attached already; -EPERM it cannot be waited for (a regular
 *   file); -ENOSPC; -EBUSY the set has a thread, and this is another one; -E2BIG options; -EMFILE,
 *   -ENOMEM and the like
 */
FLOE_PUBLIC int floe_waitset_add_subscriber(struct floe_waitset *waitset,
					    struct floe_subscriber *sub,
					    const struct floe_waitset_options *options);
FLOE_PUBLIC int floe_waitset_add_listener(struct floe_waitset *waitset,
					  struct floe_listener *listener,
					  const struct floe_waitset_options *options);

/* events: POLLIN, POLLOUT, POLLPRI, POLLRDHUP. Also for floe_client_fd and floe_server_fd. */
FLOE_PUBLIC int floe_waitset_add_fd(struct floe_waitset *waitset, int fd, uint32_t events,
				    const struct floe_waitset_options *options);

/* First at `first_ns` (CLOCK_MONOTONIC), then every period_ns; 0: once. */
FLOE_PUBLIC int floe_waitset_add_timer(struct floe_waitset *waitset, int64_t first_ns,
				       int64_t period_ns,
				       const struct floe_waitset_options *options);

/* The caller has blocked the signal in all of its threads (pthread_sigmask), or it does not come here. */
FLOE_PUBLIC int floe_waitset_add_signal(struct floe_waitset *waitset, int signal_number,
					const struct floe_waitset_options *options);

/* 0; -EINVAL no such id; -EBUSY as add */
FLOE_PUBLIC int floe_waitset_remove(struct floe_waitset *waitset, uint32_t id);

/*
 * Waits until something is ready and says what, at most `count` of it; the rest the next time, before
 * others of its priority.
 * deadline_ns: CLOCK_MONOTONIC, -1 for ever.
 *   how many; 0 deadline; -ECANCELED it was stopped; -EINTR a signal; -EBUSY it has a thread; -EINVAL
 */
FLOE_PUBLIC int floe_waitset_wait(struct floe_waitset *waitset, int64_t deadline_ns,
				  struct floe_ready *ret, size_t count);

/* Every wait ends with -ECANCELED, the one that is under way and all later ones. 0; -EINVAL */
FLOE_PUBLIC int floe_waitset_stop(struct floe_waitset *waitset);

/* A descriptor for another epoll or poll: readable when wait would say something. The set's own; call
 * wait with a deadline of 0 then. -EINVAL */
FLOE_PUBLIC int floe_waitset_fd(struct floe_waitset *waitset);

/*
 * Starts a thread that waits and calls what was attached, until the set is stopped; all signals are
 * blocked in it. From then on only that thread may attach, remove and wait, and use the subscribers and
 * listeners that are attached. 0; -EALREADY it has one; -EINVAL; the errno of pthread_create(3)
 */
FLOE_PUBLIC int floe_waitset_start(struct floe_waitset *waitset);

/* Stops, and waits for the end of the thread: no call is under way when this returns. 0, also when there
 * is none; -EDEADLK in the thread itself; -EINVAL */
FLOE_PUBLIC int floe_waitset_join(struct floe_waitset *waitset);

#ifdef __cplusplus
}
#endif
#endif
