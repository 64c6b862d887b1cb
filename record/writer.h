/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECORD_WRITER_H
#define RECORD_WRITER_H

/*
 * Writer: one MCAP file. One thread at a time.
 *
 * What was there at the last writer_flush is whole: a process that is killed leaves a file that repair
 * can end. When the disk is full the file is ended with what fits.
 *
 * A payload that lies elsewhere may change while it is written, has no CRC, and is looked at afterwards.
 * So the first one has a veil in front of it, a record that says to be longer than any file; repair
 * ends the file there. When all were found whole, or made void, the veil says how long it is: that is
 * one more small write for each flush, and for each 64 MiB of what is written in between. So a kill takes
 * all that was added since the veil, what was copied too: less than 64 MiB and one chunk.
 *
 * Where batches are under way at the same time each has a veil of its own, for there is no moment at which all
 * is written. A veil is lifted when what lies before the next one was written and found whole; whether that
 * one is in the file by then does not matter, for where nothing was written there are zeros, at which repair
 * ends a file as well.
 *
 *   veils: [0 .. veils_leaving) are being lifted, in this order        veils_count > 0 while anything is hidden
 */

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "catalog.h"
#include "chunk.h"
#include "codec.h"
#include "output.h"

/* Memory of the catalog of a file that we write ourselves is not limited. */
#define WRITER_CATALOG_MAX UINT64_MAX

/* One for each batch that is under way, and for those that are being lifted. */
#define WRITER_VEILS_MAX 8u

/* Which chunks have a CRC; the summary always has one. MCAP has 0 for "none". */
enum writer_crc {
	WRITER_CRC_COPIED, /* not those whose payload is written from where it lies */
	WRITER_CRC_ALL,
	WRITER_CRC_NONE,
};

struct writer {
	struct output output;
	struct catalog catalog;
	struct codec *codec;
	enum compression compression;
	enum writer_crc crc;
	unsigned char *compressed; /* room for a chunk */
	size_t compressed_max;
	struct buffer index;
	struct catalog_part *parts; /* room for the channels of a chunk */
	size_t parts_max;
	struct chunk *written; /* in order, until they are flushed */
	struct chunk **written_end;
	/* Where the records are that hide what follows until it has been checked. */
	uint64_t veils[WRITER_VEILS_MAX];
	unsigned veils_count;
	unsigned veils_leaving;
	uint64_t veils_lifted; /* of those that left, as output.changed */
	unsigned char *bare;   /* what a veil becomes, for output_send_patch */
	uint64_t lost; /* messages that were not whole when they were written, or had no room */
	uint64_t lost_bytes;    /* of their payloads */
	uint64_t lost_referred; /* of these messages, those that lay elsewhere */
	uint64_t end_size;      /* of the file, once it was ended */
	int error; /* the first failure of a write: from then on the file can only be ended */
	void (*release)(void *user, struct chunk *chunk);
	/* This many messages of a channel did not get into the file. May be NULL. */
	void (*lose)(void *user, uint16_t channel, uint32_t count);
	void *user;
};

struct writer_plan {
	enum compression compression;
	enum writer_crc crc;
	enum output_mode mode;
	/* A chunk that was given is not needed any more. */
	void (*release)(void *user, struct chunk *chunk);
	void (*lose)(void *user, uint16_t channel, uint32_t count);
	void *user;
};

/* `fd`: an empty file, as output_open. 0, or -errno */
int writer_open(struct writer *ret_writer, int fd, const struct writer_plan *plan);

/* Contents of Schema and Channel records; as catalog_add_*. What is there already is not written
 * again. */
int writer_add_schema(struct writer *writer, const void *content, size_t size);
int writer_add_channel(struct writer *writer, const void *content, size_t size);

/* The chunk is the writer's until it is released. 0, or -errno of a write: then the file is to be
 * ended. */
int writer_add_chunk(struct writer *writer, struct chunk *chunk);

/* map: as built with buffer_add_pair */
int writer_add_metadata(struct writer *writer, const char *name, const struct buffer *map);

/* A file in memory gets pages as large as this, and none is cleared, if what is written ends at multiples of it
 * (tmpfs, huge=within_size, Linux 6.14; where it gets pages of 2 MiB, half of each is cleared once). Those of
 * 2 MiB are what a virtual machine's host takes back when they are free, and to get one again takes ten times as
 * long as to write it. */
#define WRITER_UNIT (1u << 20)

/* Bytes that the records of the next chunk may have, with their places in an index, to end at such a multiple. */
size_t writer_room(const struct writer *writer);

/* Fills what a chunk has left of that. 0, or -errno as above */
int writer_fill(struct writer *writer);

/* Everything that was added is in the file then. 0, or -errno as above */
int writer_flush(struct writer *writer);

/* Is something under way that writer_land could wait for? */
static inline bool writer_is_busy(const struct writer *writer)
{
	return writer->error == 0 && output_flights(&writer->output);
}

/* Waits until the oldest of it is written, and releases what is not needed any more. 0, or -errno as above */
int writer_land(struct writer *writer);

/* What repair would not find, though it may have been written. */
static inline uint64_t writer_hidden(const struct writer *writer)
{
	return writer->veils_count ? writer->output.position - writer->veils[0] : 0;
}

/*
 * Ends the file. When there is no room for its end, chunks are taken out, the youngest first, and
 * count as lost. `list` builds the metadata of this name, each time anew when there was no room for it: what
 * it lists as lost are those chunks too. NULL: there is none. 0, or -errno of what was in the way; the file
 * is whole if *ret_whole.
 */
int writer_end(struct writer *writer, const char *name,
	       void (*list)(void *user, struct buffer *map), bool *ret_whole);

/* Without an end, as if killed; releases all. */
void writer_close(struct writer *writer);

/* How long the file is so far, without its summary. */
static inline uint64_t writer_size(const struct writer *writer)
{
	return writer->output.position;
}

#endif
