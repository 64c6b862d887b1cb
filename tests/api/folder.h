/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FOLDER_H
#define TESTS_FOLDER_H

/*
 * What lies in the folder of all domains ($FLOE_DIR), as files: tests know that there are some,
 * how many, and which one came with a handle, but not what is in them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FOLDER_ENTRIES_MAX 512

struct folder_entry {
	char path[512];
	mode_t mode;
	uid_t uid;
	ino_t inode;
	uint64_t size;
};

struct folder {
	size_t count;
	struct folder_entry entry[FOLDER_ENTRIES_MAX];
};

/* Everything below $FLOE_DIR, in a stable order. */
void folder_list(struct folder *ret);

/* Regular files; one file with several names counts once. */
size_t folder_count_files(void);

/* Nothing is below $FLOE_DIR, or the test has failed; what is there is printed. */
void expect_folder_empty(void);

/* The path of the i-th regular file; NULL: there are fewer. */
const char *folder_file(const struct folder *folder, size_t i);

/* The largest regular file that is in `after` and not in `before`, or the test has failed. */
const char *folder_new_file(const struct folder *before, const struct folder *after);

/* $FLOE_DIR becomes a tmpfs of this process alone, "size=1m"; the test is skipped for who may not mount. */
void folder_mount(const char *options);

/* Removes everything below $FLOE_DIR. */
void folder_wipe(void);

/* Overwrites bytes of a file where it stands. */
void file_write(const char *path, uint64_t offset, const void *data, size_t size);
unsigned char file_read_byte(const char *path, uint64_t offset);

#endif
