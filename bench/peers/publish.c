/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What sending to many costs the sender: short bursts are timed, and between them the receivers, all
 * in the second process, take what came.
 */

#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>

#include "../series.h"
#include "sides.h"

/* Fits into every channel of this work, so that no sender ever waits for room. */
#define BURST 8u
#define BURSTS_IN_BATCH 16u

struct turns {
	alignas(64) _Atomic uint64_t sent; /* messages; PAYLOAD_STOP: the end */
	alignas(64) _Atomic uint64_t taken;
};

static void take_until(const struct sides *second, uint64_t from, uint64_t until)
{
	for (unsigned i = 0; i < second->receivers.count; i++)
		for (uint64_t number = from + 1; number <= until; number++)
			if (receive_number(second->receivers.all[i], second->task) != number)
				fail("a receiver got another message than the next");
}

static void serve(void *state)
{
	struct sides *second = state;
	struct turns *turns = second->shared;
	uint64_t taken = 0;

	receivers_meet(&second->receivers);
	for (;;) {
		struct patience patience = {0};
		uint64_t sent;

		while ((sent = atomic_load(&turns->sent)) == taken)
			look_again(&patience);
		if (sent == PAYLOAD_STOP)
			break;
		take_until(second, taken, sent);
		atomic_store(&turns->taken, taken = sent);
	}
}

static int64_t time_burst(struct peer_sender *sender, const struct task *task, uint64_t *number,
			  int64_t clock_ns)
{
	int64_t start = now_ns();

	for (unsigned i = 0; i < BURST; i++)
		send_number(sender, task, ++*number);
	return now_ns() - start - clock_ns;
}

static double time_batch(struct peer_sender *sender, const struct task *task, struct turns *turns,
			 uint64_t *number, int64_t clock_ns)
{
	int64_t ns = 0;

	for (unsigned i = 0; i < BURSTS_IN_BATCH; i++) {
		struct patience patience = {0};

		ns += time_burst(sender, task, number, clock_ns);
		atomic_store(&turns->sent, *number);
		while (atomic_load(&turns->taken) != *number)
			look_again(&patience);
	}
	return (double)ns / (BURST * BURSTS_IN_BATCH);
}

static double measure(struct peer_sender *sender, const struct task *task, struct turns *turns)
{
	static struct series batches;
	int64_t clock_ns = clock_cost_ns(), end_ns;
	uint64_t number = 0;

	time_batch(sender, task, turns, &number, clock_ns);
	end_ns = now_ns() + task->budget_ns;
	do
		series_add(&batches, time_batch(sender, task, turns, &number, clock_ns));
	while (now_ns() < end_ns);
	return series_median(&batches);
}

void work_publish(const struct task *task)
{
	struct sides sides;
	struct turns *turns;
	double cost;

	sides_open(&sides, task, sizeof(*turns), serve);
	turns = sides.shared;
	sides_meet(&sides);
	cost = measure(sides.senders.all[0], task, turns);
	atomic_store(&turns->sent, PAYLOAD_STOP);
	sides_wait(&sides);
	sides_close(&sides);
	printf("{\"value\": %.1f, \"unit\": \"ns\"}\n", cost);
}
