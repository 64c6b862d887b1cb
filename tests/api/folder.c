/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frame/frame.h"

/* nftw(3) passes no argument to its callback. */
static struct folder *listing;

static const char *top(void)
{
	const char *dir = getenv("FLOE_DIR");

	expect(dir);
	return dir;
}

static int add(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	struct folder_entry *entry = &listing->entry[listing->count];

	(void)kind;
	if (place->level == 0)
		return 0;
	expect(listing->count < FOLDER_ENTRIES_MAX);
	expect(strlen(path) < sizeof(entry->path));
	*entry = (struct folder_entry){
		.mode = st->st_mode,
		.uid = st->st_uid,
		.inode = st->st_ino,
		.size = (uint64_t)st->st_size,
	};
	strcpy(entry->path, path);
	listing->count++;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct folder_entry *one = a, *two = b;

	return strcmp(one->path, two->path);
}

void folder_list(struct folder *ret)
{
	ret->count = 0;
	listing = ret;
	(void)nftw(top(), add, 16, FTW_PHYS);
	qsort(ret->entry, ret->count, sizeof(ret->entry[0]), compare);
}

static bool is_further_name(const struct folder *folder, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (folder->entry[j].inode == folder->entry[i].inode)
			return true;
	return false;
}

size_t folder_count_files(void)
{
	static struct folder now;
	size_t count = 0;

	folder_list(&now);
	for (size_t i = 0; i < now.count; i++)
		count += S_ISREG(now.entry[i].mode) && !is_further_name(&now, i);
	return count;
}

void expect_folder_empty(void)
{
	static struct folder now;

	folder_list(&now);
	for (size_t i = 0; i < now.count; i++)
		printf("# left: %s\n", now.entry[i].path);
	expect_equal(now.count, 0);
}

const char *folder_file(const struct folder *folder, size_t i)
{
	for (size_t j = 0; j < folder->count; j++)
		if (S_ISREG(folder->entry[j].mode) && i-- == 0)
			return folder->entry[j].path;
	return NULL;
}

static bool has(const struct folder *folder, const char *path)
{
	for (size_t i = 0; i < folder->count; i++)
		if (!strcmp(folder->entry[i].path, path))
			return true;
	return false;
}

const char *folder_new_file(const struct folder *before, const struct folder *after)
{
	const struct folder_entry *found = NULL;

	for (size_t i = 0; i < after->count; i++) {
		const struct folder_entry *entry = &after->entry[i];

		if (!S_ISREG(entry->mode) || has(before, entry->path))
			continue;
		if (!found || entry->size > found->size)
			found = entry;
	}
	expect(found);
	return found->path;
}

static int wipe_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	(void)st;
	(void)kind;
	if (place->level > 0)
		expect_equal(remove(path), 0);
	return 0;
}

void folder_mount(const char *options)
{
	if (unshare(CLONE_NEWNS) < 0)
		skip("only root can mount a small file system");
	expect_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	expect_equal(mount("floe", top(), "tmpfs", 0, options), 0);
}

void folder_wipe(void)
{
	(void)nftw(top(), wipe_one, 16, FTW_PHYS | FTW_DEPTH);
}

void file_write(const char *path, uint64_t offset, const void *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	expect(fd >= 0);
	expect_equal(pwrite(fd, data, size, (off_t)offset), (ssize_t)size);
	close(fd);
}

unsigned char file_read_byte(const char *path, uint64_t offset)
{
	unsigned char byte = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	expect(fd >= 0);
	expect_equal(pread(fd, &byte, 1, (off_t)offset), 1);
	close(fd);
	return byte;
}
