/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/domain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/name.h"
#include "os/os.h"
#include "registry/file.h"

static const char *find_dir(const char *dir, char *buffer, size_t size)
{
	const char *given = dir ? dir : os->get_variable("FLOE_DIR");

	if (given && *given)
		return given;
	(void)snprintf(buffer, size, "/dev/shm/floe-%u", os->get_uid());
	return buffer;
}

static const char *find_name(const char *name)
{
	const char *given = name ? name : os->get_variable("FLOE_DOMAIN");

	return given && *given ? given : "default";
}

int domain_init(struct domain *ret_domain, const char *dir, const char *name,
		struct floe_error *error)
{
	char standard[64];
	int r;

	if (dir && !*dir)
		return error_set(error, -EINVAL, "the domain's dir is empty");
	if (name && !*name)
		return error_set(error, -EINVAL, "the domain's name is empty");
	dir = find_dir(dir, standard, sizeof(standard));
	name = find_name(name);
	r = name_check(name, "domain's name", DOMAIN_NAME_SIZE_MAX, error);
	if (r < 0)
		return r;

	r = snprintf(ret_domain->path, sizeof(ret_domain->path), "%s/%s", dir, name);
	if (r < 0 || (size_t)r >= sizeof(ret_domain->path))
		return error_set(error, -ENAMETOOLONG, "the domain's folder has a name of %d bytes",
				 r);
	ret_domain->dir_mode = 0700;
	ret_domain->file_mode = 0600;
	ret_domain->read_mode = 0600;
	return 0;
}

/* <dir> itself: ours to make when missing, with nobody else let in. */
static int make_dir(const struct domain *domain, struct stat *ret_seen, struct floe_error *error)
{
	char dir[DOMAIN_PATH_MAX];
	char standard[64];
	int r;

	(void)snprintf(dir, sizeof(dir), "%s", domain->path);
	*strrchr(dir, '/') = 0;
	r = file_make_dir(AT_FDCWD, dir, 0700, error);
	if (r < 0)
		return r;
	{
		floe_cleanup(os_close_fdp) int fd = file_open_dir(AT_FDCWD, dir, error);

		if (fd < 0)
			return fd;
		r = os->stat(fd, ret_seen);
		if (r < 0)
			return error_system(error, r, "look at", dir);
	}

	/* Anybody can make folders in /dev/shm: one that another user made in our name is a trap. */
	(void)snprintf(standard, sizeof(standard), "/dev/shm/floe-%u", os->get_uid());
	if (!strcmp(dir, standard) && ret_seen->st_uid != os->get_uid())
		return error_set(
			error, -EACCES,
			"'%s' belongs to user %u: remove it, or choose a folder with FLOE_DIR", dir,
			ret_seen->st_uid);
	return 0;
}

static int make_folders(const struct domain *domain, struct floe_error *error)
{
	static const char *const folders[] = {"", "/nodes", "/topics"};
	char path[DOMAIN_NAME_MAX];
	int r = 0;

	for (size_t i = 0; r >= 0 && i < FLOE_COUNT(folders); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", domain->path, folders[i]);
		r = file_make_dir(AT_FDCWD, path, domain->dir_mode, error);
	}
	return r < 0 ? r : 0;
}

int domain_create(struct domain *domain, struct floe_error *error)
{
	struct stat seen;
	int r = make_dir(domain, &seen, error);

	if (r < 0)
		return r;
	domain->dir_mode = seen.st_mode & 07777;
	domain->file_mode = seen.st_mode & 0666;
	domain->read_mode = (seen.st_mode & 0444) | 0600;
	return make_folders(domain, error);
}

void domain_restore(const struct domain *domain)
{
	struct stat seen;

	if (make_dir(domain, &seen, NULL) >= 0)
		(void)make_folders(domain, NULL);
}

static bool remove_folder(const struct domain *domain, const char *folder)
{
	char path[DOMAIN_NAME_MAX];
	int r;

	(void)snprintf(path, sizeof(path), "%s%s", domain->path, folder);
	r = os->remove_dir(AT_FDCWD, path);
	return r == 0 || r == -ENOENT;
}

void domain_remove_empty(const struct domain *domain)
{
	char path[DOMAIN_NAME_MAX];
	bool nobody = remove_folder(domain, "/nodes");

	nobody &= remove_folder(domain, "/topics");
	if (!nobody || remove_folder(domain, ""))
		return;
	/* What a dead coordinator left. A living one has a node; one that starts just now looks
	 * whether its file is still there. */
	(void)snprintf(path, sizeof(path), "%s/quotas", domain->path);
	(void)os->unlink(AT_FDCWD, path);
	(void)remove_folder(domain, "");
}

void domain_path(const struct domain *domain, const char *folder, const char *name, char *ret_path)
{
	(void)snprintf(ret_path, DOMAIN_NAME_MAX, "%s/%s/%s", domain->path, folder, name);
}
