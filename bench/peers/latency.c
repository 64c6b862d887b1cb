/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Ping-pong between two processes: one way of it, or there and back by request and response.
 */

#include <stdio.h>
#include <stdlib.h>

#include "../series.h"
#include "ends.h"

/* Short enough that most batches meet no interrupt, long enough to forget the clock. */
#define BATCH_NS (20 * NS_PER_US)
#define BATCH_TRIPS_MAX 1000u

struct side {
	const struct task *task;
	bool asks; /* requests and responses; then there is no loan before there is a request */
	struct peer_sender *out;
	struct peer_receiver *in;
	void *loan;   /* for what goes out next */
	bool is_held; /* what came in last */
};

/* The next loan is taken when a message is on its way, as a program does that waits for its turn. */
static void send_one(struct side *side, uint64_t number)
{
	if (!side->loan)
		side->loan = loan_patiently(side->out);
	payload_write(side->loan, side->task->channel.payload, side->task->touch, number);
	send_patiently(side->out);
	side->loan = side->asks ? NULL : loan_patiently(side->out);
}

/* What came in before is given back first: the answer to it is on its way by now. */
static uint64_t receive_one(struct side *side)
{
	const void *data;

	if (side->is_held)
		peer_release(side->in);
	data = take_patiently(side->in, side->task->channel.sleeps);
	side->is_held = true;
	return payload_read(data, side->task->channel.payload, side->task->touch);
}

/* A request that is answered and an answer that is read are given back before the next. */
static void settle(struct side *side)
{
	if (side->asks)
		peer_release(side->in);
	side->is_held = side->is_held && !side->asks;
}

static void ping(struct side *side, uint64_t *number, unsigned trips)
{
	for (unsigned i = 0; i < trips; i++) {
		send_one(side, ++*number);
		if (receive_one(side) != *number)
			fail("message %llu came back as another", (unsigned long long)*number);
		settle(side);
	}
}

static struct peer_channel way(const struct task *task, const char *name)
{
	struct peer_channel channel = task->channel;

	channel.name = name;
	channel.senders = channel.receivers = 1;
	return channel;
}

static void open_side(struct side *side, bool is_first)
{
	struct peer_channel there = way(side->task, side->asks ? "request" : "there");
	struct peer_channel back = way(side->task, "back");

	peer_enter(is_first ? "first" : "second");
	if (side->asks && is_first) {
		peer_client_open(&there, &side->out, &side->in);
	} else if (side->asks) {
		peer_server_open(&there, &side->in, &side->out);
	} else {
		side->in = peer_receiver_open(is_first ? &back : &there, 0);
		side->out = peer_sender_open(is_first ? &there : &back, 0);
	}
	pin(side->task->cores[!is_first]);
}

static void close_side(struct side *side)
{
	if (side->is_held)
		peer_release(side->in);
	peer_sender_close(side->out);
	peer_receiver_close(side->in);
	peer_leave();
}

/*
 * The second process
 */

static void *open_second(void *argument)
{
	struct side *side = malloc(sizeof(*side));

	if (!side)
		fail("out of memory");
	*side = *(struct side *)argument;
	open_side(side, false);
	return side;
}

/* Who asks knows that there is somebody by the answer. */
static void serve_second(void *state)
{
	struct side *side = state;
	uint64_t number;

	peer_receiver_meet(side->in);
	peer_sender_meet(side->out);
	do {
		number = receive_one(side);
		send_one(side, number);
		settle(side);
	} while (number != PAYLOAD_STOP);
}

static void close_second(void *state)
{
	close_side(state);
	free(state);
}

/*
 * The first
 */

static int64_t time_trips(struct side *side, uint64_t *number, unsigned trips)
{
	int64_t start = now_ns();

	ping(side, number, trips);
	return now_ns() - start;
}

/* Returns how many trips make a batch. */
static unsigned warm_up(struct side *side, uint64_t *number)
{
	int64_t trip_ns = INT64_MAX;

	for (int i = 0; i < 20; i++) {
		int64_t ns = time_trips(side, number, 4) / 4 + 1;

		trip_ns = ns < trip_ns ? ns : trip_ns;
	}
	return trip_ns * BATCH_TRIPS_MAX < BATCH_NS ? BATCH_TRIPS_MAX
						    : (unsigned)(BATCH_NS / trip_ns) + 1;
}

/* Many trips for one look at the clock: the figure that is compared. */
static void measure_batches(struct side *side, uint64_t *number, struct series *batches,
			    int64_t end_ns)
{
	unsigned trips = warm_up(side, number);

	do
		series_add(batches, (double)time_trips(side, number, trips) / trips);
	while (now_ns() < end_ns);
}

/* One look for each trip: for the percentiles. */
static void measure_single(struct side *side, uint64_t *number, struct histogram *h, int64_t end_ns)
{
	int64_t clock_ns = clock_cost_ns();
	int64_t before = now_ns();

	do {
		int64_t after, trip_ns;

		ping(side, number, 1);
		after = now_ns();
		trip_ns = after - before - clock_ns;
		histogram_add(h, trip_ns > 0 ? (uint64_t)trip_ns : 0);
		before = after;
	} while (before < end_ns);
}

/* share: 0.5 for one way of a trip, 1 for all of it */
static void print_result(const struct series *batches, const struct histogram *h, double share)
{
	printf("{\"value\": %.1f, \"unit\": \"ns\", \"p50\": %.0f, \"p99\": %.0f, \"p999\": %.0f, "
	       "\"max\": %.0f, \"events\": %llu}\n",
	       series_median(batches) * share, (double)histogram_quantile(h, 0.5) * share,
	       (double)histogram_quantile(h, 0.99) * share,
	       (double)histogram_quantile(h, 0.999) * share, (double)h->max * share,
	       (unsigned long long)h->count);
}

static void exchange(const struct task *task, bool asks)
{
	const struct pair_role second = {open_second, serve_second, close_second, peer_in_threads};
	struct side side = {.task = task, .asks = asks};
	static struct histogram h;
	static struct series batches;
	uint64_t number = 0;
	struct pair pair;
	int64_t start_ns;

	pair_open(&pair, &second, &side, -1);
	open_side(&side, true);
	pair_start(&pair);
	peer_sender_meet(side.out);
	peer_receiver_meet(side.in);

	start_ns = now_ns();
	measure_batches(&side, &number, &batches, start_ns + task->budget_ns * 2 / 3);
	measure_single(&side, &number, &h, start_ns + task->budget_ns);
	send_one(&side, PAYLOAD_STOP);
	if (receive_one(&side) != PAYLOAD_STOP)
		fail("the last message came back as another");
	pair_wait(&pair);
	pair_close(&pair);
	close_side(&side);
	print_result(&batches, &h, asks ? 1 : 0.5);
}

void work_latency(const struct task *task)
{
	exchange(task, false);
}

void work_request(const struct task *task)
{
	exchange(task, true);
}
