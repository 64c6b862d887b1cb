/* SPDX-License-Identifier: Apache-2.0 */

/*
 * floe: a topic for each channel. Subscribers are reliable, so that nothing is lost, and begin with
 * what is in the ring, so that nobody needs to wait for the other side. Requests and responses are
 * those of a service.
 */

#include <floe/floe.h>
#include <floe/service.h>

#include <stdlib.h>
#include <string.h>

#include "../session.h"
#include "peer.h"

/* One of the three is there. */
struct peer_sender {
	struct floe_publisher *pub;
	struct floe_client *client;
	struct peer_receiver *requests; /* of the server that answers */
	struct floe_loan loan;
	size_t payload;
};

struct peer_receiver {
	struct floe_subscriber *sub;
	struct floe_sample sample;
	struct floe_client *client;
	struct floe_response response;
	struct floe_server *server;
	struct floe_request request;
};

const bool peer_in_threads = false;

void peer_enter(const char *who)
{
	(void)who;
}

void peer_leave(void)
{
}

static void *allocate(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		fail("out of memory");
	return memory;
}

/* One loan is out and one sample held at a time. Few large chunks stay in the processor's caches; of small
 * ones there are more, as floe.h says at holds_max. */
#define LARGE 65536
#define HOLDS(channel) ((channel)->payload >= LARGE ? 1 : 0)

struct peer_sender *peer_sender_open(const struct peer_channel *channel, unsigned index)
{
	struct peer_sender *sender = allocate(sizeof(*sender));
	struct floe_error error = {""};
	struct floe_publisher_options options = {
		.size = sizeof(options),
		.depth = channel->depth,
		.loans_max = 1,
		.holds_max = HOLDS(channel),
		.payload_max = channel->payload,
		.dir = session_dir(),
		.error = &error,
	};

	(void)index;
	sender->payload = channel->payload;
	if (floe_publisher_open(&sender->pub, channel->name, &options) < 0)
		fail("%s", error.text);
	return sender;
}

struct peer_receiver *peer_receiver_open(const struct peer_channel *channel, unsigned index)
{
	struct peer_receiver *receiver = allocate(sizeof(*receiver));
	struct floe_error error = {""};
	struct floe_subscriber_options options = {
		.size = sizeof(options),
		.history = channel->depth,
		.holds_max = HOLDS(channel),
		.policy = FLOE_POLICY_RELIABLE,
		.spin_ns = 1, /* who waits here wants to sleep */
		.dir = session_dir(),
		.error = &error,
	};

	(void)index;
	if (floe_subscriber_open(&receiver->sub, channel->name, &options) < 0)
		fail("%s", error.text);
	return receiver;
}

void peer_client_open(const struct peer_channel *channel, struct peer_sender **ret_requests,
		      struct peer_receiver **ret_responses)
{
	struct peer_sender *sender = allocate(sizeof(*sender));
	struct peer_receiver *receiver = allocate(sizeof(*receiver));
	struct floe_error error = {""};
	struct floe_client_options options = {
		.size = sizeof(options),
		.payload_max = channel->payload,
		.spin_ns = 1,
		.dir = session_dir(),
		.error = &error,
	};

	if (floe_client_open(&sender->client, channel->name, &options) < 0)
		fail("%s", error.text);
	sender->payload = channel->payload;
	receiver->client = sender->client;
	*ret_requests = sender;
	*ret_responses = receiver;
}

void peer_server_open(const struct peer_channel *channel, struct peer_receiver **ret_requests,
		      struct peer_sender **ret_responses)
{
	struct peer_sender *sender = allocate(sizeof(*sender));
	struct peer_receiver *receiver = allocate(sizeof(*receiver));
	struct floe_error error = {""};
	struct floe_server_options options = {
		.size = sizeof(options),
		.payload_max = channel->payload,
		.spin_ns = 1,
		.dir = session_dir(),
		.error = &error,
	};

	if (floe_server_open(&receiver->server, channel->name, &options) < 0)
		fail("%s", error.text);
	sender->payload = channel->payload;
	sender->requests = receiver;
	*ret_requests = receiver;
	*ret_responses = sender;
}

void peer_sender_meet(struct peer_sender *sender)
{
	if (sender->client && floe_client_wait_for_server(sender->client, -1) < 0)
		fail("no server comes");
}

void peer_receiver_meet(struct peer_receiver *receiver)
{
	(void)receiver;
}

static int check(int result, const char *call)
{
	if (__builtin_expect(result < 0, 0))
		fail("%s: %s", call, strerror(-result));
	return result;
}

static int loan(struct peer_sender *sender)
{
	if (sender->pub)
		return floe_loan(sender->pub, sender->payload, &sender->loan);
	if (sender->client)
		return floe_client_loan(sender->client, sender->payload, &sender->loan);
	return floe_server_loan(sender->requests->server, &sender->requests->request,
				sender->payload, &sender->loan);
}

void *peer_loan(struct peer_sender *sender)
{
	return check(loan(sender), "loan") ? sender->loan.data : NULL;
}

static int send_loan(struct peer_sender *sender)
{
	if (sender->pub)
		return floe_publish(sender->pub, &sender->loan);
	if (sender->client)
		return floe_client_send(sender->client, &sender->loan, -1, NULL);
	return floe_server_send(sender->requests->server, &sender->requests->request, &sender->loan,
				0);
}

bool peer_send(struct peer_sender *sender)
{
	return check(send_loan(sender), "send") == 1;
}

const void *peer_take(struct peer_receiver *receiver)
{
	if (receiver->sub)
		return check(floe_take(receiver->sub, &receiver->sample), "floe_take")
			       ? receiver->sample.data
			       : NULL;
	if (receiver->server)
		return check(floe_server_take(receiver->server, &receiver->request),
			     "floe_server_take")
			       ? receiver->request.data
			       : NULL;
	if (!check(floe_client_take(receiver->client, &receiver->response), "floe_client_take"))
		return NULL;
	check(receiver->response.status, "the server");
	return receiver->response.data;
}

/* A request has ended with its last response. */
void peer_release(struct peer_receiver *receiver)
{
	if (receiver->sub)
		floe_release(receiver->sub, &receiver->sample);
	else if (receiver->client)
		floe_client_release(receiver->client, &receiver->response);
}

void peer_wait(struct peer_receiver *receiver)
{
	if (receiver->sub)
		check(floe_wait(receiver->sub, -1), "floe_wait");
	else if (receiver->server)
		check(floe_server_wait(receiver->server, -1), "floe_server_wait");
	else
		check(floe_client_wait(receiver->client, -1), "floe_client_wait");
}

void peer_sender_close(struct peer_sender *sender)
{
	floe_publisher_close(sender->pub);
	floe_client_close(sender->client);
	free(sender);
}

void peer_receiver_close(struct peer_receiver *receiver)
{
	floe_subscriber_close(receiver->sub);
	floe_server_close(receiver->server);
	free(receiver);
}
