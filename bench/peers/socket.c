/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Unix stream sockets, one for each pair of a sender and a receiver. Buffers as large as the kernel
 * lets us make them.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../clock.h"
#include "../session.h"
#include "peer.h"
#include "stream.h"

#define BUFFER_SIZE (4 << 20)
#define PATIENCE_NS (10 * NS_PER_SECOND)

struct peer_sender {
	unsigned count, turn;
	size_t payload;
	struct sockaddr_un addresses[PEER_ENDS_MAX];
	struct stream streams[PEER_ENDS_MAX];
	char *buffer;
};

struct peer_receiver {
	int listener;
	unsigned count, expected, next;
	size_t payload;
	struct stream streams[PEER_ENDS_MAX];
};

const bool peer_in_threads = false;

void peer_enter(const char *who)
{
	(void)who;
}

void peer_leave(void)
{
}

static struct sockaddr_un address_of(const struct peer_channel *channel, unsigned receiver)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s.%u", session_dir(),
		 channel->name, receiver);
	return address;
}

/* More than the kernel allows everybody needs a privilege; without it as much as it allows. */
static void enlarge(int fd, int option, int forced)
{
	int size = BUFFER_SIZE;

	if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, option, &size, sizeof(size));
}

struct peer_sender *peer_sender_open(const struct peer_channel *channel, unsigned index)
{
	struct peer_sender *sender = calloc(1, sizeof(*sender));

	(void)index;
	if (!sender || !(sender->buffer = malloc(channel->payload)))
		fail("out of memory");
	sender->count = channel->receivers;
	sender->payload = channel->payload;
	for (unsigned i = 0; i < sender->count; i++)
		sender->addresses[i] = address_of(channel, i);
	return sender;
}

struct peer_receiver *peer_receiver_open(const struct peer_channel *channel, unsigned index)
{
	struct peer_receiver *receiver = calloc(1, sizeof(*receiver));
	struct sockaddr_un address = address_of(channel, index);

	if (!receiver)
		fail("out of memory");
	receiver->expected = channel->senders;
	receiver->payload = channel->payload;
	unlink(address.sun_path); /* of one who was killed */
	receiver->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (receiver->listener < 0 ||
	    bind(receiver->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(receiver->listener, (int)PEER_ENDS_MAX) < 0)
		fail("cannot listen at %s: %s", address.sun_path, strerror(errno));
	return receiver;
}

static int connect_to(const struct sockaddr_un *address)
{
	int64_t deadline_ns = now_ns() + PATIENCE_NS;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail("cannot make a socket: %s", strerror(errno));
	enlarge(fd, SO_SNDBUF, SO_SNDBUFFORCE);
	while (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
		if (now_ns() > deadline_ns)
			fail("cannot connect to %s: %s", address->sun_path, strerror(errno));
		usleep(50);
	}
	return fd;
}

void peer_sender_meet(struct peer_sender *sender)
{
	for (unsigned i = 0; i < sender->count; i++)
		if (!sender->streams[i].buffer)
			stream_init(&sender->streams[i], connect_to(&sender->addresses[i]),
				    sender->payload);
}

void peer_receiver_meet(struct peer_receiver *receiver)
{
	while (receiver->count < receiver->expected) {
		int fd = accept4(receiver->listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			fail("cannot accept: %s", strerror(errno));
		stream_init(&receiver->streams[receiver->count++], fd, receiver->payload);
	}
}

void *peer_loan(struct peer_sender *sender)
{
	return sender->buffer;
}

static ssize_t send_some(int fd, void *data, size_t size)
{
	return send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static ssize_t receive_some(int fd, void *data, size_t size)
{
	return recv(fd, data, size, MSG_DONTWAIT);
}

bool peer_send(struct peer_sender *sender)
{
	for (; sender->turn < sender->count; sender->turn++) {
		struct stream stream = sender->streams[sender->turn];
		bool through;

		stream.buffer = sender->buffer;
		through = stream_go_on(&stream, send_some);
		sender->streams[sender->turn].done = stream.done;
		if (!through)
			return false;
	}
	sender->turn = 0;
	return true;
}

const void *peer_take(struct peer_receiver *receiver)
{
	for (unsigned i = 0; i < receiver->count; i++) {
		struct stream *stream = &receiver->streams[receiver->next];

		if (++receiver->next == receiver->count)
			receiver->next = 0;
		if (stream_go_on(stream, receive_some))
			return stream->buffer;
	}
	return NULL;
}

void peer_release(struct peer_receiver *receiver)
{
	(void)receiver;
}

void peer_wait(struct peer_receiver *receiver)
{
	struct pollfd entries[PEER_ENDS_MAX];

	for (unsigned i = 0; i < receiver->count; i++)
		entries[i] = (struct pollfd){.fd = receiver->streams[i].fd, .events = POLLIN};
	poll(entries, receiver->count, -1);
}

void peer_sender_close(struct peer_sender *sender)
{
	for (unsigned i = 0; i < sender->count; i++)
		if (sender->streams[i].buffer)
			stream_deinit(&sender->streams[i]);
	free(sender->buffer);
	free(sender);
}

void peer_receiver_close(struct peer_receiver *receiver)
{
	for (unsigned i = 0; i < receiver->count; i++)
		stream_deinit(&receiver->streams[i]);
	close(receiver->listener);
	free(receiver);
}
