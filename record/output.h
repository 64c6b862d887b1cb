/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECORD_OUTPUT_H
#define RECORD_OUTPUT_H

/*
 * Output: a file that is written from front to back, small pieces through a stage, large ones from
 * where they lie. One thread at a time.
 *
 * Where the file system allows it, the file is written around the page cache (O_DIRECT). Memory,
 * offsets and sizes must then be multiples of `align`; the stage sees to that, and what is not a
 * multiple waits in it until more comes. Space is set aside ahead of time (fallocate with size,
 * which makes O_DIRECT twice as fast) and cut off at the end. Elsewhere align is 1.
 *
 *   position = bytes in the file + pieces that wait        of them the last waiting < align for long
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* A large page: what comes from small ones takes a disk longer. */
#define OUTPUT_STAGE_SIZE (2u << 20)
/* O_DIRECT wants at most this; headers and fillers in front of a large piece are smaller. */
#define OUTPUT_ALIGN_MAX 4096u
/* So many that a batch of the smallest payloads that are not copied is one. */
#define OUTPUT_PIECES_MAX 520
/* Written together. */
#define OUTPUT_BATCH_SIZE (16u << 20)
/* Around the page cache batches, and what is at least OUTPUT_LARGE, begin at multiples of this in the
 * file: one virtual disk took 10 ms for 16 MiB that began elsewhere, and 7 here. */
#define OUTPUT_BATCH_ALIGN 65536u
#define OUTPUT_LARGE (1u << 20)

struct output {
	int fd;
	bool is_direct;
	bool does_allocate;
	uint32_t align;
	uint64_t position;  /* where the next byte goes */
	uint64_t written;   /* what is in the file; a multiple of align */
	uint64_t allocated; /* how long the file is made */
	uint64_t waiting;   /* bytes of the pieces */
	unsigned char *stage;
	size_t stage_start; /* of the piece that is being filled */
	size_t stage_end;
	struct iovec pieces[OUTPUT_PIECES_MAX]; /* closed ones */
	int pieces_count;
};

#define OUTPUT_NULL ((struct output){.fd = -1})

enum output_mode {
	OUTPUT_AUTO,     /* O_DIRECT where the file system says how */
	OUTPUT_BUFFERED, /* through the page cache */
};

/* `fd` is open for writing and reading, its file is empty; it is owned from then on, also on
 * failure. -ENOMEM */
int output_open(struct output *ret_output, int fd, enum output_mode mode);

/* The file becomes as long as what was written; what waits is lost. */
void output_close(struct output *output);

/* Copies. All calls that write: 0, or -errno of a write; what waited may then be lost. */
int output_put(struct output *output, const void *bytes, size_t size);

/* Fills up with a record that all skip, so that after `ahead` more bytes there is a good place for
 * `size`: a multiple of align, or of OUTPUT_BATCH_ALIGN. */
int output_fill(struct output *output, size_t ahead, size_t size);

/* The same for the next batch to begin where it should. */
int output_fill_batch(struct output *output);

/* Can `bytes` be written from where they lie, now? */
bool output_can_refer(const struct output *output, const void *bytes);

/* Writes from where the bytes lie, which stay as they are until the next flush. output_can_refer
 * says whether it may be called. */
int output_refer(struct output *output, const void *bytes, size_t size);

/* Writes all that waits, but for the last bytes that are not a multiple of align. */
int output_flush(struct output *output);

/* Writes these last bytes too: the end of the file. */
int output_finish(struct output *output);

/* Changes bytes that were put before. What they are in must be flushed, or lie in the stage's last
 * bytes. */
int output_patch(struct output *output, uint64_t position, const void *bytes, size_t size);

/* Takes everything from `position` on back, flushed or not. */
int output_cut(struct output *output, uint64_t position);

#endif
