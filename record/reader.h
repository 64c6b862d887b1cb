/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECORD_READER_H
#define RECORD_READER_H

/*
 * Reader: the messages of a file in the order of their log times, whatever the order of the
 * chunks; of equal times in the order of the file. One thread at a time.
 *
 * In memory are the catalog and those chunks whose times overlap where the reader is. Both
 * together stay below `memory_max`, else reading fails with -E2BIG.
 */

#include "catalog.h"
#include "input.h"
#include "summary.h"
#include "unpack.h"
#include "warm.h"

#define READER_MEMORY_MAX (UINT64_C(1) << 30)

struct reader_chunk;

struct reader {
	struct input input;
	struct catalog catalog;
	struct codec *codec;
	struct summary summary;
	bool was_walked;  /* there was no summary that helps */
	bool is_cut;      /* nor an end of the file */
	struct fault cut; /* why not */
	size_t next;      /* chunk of the catalog to be loaded next */
	struct reader_chunk *active;
	uint64_t memory; /* of the active ones */
	uint64_t memory_max;
	uint64_t from;
	uint64_t to;
	struct warm warm; /* once reader_ahead was called */
	uint64_t warmed;  /* where what it was asked for ends */
};

/*
 * `fd` is owned from then on, also on failure. A file without an end is read as far as it is
 * whole. 0; -EPROTO: it is no MCAP file; -E2BIG, -ENOMEM, -errno; `fault` says what and where, also
 * in all later calls
 */
int reader_open(struct reader *ret_reader, int fd, uint64_t memory_max, struct fault *fault);
void reader_close(struct reader *reader);

/* Begins anew, with messages of these log times only. */
void reader_seek(struct reader *reader, uint64_t from, uint64_t to);

/* 1 with a message, that is valid until the next call; 0 no more; as unpack_chunk */
int reader_next(struct reader *reader, struct message *ret);

/*
 * For who has time now and will have none later: loads the next chunk if it begins up to `time`. A
 * message stays valid. What follows is read into the page cache meanwhile, by a thread of the
 * reader's. 1; 0 there is none, or no memory for it; < 0 as reader_next will say
 */
int reader_ahead(struct reader *reader, uint64_t time);

/* The name and the pairs of a metadata record, to be freed; pairs: valid as long as it. */
int reader_load_metadata(struct reader *reader, const struct catalog_metadata *metadata,
			 unsigned char **ret, struct cursor *ret_pairs);

#endif
