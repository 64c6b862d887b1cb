/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_PEERS_STREAM_H
#define BENCH_PEERS_STREAM_H

/*
 * Messages of one size over a stream of bytes. Both sides know the size, so nothing is said about it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct stream {
	int fd;
	size_t size; /* of a message */
	size_t done; /* bytes of it that went through */
	char *buffer;
};

/* As read(2), write(2), recv(2), send(2): how many bytes, or -1 and errno. */
typedef ssize_t stream_move(int fd, void *data, size_t size);

/* Goes on with the message; true: it is through, and the next begins. false: not now. */
bool stream_go_on(struct stream *stream, stream_move *move);

void stream_init(struct stream *stream, int fd, size_t size);
void stream_deinit(struct stream *stream);

#endif
