/* SPDX-License-Identifier: Apache-2.0 */
#include "api/lookout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include "base/error.h"
#include "os/os.h"
#include "registry/view.h"

#define AGAIN_TIMES 3
#define AGAIN_NS 1000000
/* In one call: who makes and removes files all the time keeps nobody in it. */
#define READS 64

/* What happens to a folder's names, and to files that have one in it. */
#define NAMES (IN_CREATE | IN_DELETE | IN_MOVE | IN_DELETE_SELF | IN_MOVE_SELF)
#define FILES (NAMES | IN_CLOSE_WRITE | IN_ATTRIB)

/*
 * Folders
 */

/* The watch of a folder: its number, or -errno. The same folder has the same number. */
static int add(struct lookout *l, const char *path, uint32_t mask)
{
	return os->notify_add(l->notify, path, mask | IN_ONLYDIR);
}

/* One that need not be there. */
static int add_if_there(struct lookout *l, const char *path, uint32_t mask, int *ret_wd)
{
	int wd = add(l, path, mask);

	*ret_wd = wd < 0 ? -1 : wd;
	return wd < 0 && wd != -ENOENT && wd != -ENOTDIR ? wd : 0;
}

/* The nearest folder above the domain's. It may have got the next one before it was watched: then the
 * caller sees that the domain, or one nearer, is there. */
static int watch_above(struct lookout *l, char *ret_missing)
{
	char path[DOMAIN_PATH_MAX];
	int wd = -ENOENT;

	(void)snprintf(path, sizeof(path), "%s", l->domain->path);
	while (wd == -ENOENT) {
		char *slash = strrchr(path, '/');

		(void)snprintf(ret_missing, DOMAIN_PATH_MAX, "%s", path);
		if (!slash)
			return -ENOENT;
		slash[slash == path] = 0;
		wd = add(l, path, NAMES);
		if (slash == path)
			break;
	}
	if (wd >= 0)
		l->above_wd = wd;
	return wd < 0 ? wd : 0;
}

static bool is_there(const char *path)
{
	struct stat seen;

	return os->stat_at(AT_FDCWD, path, &seen) == 0;
}

static void leave_above(struct lookout *l)
{
	if (l->above_wd >= 0)
		(void)os->notify_remove(l->notify, l->above_wd);
	l->above_wd = -1;
}

static int watch_domain(struct lookout *l)
{
	char missing[DOMAIN_PATH_MAX];
	int r;

	do {
		r = add_if_there(l, l->domain->path, NAMES, &l->domain_wd);
		if (r < 0 || l->domain_wd >= 0)
			break;
		r = watch_above(l, missing);
	} while (r == 0 && is_there(missing));
	if (l->domain_wd >= 0)
		leave_above(l);
	return r;
}

/* Watching comes before reading: nothing is missed that comes between. */
static int watch_folders(struct lookout *l)
{
	char path[DOMAIN_NAME_MAX];
	int r = watch_domain(l);

	if (r < 0)
		return r;
	domain_path(l->domain, "nodes", ".", path);
	r = add_if_there(l, path, FILES, &l->nodes_wd);
	if (r < 0)
		return r;
	domain_path(l->domain, "topics", ".", path);
	r = add_if_there(l, path, NAMES, &l->topics_wd);
	if (r < 0)
		return r;
	l->moved = false;
	l->nodes_changed = l->topics_changed = true;
	return 0;
}

/*
 * Topics
 */

static struct lookout_topic *find(struct lookout *l, const char *name)
{
	for (size_t i = 0; i < l->count; i++)
		if (strcmp(l->topic[i].name, name) == 0)
			return &l->topic[i];
	return NULL;
}

static int append(struct lookout *l, const char *name, struct lookout_topic **ret)
{
	char *copy;

	if (l->count == l->room) {
		size_t room = l->room ? 2 * l->room : 16;
		struct lookout_topic *more = reallocarray(l->topic, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		l->topic = more;
		l->room = room;
	}
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	*ret = &l->topic[l->count++];
	**ret = (struct lookout_topic){.name = copy, .wd = -1};
	return 0;
}

/* Its folder is there. One that replaced another is watched anew: the end of that one's watch is told. */
static int add_topic(void *user, const char *name)
{
	struct lookout *l = user;
	struct lookout_topic *topic = find(l, name);
	char path[DOMAIN_NAME_MAX];
	int r = 0;

	if (!topic)
		r = append(l, name, &topic);
	if (r < 0)
		return r;
	topic->gone = false;
	if (topic->wd >= 0)
		return 0;
	domain_path(l->domain, "topics", name, path);
	r = add(l, path, FILES);
	topic->wd = r < 0 ? -1 : r;
	topic->changed = true;
	topic->gone = r == -ENOENT || r == -ENOTDIR;
	/* One that may not be read is there, and that is all that is known of it. */
	return r >= 0 || topic->gone || r == -EACCES ? 0 : r;
}

static int list_topics(struct lookout *l)
{
	int r;

	for (size_t i = 0; i < l->count; i++)
		l->topic[i].gone = true;
	r = view_each_topic(l->domain, add_topic, l);
	for (size_t i = 0; i < l->count; i++)
		l->topic[i].changed |= l->topic[i].gone;
	l->topics_changed = r < 0;
	return r < 0 ? r : 0;
}

static void drop(struct lookout *l, struct lookout_topic *topic)
{
	free(topic->name);
	*topic = l->topic[--l->count];
}

/*
 * What the kernel says
 */

static void note_everything(struct lookout *l)
{
	l->moved = l->nodes_changed = l->topics_changed = true;
	for (size_t i = 0; i < l->count; i++)
		l->topic[i].changed = true;
}

static void note_topic(struct lookout *l, const struct inotify_event *event)
{
	for (size_t i = 0; i < l->count; i++) {
		struct lookout_topic *topic = &l->topic[i];

		if (topic->wd != event->wd)
			continue;
		topic->changed = true;
		if (event->mask & (IN_CLOSE_WRITE | IN_ATTRIB))
			topic->again = AGAIN_TIMES;
		if (event->mask & (IN_IGNORED | IN_MOVE_SELF)) {
			topic->wd = -1;
			l->topics_changed = true;
		}
	}
}

static void note(struct lookout *l, const struct inotify_event *event)
{
	if (event->mask & IN_Q_OVERFLOW) {
		note_everything(l);
	} else if (event->wd == l->nodes_wd) {
		l->nodes_changed = true;
		if (event->mask & IN_CLOSE_WRITE)
			l->nodes_again = AGAIN_TIMES;
		l->moved |= (event->mask & (IN_IGNORED | IN_MOVE_SELF)) != 0;
	} else if (event->wd == l->topics_wd) {
		l->topics_changed = true;
		l->moved |= (event->mask & (IN_IGNORED | IN_MOVE_SELF)) != 0;
	} else if (event->wd == l->domain_wd || event->wd == l->above_wd) {
		l->moved = true;
	} else {
		note_topic(l, event);
	}
}

/* What is left keeps the descriptor readable. */
static int read_events(struct lookout *l)
{
	_Alignas(struct inotify_event) char buffer[4096];
	ssize_t size = 0;

	for (unsigned i = 0; i < READS; i++) {
		size = os->notify_read(l->notify, buffer, sizeof(buffer));
		if (size <= 0)
			break;
		for (char *at = buffer; at < buffer + size;) {
			struct inotify_event *event = (struct inotify_event *)(void *)at;

			note(l, event);
			at += sizeof(*event) + event->len;
		}
	}
	return size >= 0 || size == -EAGAIN ? 0 : (int)size;
}

/*
 * Looking again
 */

/* How often something is to be looked at again, at most. */
static unsigned count_again(const struct lookout *l)
{
	unsigned most = l->nodes_again;

	for (size_t i = 0; i < l->count; i++)
		if (l->topic[i].again > most)
			most = l->topic[i].again;
	return most;
}

static void note_again(struct lookout *l)
{
	l->due_ns = 0;
	(void)os->clear_event(l->timer);
	if (l->nodes_again) {
		l->nodes_again--;
		l->nodes_changed = true;
	}
	for (size_t i = 0; i < l->count; i++) {
		if (!l->topic[i].again)
			continue;
		l->topic[i].again--;
		l->topic[i].changed = true;
	}
}

static int set_timer(struct lookout *l)
{
	int64_t delay_ns = AGAIN_NS;
	unsigned again = count_again(l);
	int r;

	if (again == 0 || l->due_ns)
		return 0;
	for (unsigned i = again; i < AGAIN_TIMES; i++)
		delay_ns *= 10;
	r = os->set_timer(l->timer, delay_ns);
	if (r == 0)
		l->due_ns = os->now_ns() + delay_ns;
	return r;
}

/* What has gone and was looked at since. */
static void forget_gone(struct lookout *l)
{
	for (size_t i = 0; i < l->count;) {
		if (l->topic[i].gone && !l->topic[i].changed)
			drop(l, &l->topic[i]);
		else
			i++;
	}
}

int lookout_read(struct lookout *l)
{
	int r;

	forget_gone(l);
	r = read_events(l);
	if (l->due_ns && l->due_ns <= os->now_ns())
		note_again(l);
	if (r == 0 && l->moved)
		r = watch_folders(l);
	if (r == 0 && l->topics_changed)
		r = list_topics(l);
	if (r == 0)
		r = set_timer(l);
	return r;
}

bool lookout_take_nodes(struct lookout *l)
{
	bool changed = l->nodes_changed;

	l->nodes_changed = false;
	return changed;
}

bool lookout_take_topic(struct lookout *l, char *ret_name)
{
	for (size_t i = 0; i < l->count; i++) {
		struct lookout_topic *topic = &l->topic[i];

		if (!topic->changed)
			continue;
		topic->changed = false;
		(void)snprintf(ret_name, FLOE_TOPIC_NAME_MAX + 1, "%s", topic->name);
		return true;
	}
	return false;
}

void lookout_mark_nodes(struct lookout *l)
{
	l->nodes_changed = true;
}

void lookout_mark_topic(struct lookout *l, const char *name)
{
	struct lookout_topic *topic = find(l, name);

	if (topic)
		topic->changed = true;
}

int lookout_ring(struct lookout *l, bool rings)
{
	int r = rings ? os->raise_event(l->bell) : os->clear_event(l->bell);

	return r == -EAGAIN ? 0 : r;
}

/*
 * Opening and closing
 */

static int open_descriptors(struct lookout *l)
{
	int r = l->poll = os->make_poll();

	if (r >= 0)
		r = l->notify = os->make_notify();
	if (r >= 0)
		r = l->timer = os->make_timer();
	if (r >= 0)
		r = l->bell = os->make_event();
	if (r >= 0)
		r = os->poll_add(l->poll, l->notify, EPOLLIN, 0);
	if (r >= 0)
		r = os->poll_add(l->poll, l->timer, EPOLLIN, 0);
	if (r >= 0)
		r = os->poll_add(l->poll, l->bell, EPOLLIN, 0);
	return r;
}

int lookout_open(struct lookout *ret_lookout, const struct domain *domain, struct floe_error *error)
{
	struct lookout *l = ret_lookout;
	int r;

	*l = LOOKOUT_NULL;
	l->domain = domain;
	l->moved = true;
	r = open_descriptors(l);
	if (r < 0)
		return error_system(error, r, "open", "a descriptor");
	r = lookout_read(l);
	if (r == -ENOSPC)
		return error_set(error, r,
				 "too many folders to watch: raise "
				 "fs.inotify.max_user_watches");
	return r < 0 ? error_system(error, r, "watch", domain->path) : 0;
}

void lookout_close(struct lookout *l)
{
	while (l->count)
		drop(l, &l->topic[0]);
	free(l->topic);
	os_close_fdp(&l->notify);
	os_close_fdp(&l->timer);
	os_close_fdp(&l->bell);
	os_close_fdp(&l->poll);
	*l = LOOKOUT_NULL;
}
