/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"

#include <errno.h>
#include <stdio.h>

#include "look.h"
#include "wait.h"

#define RETRY_NS (WAIT_SECOND / 100)

void watch_init(struct watch *watch, struct frame *frame, const char *topic, uint64_t history)
{
	*watch = (struct watch){.frame = frame, .topic = topic, .history = history};
}

/* Else one would wait for messages that can be seen by others only. */
static void tell_unreadable(const struct watch *watch)
{
	struct look_topic topic = {0};

	(void)snprintf(topic.info.name, sizeof(topic.info.name), "%s", watch->topic);
	(void)look_inside(&topic, watch->frame->view);
	for (size_t i = 0; i < topic.publishers_count; i++) {
		const struct floe_publisher_info *publisher = &topic.publishers[i];

		if (publisher->state == FLOE_STATE_HIDDEN)
			frame_say(
				watch->frame,
				"publisher %u of '%s' does not let this user read (user %u, mode %04o)",
				publisher->index, watch->topic, publisher->uid, publisher->mode);
		if (publisher->state == FLOE_STATE_BROKEN)
			frame_say(watch->frame, "publisher %u of '%s': %s", publisher->index,
				  watch->topic, frame_reason(-EPROTO));
	}
	look_topic_end(&topic);
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

	r = floe_observer_open(&watch->observer, watch->frame->view, watch->topic, &options);
	if (r == -ENOENT) {
		/* Whatever this topic will have when it comes is new to us: its first messages
		 * are published before we can find it. */
		watch->history = FLOE_DEPTH_MAX;
		return 0;
	}
	if (r < 0)
		return r;
	tell_unreadable(watch);
	return 1;
}

static void leave(struct watch *watch)
{
	if (!watch->has_gone || watch->is_kept)
		return;
	watch_end(watch);
	watch->history = FLOE_DEPTH_MAX;
}

/* What the observer said: the same, or 0 where it was told and one goes on. */
static int conclude(struct watch *watch, int r)
{
	watch->has_gone = r == -ENOENT;
	if (r == -EACCES || r == -EPROTO) {
		tell_unreadable(watch);
		return 0;
	}
	if (!watch->has_gone)
		return r;
	leave(watch);
	return 0;
}

/* 1 there is an observer, which may be waiting for its topic to be made again; 0 not yet. */
static int find_observer(struct watch *watch)
{
	leave(watch);
	return watch->observer ? 1 : find_topic(watch);
}

int watch_next(struct watch *watch, bool peek, struct floe_sample *ret)
{
	int r = find_observer(watch);

	return r <= 0 ? r : conclude(watch, floe_observer_next(watch->observer, peek, ret));
}

int watch_borrow(struct watch *watch, struct floe_sample *ret, size_t count)
{
	int r = find_observer(watch);

	return r <= 0 ? r : conclude(watch, floe_observer_borrow_many(watch->observer, ret, count));
}

const char *watch_reason(int code)
{
	return code == -EINVAL ? "no topic can have this name" : frame_reason(code);
}

void watch_end(struct watch *watch)
{
	floe_observer_close(watch->observer);
	watch->observer = NULL;
	watch->has_gone = false;
}
