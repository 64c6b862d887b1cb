/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_WATCH_H
#define TOOLS_WATCH_H

/*
 * The messages of one topic as an observer sees them, also of a topic that does not exist yet.
 */

#include <stdbool.h>
#include <stdint.h>

#include <floe/inspect.h>

struct watch {
	struct floe_view *view;
	const char *topic;
	uint64_t history;
	struct floe_observer *observer; /* NULL: there is no such topic yet */
	int64_t retry_ns;               /* when to look for it again */
};

void watch_init(struct watch *watch, struct floe_view *view, const char *topic, uint64_t history);

/* 1 with a message, 0 nothing there, or -errno. Never blocks. */
int watch_next(struct watch *watch, bool peek, struct floe_sample *ret);

void watch_end(struct watch *watch);

#endif
