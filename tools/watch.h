/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_WATCH_H
#define TOOLS_WATCH_H

/*
 * The messages of one topic as an observer sees them, also of a topic that does not exist yet.
 */

#include <stdbool.h>
#include <stdint.h>

#include "frame.h"

struct watch {
	struct frame *frame;
	const char *topic;
	uint64_t history;
	struct floe_observer *observer; /* NULL: there is no such topic yet */
	int64_t retry_ns;               /* when to look for it again */
	bool has_gone;                  /* it has, and all it had was seen */
	bool is_kept; /* by who still looks at what was borrowed: the observer stays until then */
};

/* frame: its view is open. */
void watch_init(struct watch *watch, struct frame *frame, const char *topic, uint64_t history);

/* 1 with a message, 0 nothing there, or -errno. Never waits. A publisher that cannot be read is
 * told of on stderr and left out. */
int watch_next(struct watch *watch, bool peek, struct floe_sample *ret);

/* The same without a copy, up to `count`: how many; see floe_observer_borrow_many. */
int watch_borrow(struct watch *watch, struct floe_sample *ret, size_t count);

/* What went wrong, for people. */
const char *watch_reason(int code);

void watch_end(struct watch *watch);

#endif
