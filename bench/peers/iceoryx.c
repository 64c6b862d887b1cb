/* SPDX-License-Identifier: Apache-2.0 */

/*
 * iceoryx 2.0 by its C binding. Its daemon, iox-roudi, is started by bench/peers/run with a pool of
 * chunks of the size that the work needs, as its documentation asks for. Publishers wait for
 * consumers and subscribers block the producer, so that nothing is lost. Who sleeps does so in a
 * WaitSet. Requests and responses are its own.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "iceoryx_binding_c/client.h"
#include "iceoryx_binding_c/enums.h"
#include "iceoryx_binding_c/log.h"
#include "iceoryx_binding_c/publisher.h"
#include "iceoryx_binding_c/runtime.h"
#include "iceoryx_binding_c/server.h"
#include "iceoryx_binding_c/subscriber.h"
#include "iceoryx_binding_c/types.h"
#include "iceoryx_binding_c/wait_set.h"

#include "../session.h"
#include "peer.h"

#define LOOK_AGAIN_US 50

/* One of the three is there. */
struct peer_sender {
	iox_pub_storage_t pub_storage;
	iox_client_storage_t client_storage;
	iox_pub_t pub;
	iox_client_t client;
	struct peer_receiver *requests; /* of the server that answers */
	uint32_t payload;
	void *loan;
};

struct peer_receiver {
	iox_sub_storage_t sub_storage;
	iox_server_storage_t server_storage;
	iox_ws_storage_t ws_storage;
	iox_sub_t sub;
	iox_server_t server;
	iox_client_t client;
	iox_ws_t waits; /* NULL: nobody sleeps here */
	const void *held;
};

const bool peer_in_threads = false;

void peer_enter(const char *who)
{
	char name[80];

	iox_set_loglevel(Iceoryx_LogLevel_Off);
	snprintf(name, sizeof(name), "%s-%s", strrchr(session_dir(), '/') + 1, who);
	iox_runtime_init(name);
}

void peer_leave(void)
{
	iox_runtime_shutdown();
}

static void *allocate(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		fail("out of memory");
	return memory;
}

struct peer_sender *peer_sender_open(const struct peer_channel *channel, unsigned index)
{
	struct peer_sender *sender = allocate(sizeof(*sender));
	iox_pub_options_t options;

	(void)index;
	iox_pub_options_init(&options);
	options.subscriberTooSlowPolicy = ConsumerTooSlowPolicy_WAIT_FOR_CONSUMER;
	sender->payload = (uint32_t)channel->payload;
	sender->pub = iox_pub_init(&sender->pub_storage, "peers", "bench", channel->name, &options);
	return sender;
}

static void attach(enum iox_WaitSetResult result)
{
	if (result != WaitSetResult_SUCCESS)
		fail("a WaitSet takes nothing more");
}

static void make_waits(struct peer_receiver *receiver, const struct peer_channel *channel)
{
	if (!channel->sleeps)
		return;
	receiver->waits = iox_ws_init(&receiver->ws_storage);
	if (receiver->sub)
		attach(iox_ws_attach_subscriber_state(receiver->waits, receiver->sub,
						      SubscriberState_HAS_DATA, 0, NULL));
	if (receiver->server)
		attach(iox_ws_attach_server_state(receiver->waits, receiver->server,
						  ServerState_HAS_REQUEST, 0, NULL));
	if (receiver->client)
		attach(iox_ws_attach_client_state(receiver->waits, receiver->client,
						  ClientState_HAS_RESPONSE, 0, NULL));
}

struct peer_receiver *peer_receiver_open(const struct peer_channel *channel, unsigned index)
{
	struct peer_receiver *receiver = allocate(sizeof(*receiver));
	iox_sub_options_t options;

	(void)index;
	iox_sub_options_init(&options);
	options.queueCapacity = channel->depth < 256 ? channel->depth : 256;
	options.queueFullPolicy = QueueFullPolicy_BLOCK_PRODUCER;
	receiver->sub = iox_sub_init(&receiver->sub_storage, "peers", "bench", channel->name,
				     &options);
	make_waits(receiver, channel);
	return receiver;
}

void peer_client_open(const struct peer_channel *channel, struct peer_sender **ret_requests,
		      struct peer_receiver **ret_responses)
{
	struct peer_sender *sender = allocate(sizeof(*sender));
	struct peer_receiver *receiver = allocate(sizeof(*receiver));
	iox_client_options_t options;

	iox_client_options_init(&options);
	sender->payload = (uint32_t)channel->payload;
	sender->client = iox_client_init(&sender->client_storage, "peers", "bench", channel->name,
					 &options);
	receiver->client = sender->client;
	make_waits(receiver, channel);
	*ret_requests = sender;
	*ret_responses = receiver;
}

void peer_server_open(const struct peer_channel *channel, struct peer_receiver **ret_requests,
		      struct peer_sender **ret_responses)
{
	struct peer_sender *sender = allocate(sizeof(*sender));
	struct peer_receiver *receiver = allocate(sizeof(*receiver));
	iox_server_options_t options;

	iox_server_options_init(&options);
	receiver->server = iox_server_init(&receiver->server_storage, "peers", "bench",
					   channel->name, &options);
	sender->payload = (uint32_t)channel->payload;
	sender->requests = receiver;
	make_waits(receiver, channel);
	*ret_requests = receiver;
	*ret_responses = sender;
}

/* It says whether there is any subscriber, not how many; each side asks for its own, and the
 * receivers of one channel are known to the daemon at once. */
void peer_sender_meet(struct peer_sender *sender)
{
	while (sender->pub && !iox_pub_has_subscribers(sender->pub))
		usleep(LOOK_AGAIN_US);
	while (sender->client &&
	       iox_client_get_connection_state(sender->client) != ConnectionState_CONNECTED)
		usleep(LOOK_AGAIN_US);
}

void peer_receiver_meet(struct peer_receiver *receiver)
{
	while (receiver->sub &&
	       iox_sub_get_subscription_state(receiver->sub) != SubscribeState_SUBSCRIBED)
		usleep(LOOK_AGAIN_US);
	while (receiver->server && !iox_server_has_clients(receiver->server))
		usleep(LOOK_AGAIN_US);
}

static enum iox_AllocationResult loan(struct peer_sender *sender)
{
	if (sender->pub)
		return iox_pub_loan_chunk(sender->pub, &sender->loan, sender->payload);
	if (sender->client)
		return iox_client_loan_request(sender->client, &sender->loan, sender->payload);
	return iox_server_loan_response(sender->requests->server, sender->requests->held,
					&sender->loan, sender->payload);
}

void *peer_loan(struct peer_sender *sender)
{
	enum iox_AllocationResult result = loan(sender);

	if (result == AllocationResult_RUNNING_OUT_OF_CHUNKS)
		return NULL;
	if (result != AllocationResult_SUCCESS)
		fail("no chunk of %u bytes: reason %d of iox_AllocationResult", sender->payload,
		     (int)result);
	return sender->loan;
}

/* Waits where there is no room. */
bool peer_send(struct peer_sender *sender)
{
	if (sender->pub)
		iox_pub_publish_chunk(sender->pub, sender->loan);
	else if (sender->client)
		return iox_client_send(sender->client, sender->loan) == ClientSendResult_SUCCESS;
	else
		return iox_server_send(sender->requests->server, sender->loan) ==
		       ServerSendResult_SUCCESS;
	return true;
}

static bool take(struct peer_receiver *receiver)
{
	if (receiver->sub)
		return iox_sub_take_chunk(receiver->sub, &receiver->held) ==
		       ChunkReceiveResult_SUCCESS;
	if (receiver->server)
		return iox_server_take_request(receiver->server, &receiver->held) ==
		       ServerRequestResult_SUCCESS;
	return iox_client_take_response(receiver->client, &receiver->held) ==
	       ChunkReceiveResult_SUCCESS;
}

const void *peer_take(struct peer_receiver *receiver)
{
	return take(receiver) ? receiver->held : NULL;
}

void peer_release(struct peer_receiver *receiver)
{
	if (receiver->sub)
		iox_sub_release_chunk(receiver->sub, receiver->held);
	else if (receiver->server)
		iox_server_release_request(receiver->server, receiver->held);
	else
		iox_client_release_response(receiver->client, receiver->held);
}

void peer_wait(struct peer_receiver *receiver)
{
	iox_notification_info_t infos[1];
	uint64_t missed;

	iox_ws_wait(receiver->waits, infos, 1, &missed);
}

void peer_sender_close(struct peer_sender *sender)
{
	if (sender->pub)
		iox_pub_deinit(sender->pub);
	if (sender->client)
		iox_client_deinit(sender->client);
	free(sender);
}

void peer_receiver_close(struct peer_receiver *receiver)
{
	if (receiver->waits)
		iox_ws_deinit(receiver->waits);
	if (receiver->sub)
		iox_sub_deinit(receiver->sub);
	if (receiver->server)
		iox_server_deinit(receiver->server);
	free(receiver);
}
