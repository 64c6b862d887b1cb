/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHEDULE_MEMORY_H
#define SCHEDULE_MEMORY_H

/*
 * Memory: what a load of a shared word finds.
 *
 * MODEL_ORDERED: the last store. Only who acts when matters.
 *
 * MODEL_BUFFERED: x86-TSO. Each actor's stores wait in a buffer, in order; its own loads look
 * there first. A store leaves its buffer when somebody's load is to find it, when its author
 * passes a full fence, a seq_cst store or an addition, or when everybody passes a membarrier.
 * Nothing else can observe when a store leaves, because each buffered word has one writer.
 *
 * MODEL_WEAK: release, acquire, relaxed and seq_cst as C11 has them, by views. Each word has a
 * history of stores; each actor has a view, the oldest store of each word that it may still find.
 * A load may find any store from there on. A release store carries its author's view (a relaxed
 * one that of his last release fence), an acquire load takes it over (a relaxed one when the next
 * acquire fence comes). Seq_cst fences and accesses also exchange views with one that is common to
 * all. Payload is not atomic: a load that is not ordered after the store that it finds, or a store
 * that is not ordered after the loads before it, is a failure by itself.
 *   Left out: a store that is seen before an earlier load of its author is done (load buffering),
 * which needs values out of thin air or whole programs to be reordered.
 */

#include <stdbool.h>
#include <stdint.h>

#include "access.h"

enum model {
	MODEL_ORDERED,
	MODEL_BUFFERED,
	MODEL_WEAK,
};

#define MEMORY_WORDS 120 /* shared ones in a scene */

/* A new execution: no stores are under way. `choose` decides between `count` answers; 0 is what
 * the last store left, and costs nothing. */
void memory_begin(enum model model, unsigned (*choose)(unsigned count));

/* word: a small number for each address. */
uint64_t memory_load(unsigned actor, unsigned word, const void *address, unsigned size,
		     enum order order);
void memory_store(unsigned actor, unsigned word, void *address, unsigned size, uint64_t value,
		  enum order order);
uint64_t memory_add(unsigned actor, unsigned word, void *address, uint64_t value);
void memory_fence(unsigned actor, enum order order);

/* membarrier(2): all have passed a full fence. */
void memory_barrier(unsigned actors);
/* The kernel says that `dead` is dead. */
void memory_learn(unsigned actor, unsigned dead);
/* The play is over: everything can be seen. */
void memory_settle(void);

/* What is not allowed at all; NULL: nothing happened. */
const char *memory_wrong(void);

#endif
