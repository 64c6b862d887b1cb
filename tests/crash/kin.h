/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASH_KIN_H
#define CRASH_KIN_H

/*
 * Kin: all deaths in one step that leave the same still. What happens afterwards is the same for
 * all of them, for nobody who lives can tell one from the other. So each instruction gets its
 * SIGKILL, in a world that is set right again in no time, and what must hold afterwards is looked
 * at once for each kin, in each way, in a world of its own, where the death must leave that still
 * again.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "point.h"
#include "still.h"

#define KIN_NONE UINT32_MAX

struct kin {
	struct still still;
	size_t first, last; /* instructions */
	size_t count;       /* of deaths */
};

struct family {
	struct kin *kin;
	size_t count;
	size_t room;
	uint32_t *of; /* of each instruction; KIN_NONE: nobody died there like that */
};

/* Can it be done here, for this script? Not within half an hour of the machine's start; each death is then
 * looked at by itself. */
bool family_is_possible(const struct script *script);

/* Kills at each of these `count` instructions. False: the world does not come about; what is there
 * holds. `done` is called after each. */
bool family_kill(struct family *ret, const struct round *round, const size_t *k, size_t count,
		 void (*done)(void *user, size_t deaths), void *user);
void family_free(struct family *family);

#endif
