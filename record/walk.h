/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECORD_WALK_H
#define RECORD_WALK_H

/*
 * Walk: reads a whole file from front to back, checks everything in it, and fills a catalog with
 * what is whole.
 */

#include "catalog.h"
#include "input.h"

struct walk {
	struct input *input;
	struct codec *codec;
	struct catalog *catalog;
	uint64_t memory_max; /* of one chunk */
	/* Something is wrong, see input->fault; returns whether to go on behind it, if one can. NULL:
	 * no. */
	bool (*tell)(void *user, const struct fault *fault);
	void *user;

	uint64_t end;      /* where the last whole record ends */
	bool has_data_end; /* and the next one says that the data ends */
	uint64_t bad;      /* chunks that were left out */
};

/* Up to the end of the data. 0; -errno of what could not be gone on from. */
int walk_run(struct walk *walk);

#endif
