/* SPDX-License-Identifier: Apache-2.0 */
#include "beside.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "batches.h"
#include "pair.h"
#include "session.h"
#include "topic.h"

#define LOOKS 64u /* between two looks at whether it is over */

struct beside {
	const struct bench_case *c;
	struct floe_publisher *pub; /* each process has its own */
	struct floe_subscriber *sub;
	_Atomic bool *over;
	struct pair pair;
	struct batches batches;
};

/*
 * The other process
 */

static void *open_stranger(void *argument)
{
	return argument;
}

static void add_numbers(void *state)
{
	struct beside *b = state;
	uint64_t sum = 0;

	while (!atomic_load_explicit(b->over, memory_order_relaxed))
		for (unsigned i = 0; i < LOOKS; i++) {
			sum += i;
			__asm__ volatile("" : "+r"(sum));
		}
}

static void close_stranger(void *state)
{
	(void)state;
}

static void *open_user(void *argument)
{
	struct beside *b = argument;

	b->sub = topic_subscriber(b->c->name, "hot", &(struct floe_subscriber_options){0});
	b->pub = topic_publisher(b->c->name, "hot",
				 &(struct floe_publisher_options){.payload_max = b->c->payload});
	return b;
}

static void publish_and_take(void *state)
{
	struct beside *b = state;
	struct floe_sample sample;
	struct floe_loan loan;

	while (!atomic_load_explicit(b->over, memory_order_relaxed))
		for (unsigned i = 0; i < LOOKS; i++) {
			topic_loan(b->pub, b->c->payload, &loan);
			topic_publish(b->pub, &loan);
			if (!topic_take(b->sub, &sample))
				fail("a message of one's own did not arrive");
			floe_release(b->sub, &sample);
		}
}

static void close_user(void *state)
{
	struct beside *b = state;

	floe_subscriber_close(b->sub);
	floe_publisher_close(b->pub);
}

static const struct pair_role role_stranger = {open_stranger, add_numbers, close_stranger, false};
static const struct pair_role role_user = {open_user, publish_and_take, close_user, false};

/*
 * This one
 */

static void *open_beside(const struct bench_case *c, const struct bench_setup *setup,
			 const struct pair_role *role)
{
	struct beside *b = calloc(1, sizeof(*b));

	if (!b)
		fail("out of memory");
	b->c = c;
	b->over = pair_memory(sizeof(*b->over));
	pair_open(&b->pair, role, b, setup->core_there);
	b->pub = topic_publisher(c->name, "hot",
				 &(struct floe_publisher_options){.payload_max = c->payload});
	return b;
}

static void *open_beside_stranger(const struct bench_case *c, const struct bench_setup *setup)
{
	return open_beside(c, setup, &role_stranger);
}

static void *open_beside_user(const struct bench_case *c, const struct bench_setup *setup)
{
	return open_beside(c, setup, &role_user);
}

static void run_discard(void *state, uint64_t operations)
{
	const struct beside *b = state;
	struct floe_loan loan;

	for (uint64_t i = 0; i < operations; i++) {
		topic_loan(b->pub, b->c->payload, &loan);
		floe_discard(b->pub, &loan);
	}
}

static double measure(void *state, int64_t budget_ns, struct histogram *h)
{
	struct beside *b = state;
	double value;

	(void)h;
	atomic_store(b->over, false);
	pair_start(&b->pair);
	value = batches_measure_all(&b->batches, run_discard, b, budget_ns);
	atomic_store(b->over, true);
	pair_wait(&b->pair);
	return value;
}

static void close_beside(void *state)
{
	struct beside *b = state;

	pair_close(&b->pair);
	floe_publisher_close(b->pub);
	free(b);
}

#define KIND(name) \
	const struct bench_kind beside_##name = { \
		.title = "loan and discard while another process works", \
		.unit = "ns", \
		.needs_two_cores = 1, \
		.open = open_beside_##name, \
		.measure = measure, \
		.close = close_beside, \
	}

KIND(stranger);
KIND(user);
