/* SPDX-License-Identifier: Apache-2.0 */
#include "wake.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef BENCH_RING
#include <floe/uring.h>
#endif

#include "pair.h"
#include "series.h"
#include "session.h"
#include "topic.h"

/* The processor of a sleeper needs a moment to become idle too; without this the figures are a
 * mixture of two. */
#define SETTLE_NS (50 * NS_PER_US)
#define WAIT_NS (10 * NS_PER_SECOND)

struct wake_shared {
	alignas(64) _Atomic uint32_t word;    /* the bare futex */
	alignas(64) _Atomic int64_t awake_ns; /* written by the second process, 0: asleep */
	alignas(64) _Atomic bool ends;
};

/* By a descriptor: until poll returns, or until the message is taken as well. */
enum way {
	WAY_FUTEX,
	WAY_FLOE,
	WAY_FD,
	WAY_FD_TAKE,
	WAY_RING,
	WAY_EVENT
};

struct wake {
	const struct bench_case *c;
	enum way way;
	struct wake_shared *shared;
	struct floe_publisher *pub;
	struct floe_subscriber *sub;
	struct floe_notifier *notifier;
	struct floe_listener *listener;
#ifdef BENCH_RING
	struct io_uring ring; /* of the second process */
#endif
	int state_fd; /* /proc/<pid>/stat of the second process */
	struct pair pair;
	struct series events;
};

/*
 * The sleeper
 */

static void sleep_bare(struct wake *w, uint32_t seen)
{
	while (atomic_load(&w->shared->word) == seen)
		syscall(SYS_futex, &w->shared->word, FUTEX_WAIT, seen, NULL, NULL, 0);
}

static void sleep_floe(struct wake *w)
{
	int result = floe_wait(w->sub, now_ns() + WAIT_NS);

	if (result != 1)
		fail("floe_wait: %s", result ? strerror(-result) : "nothing came");
}

static void sleep_fd(struct wake *w)
{
	struct pollfd entry = {.fd = floe_subscriber_fd(w->sub), .events = POLLIN};
	int result = poll(&entry, 1, (int)(WAIT_NS / NS_PER_MS));

	if (result != 1)
		fail("poll: %s", result ? strerror(errno) : "nothing came");
}

#ifdef BENCH_RING
static void open_queue(struct wake *w)
{
	int r = io_uring_queue_init(8, &w->ring,
				    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);

	if (r < 0)
		fail("io_uring: %s", strerror(-r));
}

/* In one call: the request is prepared when the last message has been taken. */
static void sleep_ring(struct wake *w)
{
	struct io_uring_cqe *cqe;
	int r = floe_uring_prep_topic(io_uring_get_sqe(&w->ring), w->sub);

	if (r == 0)
		r = io_uring_submit_and_wait(&w->ring, 1);
	if (r < 0 || io_uring_peek_cqe(&w->ring, &cqe) < 0)
		fail("io_uring: %s", r < 0 ? strerror(-r) : "nothing came");
	io_uring_cqe_seen(&w->ring, cqe);
}
#endif

/* Until a notification is in hand; before the first one it hears that there is a notifier. */
static void sleep_event(struct wake *w)
{
	struct floe_event event = {0};

	while (event.kind != FLOE_EVENT_NOTIFIED) {
		int result = floe_listener_wait(w->listener, now_ns() + WAIT_NS);

		if (result != 1)
			fail("floe_listener_wait: %s", result ? strerror(-result) : "nothing came");
		if (floe_listener_take(w->listener, &event) != 1)
			fail("it said ready, but there was nothing to take");
	}
}

/* When it was in hand. */
static int64_t take_one(struct wake *w)
{
	struct floe_sample sample;
	int64_t taken_ns;

	if (!topic_take(w->sub, &sample))
		fail("it said ready, but there was nothing to take");
	taken_ns = now_ns();
	floe_release(w->sub, &sample);
	return taken_ns;
}

static void serve_second(void *state)
{
	struct wake *w = state;

	for (uint32_t seen = atomic_load(&w->shared->word); !atomic_load(&w->shared->ends);
	     seen++) {
		int64_t awake_ns;

		if (w->way == WAY_FUTEX)
			sleep_bare(w, seen);
		else if (w->way == WAY_FLOE)
			sleep_floe(w);
		else if (w->way == WAY_EVENT)
			sleep_event(w);
#ifdef BENCH_RING
		else if (w->way == WAY_RING)
			sleep_ring(w);
#endif
		else
			sleep_fd(w);
		awake_ns = now_ns();
		if (w->way == WAY_FLOE || w->way == WAY_FD_TAKE)
			awake_ns = take_one(w);
		else if (w->way == WAY_FD || w->way == WAY_RING)
			(void)take_one(w);
		atomic_store(&w->shared->awake_ns, awake_ns);
	}
}

static void *open_second(void *argument)
{
	struct wake *w = argument;

	if (w->way == WAY_EVENT)
		w->listener = topic_listener(w->c->name, "wake");
	else if (w->way != WAY_FUTEX)
		w->sub = topic_subscriber(w->c->name, "wake",
					  &(struct floe_subscriber_options){.spin_ns = 1});
#ifdef BENCH_RING
	if (w->way == WAY_RING)
		open_queue(w);
#endif
	return w;
}

static void close_second(void *state)
{
	struct wake *w = state;

	floe_subscriber_close(w->sub);
	floe_listener_close(w->listener);
#ifdef BENCH_RING
	if (w->way == WAY_RING)
		io_uring_queue_exit(&w->ring);
#endif
}

static const struct pair_role role_second = {open_second, serve_second, close_second};

/*
 * The one who wakes
 */

static struct wake *open_wake(const struct bench_case *c, const struct bench_setup *setup,
			      enum way way)
{
	struct wake *w = calloc(1, sizeof(*w));
	char path[32];

	if (!w)
		fail("out of memory");
	w->c = c;
	w->way = way;
	w->shared = pair_memory(sizeof(*w->shared));
	pair_open(&w->pair, &role_second, w, setup->core_there);
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)w->pair.pid);
	w->state_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (w->state_fd < 0)
		fail("cannot read %s: %s", path, strerror(errno));
	if (way == WAY_EVENT)
		w->notifier = topic_notifier(c->name, "wake");
	else if (way != WAY_FUTEX)
		w->pub = topic_publisher(c->name, "wake",
					 &(struct floe_publisher_options){
						 .payload_max = c->payload,
					 });
	return w;
}

static void *open_futex(const struct bench_case *c, const struct bench_setup *setup)
{
	return open_wake(c, setup, WAY_FUTEX);
}

static void *open_floe(const struct bench_case *c, const struct bench_setup *setup)
{
	return open_wake(c, setup, WAY_FLOE);
}

static void *open_fd(const struct bench_case *c, const struct bench_setup *setup)
{
	return open_wake(c, setup, WAY_FD);
}

static void *open_event(const struct bench_case *c, const struct bench_setup *setup)
{
	return open_wake(c, setup, WAY_EVENT);
}

static void *open_fd_take(const struct bench_case *c, const struct bench_setup *setup)
{
	return open_wake(c, setup, WAY_FD_TAKE);
}

#ifdef BENCH_RING
static void *open_ring(const struct bench_case *c, const struct bench_setup *setup)
{
	return open_wake(c, setup, WAY_RING);
}
#endif

static bool is_asleep(struct wake *w)
{
	char text[128];
	ssize_t size = pread(w->state_fd, text, sizeof(text) - 1, 0);
	const char *name_end;

	text[size > 0 ? size : 0] = '\0';
	name_end = strrchr(text, ')');
	return name_end && !strncmp(name_end, ") S", 3);
}

static void wait_until_asleep(struct wake *w)
{
	struct patience patience = {0};
	int64_t asleep_ns;

	while (!is_asleep(w))
		look_again(&patience);
	for (asleep_ns = now_ns(); now_ns() - asleep_ns < SETTLE_NS;)
		relax();
}

static void send_wake(struct wake *w)
{
	struct floe_loan loan;

	if (w->way == WAY_FUTEX) {
		atomic_fetch_add(&w->shared->word, 1);
		syscall(SYS_futex, &w->shared->word, FUTEX_WAKE, 1, NULL, NULL, 0);
		return;
	}
	if (w->way == WAY_EVENT) {
		(void)floe_notify(w->notifier, 0);
		return;
	}
	topic_loan(w->pub, w->c->payload, &loan);
	*(uint64_t *)loan.data = 1;
	topic_publish(w->pub, &loan);
}

static int64_t time_wake(struct wake *w)
{
	struct patience patience = {0};
	int64_t start_ns, awake_ns;

	wait_until_asleep(w);
	start_ns = now_ns();
	send_wake(w);
	while (!(awake_ns = atomic_exchange(&w->shared->awake_ns, 0)))
		look_again(&patience);
	return awake_ns > start_ns ? awake_ns - start_ns : 0;
}

static double measure(void *state, int64_t budget_ns, struct histogram *h)
{
	struct wake *w = state;
	int64_t end_ns = now_ns() + budget_ns;

	w->events.count = 0;
	atomic_store(&w->shared->ends, false);
	pair_start(&w->pair);
	do {
		int64_t ns = time_wake(w);

		series_add(&w->events, (double)ns);
		histogram_add(h, (uint64_t)ns);
	} while (now_ns() < end_ns);

	wait_until_asleep(w);
	atomic_store(&w->shared->ends, true);
	time_wake(w);
	pair_wait(&w->pair);
	return series_median(&w->events);
}

static void close_wake(void *state)
{
	struct wake *w = state;

	pair_close(&w->pair);
	floe_publisher_close(w->pub);
	floe_notifier_close(w->notifier);
	close(w->state_fd);
	munmap(w->shared, sizeof(*w->shared));
	free(w);
}

#define KIND(name) \
	const struct bench_kind wake_##name = { \
		.title = "from publish to awake, the subscriber sleeps", \
		.unit = "ns", \
		.needs_two_cores = 1, \
		.open = open_##name, \
		.measure = measure, \
		.histogram_scale = 1, \
		.close = close_wake, \
	}

KIND(futex);
KIND(floe);
KIND(fd);
KIND(fd_take);
KIND(event);
#ifdef BENCH_RING
KIND(ring);
#endif
