/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECORD_CHECK_H
#define RECORD_CHECK_H

/*
 * Check: is all of a file what the format and the file itself say? Changes nothing.
 */

#include "catalog.h"
#include "input.h"

struct check {
	uint64_t messages; /* that are whole */
	uint64_t chunks;
	uint64_t faults;
	void (*tell)(void *user, const struct fault *fault);
	void *user;
};

/* `fd` is owned. 0, also when there are faults; -errno of what could not be read, told as well */
int check_run(struct check *check, int fd, uint64_t memory_max);

/* Does the end of a file, its summary, say what was found in it? Faults are told and counted. 0, or
 * -errno of what could not be read */
int check_end(struct check *check, struct input *input, const struct catalog *is);

#endif
