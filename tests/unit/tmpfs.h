/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_TMPFS_H
#define UNIT_TMPFS_H

/*
 * Files for a test: unnamed, in $FLOE_DIR, which a test may replace by a file system of its own
 * that is small enough to be filled.
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frame/frame.h"

/* What is mounted in a namespace of this process ends with it. */
static inline void tmpfs_mount(const char *type, const char *options)
{
	if (unshare(CLONE_NEWNS) < 0)
		skip("a private mount namespace needs root");
	expect(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	if (mount("none", getenv("FLOE_DIR"), type, 0, options) < 0)
		skip("this kernel does not mount it");
}

static inline int tmpfs_open(void)
{
	int fd = open(getenv("FLOE_DIR"), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	expect(fd >= 0);
	return fd;
}

/* Bytes that the file takes in the file system. */
static inline size_t tmpfs_size(int fd)
{
	struct stat stat;

	expect(fstat(fd, &stat) == 0);
	return (size_t)stat.st_blocks * 512;
}

#endif
