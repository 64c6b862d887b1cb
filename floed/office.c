/* SPDX-License-Identifier: Apache-2.0 */
#include "office.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "os/os.h"
#include "registry/file.h"
#include "status.h"

#define STEP_NS 1000000

/* DIR itself. One that was there before is not ours to change: it could be /tmp. */
static int check_dir(const char *dir, const struct config_access *access, struct floe_error *error)
{
	struct stat seen;

	if (os->stat_at(AT_FDCWD, dir, &seen) < 0)
		return 0;
	if ((access->uid != CONFIG_UNSET && access->uid != seen.st_uid) ||
	    (access->gid != CONFIG_UNSET && access->gid != seen.st_gid) ||
	    (access->mode != CONFIG_UNSET && access->mode != (seen.st_mode & 07777)))
		return error_set(
			error, -EEXIST,
			"'%.100s' is there already, with owner %u, group %u and mode %04o: "
			"change that, or what [domain] says",
			dir, seen.st_uid, seen.st_gid, seen.st_mode & 07777);
	return 1;
}

/* Closed to others until it has its owner: who dies between leaves a folder that the next one
 * refuses, with a sentence. */
static int make_dir(const char *dir, const struct config_access *access, struct floe_error *error)
{
	floe_cleanup(os_close_fdp) int fd = -1;
	mode_t mode = access->mode == CONFIG_UNSET ? 0700 : access->mode;
	int r = os->make_dir(AT_FDCWD, dir, 0700);

	if (r < 0 && r != -EEXIST)
		return error_system(error, r, "make folder", dir);
	fd = file_open_dir(AT_FDCWD, dir, error);
	if (fd < 0)
		return fd;
	if ((access->uid != CONFIG_UNSET || access->gid != CONFIG_UNSET) &&
	    fchown(fd, access->uid, access->gid) < 0)
		return error_system(error, -errno, "set the owner of", dir);
	r = os->change_mode(fd, mode);
	return r < 0 ? error_system(error, r, "set the mode of", dir) : 0;
}

static int prepare_dir(const struct domain *domain, const struct config_access *access,
		       struct floe_error *error)
{
	char dir[DOMAIN_PATH_MAX];
	int r;

	(void)snprintf(dir, sizeof(dir), "%s", domain->path);
	*strrchr(dir, '/') = 0;
	r = check_dir(dir, access, error);
	return r == 0 ? make_dir(dir, access, error) : r < 0 ? r : 0;
}

static int refuse(const struct domain *domain, struct floe_error *error)
{
	uint64_t counts[STATUS_COUNT];
	int32_t pid = status_find(domain, counts);

	if (pid)
		return error_set(error, -EBUSY,
				 "another floed (process %d) coordinates '%.150s': stop it first",
				 pid, domain->path);
	return error_set(error, -EBUSY, "another process has locked '%.200s'", domain->path);
}

/* -EAGAIN: the folder went away meanwhile. */
static int try_take(struct office *office, struct domain *domain, const struct config *config,
		    int64_t deadline_ns, struct floe_error *error)
{
	int r = domain_create(domain, error);

	if (r < 0)
		return r == -ENOENT ? -EAGAIN : r;
	office->folder = file_open_dir(AT_FDCWD, domain->path, error);
	if (office->folder < 0)
		return office->folder == -ENOENT ? -EAGAIN : office->folder;
	while (flock(office->folder, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return error_system(error, -errno, "lock", domain->path);
		if (os->now_ns() >= deadline_ns)
			return refuse(domain, error);
		os->sleep_ns(STEP_NS);
	}
	r = node_get(&office->node, *config->dir ? config->dir : NULL,
		     *config->domain ? config->domain : NULL, error);
	if (r < 0)
		return r;
	/* While there was nothing in it, somebody who left may have removed it. */
	return office_is_held(office) ? 0 : -EAGAIN;
}

int office_take(struct office *ret_office, const struct config *config, int64_t deadline_ns,
		struct floe_error *error)
{
	struct domain domain;
	int r;

	*ret_office = OFFICE_NULL;
	r = domain_init(&domain, *config->dir ? config->dir : NULL,
			*config->domain ? config->domain : NULL, error);
	if (r == 0)
		r = prepare_dir(&domain, &config->access, error);
	if (r < 0)
		return r;
	do {
		office_leave(ret_office);
		r = try_take(ret_office, &domain, config, deadline_ns, error);
	} while (r == -EAGAIN);
	if (r < 0)
		office_leave(ret_office);
	return r;
}

bool office_is_held(const struct office *office)
{
	char path[DOMAIN_NAME_MAX];

	node_path(&office->node->domain, office->node->id, path);
	return file_id_at(AT_FDCWD, office->node->domain.path) == file_id(office->folder) &&
	       file_id_at(AT_FDCWD, path) == file_id(office->node->fd);
}

void office_leave(struct office *office)
{
	node_put(office->node);
	os_close_fdp(&office->folder);
	*office = OFFICE_NULL;
}
