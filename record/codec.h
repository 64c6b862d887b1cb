/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECORD_CODEC_H
#define RECORD_CODEC_H

/*
 * Codec: the compressions that a chunk can have. One thread at a time.
 */

#include <stddef.h>
#include <stdint.h>

enum compression {
	COMPRESSION_NONE,
	COMPRESSION_LZ4, /* LZ4 frame */
	COMPRESSION_ZSTD,
	COMPRESSION_UNKNOWN, /* of a file that others wrote */
};

/* As it stands in a file: "", "lz4", "zstd". */
const char *compression_name(enum compression compression);
enum compression compression_find(const void *name, size_t size);

struct codec; /* the workspaces of both */

/* NULL: out of memory. */
struct codec *codec_open(void);
void codec_close(struct codec *codec); /* NULL is fine */

/* Room that compressing `size` bytes takes at most. */
size_t codec_bound(enum compression compression, size_t size);

/* Bytes written to `to`, or -errno. */
int64_t codec_compress(struct codec *codec, enum compression compression, void *to, size_t to_size,
		       const void *from, size_t size);

/* Exactly `to_size` bytes must come out, and all of `from` be used up: 0, else -EPROTO; -ENOTSUP
 * an unknown compression; -ENOMEM */
int codec_expand(struct codec *codec, enum compression compression, void *to, size_t to_size,
		 const void *from, size_t size);

#endif
