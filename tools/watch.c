/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"

#include <errno.h>

#include "wait.h"

#define RETRY_NS (WAIT_SECOND / 100)

void watch_init(struct watch *watch, struct floe_view *view, const char *topic, uint64_t history)
{
	*watch = (struct watch){.view = view, .topic = topic, .history = history};
}

/* 1 there is an observer, 0 not yet. */
static int find_topic(struct watch *watch)
{
	struct floe_observer_options options = {.size = sizeof(options), .history = watch->history};
	int64_t now_ns = wait_now_ns();
	int r;

	if (now_ns < watch->retry_ns)
		return 0;
	watch->retry_ns = now_ns + RETRY_NS;

	r = floe_observer_open(&watch->observer, watch->view, watch->topic, &options);
	if (r == -ENOENT) {
		/* Whatever this topic will have when it comes is new to us: its first messages
		 * are published before we can find it. */
		watch->history = FLOE_DEPTH_MAX;
		return 0;
	}
	return r < 0 ? r : 1;
}

int watch_next(struct watch *watch, bool peek, struct floe_sample *ret)
{
	int r = 1;

	if (!watch->observer)
		r = find_topic(watch);
	if (r <= 0)
		return r;

	r = floe_observer_next(watch->observer, peek, ret);
	if (r != -ENOENT)
		return r;
	/* The topic has gone, and all it had was seen. */
	watch_end(watch);
	watch->history = FLOE_DEPTH_MAX;
	return 0;
}

void watch_end(struct watch *watch)
{
	floe_observer_close(watch->observer);
	watch->observer = NULL;
}
