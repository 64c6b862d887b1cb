/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "os/os.h"

/* One entry of getdents64(2). */
struct entry {
	uint64_t inode;
	int64_t next;
	uint16_t size;
	uint8_t kind;
	char name[];
};

static int refuse(const char *name, struct floe_error *error)
{
	return error_set(error, -EPROTO, "'%s' is not a file of floe: remove it", name);
}

int file_open(int dirfd, const char *name, int flags, struct floe_error *error)
{
	floe_cleanup(os_close_fdp) int fd = -1;
	struct stat seen;
	int r;

	/* A pipe must not make us wait for its other end. */
	fd = os->open(dirfd, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
	if (fd == -ENOENT)
		return fd;
	if (fd == -ELOOP || fd == -EISDIR || fd == -ENXIO)
		return refuse(name, error);
	/* fcntl(2), F_SETLEASE: whoever opens must wait until its owner gives in. */
	if (fd == -EAGAIN)
		return error_set(error, -EACCES, "its owner has a lease on '%s'", name);
	if (fd < 0)
		return error_system(error, fd, "open", name);

	r = os->stat(fd, &seen);
	if (r < 0)
		return error_system(error, r, "look at", name);
	if (!S_ISREG(seen.st_mode))
		return refuse(name, error);
	return take_fd(&fd);
}

int file_open_dir(int dirfd, const char *name, struct floe_error *error)
{
	int fd = os->open(dirfd, name, O_RDONLY | O_DIRECTORY, 0);

	if (fd == -ENOTDIR || fd == -ELOOP)
		return error_set(error, -EPROTO, "'%s' is not a folder: remove it", name);
	if (fd < 0 && fd != -ENOENT)
		return error_system(error, fd, "open folder", name);
	return fd;
}

int file_make_dir(int dirfd, const char *name, mode_t mode, struct floe_error *error)
{
	int r = os->make_dir(dirfd, name, mode & 0777);
	floe_cleanup(os_close_fdp) int fd = -1;
	struct stat seen;

	if (r == -EEXIST)
		return 0;
	if (r < 0)
		return error_system(error, r, "make folder", name);

	if (os->stat_at(dirfd, name, &seen) == 0 && (seen.st_mode & 07777) == (mode & 07777))
		return 1;
	/* The umask took bits away that the parent folder grants. Dying before this leaves a folder
	 * that is too strict for other users; its owner's next use does not mend that, `clean` and
	 * removing it do. */
	fd = os->open(dirfd, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd >= 0)
		(void)os->change_mode(fd, mode);
	return 1;
}

int file_create(int dirfd, mode_t mode, struct floe_error *error)
{
	floe_cleanup(os_close_fdp) int fd = -1;
	int r;

	fd = os->open(dirfd, ".", O_TMPFILE | O_RDWR, 0600);
	if (fd == -EOPNOTSUPP)
		return error_set(
			error, fd,
			"the file system of the domain's folder cannot make unnamed files: use "
			"tmpfs (FLOE_DIR)");
	if (fd < 0)
		return error_system(error, fd, "make a file in", "the domain's folder");
	r = os->change_mode(fd, mode);
	if (r < 0)
		return error_system(error, r, "set the mode of", "a new file");
	return take_fd(&fd);
}

int file_fill(int fd, const void *from, size_t size)
{
	ssize_t r = os->write_at(fd, from, size, 0);

	if (r < 0)
		return (int)r;
	return (size_t)r == size ? 0 : -ENOSPC;
}

int file_list(int dirfd, int (*each)(void *user, const char *name), void *user)
{
	_Alignas(struct entry) char buffer[4096];

	for (;;) {
		ssize_t size = os->list_dir(dirfd, buffer, sizeof(buffer));

		/* Removed while it was open: there is nothing in it. */
		if (size == -ENOENT)
			return 0;
		if (size <= 0)
			return (int)size;
		for (ssize_t at = 0; at < size;) {
			const struct entry *entry = (const struct entry *)(buffer + at);
			int r = 0;

			at += entry->size;
			if (strcmp(entry->name, ".") != 0 && strcmp(entry->name, "..") != 0)
				r = each(user, entry->name);
			if (r)
				return r;
		}
	}
}

int file_index(const char *name, const char *prefix, unsigned count)
{
	size_t skip = strlen(prefix);
	unsigned index = 0;

	if (strncmp(name, prefix, skip) != 0 || !name[skip])
		return -1;
	/* One spelling for each number: no leading zero. */
	if (name[skip] == '0' && name[skip + 1])
		return -1;
	for (const char *digit = name + skip; *digit; digit++) {
		if (*digit < '0' || *digit > '9')
			return -1;
		index = index * 10 + (unsigned)(*digit - '0');
		if (index >= count)
			return -1;
	}
	return (int)index;
}

struct indexes {
	const char *prefix;
	unsigned count;
	uint8_t *taken;
};

static int mark_index(void *user, const char *name)
{
	const struct indexes *indexes = user;
	int index = file_index(name, indexes->prefix, indexes->count);

	if (index >= 0)
		indexes->taken[index] = 1;
	return 0;
}

int file_list_indexes(int dirfd, const char *prefix, unsigned count, uint8_t *ret_taken)
{
	struct indexes indexes = {prefix, count, ret_taken};

	memset(ret_taken, 0, count);
	return file_list(dirfd, mark_index, &indexes);
}

/* Odd, so that each moment is another one; and no moment leaves the number as it is. */
#define SPREAD 0x9e3779b97f4a7c15u

int file_find_id(int dirfd, const char *name, uint64_t *ret_id)
{
	uint64_t number, made_ns;
	int r = os->identify(dirfd, name, &number, &made_ns);

	*ret_id = r < 0 ? 0 : number ^ (made_ns * SPREAD);
	return r;
}

int file_get_id(int fd, uint64_t *ret_id)
{
	return file_find_id(fd, "", ret_id);
}

uint64_t file_id(int fd)
{
	uint64_t id;

	(void)file_get_id(fd, &id);
	return id;
}

uint64_t file_id_at(int dirfd, const char *name)
{
	uint64_t id;

	(void)file_find_id(dirfd, name, &id);
	return id;
}

int file_map(struct region *ret_region, int fd, size_t size_min, size_t size_max, bool writable,
	     const char *name, struct floe_error *error)
{
	int r = region_attach_within(ret_region, fd, size_min, size_max, writable, NULL);

	if (r == -EPROTO)
		return error_set(error, r,
				 "'%s' is smaller than %zu bytes, or too large: remove it", name,
				 size_min);
	if (r < 0)
		return error_system(error, r, "map", name);
	/* Without memory behind its first bytes, reading them could end the process. */
	if (ret_region->reserved < size_min) {
		region_close(ret_region);
		return error_set(error, -EPROTO, "'%s' has holes where it must not: remove it",
				 name);
	}
	return 0;
}
