/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/usage.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/name.h"
#include "os/os.h"
#include "registry/file.h"
#include "registry/owner.h"
#include "registry/peer.h"
#include "registry/seat_file.h"

struct tally {
	const struct domain *domain;
	int dir;
	struct usage *ret;
	size_t room;
	size_t count;
	bool one; /* only the user who is there already */
};

static struct usage *find(struct tally *tally, uint32_t uid)
{
	for (size_t i = 0; i < tally->count && i < tally->room; i++)
		if (tally->ret[i].uid == uid)
			return &tally->ret[i];
	if (tally->one)
		return NULL;
	if (tally->count++ >= tally->room)
		return NULL;
	tally->ret[tally->count - 1] = (struct usage){.uid = uid};
	return &tally->ret[tally->count - 1];
}

static struct usage *add_file(struct tally *tally, const char *name)
{
	struct stat seen;
	struct usage *usage;

	if (os->stat_at(tally->dir, name, &seen) < 0 || !S_ISREG(seen.st_mode))
		return NULL;
	usage = find(tally, seen.st_uid);
	if (usage)
		usage->memory += (uint64_t)seen.st_blocks * 512;
	return usage;
}

static int add_node(void *user, const char *name)
{
	(void)add_file(user, name);
	return 0;
}

static bool is_seat(const char *name)
{
	return file_index(name, SEAT_EVENT, SEATS_MAX) >= 0 ||
	       file_index(name, SEAT_BOARD, SEATS_MAX) >= 0;
}

/* A subscriber's place is a name of its node's file, which is counted there. */
static int add_participant(void *user, const char *name)
{
	struct tally *tally = user;
	struct usage *usage;
	uint64_t owner;

	if (is_seat(name))
		(void)add_file(tally, name);
	if (file_index(name, "pub.", FLOE_PUBLISHERS_MAX) < 0)
		return 0;
	usage = add_file(tally, name);
	/* Whose file cannot be read may be alive, and has it. */
	if (usage && (owner_read(tally->dir, name, &owner) < 0 ||
		      (owner && peer_is_alive(tally->domain, owner) != 0)))
		usage->publishers++;
	return 0;
}

static int walk(struct tally *tally, int dirfd, const char *path,
		int (*each)(void *user, const char *name))
{
	floe_cleanup(os_close_fdp) int dir = file_open_dir(dirfd, path, NULL);
	int before = tally->dir;
	int r;

	if (dir < 0)
		return dir == -ENOENT || dir == -EPROTO ? 0 : dir;
	tally->dir = dir;
	r = file_list(dir, each, tally);
	tally->dir = before;
	return r;
}

static int add_topic(void *user, const char *name)
{
	struct tally *tally = user;

	if (name_check(name, "topic name", FLOE_TOPIC_NAME_MAX, NULL) < 0)
		return 0;
	(void)walk(tally, tally->dir, name, add_participant);
	return 0;
}

static int read_all(struct tally *tally)
{
	char path[DOMAIN_NAME_MAX];
	int r;

	domain_path(tally->domain, "nodes", ".", path);
	r = walk(tally, AT_FDCWD, path, add_node);
	if (r < 0)
		return r;
	domain_path(tally->domain, "topics", ".", path);
	return walk(tally, AT_FDCWD, path, add_topic);
}

int usage_read(const struct domain *domain, struct usage *ret, size_t count)
{
	struct tally tally = {.domain = domain, .dir = -1, .ret = ret, .room = count};
	int r = read_all(&tally);

	return r < 0 ? r : (int)tally.count;
}

int usage_read_of(const struct domain *domain, uint32_t uid, struct usage *ret)
{
	struct tally tally = {
		.domain = domain, .dir = -1, .ret = ret, .room = 1, .count = 1, .one = true};

	*ret = (struct usage){.uid = uid};
	return read_all(&tally);
}
