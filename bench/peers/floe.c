/* SPDX-License-Identifier: Apache-2.0 */

/*
 * floe: a topic for each channel. Subscribers are reliable, so that nothing is lost, and begin with
 * what is in the ring, so that nobody needs to wait for the other side.
 */

#include <floe/floe.h>

#include <stdlib.h>
#include <string.h>

#include "../session.h"
#include "peer.h"

struct peer_sender {
	struct floe_publisher *pub;
	struct floe_loan loan;
	size_t payload;
};

struct peer_receiver {
	struct floe_subscriber *sub;
	struct floe_sample sample;
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

struct peer_sender *peer_sender_open(const struct peer_channel *channel, unsigned index)
{
	struct peer_sender *sender = allocate(sizeof(*sender));
	struct floe_error error = {""};
	struct floe_publisher_options options = {
		.size = sizeof(options),
		.depth = channel->depth,
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

void peer_sender_meet(struct peer_sender *sender)
{
	(void)sender;
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

void *peer_loan(struct peer_sender *sender)
{
	if (check(floe_loan(sender->pub, sender->payload, &sender->loan), "floe_loan") == 0)
		return NULL;
	return sender->loan.data;
}

bool peer_send(struct peer_sender *sender)
{
	return check(floe_publish(sender->pub, &sender->loan), "floe_publish") == 1;
}

const void *peer_take(struct peer_receiver *receiver)
{
	if (check(floe_take(receiver->sub, &receiver->sample), "floe_take") == 0)
		return NULL;
	return receiver->sample.data;
}

void peer_release(struct peer_receiver *receiver)
{
	floe_release(receiver->sub, &receiver->sample);
}

void peer_wait(struct peer_receiver *receiver)
{
	check(floe_wait(receiver->sub, -1), "floe_wait");
}

void peer_sender_close(struct peer_sender *sender)
{
	floe_publisher_close(sender->pub);
	free(sender);
}

void peer_receiver_close(struct peer_receiver *receiver)
{
	floe_subscriber_close(receiver->sub);
	free(receiver);
}
