/* SPDX-License-Identifier: Apache-2.0 */
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../session.h"

bool stream_go_on(struct stream *stream, stream_move *move)
{
	while (stream->done < stream->size) {
		ssize_t moved = move(stream->fd, stream->buffer + stream->done,
				     stream->size - stream->done);

		if (moved < 0 && (errno == EAGAIN || errno == EINTR))
			return false;
		if (moved <= 0)
			fail("a stream ended: %s", moved ? strerror(errno) : "nobody is there");
		stream->done += (size_t)moved;
	}
	stream->done = 0;
	return true;
}

void stream_init(struct stream *stream, int fd, size_t size)
{
	*stream = (struct stream){.fd = fd, .size = size, .buffer = malloc(size)};
	if (!stream->buffer)
		fail("out of memory");
}

void stream_deinit(struct stream *stream)
{
	close(stream->fd);
	free(stream->buffer);
}
