/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What sending to many costs the sender: short bursts are timed, and between them the receivers, all
 * in the second process, take what came.
 */

#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "../series.h"
#include "ends.h"

/* Fits into every channel of this work, so that no sender ever waits for room. */
#define BURST 8u
#define BURSTS_IN_BATCH 16u

struct turns {
	alignas(64) _Atomic uint64_t sent; /* messages; PAYLOAD_STOP: the end */
	alignas(64) _Atomic uint64_t taken;
};

struct second {
	const struct task *task;
	struct turns *turns;
	struct receivers receivers;
};

static void *open_second(void *argument)
{
	struct second *second = malloc(sizeof(*second));

	if (!second)
		fail("out of memory");
	*second = *(struct second *)argument;
	peer_enter("second");
	receivers_open(&second->receivers, &second->task->channel);
	pin(second->task->cores[1]);
	return second;
}

static void take_until(struct second *second, uint64_t from, uint64_t until)
{
	for (unsigned i = 0; i < second->receivers.count; i++)
		for (uint64_t number = from + 1; number <= until; number++)
			if (receive_number(second->receivers.all[i], second->task) != number)
				fail("a receiver got another message than the next");
}

static void serve_second(void *state)
{
	struct second *second = state;
	uint64_t taken = 0;

	receivers_meet(&second->receivers);
	for (;;) {
		struct patience patience = {0};
		uint64_t sent;

		while ((sent = atomic_load(&second->turns->sent)) == taken)
			look_again(&patience);
		if (sent == PAYLOAD_STOP)
			break;
		take_until(second, taken, sent);
		atomic_store(&second->turns->taken, taken = sent);
	}
}

static void close_second(void *state)
{
	struct second *second = state;

	receivers_close(&second->receivers);
	peer_leave();
	free(second);
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
	const struct pair_role role = {open_second, serve_second, close_second, peer_in_threads};
	struct second start = {task, pair_memory(sizeof(struct turns)), {0}};
	struct senders senders;
	struct pair pair;
	double cost;

	pair_open(&pair, &role, &start, -1);
	peer_enter("first");
	senders_open(&senders, &task->channel);
	pin(task->cores[0]);
	pair_start(&pair);
	senders_meet(&senders);
	cost = measure(senders.all[0], task, start.turns);
	atomic_store(&start.turns->sent, PAYLOAD_STOP);
	pair_wait(&pair);
	pair_close(&pair);
	senders_close(&senders);
	peer_leave();
	munmap(start.turns, sizeof(*start.turns));
	printf("{\"value\": %.1f, \"unit\": \"ns\"}\n", cost);
}
