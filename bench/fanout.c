/* SPDX-License-Identifier: Apache-2.0 */
#include "fanout.h"

#include <stdlib.h>

#include "clock.h"
#include "payload.h"
#include "series.h"
#include "session.h"
#include "topic.h"

/* A burst stays within the default depth, so that nobody loses a message. */
#define BURST 8u
#define BURSTS_IN_BATCH 64u
#define SUBSCRIBERS_MAX 64u

struct fanout {
	const struct bench_case *c;
	struct floe_publisher *pub;
	struct floe_subscriber *subs[SUBSCRIBERS_MAX];
	int64_t clock_ns;
	uint64_t number;
	struct series batches;
};

static void *open_fanout(const struct bench_case *c, const struct bench_setup *setup)
{
	struct fanout *f = calloc(1, sizeof(*f));

	(void)setup;
	if (!f)
		fail("out of memory");
	f->c = c;
	f->clock_ns = clock_cost_ns();
	f->pub = topic_publisher(c->name, "all",
				 &(struct floe_publisher_options){.payload_max = c->payload});
	for (unsigned i = 0; i < c->subscribers; i++)
		f->subs[i] = topic_subscriber(c->name, "all", &(struct floe_subscriber_options){0});
	return f;
}

static void close_fanout(void *state)
{
	struct fanout *f = state;

	for (unsigned i = 0; i < f->c->subscribers; i++)
		floe_subscriber_close(f->subs[i]);
	floe_publisher_close(f->pub);
	free(f);
}

static int64_t time_burst(struct fanout *f)
{
	int64_t start = now_ns();

	for (unsigned i = 0; i < BURST; i++) {
		struct floe_loan loan;

		topic_loan(f->pub, f->c->payload, &loan);
		payload_write(loan.data, f->c->payload, TOUCH_FIRST, ++f->number);
		topic_publish(f->pub, &loan);
	}
	return now_ns() - start - f->clock_ns;
}

static void take_burst(struct fanout *f, struct floe_subscriber *sub)
{
	uint64_t number = f->number - BURST;
	struct floe_sample sample;

	while (topic_take(sub, &sample)) {
		if (payload_read(sample.data, f->c->payload, TOUCH_FIRST) != ++number)
			fail("a subscriber got another message than the next");
		floe_release(sub, &sample);
	}
	if (number != f->number)
		fail("a subscriber did not get all messages");
}

static double time_batch(struct fanout *f, unsigned takers)
{
	int64_t ns = 0;

	for (unsigned i = 0; i < BURSTS_IN_BATCH; i++) {
		ns += time_burst(f);
		for (unsigned s = 0; s < takers; s++)
			take_burst(f, f->subs[s]);
	}
	return (double)ns / (BURST * BURSTS_IN_BATCH);
}

static double measure(struct fanout *f, unsigned takers, int64_t budget_ns)
{
	int64_t end_ns = now_ns() + budget_ns;

	time_batch(f, takers);
	f->batches.count = 0;
	do
		series_add(&f->batches, time_batch(f, takers));
	while (now_ns() < end_ns);
	return series_median(&f->batches);
}

static double measure_idle(void *state, int64_t budget_ns, struct histogram *h)
{
	(void)h;
	return measure(state, 0, budget_ns);
}

static double measure_taking(void *state, int64_t budget_ns, struct histogram *h)
{
	struct fanout *f = state;

	(void)h;
	return measure(f, f->c->subscribers, budget_ns);
}

const struct bench_kind fanout_idle = {
	.title = "loan and publish to many subscribers",
	.unit = "ns",
	.open = open_fanout,
	.measure = measure_idle,
	.close = close_fanout,
};

const struct bench_kind fanout_taking = {
	.title = "loan and publish to many subscribers",
	.unit = "ns",
	.open = open_fanout,
	.measure = measure_taking,
	.close = close_fanout,
};
