/* SPDX-License-Identifier: Apache-2.0 */

/*
 * nng over ipc. One to one: pair0; many to one: push0 and pull0; requests and responses: req0 and
 * rep0. pub0 drops what a subscriber has no room for and cannot be told not to, so one to many is one
 * pair for each. The limits of its queues are the channel's depth.
 */

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../session.h"
#include "peer.h"

struct peer_sender {
	nng_socket sockets[PEER_ENDS_MAX];
	bool shared; /* with the receiver of the same end */
	unsigned count, turn;
	size_t payload;
	nng_msg *message;
};

struct peer_receiver {
	nng_socket socket;
	nng_msg *message;
	int fd; /* readable when there is something; -1: not asked for yet */
};

const bool peer_in_threads = false;

void peer_enter(const char *who)
{
	(void)who;
}

void peer_leave(void)
{
	nng_fini();
}

static void check(int result, const char *call)
{
	if (result)
		fail("%s: %s", call, nng_strerror(result));
}

static void address_of(const struct peer_channel *channel, unsigned receiver, char address[192])
{
	snprintf(address, 192, "ipc://%s/%s.%u", session_dir(), channel->name, receiver);
}

static void set_up(nng_socket socket, const struct peer_channel *channel)
{
	int depth = channel->depth < 8192 ? (int)channel->depth : 8192; /* the most it takes */

	nng_socket_set_int(socket, NNG_OPT_SENDBUF, depth);
	nng_socket_set_int(socket, NNG_OPT_RECVBUF, depth);
	nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, 0);
	nng_socket_set_ms(socket, NNG_OPT_RECONNMINT, 1);
	nng_socket_set_ms(socket, NNG_OPT_RECONNMAXT, 1);
}

static void listen_at(nng_socket socket, const struct peer_channel *channel, unsigned receiver)
{
	char address[192];

	set_up(socket, channel);
	address_of(channel, receiver, address);
	check(nng_listen(socket, address, NULL, 0), "nng_listen");
}

static void dial(nng_socket socket, const struct peer_channel *channel, unsigned receiver)
{
	char address[192];

	set_up(socket, channel);
	address_of(channel, receiver, address);
	check(nng_dial(socket, address, NULL, NNG_FLAG_NONBLOCK), "nng_dial");
}

static struct peer_sender *make_sender(const struct peer_channel *channel)
{
	struct peer_sender *sender = calloc(1, sizeof(*sender));

	if (!sender)
		fail("out of memory");
	sender->payload = channel->payload;
	return sender;
}

static struct peer_receiver *make_receiver(nng_socket socket)
{
	struct peer_receiver *receiver = calloc(1, sizeof(*receiver));

	if (!receiver)
		fail("out of memory");
	receiver->socket = socket;
	receiver->fd = -1;
	return receiver;
}

struct peer_sender *peer_sender_open(const struct peer_channel *channel, unsigned index)
{
	struct peer_sender *sender = make_sender(channel);

	(void)index;
	sender->count = channel->receivers;
	for (unsigned i = 0; i < sender->count; i++) {
		if (channel->senders > 1)
			check(nng_push0_open(&sender->sockets[i]), "nng_push0_open");
		else
			check(nng_pair0_open(&sender->sockets[i]), "nng_pair0_open");
		dial(sender->sockets[i], channel, i);
	}
	return sender;
}

struct peer_receiver *peer_receiver_open(const struct peer_channel *channel, unsigned index)
{
	nng_socket socket;

	if (channel->senders > 1)
		check(nng_pull0_open(&socket), "nng_pull0_open");
	else
		check(nng_pair0_open(&socket), "nng_pair0_open");
	listen_at(socket, channel, index);
	return make_receiver(socket);
}

void peer_client_open(const struct peer_channel *channel, struct peer_sender **ret_requests,
		      struct peer_receiver **ret_responses)
{
	*ret_requests = make_sender(channel);
	check(nng_req0_open(&(*ret_requests)->sockets[0]), "nng_req0_open");
	dial((*ret_requests)->sockets[0], channel, 0);
	(*ret_requests)->count = 1;
	(*ret_requests)->shared = true;
	*ret_responses = make_receiver((*ret_requests)->sockets[0]);
}

void peer_server_open(const struct peer_channel *channel, struct peer_receiver **ret_requests,
		      struct peer_sender **ret_responses)
{
	*ret_responses = make_sender(channel);
	check(nng_rep0_open(&(*ret_responses)->sockets[0]), "nng_rep0_open");
	listen_at((*ret_responses)->sockets[0], channel, 0);
	(*ret_responses)->count = 1;
	(*ret_responses)->shared = true;
	*ret_requests = make_receiver((*ret_responses)->sockets[0]);
}

/* A send waits for the other side by itself. */
void peer_sender_meet(struct peer_sender *sender)
{
	(void)sender;
}

void peer_receiver_meet(struct peer_receiver *receiver)
{
	(void)receiver;
}

void *peer_loan(struct peer_sender *sender)
{
	if (!sender->message)
		check(nng_msg_alloc(&sender->message, sender->payload), "nng_msg_alloc");
	return nng_msg_body(sender->message);
}

/* All but the last get a copy. */
static bool send_to(struct peer_sender *sender, unsigned i)
{
	nng_msg *message = sender->message;
	int result;

	if (i + 1 < sender->count)
		check(nng_msg_dup(&message, sender->message), "nng_msg_dup");
	result = nng_sendmsg(sender->sockets[i], message, NNG_FLAG_NONBLOCK);
	if (result == 0)
		return true;
	if (message != sender->message)
		nng_msg_free(message);
	if (result != NNG_EAGAIN)
		check(result, "nng_sendmsg");
	return false;
}

bool peer_send(struct peer_sender *sender)
{
	for (; sender->turn < sender->count; sender->turn++)
		if (!send_to(sender, sender->turn))
			return false;
	sender->turn = 0;
	sender->message = NULL;
	return true;
}

const void *peer_take(struct peer_receiver *receiver)
{
	int result = nng_recvmsg(receiver->socket, &receiver->message, NNG_FLAG_NONBLOCK);

	/* A request that has not gone out yet waits for no answer. */
	if (result == NNG_EAGAIN)
		return NULL;
	check(result, "nng_recvmsg");
	return nng_msg_body(receiver->message);
}

void peer_release(struct peer_receiver *receiver)
{
	nng_msg_free(receiver->message);
}

void peer_wait(struct peer_receiver *receiver)
{
	if (receiver->fd < 0)
		check(nng_socket_get_int(receiver->socket, NNG_OPT_RECVFD, &receiver->fd),
		      "NNG_OPT_RECVFD");
	poll(&(struct pollfd){.fd = receiver->fd, .events = POLLIN}, 1, -1);
}

void peer_sender_close(struct peer_sender *sender)
{
	if (sender->message)
		nng_msg_free(sender->message);
	for (unsigned i = 0; !sender->shared && i < sender->count; i++)
		nng_close(sender->sockets[i]);
	free(sender);
}

void peer_receiver_close(struct peer_receiver *receiver)
{
	nng_close(receiver->socket);
	free(receiver);
}
