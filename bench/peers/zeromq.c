/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ZeroMQ. One to one and many to one: PUSH and PULL, as in its own perf/remote_thr; one to many: XPUB
 * and SUB, told not to drop. Requests and responses: REQ and REP, as in its own perf/remote_lat.
 * The limits of its queues are the channel's depth.
 *
 * peer-zeromq uses ipc between two processes. peer-zeromq-inproc (ZEROMQ_INPROC) uses inproc, which
 * is between threads of one process.
 */

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "../session.h"
#include "peer.h"

#ifndef ZEROMQ_INPROC
#define ZEROMQ_INPROC 0
#endif

/* Messages up to here are copied into the message, which needs no allocation up to 33 bytes; larger
 * ones too: zmq_msg_init_size is what its performance tests use. */
struct peer_sender {
	void *socket;
	bool shared; /* with the receiver of the same end */
	bool is_publisher;
	unsigned expected;
	size_t payload;
	zmq_msg_t message;
	bool lent;
};

struct peer_receiver {
	void *socket;
	zmq_msg_t message;
};

const bool peer_in_threads = ZEROMQ_INPROC;

/* One for the process; with inproc both sides share it. */
static struct {
	void *context;
	int users;
} library;

_Noreturn static void fail_zmq(const char *call)
{
	fail("%s: %s", call, zmq_strerror(zmq_errno()));
}

/* The first process comes second, when the other has opened its end: never both at once. */
void peer_enter(const char *who)
{
	(void)who;
	if (!library.users++)
		library.context = zmq_ctx_new();
	if (!library.context)
		fail_zmq("zmq_ctx_new");
	zmq_ctx_set(library.context, ZMQ_MAX_SOCKETS, 4 * (int)PEER_ENDS_MAX);
}

void peer_leave(void)
{
	if (!--library.users)
		zmq_ctx_term(library.context);
}

static void address_of(const struct peer_channel *channel, unsigned receiver, char address[192])
{
	snprintf(address, 192, "%s%s/%s.%u", ZEROMQ_INPROC ? "inproc://" : "ipc://", session_dir(),
		 channel->name, receiver);
}

static void *open_socket(int type, const struct peer_channel *channel)
{
	void *socket = zmq_socket(library.context, type);
	int depth = (int)channel->depth;

	if (!socket)
		fail_zmq("zmq_socket");
	zmq_setsockopt(socket, ZMQ_SNDHWM, &depth, sizeof(depth));
	zmq_setsockopt(socket, ZMQ_RCVHWM, &depth, sizeof(depth));
	return socket;
}

static void bind_to(void *socket, const struct peer_channel *channel, unsigned receiver)
{
	char address[192];

	address_of(channel, receiver, address);
	if (zmq_bind(socket, address) < 0)
		fail_zmq(address);
}

static void connect_to(void *socket, const struct peer_channel *channel, unsigned receiver)
{
	char address[192];

	address_of(channel, receiver, address);
	if (zmq_connect(socket, address) < 0)
		fail_zmq(address);
}

static struct peer_sender *make_sender(void *socket, const struct peer_channel *channel)
{
	struct peer_sender *sender = calloc(1, sizeof(*sender));

	if (!sender)
		fail("out of memory");
	sender->socket = socket;
	sender->payload = channel->payload;
	sender->expected = channel->receivers;
	return sender;
}

static struct peer_receiver *make_receiver(void *socket)
{
	struct peer_receiver *receiver = calloc(1, sizeof(*receiver));

	if (!receiver)
		fail("out of memory");
	receiver->socket = socket;
	zmq_msg_init(&receiver->message);
	return receiver;
}

/* Of one to many the one binds, of many to one too: the other side may come later. */
struct peer_sender *peer_sender_open(const struct peer_channel *channel, unsigned index)
{
	bool is_publisher = channel->receivers > 1;
	void *socket = open_socket(is_publisher ? ZMQ_XPUB : ZMQ_PUSH, channel);
	struct peer_sender *sender = make_sender(socket, channel);
	int on = 1;

	(void)index;
	sender->is_publisher = is_publisher;
	if (is_publisher) {
		zmq_setsockopt(socket, ZMQ_XPUB_NODROP, &on, sizeof(on));
		zmq_setsockopt(socket, ZMQ_XPUB_VERBOSE, &on, sizeof(on));
		bind_to(socket, channel, 0);
	} else {
		connect_to(socket, channel, 0);
	}
	return sender;
}

struct peer_receiver *peer_receiver_open(const struct peer_channel *channel, unsigned index)
{
	void *socket = open_socket(channel->receivers > 1 ? ZMQ_SUB : ZMQ_PULL, channel);

	(void)index;
	if (channel->receivers > 1) {
		zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0);
		connect_to(socket, channel, 0);
	} else {
		bind_to(socket, channel, 0);
	}
	return make_receiver(socket);
}

void peer_client_open(const struct peer_channel *channel, struct peer_sender **ret_requests,
		      struct peer_receiver **ret_responses)
{
	void *socket = open_socket(ZMQ_REQ, channel);

	connect_to(socket, channel, 0);
	*ret_requests = make_sender(socket, channel);
	(*ret_requests)->shared = true;
	*ret_responses = make_receiver(socket);
}

void peer_server_open(const struct peer_channel *channel, struct peer_receiver **ret_requests,
		      struct peer_sender **ret_responses)
{
	void *socket = open_socket(ZMQ_REP, channel);

	bind_to(socket, channel, 0);
	*ret_requests = make_receiver(socket);
	*ret_responses = make_sender(socket, channel);
	(*ret_responses)->shared = true;
}

/* A publisher hears of each subscription as a message. */
void peer_sender_meet(struct peer_sender *sender)
{
	char subscription[8];

	for (unsigned i = 0; sender->is_publisher && i < sender->expected; i++)
		if (zmq_recv(sender->socket, subscription, sizeof(subscription), 0) < 0)
			fail_zmq("zmq_recv");
	sender->is_publisher = false;
}

void peer_receiver_meet(struct peer_receiver *receiver)
{
	(void)receiver;
}

void *peer_loan(struct peer_sender *sender)
{
	if (!sender->lent && zmq_msg_init_size(&sender->message, sender->payload) < 0)
		fail_zmq("zmq_msg_init_size");
	sender->lent = true;
	return zmq_msg_data(&sender->message);
}

bool peer_send(struct peer_sender *sender)
{
	if (zmq_msg_send(&sender->message, sender->socket, ZMQ_DONTWAIT) < 0) {
		if (zmq_errno() != EAGAIN)
			fail_zmq("zmq_msg_send");
		return false;
	}
	sender->lent = false;
	return true;
}

const void *peer_take(struct peer_receiver *receiver)
{
	if (zmq_msg_recv(&receiver->message, receiver->socket, ZMQ_DONTWAIT) < 0) {
		if (zmq_errno() != EAGAIN)
			fail_zmq("zmq_msg_recv");
		return NULL;
	}
	return zmq_msg_data(&receiver->message);
}

void peer_release(struct peer_receiver *receiver)
{
	zmq_msg_close(&receiver->message);
	zmq_msg_init(&receiver->message);
}

void peer_wait(struct peer_receiver *receiver)
{
	zmq_poll(&(zmq_pollitem_t){.socket = receiver->socket, .events = ZMQ_POLLIN}, 1, -1);
}

/* What is not yet sent, is sent. */
void peer_sender_close(struct peer_sender *sender)
{
	if (sender->lent)
		zmq_msg_close(&sender->message);
	if (!sender->shared)
		zmq_close(sender->socket);
	free(sender);
}

void peer_receiver_close(struct peer_receiver *receiver)
{
	zmq_msg_close(&receiver->message);
	zmq_close(receiver->socket);
	free(receiver);
}
