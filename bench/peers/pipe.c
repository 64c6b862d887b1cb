/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Named pipes, one for each receiver. Senders of one channel share it: what is at most PIPE_BUF long
 * stays whole. As large as the kernel lets us make them; without blocking where we poll.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../session.h"
#include "peer.h"
#include "stream.h"

#define PIPE_SIZE (1 << 20) /* /proc/sys/fs/pipe-max-size, as it comes */

struct peer_sender {
	unsigned count, turn; /* the stream that the message goes to now */
	struct stream streams[PEER_ENDS_MAX];
};

struct peer_receiver {
	struct stream stream;
};

const bool peer_in_threads = false;

void peer_enter(const char *who)
{
	(void)who;
}

void peer_leave(void)
{
}

/* For reading and writing, so that opening does not wait for the other side. */
static int open_pipe(const struct peer_channel *channel, unsigned receiver)
{
	char path[192];
	int fd;

	snprintf(path, sizeof(path), "%s/%s.%u", session_dir(), channel->name, receiver);
	if (mkfifo(path, 0600) < 0 && errno != EEXIST)
		fail("cannot make %s: %s", path, strerror(errno));
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		fail("cannot open %s: %s", path, strerror(errno));
	fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE); /* refused: it stays as it is, 64 KiB */
	return fd;
}

struct peer_sender *peer_sender_open(const struct peer_channel *channel, unsigned index)
{
	struct peer_sender *sender = calloc(1, sizeof(*sender));

	(void)index;
	if (!sender)
		fail("out of memory");
	sender->count = channel->receivers;
	for (unsigned i = 0; i < sender->count; i++)
		stream_init(&sender->streams[i], open_pipe(channel, i), channel->payload);
	return sender;
}

struct peer_receiver *peer_receiver_open(const struct peer_channel *channel, unsigned index)
{
	struct peer_receiver *receiver = calloc(1, sizeof(*receiver));

	if (!receiver)
		fail("out of memory");
	stream_init(&receiver->stream, open_pipe(channel, index), channel->payload);
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

/* All are written from one buffer. */
void *peer_loan(struct peer_sender *sender)
{
	return sender->streams[0].buffer;
}

static ssize_t write_some(int fd, void *data, size_t size)
{
	return write(fd, data, size);
}

bool peer_send(struct peer_sender *sender)
{
	for (; sender->turn < sender->count; sender->turn++) {
		struct stream stream = sender->streams[sender->turn];
		bool through;

		stream.buffer = sender->streams[0].buffer;
		through = stream_go_on(&stream, write_some);
		sender->streams[sender->turn].done = stream.done;
		if (!through)
			return false;
	}
	sender->turn = 0;
	return true;
}

const void *peer_take(struct peer_receiver *receiver)
{
	return stream_go_on(&receiver->stream, read) ? receiver->stream.buffer : NULL;
}

void peer_release(struct peer_receiver *receiver)
{
	(void)receiver;
}

void peer_wait(struct peer_receiver *receiver)
{
	poll(&(struct pollfd){.fd = receiver->stream.fd, .events = POLLIN}, 1, -1);
}

void peer_sender_close(struct peer_sender *sender)
{
	for (unsigned i = 0; i < sender->count; i++)
		stream_deinit(&sender->streams[i]);
	free(sender);
}

void peer_receiver_close(struct peer_receiver *receiver)
{
	stream_deinit(&receiver->stream);
	free(receiver);
}
