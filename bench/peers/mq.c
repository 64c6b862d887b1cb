/* SPDX-License-Identifier: Apache-2.0 */

/*
 * POSIX message queues, one for each receiver; senders of one channel share it.
 */

#include <errno.h>
#include <mqueue.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "../session.h"
#include "peer.h"

#define DEPTH_MAX 10u /* /proc/sys/fs/mqueue/msg_max, as it comes */

struct peer_sender {
	unsigned count, turn;
	mqd_t queues[PEER_ENDS_MAX];
	char *buffer;
	size_t payload;
};

struct peer_receiver {
	char name[128];
	mqd_t queue;
	char *buffer;
	size_t payload;
};

const bool peer_in_threads = false;

/* What queues may take is limited for each user; whoever may lifts it. */
void peer_enter(const char *who)
{
	(void)who;
	setrlimit(RLIMIT_MSGQUEUE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
}

void peer_leave(void)
{
}

static mqd_t open_queue(const struct peer_channel *channel, unsigned receiver, char *name,
			size_t name_size)
{
	struct mq_attr attr = {
		.mq_maxmsg = channel->depth < DEPTH_MAX ? (long)channel->depth : (long)DEPTH_MAX,
		.mq_msgsize = (long)channel->payload,
	};
	const char *dir = strrchr(session_dir(), '/') + 1;
	mqd_t queue;

	snprintf(name, name_size, "/%s.%s.%u", dir, channel->name, receiver);
	queue = mq_open(name, O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0600, &attr);
	if (queue == (mqd_t)-1)
		fail("cannot make a queue for %zu bytes: %s", channel->payload, strerror(errno));
	return queue;
}

struct peer_sender *peer_sender_open(const struct peer_channel *channel, unsigned index)
{
	struct peer_sender *sender = calloc(1, sizeof(*sender));
	char name[128];

	(void)index;
	if (!sender || !(sender->buffer = malloc(channel->payload)))
		fail("out of memory");
	sender->payload = channel->payload;
	sender->count = channel->receivers;
	for (unsigned i = 0; i < sender->count; i++)
		sender->queues[i] = open_queue(channel, i, name, sizeof(name));
	return sender;
}

struct peer_receiver *peer_receiver_open(const struct peer_channel *channel, unsigned index)
{
	struct peer_receiver *receiver = calloc(1, sizeof(*receiver));

	if (!receiver || !(receiver->buffer = malloc(channel->payload)))
		fail("out of memory");
	receiver->payload = channel->payload;
	receiver->queue = open_queue(channel, index, receiver->name, sizeof(receiver->name));
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

void *peer_loan(struct peer_sender *sender)
{
	return sender->buffer;
}

bool peer_send(struct peer_sender *sender)
{
	for (; sender->turn < sender->count; sender->turn++) {
		if (mq_send(sender->queues[sender->turn], sender->buffer, sender->payload, 0) == 0)
			continue;
		if (errno != EAGAIN)
			fail("mq_send: %s", strerror(errno));
		return false;
	}
	sender->turn = 0;
	return true;
}

const void *peer_take(struct peer_receiver *receiver)
{
	ssize_t size = mq_receive(receiver->queue, receiver->buffer, receiver->payload, NULL);

	if (size < 0 && errno != EAGAIN)
		fail("mq_receive: %s", strerror(errno));
	return size < 0 ? NULL : receiver->buffer;
}

void peer_release(struct peer_receiver *receiver)
{
	(void)receiver;
}

/* On Linux a queue is a descriptor: mq_overview(7). */
void peer_wait(struct peer_receiver *receiver)
{
	poll(&(struct pollfd){.fd = (int)receiver->queue, .events = POLLIN}, 1, -1);
}

void peer_sender_close(struct peer_sender *sender)
{
	for (unsigned i = 0; i < sender->count; i++)
		mq_close(sender->queues[i]);
	free(sender->buffer);
	free(sender);
}

void peer_receiver_close(struct peer_receiver *receiver)
{
	mq_close(receiver->queue);
	mq_unlink(receiver->name);
	free(receiver->buffer);
	free(receiver);
}
