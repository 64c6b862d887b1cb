/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_PEERS_PEER_H
#define BENCH_PEERS_PEER_H

/*
 * What every peer has to offer, so that the works of this folder can be done with each: messages
 * of one size travel from senders to receivers. One program is linked for each peer; all that
 * differs between two programs lies behind these calls.
 *
 * All names lead into the folder session_dir(), or are made of its name. Any failure ends the
 * program with fail(). A handle is used by one thread.
 *
 * Nothing is lost on the way: a sender that finds no room is told so, and tries again. So a peer
 * that can also drop messages is told not to.
 */

#include <stdbool.h>
#include <stddef.h>

#define PEER_ENDS_MAX 64u /* of each sort, on one channel */

struct peer_channel {
	const char *name;
	size_t payload; /* bytes of every message, a multiple of 8 */
	unsigned depth; /* messages that there must be room for between a sender and a receiver */
	unsigned senders, receivers;
	bool sleeps; /* receivers will call peer_wait; otherwise they never do */
};

struct peer_sender;
struct peer_receiver;

/* The second side is a thread of the same process. */
extern const bool peer_in_threads;

/* Once in each process, before all else; who: "first", "second", ... */
void peer_enter(const char *who);
void peer_leave(void);

/* index: which of the channel's senders, receivers. Nobody else has to be there yet. */
struct peer_sender *peer_sender_open(const struct peer_channel *channel, unsigned index);
struct peer_receiver *peer_receiver_open(const struct peer_channel *channel, unsigned index);

/* Return when what is sent from now on reaches all who are to be there. The other side meets at
 * the same time. */
void peer_sender_meet(struct peer_sender *sender);
void peer_receiver_meet(struct peer_receiver *receiver);

/* Memory for one message, to be written by the caller; NULL: none is free now. */
void *peer_loan(struct peer_sender *sender);

/* Sends what was lent; false: there is no room now, and the loan stays. */
bool peer_send(struct peer_sender *sender);

/* The next message, the caller's to read until peer_release; NULL: nothing there. Never waits. */
const void *peer_take(struct peer_receiver *receiver);
void peer_release(struct peer_receiver *receiver);

/* Sleeps until peer_take would find something; may return early. */
void peer_wait(struct peer_receiver *receiver);

void peer_sender_close(struct peer_sender *sender);
void peer_receiver_close(struct peer_receiver *receiver);

/*
 * Requests and responses by the means that the peer has for them; where it has none, over one
 * channel there and one back. A client sends, then receives the answer. A server loans and sends
 * its answer before it releases the request.
 */
void peer_client_open(const struct peer_channel *channel, struct peer_sender **ret_requests,
		      struct peer_receiver **ret_responses);
void peer_server_open(const struct peer_channel *channel, struct peer_receiver **ret_requests,
		      struct peer_sender **ret_responses);

#endif
