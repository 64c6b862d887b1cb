/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_FILE_H
#define REGISTRY_FILE_H

/*
 * File: the names in a domain's folder, opened and listed with suspicion. Anything may lie there:
 * links, pipes, folders, what another program wrote.
 */

#include <floe/floe.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "memory/region.h"

/*
 * Opens a regular file and follows no link. `flags`: O_RDONLY or O_RDWR. Returns the descriptor;
 * -ENOENT without a sentence, because it is an outcome; -EPROTO for what is no regular file.
 */
int file_open(int dirfd, const char *name, int flags, struct floe_error *error);

/* Opens a folder. -ENOENT as above; -EPROTO: it is none. */
int file_open_dir(int dirfd, const char *name, struct floe_error *error);

/* Makes the folder if it is missing. 1 made, 0 it was there, or -errno. */
int file_make_dir(int dirfd, const char *name, mode_t mode, struct floe_error *error);

/* An unnamed file in the folder, to be filled and then linked: nobody sees it half made. Ends with
 * its last descriptor (open(2), O_TMPFILE). */
int file_create(int dirfd, mode_t mode, struct floe_error *error);

/* Writes all of an empty file; a page of it that cannot be had is -ENOSPC, as by fallocate(2). 0, or -errno */
int file_fill(int fd, const void *from, size_t size);

/* Calls `each` for every name but "." and ".."; stops at a result other than 0 and returns it. */
int file_list(int dirfd, int (*each)(void *user, const char *name), void *user);

/* "pub.12" with prefix "pub." is 12; -1: another name, or not below count. */
int file_index(const char *name, const char *prefix, unsigned count);

/* Marks in taken[count] the numbers of the names with this prefix, and clears the others. */
int file_list_indexes(int dirfd, const char *prefix, unsigned count, uint8_t *ret_taken);

/* Which file it is, in all processes: its number and when it was made in one word, for file systems that have
 * an index of inodes (ext4) give the number of a file that is gone to the next one. 0 or -errno. */
int file_get_id(int fd, uint64_t *ret_id);
int file_find_id(int dirfd, const char *name, uint64_t *ret_id);

/* The same where "it cannot be told" is an answer: 0. */
uint64_t file_id(int fd);
uint64_t file_id_at(int dirfd, const char *name);

/* Maps an open file whole; the descriptor stays the caller's. -EPROTO with a sentence where it is smaller
 * or larger than that. */
int file_map(struct region *ret_region, int fd, size_t size_min, size_t size_max, bool writable,
	     const char *name, struct floe_error *error);

#endif
