/* SPDX-License-Identifier: Apache-2.0 */
#include "costs.h"

#include <stdlib.h>

#include "batches.h"
#include "call.h"
#include "instructions.h"
#include "payload.h"
#include "session.h"
#include "topic.h"

#define CYCLES 100u

struct costs {
	const struct bench_case *c;
	const struct instructions_work *work;
	struct floe_publisher *pub;
	struct floe_subscriber *sub;
	struct floe_publisher *onward; /* where what is taken goes */
	struct floe_subscriber *end;
	struct floe_notifier *notifier;
	struct floe_board_writer *writer;
	struct floe_board_reader *reader;
	int key;
	size_t payload;
	struct batches batches;
};

/*
 * The loops
 */

static void publish_one(struct costs *costs, uint64_t number)
{
	struct floe_loan loan;

	topic_loan(costs->pub, costs->payload, &loan);
	payload_write(loan.data, costs->payload, TOUCH_FIRST, number);
	topic_publish(costs->pub, &loan);
}

static void run_publish(void *state, uint64_t operations)
{
	for (uint64_t i = 0; i < operations; i++)
		publish_one(state, i);
}

static void run_discard(void *state, uint64_t operations)
{
	const struct costs *costs = state;
	struct floe_loan loan;

	for (uint64_t i = 0; i < operations; i++) {
		topic_loan(costs->pub, costs->payload, &loan);
		floe_discard(costs->pub, &loan);
	}
}

static void run_round(void *state, uint64_t operations)
{
	struct costs *costs = state;
	struct floe_sample sample;

	for (uint64_t i = 0; i < operations; i++) {
		publish_one(costs, i);
		if (!topic_take(costs->sub, &sample) ||
		    payload_read(sample.data, costs->payload, TOUCH_FIRST) != i)
			fail("message %llu did not arrive", (unsigned long long)i);
		floe_release(costs->sub, &sample);
	}
}

static void copy_on(struct costs *costs, struct floe_sample *sample)
{
	struct floe_loan loan;

	topic_loan(costs->onward, sample->size, &loan);
	memcpy(loan.data, sample->data, sample->size);
	topic_publish(costs->onward, &loan);
	floe_release(costs->sub, sample);
}

static void relay_on(struct costs *costs, struct floe_sample *sample)
{
	int r = floe_republish(costs->onward, costs->sub, sample);

	if (r != 1)
		fail("floe_republish: %s", r ? strerror(-r) : "no relay is free");
}

static void run_chain(struct costs *costs, uint64_t operations,
		      void (*pass)(struct costs *costs, struct floe_sample *sample))
{
	struct floe_sample sample;

	for (uint64_t i = 0; i < operations; i++) {
		publish_one(costs, i);
		if (!topic_take(costs->sub, &sample))
			fail("message %llu did not arrive", (unsigned long long)i);
		pass(costs, &sample);
		if (!topic_take(costs->end, &sample) ||
		    payload_read(sample.data, costs->payload, TOUCH_FIRST) != i)
			fail("message %llu was not passed on", (unsigned long long)i);
		floe_release(costs->end, &sample);
	}
}

static void run_copied(void *state, uint64_t operations)
{
	run_chain(state, operations, copy_on);
}

static void run_relayed(void *state, uint64_t operations)
{
	run_chain(state, operations, relay_on);
}

/* With no more around it than run_call has: a poll is over in ten cycles, a jump that is taken is one. */
static void run_empty_take(void *state, uint64_t operations)
{
	const struct costs *costs = state;
	struct floe_subscriber *sub = costs->sub;
	struct floe_sample sample;

	for (uint64_t i = 0; i < operations; i++)
		if (floe_take(sub, &sample))
			fail("a topic without messages had one, or an error");
}

static void run_notify(void *state, uint64_t operations)
{
	struct costs *costs = state;

	for (uint64_t i = 0; i < operations; i++)
		if (floe_notify(costs->notifier, 0) != 0)
			fail("nobody listens, and somebody was woken");
}

static void run_board_look(void *state, uint64_t operations)
{
	struct costs *costs = state;
	uint64_t sequence;

	for (uint64_t i = 0; i < operations; i++)
		if (floe_board_look(costs->reader, costs->key, &sequence) || sequence != 1)
			fail("a value that nobody wrote has changed");
}

static void run_board_round(void *state, uint64_t operations)
{
	struct costs *costs = state;
	uint64_t value;

	for (uint64_t i = 0; i < operations; i++)
		if (floe_board_write(costs->writer, 0, &i, sizeof(i), NULL) ||
		    floe_board_read(costs->reader, costs->key, &value, sizeof(value), NULL) != 1 ||
		    value != i)
			fail("value %llu did not arrive", (unsigned long long)i);
}

static void run_call(void *state, uint64_t operations)
{
	for (uint64_t i = 0; i < operations; i++)
		if (call_nothing(state, &operations))
			fail("nothing was done, and it failed");
}

static void run_cycles(void *state, uint64_t operations)
{
	uint64_t sum = 0;

	(void)state;
	for (uint64_t i = 0; i < operations; i++) {
/* A loop of single additions takes one cycle or more for each, as it happens to lie. */
#pragma GCC unroll 100
		for (unsigned j = 0; j < CYCLES; j++) {
			sum += i;
			__asm__ volatile("" : "+r"(sum));
		}
	}
}

static void run_nothing(void *state, uint64_t operations)
{
	(void)state;
	for (uint64_t i = 0; i < operations; i++)
		__asm__ volatile("" ::: "memory");
}

/*
 * The ends
 */

static struct costs *open_costs(const struct bench_case *c, const struct instructions_work *work)
{
	struct costs *costs = calloc(1, sizeof(*costs));

	if (!costs)
		fail("out of memory");
	costs->c = c;
	costs->work = work;
	costs->payload = c->payload;
	return costs;
}

static void open_publisher(struct costs *costs, const char *part)
{
	costs->pub = topic_publisher(costs->c->name, part,
				     &(struct floe_publisher_options){
					     .payload_max = costs->payload,
				     });
}

static void open_subscriber(struct costs *costs, const char *part)
{
	costs->sub = topic_subscriber(costs->c->name, part, &(struct floe_subscriber_options){0});
}

static void open_lane(struct costs *costs, const char *part)
{
	costs->sub = topic_subscriber(costs->c->name, part,
				      &(struct floe_subscriber_options){
					      .policy = FLOE_POLICY_DROP_NEWEST,
				      });
	costs->pub = topic_publisher(costs->c->name, part,
				     &(struct floe_publisher_options){
					     .payload_max = costs->payload,
					     .lanes_max = 1,
				     });
}

#define RELAYS 64

static void open_chain(struct costs *costs)
{
	costs->sub = topic_subscriber(costs->c->name, "raw",
				      &(struct floe_subscriber_options){.holds_max = RELAYS + 1});
	open_publisher(costs, "raw");
	costs->end = topic_subscriber(costs->c->name, "on", &(struct floe_subscriber_options){0});
	costs->onward = topic_publisher(costs->c->name, "on",
					&(struct floe_publisher_options){
						.payload_max = costs->payload,
						.relays_max = RELAYS,
					});
}

static void open_board_ends(struct costs *costs, const char *part)
{
	uint64_t value = 0;

	costs->writer = topic_board_writer(costs->c->name, part);
	costs->reader = topic_board_reader(costs->c->name, part);
	costs->key = floe_board_find(costs->reader, "value", NULL, NULL);
	if (costs->key < 0 || floe_board_write(costs->writer, 0, &value, sizeof(value), NULL))
		fail("the board has no value");
}

/* A counted child opens ends of its own: after fork the others stay the parent's. */
static void *open_stepped_publish(const void *argument)
{
	const struct costs *parent = argument;
	struct costs *costs = open_costs(parent->c, parent->work);

	open_publisher(costs, "stepped");
	return costs;
}

static void *open_stepped_both(const void *argument)
{
	const struct costs *parent = argument;
	struct costs *costs = open_costs(parent->c, parent->work);

	open_subscriber(costs, "stepped");
	open_publisher(costs, "stepped");
	return costs;
}

static void *open_stepped_lane(const void *argument)
{
	const struct costs *parent = argument;
	struct costs *costs = open_costs(parent->c, parent->work);

	open_lane(costs, "stepped");
	return costs;
}

static void *open_stepped_notify(const void *argument)
{
	const struct costs *parent = argument;
	struct costs *costs = open_costs(parent->c, parent->work);

	costs->notifier = topic_notifier(costs->c->name, "stepped");
	return costs;
}

static void *open_stepped_board(const void *argument)
{
	const struct costs *parent = argument;
	struct costs *costs = open_costs(parent->c, parent->work);

	open_board_ends(costs, "stepped");
	return costs;
}

static const struct instructions_work work_notify = {open_stepped_notify, run_notify, run_nothing};
static const struct instructions_work work_board_look = {open_stepped_board, run_board_look,
							 run_nothing};
static const struct instructions_work work_board_round = {open_stepped_board, run_board_round,
							  run_nothing};
static const struct instructions_work work_publish = {open_stepped_publish, run_publish,
						      run_nothing};
static const struct instructions_work work_discard = {open_stepped_publish, run_discard,
						      run_nothing};
static const struct instructions_work work_round = {open_stepped_both, run_round, run_nothing};
static const struct instructions_work work_lane = {open_stepped_lane, run_round, run_nothing};
static const struct instructions_work work_empty = {open_stepped_both, run_empty_take, run_nothing};

static const struct instructions_work work_copied = {NULL, run_copied, run_nothing};
static const struct instructions_work work_relayed = {NULL, run_relayed, run_nothing};
static const struct instructions_work work_cycles = {NULL, run_cycles, run_nothing};
static const struct instructions_work work_call = {NULL, run_call, run_nothing};

static void *open_cycles(const struct bench_case *c, const struct bench_setup *setup)
{
	(void)setup;
	return open_costs(c, &work_cycles);
}

static void *open_call(const struct bench_case *c, const struct bench_setup *setup)
{
	(void)setup;
	return open_costs(c, &work_call);
}

static void *open_publish(const struct bench_case *c, const struct bench_setup *setup)
{
	struct costs *costs = open_costs(c, &work_publish);

	(void)setup;
	open_publisher(costs, "hot");
	return costs;
}

static void *open_discard(const struct bench_case *c, const struct bench_setup *setup)
{
	struct costs *costs = open_publish(c, setup);

	costs->work = &work_discard;
	return costs;
}

static void *open_round(const struct bench_case *c, const struct bench_setup *setup)
{
	struct costs *costs = open_costs(c, &work_round);

	(void)setup;
	open_subscriber(costs, "hot");
	open_publisher(costs, "hot");
	return costs;
}

static void *open_lane_round(const struct bench_case *c, const struct bench_setup *setup)
{
	struct costs *costs = open_costs(c, &work_lane);

	(void)setup;
	open_lane(costs, "hot");
	return costs;
}

static void *open_empty(const struct bench_case *c, const struct bench_setup *setup)
{
	struct costs *costs = open_round(c, setup);

	costs->work = &work_empty;
	return costs;
}

static void *open_copied(const struct bench_case *c, const struct bench_setup *setup)
{
	struct costs *costs = open_costs(c, &work_copied);

	(void)setup;
	open_chain(costs);
	return costs;
}

static void *open_relayed(const struct bench_case *c, const struct bench_setup *setup)
{
	struct costs *costs = open_copied(c, setup);

	costs->work = &work_relayed;
	return costs;
}

static void *open_notify(const struct bench_case *c, const struct bench_setup *setup)
{
	struct costs *costs = open_costs(c, &work_notify);

	(void)setup;
	costs->notifier = topic_notifier(c->name, "hot");
	return costs;
}

static void *open_board_look(const struct bench_case *c, const struct bench_setup *setup)
{
	struct costs *costs = open_costs(c, &work_board_look);

	(void)setup;
	open_board_ends(costs, "hot");
	return costs;
}

static void *open_board_round(const struct bench_case *c, const struct bench_setup *setup)
{
	struct costs *costs = open_board_look(c, setup);

	costs->work = &work_board_round;
	return costs;
}

static bool was_alone(void *state)
{
	const struct costs *costs = state;

	return batches_were_alone(&costs->batches);
}

static double measure(void *state, int64_t budget_ns, struct histogram *h)
{
	struct costs *costs = state;

	(void)h;
	return batches_measure(&costs->batches, costs->work->run, costs, budget_ns);
}

static double instructions(void *state)
{
	struct costs *costs = state;

	return instructions_count(costs->work, costs);
}

static void close_costs(void *state)
{
	struct costs *costs = state;

	floe_subscriber_close(costs->sub);
	floe_subscriber_close(costs->end);
	floe_publisher_close(costs->onward);
	floe_publisher_close(costs->pub);
	floe_notifier_close(costs->notifier);
	floe_board_reader_close(costs->reader);
	floe_board_writer_close(costs->writer);
	free(costs);
}

#define KIND(name, count) \
	const struct bench_kind costs_##name = { \
		.title = "one thread, hot", \
		.unit = "ns", \
		.open = open_##name, \
		.measure = measure, \
		.was_alone = was_alone, \
		.instructions = (count), \
		.close = close_costs, \
	}

KIND(cycles, NULL);
KIND(call, NULL);
KIND(round, instructions);
KIND(lane_round, instructions);
KIND(publish, instructions);
KIND(discard, instructions);
KIND(empty, instructions);
KIND(copied, NULL);
KIND(relayed, NULL);
KIND(notify, instructions);
KIND(board_look, instructions);
KIND(board_round, instructions);
