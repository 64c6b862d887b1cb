/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECORD_SUMMARY_H
#define RECORD_SUMMARY_H

/*
 * Summary: the catalog as the end of a file tells it. A file of which the writer was killed has
 * none; then the whole file must be walked.
 */

#include "catalog.h"
#include "input.h"

struct summary {
	uint64_t start;       /* of the summary; 0: the file has none */
	uint64_t messages;    /* as the statistics say */
	uint64_t first, last; /* their log times */
	bool has_statistics;
};

/*
 * Fills an empty catalog. 1; 0: the file ends in order, but its summary is not enough to find
 * messages by; -EPROTO: it does not end in order, or lies; -E2BIG, -ENOMEM, -errno
 */
int summary_load(struct summary *ret_summary, struct catalog *catalog, struct input *input);

#endif
