/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECORD_REPAIR_H
#define RECORD_REPAIR_H

/*
 * Repair: gives a file whose writer was killed an end. Chunks that are whole stay where they are;
 * what is damaged becomes a record that all skip, and what follows the last whole record is cut
 * off. It may be killed and run again: the file is cut and marked first, its end comes last.
 */

#include "catalog.h"
#include "input.h"

struct repair {
	uint64_t messages; /* that stay */
	uint64_t chunks;
	uint64_t size;      /* of the file before */
	uint64_t kept;      /* bytes of it that stay */
	uint64_t damaged;   /* chunks that are given up, without what is cut off */
	bool was_whole;     /* there was nothing to repair */
	struct fault fault; /* the first one */
};

/*
 * `fd` is open for reading and writing and stays the caller's. dry: only tell. 0; -EPROTO: it is
 * no MCAP file, or there is nothing in it; -errno
 */
int repair_run(struct repair *ret_repair, int fd, uint64_t memory_max, bool dry);

#endif
