/* SPDX-License-Identifier: Apache-2.0 */
#include "mount.h"

#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

static bool is_of(const char *line, dev_t device)
{
	unsigned major, minor;

	return sscanf(line, "%*u %*u %u:%u", &major, &minor) == 2 &&
	       makedev(major, minor) == device;
}

/* What the file system was told stands behind " - ", its type, and its source. */
static bool is_large(const char *line)
{
	const char *options = strstr(line, " - tmpfs ");

	return options && (strstr(options, "huge=always") || strstr(options, "huge=within_size"));
}

static bool look_up(dev_t device)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	bool found = false;
	char *line = NULL;
	size_t room = 0;

	while (file && !found && getline(&line, &room, file) > 0)
		found = is_of(line, device) && is_large(line);
	free(line);
	if (file)
		(void)fclose(file);
	return found;
}

bool mount_has_large_pages(int fd)
{
	struct statfs status;
	struct stat seen;

	return fstatfs(fd, &status) == 0 && status.f_type == TMPFS_MAGIC && fstat(fd, &seen) == 0 &&
	       look_up(seen.st_dev);
}
