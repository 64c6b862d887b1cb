/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_PEERS_ENDS_H
#define BENCH_PEERS_ENDS_H

/*
 * Sending and receiving with patience: what each work does with a peer's calls. Inline, because the
 * loops around them are what is measured.
 */

#include "../clock.h"
#include "../pair.h"
#include "../payload.h"
#include "peer.h"
#include "work.h"

static inline void *loan_patiently(struct peer_sender *sender)
{
	struct patience patience = {0};
	void *data;

	while (!(data = peer_loan(sender)))
		look_at_once(&patience);
	return data;
}

static inline void send_patiently(struct peer_sender *sender)
{
	struct patience patience = {0};

	while (!peer_send(sender))
		look_again(&patience);
}

/* Writes and sends one message. */
static inline void send_number(struct peer_sender *sender, const struct task *task, uint64_t number)
{
	payload_write(loan_patiently(sender), task->channel.payload, task->touch, number);
	send_patiently(sender);
}

static inline const void *take_patiently(struct peer_receiver *receiver, bool sleeps)
{
	struct patience patience = {0};
	const void *data;

	while (!(data = peer_take(receiver))) {
		if (sleeps)
			peer_wait(receiver);
		else
			look_at_once(&patience);
	}
	return data;
}

/* Takes and reads one message. */
static inline uint64_t receive_number(struct peer_receiver *receiver, const struct task *task)
{
	const void *data = take_patiently(receiver, task->channel.sleeps);
	uint64_t number = payload_read(data, task->channel.payload, task->touch);

	peer_release(receiver);
	return number;
}

/* All ends of a channel on one side. */
struct senders {
	unsigned count;
	struct peer_sender *all[PEER_ENDS_MAX];
};

struct receivers {
	unsigned count;
	struct peer_receiver *all[PEER_ENDS_MAX];
};

void senders_open(struct senders *senders, const struct peer_channel *channel);
void senders_meet(struct senders *senders);
void senders_close(struct senders *senders);

void receivers_open(struct receivers *receivers, const struct peer_channel *channel);
void receivers_meet(struct receivers *receivers);
void receivers_close(struct receivers *receivers);

#endif
