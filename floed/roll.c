/* SPDX-License-Identifier: Apache-2.0 */
#include "roll.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/os.h"
#include "registry/cleanup.h"
#include "registry/file.h"
#include "registry/omen.h"
#include "registry/peer.h"
#include "say.h"
#include "status.h"

#define BLIND_NS 1000000000
/* The end of a process is seen a moment before its lock is free; a lock that stays is asked for less
 * and less often. */
#define FIRST_NS 500000
#define LAST_NS 100000000

void roll_init(struct roll *ret_roll, struct node *node, int epoll)
{
	*ret_roll = (struct roll){.node = node, .epoll = epoll};
}

void roll_deinit(struct roll *roll)
{
	for (size_t i = 0; i < roll->count; i++)
		os_close_fdp(&roll->entry[i].pidfd);
	free(roll->entry);
	*roll = (struct roll){.epoll = -1};
}

static bool read_id(const char *name, uint64_t *ret_id)
{
	char *end;

	*ret_id = strtoull(name, &end, 16);
	return !*end && strlen(name) == 16;
}

static struct roll_entry *find(struct roll *roll, uint64_t id)
{
	for (size_t i = 0; i < roll->count; i++)
		if (roll->entry[i].id == id)
			return &roll->entry[i];
	return NULL;
}

static void drop(struct roll *roll, struct roll_entry *entry)
{
	os_close_fdp(&entry->pidfd);
	*entry = roll->entry[--roll->count];
	status_set(roll->node->shared, STATUS_NODES, roll->count);
}

static void tell(void *user, const char *sentence)
{
	(void)user;
	say(SAY_VERBOSE, "%s", sentence);
}

static void describe(const struct domain *domain, uint64_t id, char *ret_name, size_t size,
		     int32_t *ret_pid)
{
	floe_cleanup(os_close_fdp) int fd = -1;
	struct node_shared seen = {0};
	char path[DOMAIN_NAME_MAX];

	node_path(domain, id, path);
	fd = file_open(AT_FDCWD, path, O_RDONLY, NULL);
	if (fd >= 0)
		(void)os->read_at(fd, &seen, sizeof(seen), 0);
	*ret_pid = seen.pid;
	(void)snprintf(ret_name, size, "%.63s", seen.process);
	/* Anything may be in it, and it goes to a terminal. */
	for (char *c = ret_name; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
}

/* True: there is nothing more to do about it. */
static bool bury(struct roll *roll, uint64_t id)
{
	struct cleanup cleanup = {.tell = tell};
	const struct domain *domain = &roll->node->domain;
	char process[64];
	int32_t pid;
	int r;

	describe(domain, id, process, sizeof(process), &pid);
	r = cleanup_node(domain, id, &cleanup);
	if (r == 0)
		return false;
	if (r == -EMFILE || r == -ENFILE || r == -ENOMEM)
		return false;
	if (r == -EACCES)
		say(SAY_WARNING,
		    "process %d (%s) is dead, but what it left is not this user's to "
		    "remove",
		    pid, process);
	/* Gone: it left in order, or somebody was faster. */
	if (r < 0)
		return true;
	roll->deaths++;
	status_add(roll->node->shared, STATUS_DEATHS, 1);
	status_add(roll->node->shared, STATUS_REMOVED, (uint64_t)cleanup.count);
	say(SAY_INFO, "process %d (%s) died", pid, process);
	return true;
}

static struct roll_entry *append(struct roll *roll, uint64_t id)
{
	if (roll->count == roll->room) {
		size_t room = roll->room ? 2 * roll->room : 16;
		struct roll_entry *more = reallocarray(roll->entry, room, sizeof(*more));

		if (!more)
			return NULL;
		roll->entry = more;
		roll->room = room;
	}
	roll->entry[roll->count] = (struct roll_entry){.id = id, .pidfd = -1};
	status_set(roll->node->shared, STATUS_NODES, roll->count + 1);
	return &roll->entry[roll->count++];
}

/* -1: it cannot be watched so. */
static int open_process(const struct roll *roll, uint64_t id)
{
	floe_cleanup(os_close_fdp) int fd = -1;
	struct node_shared seen;
	char path[DOMAIN_NAME_MAX];

	node_path(&roll->node->domain, id, path);
	fd = file_open(AT_FDCWD, path, O_RDONLY, NULL);
	if (fd < 0 || os->read_at(fd, &seen, sizeof(seen), 0) != (ssize_t)sizeof(seen) ||
	    seen.pid_space == 0 || seen.pid_space != omen_get_space() || seen.pid <= 0)
		return -1;
	return (int)syscall(SYS_pidfd_open, seen.pid, 0);
}

static void watch(struct roll *roll, struct roll_entry *entry)
{
	struct epoll_event event = {.events = EPOLLIN};

	entry->pidfd = open_process(roll, entry->id);
	event.data.u64 = ROLL_EVENT(entry->pidfd);
	if (entry->pidfd >= 0 && epoll_ctl(roll->epoll, EPOLL_CTL_ADD, entry->pidfd, &event) < 0)
		os_close_fdp(&entry->pidfd);
	entry->look_ns = entry->pidfd >= 0 ? INT64_MAX : os->now_ns() + BLIND_NS;
	/* Only now: of a process that ends from here on the pidfd tells. */
	if (peer_is_alive(&roll->node->domain, entry->id) == 0)
		entry->look_ns = 0;
}

void roll_add(struct roll *roll, const char *name)
{
	struct roll_entry *entry;
	uint64_t id;

	if (!read_id(name, &id) || id == roll->node->id || find(roll, id))
		return;
	entry = append(roll, id);
	if (!entry)
		return;
	watch(roll, entry);
	if (entry->look_ns == 0 && bury(roll, id))
		drop(roll, find(roll, id));
}

void roll_remove(struct roll *roll, const char *name)
{
	struct roll_entry *entry;
	uint64_t id;

	entry = read_id(name, &id) ? find(roll, id) : NULL;
	if (entry)
		drop(roll, entry);
}

static int add_name(void *user, const char *name)
{
	roll_add(user, name);
	return 0;
}

int roll_scan(struct roll *roll)
{
	char path[DOMAIN_NAME_MAX];
	floe_cleanup(os_close_fdp) int dir = -1;

	domain_path(&roll->node->domain, "nodes", ".", path);
	dir = file_open_dir(AT_FDCWD, path, NULL);
	return dir < 0 ? dir : file_list(dir, add_name, roll);
}

void roll_end(struct roll *roll, uint64_t data)
{
	for (size_t i = 0; i < roll->count; i++) {
		struct roll_entry *entry = &roll->entry[i];

		if (ROLL_EVENT(entry->pidfd) != data)
			continue;
		os_close_fdp(&entry->pidfd);
		entry->ended = true;
		entry->look_ns = 0;
		return;
	}
}

/* How long a lock is left alone that was asked for in vain. */
static int64_t patience(const struct roll_entry *entry)
{
	if (!entry->ended)
		return BLIND_NS;
	return entry->looks < 8 ? (int64_t)FIRST_NS << entry->looks : LAST_NS;
}

int64_t roll_look(struct roll *roll, int64_t now_ns)
{
	int64_t next_ns = INT64_MAX;

	for (size_t i = 0; i < roll->count;) {
		struct roll_entry *entry = &roll->entry[i];

		if (entry->look_ns <= now_ns) {
			if (bury(roll, entry->id)) {
				drop(roll, entry);
				continue;
			}
			entry->look_ns = now_ns + patience(entry);
			entry->looks++;
		}
		if (entry->look_ns < next_ns)
			next_ns = entry->look_ns;
		i++;
	}
	return next_ns;
}
