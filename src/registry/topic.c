/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/topic.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/error.h"
#include "os/os.h"
#include "registry/file.h"

/* Removing takes some ten system calls; who was stopped in the middle is not waited for longer. */
#define LOCK_WAIT_NS 1000000000
#define LOCK_STEP_NS 200000
#define ATTEMPTS 1000

void place_name(char *ret_name, const char *prefix, uint32_t index)
{
	(void)snprintf(ret_name, PLACE_NAME_MAX, "%s%u", prefix, index);
}

int topic_open_dir(const struct topic *topic, struct floe_error *error)
{
	return file_open_dir(AT_FDCWD, topic->path, error);
}

/* Unnamed, filled, then named: nobody sees it half made. The descriptor; -EEXIST: somebody was faster. */
static int make_file(int dir, mode_t mode, struct floe_error *error)
{
	struct topic_shared shared = {.identity = identity_make(TOPIC_MAGIC, TOPIC_SIGNATURE)};
	floe_cleanup(os_close_fdp) int fd = file_create(dir, mode, error);
	int r;

	if (fd < 0)
		return fd;
	r = os->get_random(&shared.id, sizeof(shared.id));
	if (r < 0)
		return r;
	r = file_fill(fd, &shared, sizeof(shared));
	if (r == 0)
		r = os->link_fd(fd, dir, "topic");
	if (r == -EEXIST || r == -ENOENT)
		return r;
	return r < 0 ? error_system(error, r, "make", "topic") : take_fd(&fd);
}

int topic_map(struct region *ret_region, int fd, const char *path, uint64_t *ret_id,
	      struct floe_error *error)
{
	struct region region = REGION_NULL;
	struct identity_shared seen;
	int r = file_map(&region, fd, sizeof(struct topic_shared), sizeof(struct topic_shared),
			 true, path, error);

	if (r < 0)
		return r;
	copy_once(&seen, region.base, sizeof(seen));
	r = identity_check(seen, TOPIC_MAGIC, TOPIC_SIGNATURE, "a topic file", path, error);
	if (r < 0) {
		region_close(&region);
		return r;
	}
	*ret_id = ((const struct topic_shared *)(const void *)region.base)->id;
	*ret_region = region;
	return 0;
}

/* A coordinator may have made the folder, for others than the domain's. */
static mode_t file_mode(const struct topic *topic, int dir)
{
	struct stat seen;

	return os->stat(dir, &seen) < 0 ? topic->domain->file_mode : seen.st_mode & 0666;
}

/* Opens the topic file, made if missing. -EAGAIN: the folder went away meanwhile. */
static int open_file(const struct topic *topic, struct floe_error *error)
{
	floe_cleanup(os_close_fdp) int dir = -1;
	char path[DOMAIN_NAME_MAX + 16];
	int fd;
	int r;

	r = file_make_dir(AT_FDCWD, topic->path, topic->domain->dir_mode, error);
	if (r < 0)
		return r == -ENOENT ? -EAGAIN : r;
	dir = topic_open_dir(topic, error);
	if (dir < 0)
		return dir == -ENOENT ? -EAGAIN : dir;
	(void)snprintf(path, sizeof(path), "%s/topic", topic->path);
	fd = file_open(AT_FDCWD, path, O_RDWR, error);
	if (fd != -ENOENT)
		return fd;

	fd = make_file(dir, file_mode(topic, dir), error);
	if (fd != -EEXIST && fd != -ENOENT)
		return fd;
	fd = file_open(AT_FDCWD, path, O_RDWR, error);
	return fd == -ENOENT ? -EAGAIN : fd;
}

/* 1 we have the lock; 0 somebody removes the topic just now */
static int lock_file(const struct topic *topic, int fd, int64_t *deadline_ns,
		     struct floe_error *error)
{
	int r = os->try_lock(fd, OS_LOCK_SHARED);

	if (r < 0)
		return error_system(error, r, "lock topic", topic->name);
	if (r == 1)
		return 1;
	if (*deadline_ns == 0)
		*deadline_ns = os->now_ns() + LOCK_WAIT_NS;
	if (os->now_ns() >= *deadline_ns)
		return error_set(
			error, -EBUSY,
			"topic '%.100s' is being removed by a process that does not go on: "
			"let it run or end it",
			topic->name);
	os->sleep_ns(LOCK_STEP_NS);
	return 0;
}

/* The file that we locked must still be the one with the name: its remover may have been faster. Which it
 * is; 0: another one */
static uint64_t find_current(const struct topic *topic, int fd)
{
	uint64_t file = file_id(fd);
	char path[DOMAIN_NAME_MAX + 16];

	(void)snprintf(path, sizeof(path), "%s/topic", topic->path);
	return file_id_at(AT_FDCWD, path) == file ? file : 0;
}

int topic_open_ours(const struct topic *topic)
{
	floe_cleanup(os_close_fdp) int dir = topic_open_dir(topic, NULL);
	uint64_t file = 0;
	int r = dir < 0 || !topic->file ? 0 : file_find_id(dir, "topic", &file);

	if (dir == -ENOENT || r == -ENOENT || (r == 0 && dir >= 0 && file != topic->file))
		return -ESTALE;
	return r < 0 ? r : dir < 0 ? dir : take_fd(&dir);
}

static int try_open(struct topic *topic, int64_t *deadline_ns, struct floe_error *error)
{
	floe_cleanup(os_close_fdp) int fd = open_file(topic, error);
	int r;

	if (fd < 0)
		return fd;
	r = lock_file(topic, fd, deadline_ns, error);
	if (r <= 0)
		return r < 0 ? r : -EAGAIN;
	topic->file = find_current(topic, fd);
	if (!topic->file)
		return -EAGAIN;

	r = topic_map(&topic->region, fd, topic->path, &topic->id, error);
	if (r < 0)
		return r;
	/* A child made by fork takes no part, and must not seem to. */
	(void)os->advise(topic->region.base, topic->region.size, MADV_DONTFORK);
	topic->hints = &((struct topic_shared *)(void *)topic->region.base)->hints;
	topic->lock = take_fd(&fd);
	return 0;
}

/* deadline_ns: 0: some time from when the lock is not to be had */
static int open_until(struct topic *ret_topic, struct domain *domain, const char *name,
		      int64_t deadline_ns, struct floe_error *error)
{
	int r = -EAGAIN;

	*ret_topic = TOPIC_NULL;
	ret_topic->domain = domain;
	(void)snprintf(ret_topic->name, sizeof(ret_topic->name), "%s", name);
	domain_path(domain, "topics", name, ret_topic->path);
	for (int i = 0; i < ATTEMPTS * 10 && r == -EAGAIN; i++) {
		r = try_open(ret_topic, &deadline_ns, error);
		/* Who closed last elsewhere may have removed the empty folders above it. */
		if (r == -EAGAIN)
			domain_restore(domain);
	}
	/* What is not ours is not ours to remove either: nobody can leave it. */
	if (r == -EPROTO)
		ret_topic->name[0] = 0;
	if (r == -EAGAIN)
		return error_set(error, -EBUSY, "topic '%.100s' is made and removed all the time",
				 name);
	return r;
}

int topic_open(struct topic *ret_topic, struct domain *domain, const char *name,
	       struct floe_error *error)
{
	return open_until(ret_topic, domain, name, 0, error);
}

int topic_try_open(struct topic *ret_topic, struct domain *domain, const char *name,
		   struct floe_error *error)
{
	int r = open_until(ret_topic, domain, name, 1, error);

	/* Who keeps the lock sees to what is left. */
	if (r == -EBUSY)
		ret_topic->name[0] = 0;
	return r;
}

void topic_settle(struct topic *topic)
{
	os_close_fdp(&topic->lock);
}

void topic_close(struct topic *topic)
{
	topic_settle(topic);
	region_close(&topic->region);
	*topic = TOPIC_NULL;
}

/* Pairs with the load in the publisher's reclaim: the port is laid out, or closed, before. */
void topic_tell_publishers(struct hints_shared *hints)
{
	(void)add_seq_cst(&hints->subscribers, 1);
	(void)os->wake(futex_half(&hints->subscribers), INT_MAX);
}

/* Pairs with the load in subscriber_refresh: the segment has its name, or lost it, before. */
void topic_tell_subscribers(struct hints_shared *hints)
{
	(void)add_seq_cst(&hints->publishers, 1);
	(void)os->wake(futex_half(&hints->publishers), INT_MAX);
}
