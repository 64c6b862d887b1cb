/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_OMEN_H
#define REGISTRY_OMEN_H

/*
 * Omen: our side of the word in channel/omen_layout.h, and how what it says is confirmed.
 *
 * The word is handed to the kernel in the place where a thread's list of robust futexes says which
 * one is just being locked (list_op_pending in set_robust_list(2)): it is looked at when the thread
 * ends, it needs no links to others, and it may lead to nothing. So no other thread and no mutex of
 * the program is ever touched. The C library empties that place when the thread uses a robust
 * mutex; whoever sleeps or wakes next fills it again.
 *
 * The words lie in pages that are set aside with the first of them, one for each node of this
 * process, and never given back: what a thread that is forgotten still points to is no memory, or
 * an omen. All calls may come from any thread.
 */

#include <stdint.h>

#include "base/compiler.h"

#define OMENS_MAX 16

/* Maps the word of node `slot`, whose open file is `fd`, and watches it with this thread. Where
 * that cannot be had there is none; nobody depends on it. */
void omen_begin(unsigned slot, int fd);

/* This thread watches if none does. No system call if one does. */
void omen_watch(unsigned slot);

void omen_end(unsigned slot);

/* In a child made by fork: the words are its parent's, all of them end here. */
void omen_forget_parent(void);

/* Has every thread of this process begun to end, so that none of its instructions will run again?
 * 1; 0 no, or it cannot be told. `pid` must be of our own PID namespace. */
int omen_confirm(int32_t pid);

/* Which PID namespace this process counts in; 0: it cannot be told, or /proc is of another. */
uint64_t omen_get_space(void);

#endif
