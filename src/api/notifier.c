/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The notifier's calls. A struct floe_notifier is a handle; `struct notification` is what lies behind
 * it.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/handle.h"
#include "api/options.h"
#include "base/error.h"
#include "base/name.h"
#include "channel/notifier.h"
#include "os/os.h"
#include "registry/cleanup.h"
#include "registry/seat_file.h"

struct notification {
	struct notifier notifier; /* first: notifying needs nothing else */
	struct node *node;
	struct topic topic;
	struct seat_file file;
};

static void format(const void *user, struct seat_shared *seat)
{
	const struct floe_notifier_options *o = user;

	event_format((struct event_shared *)(void *)seat, (uint32_t)o->ids);
}

static bool is_wanted(const void *user, const struct seat_shared *seat)
{
	const struct floe_notifier_options *o = user;

	return ((const struct event_shared *)(const void *)seat)->ids == o->ids;
}

static void watch(void *user)
{
	const struct notification *n = user;

	node_watch(n->node);
}

static int join(struct notification *n, const char *name, const struct floe_notifier_options *o)
{
	struct seat_plan plan = {
		.kind = &seat_event,
		.size = event_size((uint32_t)o->ids),
		.mode = o->mode,
		.format = format,
		.is_wanted = is_wanted,
		.user = o,
	};
	int r = node_get(&n->node, o->dir, o->domain, o->error);

	if (r == 0)
		r = topic_open(&n->topic, &n->node->domain, name, o->error);
	if (r < 0)
		return r;
	cleanup_bare_nodes(&n->node->domain);
	r = seat_file_open(&n->file, &plan, n->node, &n->topic, o->error);
	if (r < 0)
		return r;
	notifier_init(&n->notifier, (struct event_shared *)(void *)n->file.region.base,
		      (uint32_t)o->ids, n->topic.hints, o->deadline_ns);
	n->notifier.watch = watch;
	n->notifier.user = n;
	/* Who listens has perhaps looked before the promise and the sums were there. */
	seat_tell(n->topic.hints);
	topic_settle(&n->topic);
	return 0;
}

static void end(struct notification *n)
{
	if (n->file.region.base)
		seat_file_close(&n->file, n->topic.hints);
	cleanup_leave(&n->topic);
	node_put(n->node);
	free(n);
}

FLOE_PUBLIC int floe_notifier_open(struct floe_notifier **ret, const char *name,
				   const struct floe_notifier_options *options)
{
	struct floe_notifier_options o;
	struct notification *n;
	void *handle;
	int r;

	if (!ret)
		return -EINVAL;
	r = options_read_notifier(&o, options);
	if (r == 0)
		r = name_check(name, "event's name", FLOE_TOPIC_NAME_MAX, o.error);
	if (r < 0)
		return r;
	error_clear(o.error);

	n = calloc(1, sizeof(*n));
	if (!n)
		return error_set(o.error, -ENOMEM, "out of memory");
	n->topic = TOPIC_NULL;
	n->file = SEAT_FILE_NULL;
	r = join(n, name, &o);
	if (r == 0)
		r = handle_open(&handle, HANDLE_NOTIFIER, n);
	if (r < 0) {
		error_complete(o.error, r, "open", name);
		end(n);
		return r;
	}
	*ret = handle;
	return 0;
}

FLOE_PUBLIC void floe_notifier_close(struct floe_notifier *notifier)
{
	struct notification *n = handle_close(notifier, HANDLE_NOTIFIER);

	if (n)
		end(n);
}

FLOE_PUBLIC ssize_t floe_notifier_memory_size(const struct floe_notifier_options *options)
{
	struct floe_notifier_options o;
	int r = options_read_notifier(&o, options);

	return r < 0 ? r : (ssize_t)event_size((uint32_t)o.ids);
}

/* A handle that is not found as usual. 1: it is sound after all, again; -EPROTO memory of it is gone;
 * -EINVAL */
static floe_cold int refuse(struct floe_notifier *notifier)
{
	const struct notification *n = handle_find_suspect(notifier, HANDLE_NOTIFIER);

	if (!n)
		return -EINVAL;
	if (region_is_broken(&n->file.region) || region_is_broken(&n->topic.region))
		return -EPROTO;
	handle_trust(notifier, HANDLE_NOTIFIER);
	return 1;
}

FLOE_PUBLIC int floe_notify(struct floe_notifier *notifier, uint32_t id)
{
	struct notifier *n = handle_find(notifier, HANDLE_NOTIFIER);

	if (floe_unlikely(!n)) {
		int r = refuse(notifier);

		return r < 0 ? r : floe_notify(notifier, id);
	}
	return floe_likely(id < n->ids) ? notifier_notify(n, id) : -EINVAL;
}
