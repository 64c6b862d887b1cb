/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASH_LIVES_H
#define CRASH_LIVES_H

/*
 * Lives: processes that are born on the same topic, work, and are killed at a random moment, one
 * after the other, many times. Everything is in $FLOE_DIR, which is empty before and afterwards;
 * what is wrong ends the process that finds it.
 */

#include <stddef.h>
#include <stdint.h>

struct lives {
	size_t count;
	uint64_t seed;
	void (*lived)(size_t deaths); /* so many more, and all was well */
};

/* So many of them may pass until that is said. */
#define LIVES_BATCH 1000

/* Publishers, each of which adopts the ring of the one before. */
void heirs_live(const struct lives *lives);

/* Publishers that also subscribe, with loans out and samples held. */
void wounds_live(const struct lives *lives);

#endif
