/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECORD_TOUCH_H
#define RECORD_TOUCH_H

/*
 * Touch: reads memory of others, who may make their file shorter meanwhile, or take it away: then the kernel sends
 * SIGBUS or SIGSEGV. A handler takes the thread back to where the reading began. It costs some twenty instructions
 * for each piece of work, and no system call.
 *
 * Without touch_install it is the end, as ever. Any thread.
 */

#include <stddef.h>

/* Once, behind other handlers of these signals: what does not come from here is passed on to them. 0, -errno */
int touch_install(void);

/* What the work says; -EFAULT: some of what it read is gone, and it has ended there and then. So it holds no
 * lock while it reads and allocates nothing, and who called it undoes what it changed. */
int touch_run(int (*work)(void *user), void *user);

/* 0, -EFAULT: what was copied is anything */
int touch_copy(void *to, const void *from, size_t size);

#endif
