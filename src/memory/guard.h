/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMORY_GUARD_H
#define MEMORY_GUARD_H

/*
 * Guard: what is done when memory of a mapped file is gone. Whoever may write a file may shorten it,
 * and then touching it is SIGBUS. If the program wants it, such a page is replaced by one of ones: no
 * sequence, cursor, hold or size of ours is all ones, so it is told apart from what is right.
 *
 * The table lists the mappings that this process has of files of ours; it is read in the signal
 * handler, without locks. All calls may come from any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/* More mappings than this are not guarded. */
#define GUARDS_MAX 8192

/* A mapping begins or ends. The number says which it is; 0: not guarded, and fine to remove. */
uint32_t guard_add(const void *base, size_t size);
void guard_remove(uint32_t guard);

/* Was one of its pages replaced? */
bool guard_is_broken(uint32_t guard);

/* Installs the handler, for good; `told` is called in it, after a page was replaced. 0; -EBUSY: it is
 * installed, and somebody has put another one over it since. */
int guard_install(void (*told)(void));

#endif
