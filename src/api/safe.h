/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_SAFE_H
#define API_SAFE_H

/*
 * Safe: a port that any threads of a process use at once, FLOE_THREAD_SAFE. It has two handles: the
 * program's, of a kind of its own, and behind it that of the port as any other has it. A call that
 * does not find a port behind the program's handle looks for this here, takes its lock, and makes
 * itself once more with the port's handle. So other ports pay nothing.
 *
 * The lock is let go while its holder sleeps and while it asks the program: whatever was known of the
 * port may be otherwise then.
 *
 * Private to the process; lies in the publication or subscription. There is no lock over all ports.
 */

#include "alloc/lock.h"
#include "api/handle.h"
#include "os/os.h"

struct safe {
	struct lock lock;
	void *port; /* its handle; NULL: one thread at a time */
};

/* The program's handle for a port that has one already, which is closed if this fails: -errno */
int safe_open(struct safe *safe, void **handle, enum handle_kind kind, enum handle_kind port_kind);

/* The same with its lock held, or NULL: it is no such handle. */
struct safe *safe_enter(const void *handle, enum handle_kind kind);

/* Its lock is free again. Returns r. */
int safe_leave(struct safe *safe, int r);

/* The object of the port; NULL: it is no such handle. */
void *safe_close(void *handle, enum handle_kind kind, enum handle_kind port_kind);

/* Around whatever takes long or asks the program, by who has entered. Nothing for other ports. */
void safe_let_go(struct safe *safe);
void safe_take_again(struct safe *safe);

/* os->wait_any, with the lock let go. */
int safe_wait_any(struct safe *safe, const struct os_wait *words, unsigned count,
		  int64_t deadline_ns);

#endif
