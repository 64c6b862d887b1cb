/* SPDX-License-Identifier: Apache-2.0 */
#include "api/inventory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"

/* Nodes may come while they are counted. */
#define NODES_SPARE 16

/*
 * Shelves
 */

static struct shelf *find_shelf(struct inventory *in, const char *topic)
{
	for (size_t i = 0; i < in->count; i++)
		if (strcmp(in->shelf[i].topic, topic) == 0)
			return &in->shelf[i];
	return NULL;
}

static struct shelf *get_shelf(struct inventory *in, const char *topic)
{
	struct shelf *shelf = find_shelf(in, topic);

	if (shelf)
		return shelf;
	if (in->count == in->room) {
		size_t room = in->room ? 2 * in->room : 16;
		struct shelf *more = reallocarray(in->shelf, room, sizeof(*more));

		if (!more)
			return NULL;
		in->shelf = more;
		in->room = room;
	}
	shelf = &in->shelf[in->count++];
	*shelf = (struct shelf){0};
	(void)snprintf(shelf->topic, sizeof(shelf->topic), "%s", topic);
	return shelf;
}

static void drop_shelf(struct inventory *in, struct shelf *shelf)
{
	free(shelf->item);
	*shelf = in->shelf[--in->count];
}

void inventory_deinit(struct inventory *in)
{
	while (in->count)
		drop_shelf(in, &in->shelf[0]);
	free(in->shelf);
	*in = (struct inventory){0};
}

/*
 * Comparing
 */

/* The same place, whoever has it. */
static bool is_same(const struct item *a, const struct item *b)
{
	return a->event.kind == b->event.kind && a->event.index == b->event.index &&
	       (a->event.kind != FLOE_KIND_NODE || a->event.node == b->event.node);
}

static const struct item *find_item(const struct item *items, size_t count,
				    const struct item *wanted)
{
	for (size_t i = 0; i < count; i++)
		if (is_same(&items[i], wanted))
			return &items[i];
	return NULL;
}

/* Somebody else has it by now. Who closed what he leaves is nobody else. */
static bool is_others(const struct item *before, const struct item *now)
{
	return now->event.node != 0 &&
	       (before->event.node != now->event.node || before->generation != now->generation);
}

static int tell(const struct inventory *in, const struct item *item, uint32_t what, uint32_t before)
{
	struct floe_watch_event event = item->event;

	event.what = what;
	return in->tell(in->user, &event, before);
}

static int tell_change(const struct inventory *in, const struct item *before,
		       const struct item *now)
{
	uint32_t state = before->event.state;
	bool died = now->event.state == FLOE_STATE_DEAD && state == FLOE_STATE_ALIVE &&
		    now->event.kind != FLOE_KIND_TOPIC;

	if (now->event.state == state && strcmp(before->event.type, now->event.type) == 0)
		return 0;
	return tell(in, now, died ? FLOE_WATCH_DIED : FLOE_WATCH_CHANGED, state);
}

/* Who is gone, or has closed it, cannot be asked any more: he is who he was. */
static void inherit(const struct shelf *old, struct shelf *fresh)
{
	for (size_t i = 0; i < fresh->count; i++) {
		struct floe_watch_event *now = &fresh->item[i].event;
		const struct item *was = find_item(old->item, old->count, &fresh->item[i]);

		if (!was || is_others(was, &fresh->item[i]) || *now->process)
			continue;
		now->pid = was->event.pid;
		now->uid = was->event.uid;
		memcpy(now->process, was->event.process, sizeof(now->process));
	}
}

static int compare(const struct inventory *in, const struct shelf *old, const struct shelf *fresh)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < old->count; i++) {
		const struct item *was = &old->item[i];
		const struct item *now = find_item(fresh->item, fresh->count, was);

		if (!now || is_others(was, now))
			r = tell(in, was, FLOE_WATCH_WENT, was->event.state);
	}
	for (size_t i = 0; r == 0 && i < fresh->count; i++) {
		const struct item *now = &fresh->item[i];
		const struct item *was = find_item(old->item, old->count, now);

		r = was && !is_others(was, now) ? tell_change(in, was, now)
						: tell(in, now, FLOE_WATCH_CAME, now->event.state);
	}
	return r;
}

/* What is known from now on, unless it could not be told. */
static int replace(struct inventory *in, struct shelf *fresh)
{
	struct shelf *shelf = get_shelf(in, fresh->topic);
	int r = -ENOMEM;

	if (shelf) {
		inherit(shelf, fresh);
		r = compare(in, shelf, fresh);
	}
	if (r < 0) {
		free(fresh->item);
		return r;
	}
	free(shelf->item);
	*shelf = *fresh;
	if (!shelf->count)
		drop_shelf(in, shelf);
	return 0;
}

/*
 * Reading
 */

static void set_text(char *ret, size_t size, const char *text)
{
	(void)snprintf(ret, size, "%.*s", (int)size - 1, text);
}

static struct item *next_item(struct shelf *shelf, uint32_t kind, uint32_t index, uint32_t state)
{
	struct item *item = &shelf->item[shelf->count++];

	*item = (struct item){.event = {.kind = kind, .index = index, .state = state}};
	set_text(item->event.topic, sizeof(item->event.topic), shelf->topic);
	return item;
}

static void set_owner(struct item *item, uint64_t node, int32_t pid, uint32_t uid,
		      const char *process)
{
	item->event.node = node;
	item->event.pid = pid;
	item->event.uid = uid;
	set_text(item->event.process, sizeof(item->event.process), process);
}

static void add_publishers(struct inventory *in, struct shelf *shelf)
{
	for (int i = 0; i < in->work.publishers; i++) {
		const struct floe_publisher_info *p = &in->work.publisher[i];
		struct item *item = next_item(shelf, FLOE_KIND_PUBLISHER, p->index, p->state);

		set_owner(item, p->node, p->pid, p->uid, p->process);
		set_text(item->event.type, sizeof(item->event.type), p->type);
		item->generation = p->generation;
	}
}

static void add_subscribers(struct inventory *in, struct shelf *shelf)
{
	for (int i = 0; i < in->work.subscribers; i++) {
		const struct floe_subscriber_info *s = &in->work.subscriber[i];
		struct item *item = next_item(shelf, FLOE_KIND_SUBSCRIBER, s->index, s->state);

		set_owner(item, s->node, s->pid, s->uid, s->process);
		set_text(item->event.type, sizeof(item->event.type), s->type);
	}
}

static void add_seats(struct inventory *in, struct shelf *shelf)
{
	for (int i = 0; i < in->work.seats; i++) {
		const struct floe_seat_info *s = &in->work.seat[i];
		uint32_t kind = s->kind == FLOE_SEAT_WRITER ? FLOE_KIND_WRITER : FLOE_KIND_NOTIFIER;
		struct item *item = next_item(shelf, kind, s->index, s->state);

		set_owner(item, s->node, s->pid, s->uid, s->process);
		item->generation = s->generation;
	}
}

/* While it is being made, or removed, there is a folder and no topic yet. */
static bool has_topic(const struct domain *domain, const char *topic, uint32_t *ret_uid)
{
	char path[DOMAIN_NAME_MAX], file[DOMAIN_NAME_MAX + 16];
	struct stat seen;

	domain_path(domain, "topics", topic, path);
	(void)snprintf(file, sizeof(file), "%s/topic", path);
	if (os->stat_at(AT_FDCWD, file, &seen) < 0)
		return false;
	*ret_uid = seen.st_uid;
	return true;
}

static int fill_shelf(struct inventory *in, struct shelf *shelf, const struct floe_topic_info *info,
		      uint32_t uid)
{
	size_t count = 1 + (size_t)in->work.publishers + (size_t)in->work.subscribers +
		       (size_t)in->work.seats;
	struct item *item;

	shelf->item = calloc(count, sizeof(*shelf->item));
	if (!shelf->item)
		return -ENOMEM;
	item = next_item(shelf, FLOE_KIND_TOPIC, 0, info->state);
	item->event.uid = uid;
	set_text(item->event.type, sizeof(item->event.type), info->type.name);
	add_publishers(in, shelf);
	add_subscribers(in, shelf);
	add_seats(in, shelf);
	return 0;
}

/* Lists say how many there are, which may be more than they have room for. */
static int cut(int count, size_t most)
{
	if (count < 0)
		return 0;
	return (size_t)count < most ? count : (int)most;
}

int inventory_read_topic(struct inventory *in, const char *topic)
{
	struct view_room *work = &in->work;
	struct shelf fresh = {0};
	struct floe_topic_info info;
	uint32_t uid;
	int r = view_topic(in->domain, topic, work, &info);

	set_text(fresh.topic, sizeof(fresh.topic), topic);
	if (r < 0 && r != -ENOENT && r != -EACCES)
		return r;
	work->publishers = cut(work->publishers, FLOE_PUBLISHERS_MAX);
	work->subscribers = cut(work->subscribers, FLOE_SUBSCRIBERS_MAX);
	work->seats = cut(work->seats, FLOE_COUNT(work->seat));
	if (r == -EACCES)
		info.state = FLOE_STATE_HIDDEN;
	r = r != -ENOENT && has_topic(in->domain, topic, &uid) ? fill_shelf(in, &fresh, &info, uid)
							       : 0;
	return r < 0 ? r : replace(in, &fresh);
}

static void add_node(struct shelf *shelf, const struct floe_node_info *node)
{
	struct item *item = next_item(shelf, FLOE_KIND_NODE, 0, node->state);

	set_owner(item, node->id, node->pid, node->uid, node->process);
	item->event.tid = node->tid;
	set_text(item->event.thread, sizeof(item->event.thread), node->thread);
}

static int list_nodes(struct inventory *in, struct floe_node_info **ret, size_t *ret_count)
{
	struct floe_node_info *nodes;
	size_t room = NODES_SPARE;
	int r;

	for (;; room = (size_t)r + NODES_SPARE) {
		nodes = calloc(room, sizeof(*nodes));
		if (!nodes)
			return -ENOMEM;
		r = view_nodes(in->domain, nodes, room);
		if (r >= 0 && (size_t)r <= room)
			break;
		free(nodes);
		if (r < 0)
			return r;
	}
	*ret = nodes;
	*ret_count = (size_t)r;
	return 0;
}

int inventory_read_nodes(struct inventory *in)
{
	struct shelf fresh = {0};
	struct floe_node_info *nodes;
	size_t count;
	int r = list_nodes(in, &nodes, &count);

	if (r < 0)
		return r;
	fresh.item = calloc(count + 1, sizeof(*fresh.item));
	for (size_t i = 0; fresh.item && i < count; i++)
		add_node(&fresh, &nodes[i]);
	free(nodes);
	return fresh.item ? replace(in, &fresh) : -ENOMEM;
}

static bool has_something(const struct shelf *shelf, uint64_t node)
{
	for (size_t i = 0; i < shelf->count; i++)
		if (shelf->item[i].event.node == node)
			return true;
	return false;
}

void inventory_each_topic_of(const struct inventory *in, uint64_t node,
			     void (*each)(void *user, const char *topic), void *user)
{
	for (size_t i = 0; i < in->count; i++)
		if (*in->shelf[i].topic && has_something(&in->shelf[i], node))
			each(user, in->shelf[i].topic);
}
