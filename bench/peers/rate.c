/* SPDX-License-Identifier: Apache-2.0 */

/*
 * As many messages as get through from the senders of the first process to the receivers of the
 * second, each side in one thread that serves its ends in turn. Every message must arrive, in order.
 */

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "sides.h"

#define ROUNDS_PER_LOOK 32u
#define SLEEP_US 20

/* The number says who sends it: the sender counts in steps. */
static uint64_t number_of(unsigned sender, uint64_t turn)
{
	return turn * PEER_ENDS_MAX + sender;
}

/* Where nothing may be lost, nobody sends before all have met. */
struct meeting {
	_Atomic bool is_over;
};

/* What a receiver has seen. */
struct seen {
	uint64_t turn[PEER_ENDS_MAX]; /* of each sender */
	unsigned ended;               /* senders that have said their last */
};

static void check_number(struct seen *seen, unsigned receiver, uint64_t number)
{
	unsigned sender = (unsigned)(number % PEER_ENDS_MAX);

	if (number == PAYLOAD_STOP)
		seen->ended++;
	else if (number != number_of(sender, ++seen->turn[sender]))
		fail("message %llu of sender %u came to receiver %u, which waits for %llu",
		     (unsigned long long)(number / PEER_ENDS_MAX), sender, receiver,
		     (unsigned long long)seen->turn[sender]);
}

/* Returns whether there was one. */
static bool take_one(const struct sides *second, struct seen *seen, unsigned receiver)
{
	const struct task *task = second->task;
	struct peer_receiver *from = second->receivers.all[receiver];
	const void *data = peer_take(from);

	if (!data)
		return false;
	check_number(seen, receiver, payload_read(data, task->channel.payload, task->touch));
	peer_release(from);
	return true;
}

static bool has_all(const struct sides *second, const struct seen *seen)
{
	for (unsigned i = 0; i < second->receivers.count; i++)
		if (seen[i].ended < second->task->channel.senders)
			return false;
	return true;
}

/* Nobody can sleep on many receivers by the same call with all peers. While one sleeps on the first,
 * the sender may be waiting for room in another. */
static void sleep_a_little(const struct sides *second)
{
	if (second->receivers.count == 1)
		peer_wait(second->receivers.all[0]);
	else
		usleep(SLEEP_US);
}

/* Sleeping is for peers with threads of their own that need the core; what is there is taken first,
 * from all in turn. */
static void serve(void *state)
{
	static struct seen seen[PEER_ENDS_MAX];
	struct sides *second = state;
	struct meeting *meeting = second->shared;
	struct patience patience = {0};

	receivers_meet(&second->receivers);
	atomic_store(&meeting->is_over, true);
	while (!has_all(second, seen)) {
		bool any = false;

		for (unsigned i = 0; i < second->receivers.count; i++)
			any |= take_one(second, &seen[i], i);
		if (any)
			patience = (struct patience){0};
		else if (second->task->channel.sleeps)
			sleep_a_little(second);
		else
			look_again(&patience);
	}
}

/* One message of each sender. */
static void send_round(struct senders *senders, const struct task *task, uint64_t turn)
{
	for (unsigned i = 0; i < senders->count; i++)
		send_number(senders->all[i], task, number_of(i, turn));
}

/* Returns messages per second. */
static double measure(struct senders *senders, const struct task *task)
{
	uint64_t turn = 0, first;
	int64_t start, now;

	for (unsigned i = 0; i < 4 * task->channel.depth; i++) /* by then both sides are awake */
		send_round(senders, task, ++turn);
	first = turn;
	start = now_ns();
	do {
		for (unsigned i = 0; i < ROUNDS_PER_LOOK; i++)
			send_round(senders, task, ++turn);
		now = now_ns();
	} while (now - start < task->budget_ns);
	return (double)((turn - first) * senders->count) * 1e9 / (double)(now - start);
}

void work_rate(const struct task *task)
{
	struct patience patience = {0};
	struct meeting *meeting;
	struct sides sides;
	double rate;

	sides_open(&sides, task, sizeof(*meeting), serve);
	meeting = sides.shared;
	sides_meet(&sides);
	while (!atomic_load(&meeting->is_over))
		look_again(&patience);
	rate = measure(&sides.senders, task);
	for (unsigned i = 0; i < sides.senders.count; i++)
		send_number(sides.senders.all[i], task, PAYLOAD_STOP);
	sides_wait(&sides);
	sides_close(&sides);
	printf("{\"value\": %.0f, \"unit\": \"1/s\"}\n", rate);
}
