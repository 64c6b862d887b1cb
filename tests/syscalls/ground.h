/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_GROUND_H
#define TESTS_GROUND_H

/*
 * The ground of a sweep: a tmpfs that nobody else uses, as $FLOE_DIR, so that every byte and every
 * file in it, also one without a name, is ours to account for.
 */

#include <stdbool.h>
#include <stdint.h>

/* Mounts it for this process and its children; it goes with the last of them. `as_user`: what is
 * root becomes an ordinary user. Skips the test where that cannot be had. */
void ground_lay(bool as_user);

struct ground {
	uint64_t names;
	uint64_t files;  /* inodes, with or without a name */
	uint64_t blocks; /* of memory */
};

struct ground ground_count(void);

#endif
