/* SPDX-License-Identifier: Apache-2.0 */
#include "codec.h"

#include <errno.h>
#include <lz4frame.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

/* Fast ones: a recorder must keep up. */
#define ZSTD_LEVEL 1

/* A frame that wants to look back further than this is refused: it would take that much memory. */
#define ZSTD_WINDOW_LOG_MAX 27

struct codec {
	LZ4F_dctx *lz4;
	ZSTD_CCtx *zstd_out;
	ZSTD_DCtx *zstd_in;
};

static const char *const names[] = {
	[COMPRESSION_NONE] = "",
	[COMPRESSION_LZ4] = "lz4",
	[COMPRESSION_ZSTD] = "zstd",
	[COMPRESSION_UNKNOWN] = "unknown",
};

const char *compression_name(enum compression compression)
{
	return names[compression];
}

enum compression compression_find(const void *name, size_t size)
{
	for (int i = COMPRESSION_NONE; i < COMPRESSION_UNKNOWN; i++)
		if (strlen(names[i]) == size && (size == 0 || memcmp(names[i], name, size) == 0))
			return (enum compression)i;
	return COMPRESSION_UNKNOWN;
}

struct codec *codec_open(void)
{
	struct codec *codec = calloc(1, sizeof(*codec));

	if (!codec)
		return NULL;
	codec->zstd_out = ZSTD_createCCtx();
	codec->zstd_in = ZSTD_createDCtx();
	if (LZ4F_isError(LZ4F_createDecompressionContext(&codec->lz4, LZ4F_VERSION)) ||
	    !codec->zstd_out || !codec->zstd_in) {
		codec_close(codec);
		return NULL;
	}
	(void)ZSTD_DCtx_setParameter(codec->zstd_in, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
	return codec;
}

void codec_close(struct codec *codec)
{
	if (!codec)
		return;
	(void)LZ4F_freeDecompressionContext(codec->lz4);
	(void)ZSTD_freeCCtx(codec->zstd_out);
	(void)ZSTD_freeDCtx(codec->zstd_in);
	free(codec);
}

size_t codec_bound(enum compression compression, size_t size)
{
	if (compression == COMPRESSION_LZ4)
		return LZ4F_compressFrameBound(size, NULL);
	return compression == COMPRESSION_ZSTD ? ZSTD_compressBound(size) : size;
}

static int64_t compress_lz4(void *to, size_t to_size, const void *from, size_t size)
{
	const LZ4F_preferences_t wanted = {
		.frameInfo = {.blockSizeID = LZ4F_max1MB, .contentSize = size}};
	size_t r = LZ4F_compressFrame(to, to_size, from, size, &wanted);

	return LZ4F_isError(r) ? -ENOMEM : (int64_t)r;
}

int64_t codec_compress(struct codec *codec, enum compression compression, void *to, size_t to_size,
		       const void *from, size_t size)
{
	size_t r;

	if (compression == COMPRESSION_LZ4)
		return compress_lz4(to, to_size, from, size);
	if (compression != COMPRESSION_ZSTD)
		return -ENOTSUP;
	r = ZSTD_compressCCtx(codec->zstd_out, to, to_size, from, size, ZSTD_LEVEL);
	return ZSTD_isError(r) ? -ENOMEM : (int64_t)r;
}

/* Several frames may follow each other. */
static int expand_lz4(struct codec *codec, unsigned char *to, size_t to_size,
		      const unsigned char *from, size_t size)
{
	size_t hint = 0;

	LZ4F_resetDecompressionContext(codec->lz4);
	while (size) {
		size_t put = to_size;
		size_t got = size;

		hint = LZ4F_decompress(codec->lz4, to, &put, from, &got, NULL);
		if (LZ4F_isError(hint) || (put == 0 && got == 0))
			return -EPROTO;
		to += put;
		to_size -= put;
		from += got;
		size -= got;
	}
	return hint == 0 && to_size == 0 ? 0 : -EPROTO;
}

static int expand_zstd(struct codec *codec, void *to, size_t to_size, const void *from, size_t size)
{
	ZSTD_outBuffer out = {to, to_size, 0};
	ZSTD_inBuffer in = {from, size, 0};
	size_t hint = 0;

	(void)ZSTD_DCtx_reset(codec->zstd_in, ZSTD_reset_session_only);
	while (in.pos < in.size) {
		size_t put = out.pos;
		size_t got = in.pos;

		hint = ZSTD_decompressStream(codec->zstd_in, &out, &in);
		if (ZSTD_isError(hint) || (put == out.pos && got == in.pos))
			return -EPROTO;
	}
	return hint == 0 && out.pos == to_size ? 0 : -EPROTO;
}

int codec_expand(struct codec *codec, enum compression compression, void *to, size_t to_size,
		 const void *from, size_t size)
{
	switch (compression) {
	case COMPRESSION_NONE:
		if (size != to_size)
			return -EPROTO;
		(void)memcpy(to, from, size);
		return 0;
	case COMPRESSION_LZ4:
		return expand_lz4(codec, to, to_size, from, size);
	case COMPRESSION_ZSTD:
		return expand_zstd(codec, to, to_size, from, size);
	case COMPRESSION_UNKNOWN:
		break;
	}
	return -ENOTSUP;
}
