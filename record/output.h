/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECORD_OUTPUT_H
#define RECORD_OUTPUT_H

/*
 * Output: a file that is written from front to back, small pieces through a stage, large ones from
 * where they lie. One thread at a time.
 *
 * What is written together is a batch. Around the page cache, where the kernel has an io_uring for us, some
 * batches are under way at the same time, while the next one is filled; elsewhere each is written by
 * pwritev(2) before the next one begins.
 *
 * Where the file system allows it, the file is written around the page cache (O_DIRECT). Memory,
 * offsets and sizes must then be multiples of `align`; the stage sees to that, and what is not a
 * multiple waits in it until more comes. Space is set aside ahead of time (fallocate with size,
 * which makes O_DIRECT twice as fast) and cut off at the end. Elsewhere align is 1.
 *
 *   written <= sent <= position      in the file; on its way; waiting, of which the last < align for long
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "flight.h"

/* A large page: what comes from small ones takes a disk longer. */
#define OUTPUT_STAGE_SIZE (2u << 20)
/* O_DIRECT wants at most this; headers and fillers in front of a large piece are smaller. */
#define OUTPUT_ALIGN_MAX 4096u
/* So many that a batch of the smallest payloads that are not copied is one. */
#define OUTPUT_PIECES_MAX 520
/* A batch that is written before the next one, and one of those that are under way at the same time. */
#define OUTPUT_BATCH_SIZE (16u << 20)
#define OUTPUT_BATCH_SMALL (8u << 20)
/* So many of them, each with a stage of its own. */
#define OUTPUT_BATCHES_MAX 3u
/* Around the page cache batches, and what is written from where it lies of at least OUTPUT_LARGE bytes, begin
 * at multiples of this in the file: one virtual disk took 10 ms for 16 MiB that began elsewhere, and 7 here. */
#define OUTPUT_BATCH_ALIGN 65536u
#define OUTPUT_LARGE (1u << 20)

struct output_batch {
	unsigned char *stage;
	struct iovec pieces[OUTPUT_PIECES_MAX]; /* closed ones */
	int pieces_count;
	uint64_t size; /* of the pieces; once it is on its way */
};

/* A batch that is on its way, or a change of what was written before. */
struct output_flight {
	struct output_batch *batch; /* NULL: a change */
	struct iovec change;
	uint64_t offset;
};

/* In the file: zeros, where the memory that should be written was gone. */
struct output_gap {
	uint64_t begin;
	uint64_t end;
};

struct output {
	int fd;
	bool is_direct;
	bool does_allocate;
	uint32_t align;
	uint64_t position;  /* where the next byte goes */
	uint64_t sent;      /* where the batch that is being filled begins; a multiple of align */
	uint64_t written;   /* what is in the file; a multiple of align */
	uint64_t changed;   /* so many changes as were sent are in the file */
	uint64_t allocated; /* how long the file is made */
	uint64_t waiting;   /* bytes of the pieces */
	uint64_t batch_size;
	size_t stage_start; /* of the piece that is being filled */
	size_t stage_end;
	struct output_batch batches[OUTPUT_BATCHES_MAX]; /* filled by turns */
	unsigned batches_count;
	unsigned turn;
	struct flights flights;
	struct output_flight flying[FLIGHTS_MAX]; /* as flights.table */
	int flights_error; /* why nothing flies around the page cache, or not any more; 0: it does */
	struct output_gap *gaps; /* in their order in the file */
	size_t gaps_count;
};

#define OUTPUT_NULL ((struct output){.fd = -1, .flights = {.fd = -1}})

enum output_mode {
	OUTPUT_AUTO, /* O_DIRECT where the file system says how, and an io_uring where there is one */
	OUTPUT_SINGLE,   /* the same without io_uring */
	OUTPUT_BUFFERED, /* through the page cache */
};

/* `fd` is open for writing and reading, its file is empty; it is owned from then on, also on
 * failure. -ENOMEM */
int output_open(struct output *ret_output, int fd, enum output_mode mode);

/* The file becomes as long as what was written; what waits is lost. */
void output_close(struct output *output);

/* Copies. All calls that write: 0, or -errno of a write; what waited may then be lost. */
int output_put(struct output *output, const void *bytes, size_t size);

/* The same for bytes of others. Where they cannot be read any more zeros are put, and *gone becomes true (see
 * touch_install). */
int output_put_foreign(struct output *output, const void *bytes, size_t size, bool *gone);

/* Fills up with a record that all skip, so that after `ahead` more bytes there is a multiple of align. */
int output_fill(struct output *output, size_t ahead);

/* The same up to the next multiple of align, if there is less to go than `most`. */
int output_fill_up(struct output *output, uint32_t align, uint32_t most);

/* The same for the next batch to begin where it should. */
int output_fill_batch(struct output *output);

/* Can `bytes` be written from where they lie, now? */
bool output_can_refer(const struct output *output, const void *bytes);

/* Writes from where the bytes lie, which stay as they are until they are written; but the first and the last
 * ones are put as foreign ones, up to and from a multiple of align, of OUTPUT_BATCH_ALIGN for OUTPUT_LARGE
 * bytes. output_can_refer says whether it may be called. Where that memory cannot be read any more, zeros are
 * written. */
int output_refer(struct output *output, const void *bytes, size_t size, bool *gone);

/* Is some of what was written there such zeros? */
bool output_has_gap(const struct output *output, uint64_t begin, uint64_t end);

/* Can batches be under way while the next one is filled? */
static inline bool output_flies(const struct output *output)
{
	return output->batches_count > 1;
}

/* So many batches and changes are under way. */
static inline unsigned output_flights(const struct output *output)
{
	return flights_count(&output->flights);
}

/* All that waits goes on its way, but for the last bytes that are not a multiple of align. Waits for an
 * older batch when there are as many as may be; where nothing flies, until it is written. */
int output_send(struct output *output);

/* Waits until the oldest batch or change that is under way is written. After a failure nothing is under way
 * any more, and `written` says what is there without a gap. */
int output_land(struct output *output);

/* Writes all that waits, but for the last bytes as above, and waits until everything is written. */
int output_flush(struct output *output);

/* Writes these last bytes too: the end of the file. */
int output_finish(struct output *output);

/* Changes bytes that were put before. What they are in must be on its way, or lie in the stage's last
 * bytes. */
int output_patch(struct output *output, uint64_t position, const void *bytes, size_t size);

/* The same with whole blocks of what is written, and of memory, which stays as it is until the change has
 * landed: where output_flies. */
int output_send_patch(struct output *output, uint64_t position, const void *bytes, size_t size);

/* Takes everything from `position` on back, flushed or not. */
int output_cut(struct output *output, uint64_t position);

#endif
