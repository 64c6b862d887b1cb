/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHEDULE_MUTANTS_H
#define SCHEDULE_MUTANTS_H

/*
 * Mutants: mistakes that could be in the channel, made between it and the memory, so that its
 * sources stay as they are. An access is left out, comes later than another one, or orders
 * nothing, or finds what it should not.
 */

#include <stdbool.h>

#include "schedule.h"

enum mutant {
	MUTANT_NONE,
	TAKE_WITHOUT_REVALIDATION, /* the second look at the slot finds what the first one found */
	HOLD_AFTER_VALIDATION,     /* the hold is stored after the second look */
	HEAD_FIRST,                /* head before the slot, and the successor trusts it */
	RECLAIM_WITHOUT_SCAN,      /* no hold is ever seen */
	JOIN_DOES_NOT_CLEAN,       /* who leaves and who gets his port both leave the holds */
	TAKEOVER_FORGETS_RING,     /* the successor takes what the slots name for retired */
	RELEASE_FORGETS_HOLD,      /* release leaves the hold */
	SLOT_BEFORE_PAYLOAD,       /* the message is sent, then filled */
	FIRST_PART_FIRST,          /* the others are there when head says so */
	PARTS_UNTOLD,              /* who joins is not told how far they will go */
	TAKE_WITHOUT_FENCE,       /* hold and second look are ordered by release and acquire only */
	RECLAIM_WITHOUT_FENCE,    /* no fence before the scan of the holds */
	VALUE_BEFORE_BYTES,       /* a board's value is done, then filled */
	READ_WITHOUT_SECOND_LOOK, /* who has read a value does not look whether it was kept */
	BEGUN_WITHOUT_FENCE,      /* nothing orders the bytes after it */
	TOTAL_BEFORE_COUNT,       /* the sums of an event come before its count */
	NOTIFY_WITHOUT_FENCE,     /* total and listeners are ordered by release and acquire only */
	LISTEN_WITHOUT_ACQUIRE,   /* the counts may be read before their sum */
	MARK_AFTER_SLOT,          /* the message is sent, then it gets its mark */
	RELAY_WITHOUT_LIFE,  /* who holds a relay does not look whether its port was withdrawn */
	RELAY_WITHOUT_FENCE, /* hold and that look are ordered by release and acquire only */
	LANE_AFTER_SLOT,     /* the message is sent, then its entry is there */
	LANE_UNASKED,        /* the entry is there, whether its message is or not */
	LANE_NOT_TAKEN_BACK, /* the successor leaves the entry of what was not sent */
	LANE_NOT_MARKED,     /* what waits in a lane is lent again */
	LANE_MARKED_LATE,    /* holds are looked at first, then the lane */
	HOLD_AFTER_CURSOR,   /* who takes from a lane says so before he says what he holds */
	MUTANTS,
};

extern const char *const mutant_names[MUTANTS];

/* Which one is on; MUTANT_NONE outside of explorations that look for one. */
extern enum mutant mutant;

/* Of the scene's publisher. */
extern const uint64_t *schedule_head;

/* One order in the source, made weaker; without a site: none. */
struct weakening {
	const struct site *site;
	enum order from;
	enum order to; /* ORDER_relaxed, or for seq_cst what it stands beside that */
	bool is_fence;
};
extern struct weakening weakened;

#define WEAKENINGS_MAX 128

/* All that the explorations come by while this is not NULL. */
struct weakenings {
	struct weakening list[WEAKENINGS_MAX];
	unsigned count;
};
extern struct weakenings *mutant_collect;

/* Is anything to be changed? */
extern bool mutating;

void mutant_begin(void);
/* name: NULL for a fence; line 0: a membarrier */
enum access {
	ACCESS_LOAD,
	ACCESS_STORE,
	ACCESS_FENCE,
};
enum order mutant_order(enum access access, const struct word_name *name, enum order order,
			const struct site *site);
/* true: *ret is found, and memory not looked at */
bool mutant_load(const struct word_name *name, const struct site *site, uint64_t *ret);
void mutant_loaded(const struct word_name *name, uint64_t value);
/* true: not now, or never */
bool mutant_store(const struct word_name *name, void *word, unsigned size, uint64_t value,
		  enum order order, const struct site *site);
void mutant_stored(const struct word_name *name, uint64_t value);

#endif
