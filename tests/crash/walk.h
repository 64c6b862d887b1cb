/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASH_WALK_H
#define CRASH_WALK_H

/*
 * Walk: a process that writes down its own instructions. It executes them one by one by the
 * processor's trap flag and has a handler for that: a step costs a microsecond or two, where one by
 * ptrace(2) costs 20 to 60.
 *
 * x86-64 only.
 */

#include "trace.h"

/* In who starts processes: whether they can, from now on. */
bool walk_begin(void);

/* In the process, before it is let go to its first mark. */
void walk_prepare(void);

/* Lets a process that is stopped at a mark walk to the next one, where it ends; it is traced no more.
 * The instructions behind the mark are added to `ret`. False: it did not come to a mark, or there is
 * no room for so many. */
bool walk_run(struct traced *process, struct trace *ret);

#endif
