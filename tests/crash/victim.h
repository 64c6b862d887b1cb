/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASH_VICTIM_H
#define CRASH_VICTIM_H

/*
 * Victim: a process that plays a script, step by step, with a mark before each step, and is killed
 * at some instruction of one of them.
 *
 * A step that nobody else has stepped into must end as it always does; the world is the same each
 * time. After a meeting (stage->met) it may also find nothing, or be refused.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "world.h"

struct step {
	const char *name; /* NULL: only leads to the next one */
	void (*run)(void);
	enum survivor_command before; /* what the survivor does while the victim stands before it */
	int64_t argument;
};

/* Somebody who is dead already when the victim starts. */
struct predecessor {
	const char *script;
	const char *step; /* dies somewhere in this one */
};

#define STEPS_MAX 24
#define PREDECESSORS_MAX 2

struct script {
	const char *name;
	struct step steps[STEPS_MAX];
	enum ring_kind ring;           /* of its publisher */
	uint32_t survivor_policy;      /* of the survivor's subscriber */
	bool queued;                   /* publishers have lanes */
	bool roomy;                    /* none of which is ever full */
	bool alone;                    /* there is no survivor */
	uint32_t at_once;              /* messages that one step may send; 0: 1 */
	bool needs_root;               /* others map memory of its process */
	const struct pattern *pattern; /* what the others do, unless it is about messages */
	struct predecessor predecessors[PREDECESSORS_MAX];
};

extern const struct script scripts[];
extern const size_t script_count;

/* As always, or others were here. `condition` is about what is known already. */
#define expect_usual(condition) expect(atomic_load(&stage->met) || (condition))

const struct script *script_find(const char *name);
size_t script_find_step(const struct script *script, const char *name);
int64_t script_at_once(const struct script *script);
size_t script_count_steps(const struct script *script);

/* All that its victim leaves is in the folder, and the same each time: not where memory or chunks of
 * somebody else are part of it, nor yet with other patterns than messages. */
bool script_is_comparable(const struct script *script);

/* Where messages are stamped, the clock of all victims that are started from here on begins now. */
void victim_begin(void);

/* For trace_start: plays the script, ends with 0. */
int victim_play(void *script);

#endif
