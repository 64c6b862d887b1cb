/* SPDX-License-Identifier: Apache-2.0 */
#include "waitset.h"

#include <errno.h>
#include <floe/waitset.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "series.h"
#include "session.h"
#include "topic.h"

/* About 30 us. */
#define BATCH_OPERATIONS 8u

struct crowd {
	const struct bench_case *c;
	void (*run)(struct crowd *crowd, unsigned operations);
	int poll;
	int *fds;
	struct floe_waitset *set;
	struct floe_subscriber **subs;
	struct floe_publisher *pub; /* of the last one */
	struct series batches;
};

static void run_bare(struct crowd *crowd, unsigned operations)
{
	int last = crowd->fds[crowd->c->subscribers - 1];
	struct epoll_event event;

	for (uint64_t value = 1, i = 0; i < operations; i++)
		if (write(last, &value, sizeof(value)) != sizeof(value) ||
		    epoll_wait(crowd->poll, &event, 1, 10000) != 1 || event.data.fd != last ||
		    read(last, &value, sizeof(value)) != sizeof(value) || value != 1)
			fail("what is ready was not said");
}

static void run_floe(struct crowd *crowd, unsigned operations)
{
	unsigned last = crowd->c->subscribers - 1;
	struct floe_sample sample;
	struct floe_ready ready;
	struct floe_loan loan;

	for (unsigned i = 0; i < operations; i++) {
		topic_loan(crowd->pub, crowd->c->payload, &loan);
		*(uint64_t *)loan.data = i;
		topic_publish(crowd->pub, &loan);
		if (floe_waitset_wait(crowd->set, now_ns() + 10 * NS_PER_SECOND, &ready, 1) != 1 ||
		    ready.id != last || !topic_take(crowd->subs[last], &sample))
			fail("what is ready was not said");
		floe_release(crowd->subs[last], &sample);
		if (topic_take(crowd->subs[last], &sample))
			fail("a message came twice");
	}
}

static struct crowd *open_crowd(const struct bench_case *c)
{
	struct crowd *crowd = calloc(1, sizeof(*crowd));

	if (!crowd)
		fail("out of memory");
	crowd->c = c;
	crowd->fds = calloc(c->subscribers, sizeof(*crowd->fds));
	crowd->subs = calloc(c->subscribers, sizeof(struct floe_subscriber *));
	if (!crowd->fds || !crowd->subs)
		fail("out of memory");
	crowd->poll = -1;
	return crowd;
}

static void *open_bare(const struct bench_case *c, const struct bench_setup *setup)
{
	struct crowd *crowd = open_crowd(c);

	(void)setup;
	crowd->run = run_bare;
	crowd->poll = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < c->subscribers; i++) {
		int fd = crowd->fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

		if (fd < 0 || epoll_ctl(crowd->poll, EPOLL_CTL_ADD, fd, &event) < 0)
			fail("cannot wait for eventfd %u: %s", i, strerror(errno));
	}
	return crowd;
}

static void add_topic(struct crowd *crowd, unsigned i, const char *part)
{
	int r;

	crowd->subs[i] = topic_subscriber(crowd->c->name, part,
					  &(struct floe_subscriber_options){.holds_max = 1});
	r = floe_waitset_add_subscriber(crowd->set, crowd->subs[i], NULL);
	if (r != (int)i)
		fail("cannot attach topic %u: %s", i, strerror(r < 0 ? -r : EPROTO));
}

static void *open_floe(const struct bench_case *c, const struct bench_setup *setup)
{
	struct crowd *crowd = open_crowd(c);
	struct floe_sample sample;
	struct floe_ready ready;
	char part[16];
	int r = floe_waitset_open(&crowd->set);

	(void)setup;
	crowd->run = run_floe;
	if (r < 0)
		fail("floe_waitset_open: %s", strerror(-r));
	for (unsigned i = 0; i < c->subscribers; i++) {
		snprintf(part, sizeof(part), "%u", i);
		add_topic(crowd, i, part);
	}
	crowd->pub = topic_publisher(c->name, part,
				     &(struct floe_publisher_options){
					     .payload_max = c->payload,
				     });
	/* A new descriptor may ring once. */
	while (floe_waitset_wait(crowd->set, 0, &ready, 1) == 1)
		if (topic_take(crowd->subs[ready.id], &sample))
			fail("a message that nobody sent");
	return crowd;
}

static double measure(void *state, int64_t budget_ns, struct histogram *h)
{
	struct crowd *crowd = state;
	int64_t end_ns = now_ns() + budget_ns;

	(void)h;
	crowd->run(crowd, BATCH_OPERATIONS);
	crowd->batches.count = 0;
	do {
		int64_t start_ns = now_ns();

		crowd->run(crowd, BATCH_OPERATIONS);
		series_add(&crowd->batches, (double)(now_ns() - start_ns) / BATCH_OPERATIONS);
	} while (now_ns() < end_ns);
	return series_median(&crowd->batches);
}

static void close_crowd(void *state)
{
	struct crowd *crowd = state;

	floe_waitset_close(crowd->set);
	for (unsigned i = 0; i < crowd->c->subscribers; i++) {
		floe_subscriber_close(crowd->subs[i]);
		if (crowd->poll >= 0)
			close(crowd->fds[i]);
	}
	floe_publisher_close(crowd->pub);
	if (crowd->poll >= 0)
		close(crowd->poll);
	free(crowd->fds);
	free(crowd->subs);
	free(crowd);
}

#define KIND(name, each) \
	const struct bench_kind waitset_##name = { \
		.title = "so many are waited for, one is ready", \
		.unit = "ns", \
		.descriptors_each = (each), \
		.open = open_##name, \
		.measure = measure, \
		.close = close_crowd, \
	}

KIND(bare, 1);
KIND(floe, 2);
