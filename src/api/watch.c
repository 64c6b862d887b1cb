/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The calls of watch.h. A struct floe_watch is a handle; `struct watch` is what lies behind it: the
 * lookout says where something may have changed, the inventory what has, and what passes the filters
 * waits in a queue.
 *
 *   the queue is not empty  =>  the bell rings, so the descriptor is readable
 */

#include <floe/watch.h>

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "api/handle.h"
#include "api/inventory.h"
#include "api/lookout.h"
#include "api/options.h"
#include "api/service.h"
#include "base/error.h"
#include "os/os.h"

struct watch {
	struct domain domain;
	struct lookout lookout;
	struct inventory inventory;
	struct floe_watch_options options;
	char *topic; /* copies of the patterns, or NULL */
	char *process;
	struct floe_watch_event *queue;
	size_t first, end, room;
	bool opening;
	bool rings;
};

/*
 * Filters
 */

/* What is on a service's topics is told as the service's. False: it is not to be told. */
static bool translate(const struct watch *w, struct floe_watch_event *event)
{
	size_t length;
	enum service_part part = service_part_of(event->topic, &length);

	if (part == SERVICE_NONE || event->kind == FLOE_KIND_NODE)
		return true;
	if (part == SERVICE_MEETING && event->kind == FLOE_KIND_PUBLISHER)
		event->kind = FLOE_KIND_SERVER;
	else if (part == SERVICE_MEETING && event->kind == FLOE_KIND_SUBSCRIBER)
		event->kind = FLOE_KIND_CLIENT;
	else
		return w->options.flags & FLOE_WATCH_INSIDE;
	event->topic[length] = 0;
	return true;
}

static bool matches(const char *pattern, const char *text)
{
	return !pattern || fnmatch(pattern, text, 0) == 0;
}

static bool is_wanted(const struct watch *w, const struct floe_watch_event *event, uint32_t before)
{
	const struct floe_watch_options *o = &w->options;

	if (o->kinds && !(o->kinds >> event->kind & 1))
		return false;
	if (o->states && !(o->states >> event->state & 1) && !(o->states >> before & 1))
		return false;
	if (event->kind != FLOE_KIND_NODE && !matches(w->topic, event->topic))
		return false;
	return event->kind == FLOE_KIND_TOPIC || matches(w->process, event->process);
}

/*
 * The queue
 */

static int make_room(struct watch *w)
{
	size_t count = w->end - w->first;
	struct floe_watch_event *more;

	if (w->first) {
		memmove(w->queue, w->queue + w->first, count * sizeof(*w->queue));
		w->first = 0;
		w->end = count;
	}
	if (w->end < w->room)
		return 0;
	more = reallocarray(w->queue, w->room ? 2 * w->room : 64, sizeof(*more));
	if (!more)
		return -ENOMEM;
	w->queue = more;
	w->room = w->room ? 2 * w->room : 64;
	return 0;
}

static void mark_topic(void *user, const char *topic)
{
	struct watch *w = user;

	lookout_mark_topic(&w->lookout, topic);
}

static int add(void *user, const struct floe_watch_event *event, uint32_t before)
{
	struct floe_watch_event told = *event;
	struct watch *w = user;

	/* A process is gone: so is what it had on topics. */
	if (event->kind == FLOE_KIND_NODE && event->what != FLOE_WATCH_CAME)
		inventory_each_topic_of(&w->inventory, event->node, mark_topic, w);
	if (!translate(w, &told) || !is_wanted(w, &told, before))
		return 0;
	if (w->end == w->room && make_room(w) < 0)
		return -ENOMEM;
	if (w->opening)
		told.what = FLOE_WATCH_THERE;
	w->queue[w->end++] = told;
	return 0;
}

/* What cannot be read now is still marked, for the next time. */
static int read_changes(struct watch *w)
{
	char topic[FLOE_TOPIC_NAME_MAX + 1];
	int failed = 0;
	int r = lookout_read(&w->lookout);

	if (lookout_take_nodes(&w->lookout)) {
		failed = inventory_read_nodes(&w->inventory);
		if (failed < 0)
			lookout_mark_nodes(&w->lookout);
	}
	while (failed == 0 && lookout_take_topic(&w->lookout, topic)) {
		failed = inventory_read_topic(&w->inventory, topic);
		if (failed < 0)
			lookout_mark_topic(&w->lookout, topic);
	}
	return r < 0 ? r : failed;
}

static void ring(struct watch *w, bool rings)
{
	if (w->rings != rings && lookout_ring(&w->lookout, rings) == 0)
		w->rings = rings;
}

/*
 * Opening and closing
 */

static void end(struct watch *w)
{
	lookout_close(&w->lookout);
	inventory_deinit(&w->inventory);
	free(w->topic);
	free(w->process);
	free(w->queue);
	free(w);
}

static int keep_pattern(char **ret, const char *pattern)
{
	*ret = pattern ? strdup(pattern) : NULL;
	return pattern && !*ret ? -ENOMEM : 0;
}

static int begin(struct watch *w)
{
	const struct floe_watch_options *o = &w->options;
	int r = domain_init(&w->domain, o->dir, o->domain, o->error);

	if (r == 0)
		r = keep_pattern(&w->topic, o->topic);
	if (r == 0)
		r = keep_pattern(&w->process, o->process);
	if (r == 0)
		r = lookout_open(&w->lookout, &w->domain, o->error);
	if (r < 0)
		return r;
	w->inventory.domain = &w->domain;
	w->inventory.tell = add;
	w->inventory.user = w;
	w->opening = true;
	r = read_changes(w);
	w->opening = false;
	ring(w, w->first < w->end);
	return r;
}

FLOE_PUBLIC int floe_watch_open(struct floe_watch **ret, const struct floe_watch_options *options)
{
	struct floe_watch_options o;
	struct watch *w;
	void *handle;
	int r;

	if (!ret)
		return -EINVAL;
	r = options_read_watch(&o, options);
	if (r < 0)
		return r;
	error_clear(o.error);
	w = calloc(1, sizeof(*w));
	if (!w)
		return error_set(o.error, -ENOMEM, "out of memory");
	w->options = o;
	w->lookout = LOOKOUT_NULL;
	r = begin(w);
	if (r == 0)
		r = handle_open(&handle, HANDLE_WATCH, w);
	if (r < 0) {
		error_complete(o.error, r, "watch", w->domain.path);
		end(w);
		return r;
	}
	*ret = handle;
	return 0;
}

FLOE_PUBLIC void floe_watch_close(struct floe_watch *watch)
{
	struct watch *w = handle_close(watch, HANDLE_WATCH);

	if (w)
		end(w);
}

/*
 * The calls
 */

FLOE_PUBLIC int floe_watch_next(struct floe_watch *watch, struct floe_watch_event *ret, size_t size)
{
	struct watch *w = handle_find(watch, HANDLE_WATCH);
	int r = 0;

	if (!w || !ret || !size)
		return -EINVAL;
	if (w->first == w->end)
		r = read_changes(w);
	ring(w, w->first < w->end);
	if (w->first == w->end)
		return r;
	memset(ret, 0, size);
	memcpy(ret, &w->queue[w->first++], size < sizeof(w->queue[0]) ? size : sizeof(w->queue[0]));
	if (w->first == w->end)
		w->first = w->end = 0;
	return 1;
}

FLOE_PUBLIC int floe_watch_wait(struct floe_watch *watch, int64_t deadline_ns)
{
	struct watch *w = handle_find(watch, HANDLE_WATCH);
	struct epoll_event event;

	if (!w)
		return -EINVAL;
	return os->poll_wait(w->lookout.poll, &event, 1, deadline_ns);
}

FLOE_PUBLIC int floe_watch_fd(struct floe_watch *watch)
{
	struct watch *w = handle_find(watch, HANDLE_WATCH);

	return w ? w->lookout.poll : -EINVAL;
}
