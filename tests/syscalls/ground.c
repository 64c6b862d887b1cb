/* SPDX-License-Identifier: Apache-2.0 */
#include "ground.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "api/folder.h"
#include "frame/frame.h"

#define NOBODY 65534

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		skip("user namespaces have no map here");
	close(fd);
}

/* Who is not root may mount only in a namespace of users of its own. */
static void enter_namespaces(void)
{
	uid_t uid = geteuid();
	char map[64];

	if (uid == 0 && unshare(CLONE_NEWNS) == 0)
		return;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		skip("mounting is not allowed here");
	(void)snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	write_text("/proc/self/uid_map", map);
}

/* What is not dumpable cannot give names to its files through /proc/self/fd. */
static void become_nobody(void)
{
	expect_equal(setgroups(0, NULL), 0);
	expect_equal(setgid(NOBODY), 0);
	expect_equal(setuid(NOBODY), 0);
	expect_equal(prctl(PR_SET_DUMPABLE, 1), 0);
}

void ground_lay(bool as_user)
{
	const char *folder = getenv("FLOE_DIR");

	if (as_user && geteuid() != 0)
		skip("this is an ordinary user already");
	enter_namespaces();
	expect_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	expect_equal(mount("floe", folder, "tmpfs", 0, "mode=1777"), 0);
	if (as_user)
		become_nobody();
}

struct ground ground_count(void)
{
	static struct folder folder;
	struct statfs now;

	folder_list(&folder);
	expect_equal(statfs(getenv("FLOE_DIR"), &now), 0);
	return (struct ground){
		.names = folder.count,
		.files = now.f_files - now.f_ffree,
		.blocks = now.f_blocks - now.f_bfree,
	};
}
