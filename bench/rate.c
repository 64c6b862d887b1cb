/* SPDX-License-Identifier: Apache-2.0 */
#include "rate.h"

#include <stdlib.h>

#include "pair.h"
#include "payload.h"
#include "session.h"
#include "topic.h"

/* Both sides work on different ends of the ring most of the time. */
#define DEPTH 256u
#define MESSAGES_PER_LOOK 64u

struct rate {
	const struct bench_case *c;
	struct floe_publisher *pub;
	struct floe_subscriber *sub;
	uint64_t number;
	struct pair pair;
};

static void *open_second(void *argument)
{
	struct rate *r = argument;

	r->sub = topic_subscriber(r->c->name, "rate",
				  &(struct floe_subscriber_options){
					  .policy = FLOE_POLICY_RELIABLE,
				  });
	return r;
}

static uint64_t take_one(struct rate *r)
{
	struct patience patience = {0};
	struct floe_sample sample;
	uint64_t number;

	while (!topic_take(r->sub, &sample))
		look_again(&patience);
	if (sample.lost)
		fail("a reliable subscriber lost %llu messages", (unsigned long long)sample.lost);
	number = payload_read(sample.data, r->c->payload, r->c->touch);
	floe_release(r->sub, &sample);
	return number;
}

static void serve_second(void *state)
{
	struct rate *r = state;
	uint64_t number;

	while ((number = take_one(r)) != PAYLOAD_STOP)
		if (number != ++r->number)
			fail("message %llu came instead of the next", (unsigned long long)number);
}

static void close_second(void *state)
{
	struct rate *r = state;

	floe_subscriber_close(r->sub);
}

static const struct pair_role role_second = {open_second, serve_second, close_second};

static void *open_rate(const struct bench_case *c, const struct bench_setup *setup)
{
	struct rate *r = calloc(1, sizeof(*r));

	if (!r)
		fail("out of memory");
	r->c = c;
	pair_open(&r->pair, &role_second, r, setup->core_there);
	r->pub = topic_publisher(c->name, "rate",
				 &(struct floe_publisher_options){
					 .payload_max = c->payload,
					 .depth = DEPTH,
				 });
	return r;
}

static void send_one(struct rate *r, uint64_t number)
{
	struct patience patience = {0};
	struct floe_loan loan;
	int result;

	topic_loan(r->pub, r->c->payload, &loan);
	payload_write(loan.data, r->c->payload, r->c->touch, number);
	while ((result = floe_publish(r->pub, &loan)) == 0)
		look_again(&patience);
	if (result < 0)
		fail("floe_publish: %s", strerror(-result));
}

static double measure(void *state, int64_t budget_ns, struct histogram *h)
{
	struct rate *r = state;
	int64_t start, now;
	uint64_t first;

	(void)h;
	pair_start(&r->pair);
	for (unsigned i = 0; i < 4 * DEPTH; i++) /* once the ring is full both are awake */
		send_one(r, ++r->number);

	first = r->number;
	start = now_ns();
	do {
		for (unsigned i = 0; i < MESSAGES_PER_LOOK; i++)
			send_one(r, ++r->number);
		now = now_ns();
	} while (now - start < budget_ns);

	send_one(r, PAYLOAD_STOP);
	pair_wait(&r->pair);
	return (double)(r->number - first) * 1000 / (double)(now - start);
}

static void close_rate(void *state)
{
	struct rate *r = state;

	pair_close(&r->pair);
	floe_publisher_close(r->pub);
	free(r);
}

const struct bench_kind rate_floe = {
	.title = "throughput to one reliable subscriber in another process",
	.unit = "M/s",
	.needs_two_cores = 1,
	.open = open_rate,
	.measure = measure,
	.close = close_rate,
};
