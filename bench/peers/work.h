/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_PEERS_WORK_H
#define BENCH_PEERS_WORK_H

/*
 * The works: what is measured, the same for all peers. Each runs once, for about the budget, and
 * prints one line of JSON.
 */

#include <stdbool.h>
#include <stdint.h>

#include "../case.h"
#include "../histogram.h"
#include "peer.h"

struct task {
	const char *program; /* argv[0], to start further processes of this kind */
	struct peer_channel channel;
	enum touch touch;
	int cores[2];
	int64_t budget_ns;
	uint64_t count; /* of messages, where there is no budget */
	uint64_t from;  /* number before the first; smaller ones are of a run that was killed */
};

void work_latency(const struct task *task); /* one way of a ping-pong */
void work_request(const struct task *task); /* there and back, by requests and responses */
void work_rate(const struct task *task);    /* as many messages as get through */
void work_publish(const struct task *task); /* what sending costs the sender */
void work_wake(const struct task *task);    /* from send to awake */
void work_video(const struct task *task);   /* large messages at an even pace */
void work_first(const struct task *task);   /* from two fresh processes to the first message */
void work_stay(const struct task *task);    /* two processes that stay, to be looked at */
void work_alone(const struct task *task);   /* `count` messages in one thread, to be counted */
void work_memcpy(const struct task *task);  /* a copy there and another back, one thread */

/* What work_first and work_stay start: one end each. */
void work_send(const struct task *task);
void work_receive(const struct task *task);

#endif
