/* SPDX-License-Identifier: Apache-2.0 */
#include "account.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/compiler.h"
#include "value.h"

/* The files first: asking the system's name services loads libraries that are never used again. */
static bool find_user_by_name(const char *name, uint32_t *ret_uid)
{
	FILE *file = fopen("/etc/passwd", "re");
	struct passwd *entry;
	bool found = false;

	while (file && !found && (entry = fgetpwent(file))) {
		found = !strcmp(entry->pw_name, name);
		if (found)
			*ret_uid = entry->pw_uid;
	}
	if (file)
		(void)fclose(file);
	if (found)
		return true;
	entry = getpwnam(name);
	if (entry)
		*ret_uid = entry->pw_uid;
	return entry != NULL;
}

static bool find_group_by_name(const char *name, uint32_t *ret_gid)
{
	FILE *file = fopen("/etc/group", "re");
	struct group *entry;
	bool found = false;

	while (file && !found && (entry = fgetgrent(file))) {
		found = !strcmp(entry->gr_name, name);
		if (found)
			*ret_gid = entry->gr_gid;
	}
	if (file)
		(void)fclose(file);
	if (found)
		return true;
	entry = getgrnam(name);
	if (entry)
		*ret_gid = entry->gr_gid;
	return entry != NULL;
}

static bool read_id(const char *text, uint32_t *ret)
{
	const char *end;
	uint64_t value;

	if (!value_read_digits(text, &value, &end) || *end || value >= UINT32_MAX)
		return false;
	*ret = (uint32_t)value;
	return true;
}

bool account_find_user(const char *text, uint32_t *ret_uid)
{
	return read_id(text, ret_uid) || find_user_by_name(text, ret_uid);
}

bool account_find_group(const char *text, uint32_t *ret_gid)
{
	return read_id(text, ret_gid) || find_group_by_name(text, ret_gid);
}

bool account_is_in_group(uint32_t gid)
{
	gid_t groups[256];
	int count = getgroups(FLOE_COUNT(groups), groups);

	if (geteuid() == 0 || getegid() == gid)
		return true;
	for (int i = 0; i < count; i++)
		if (groups[i] == gid)
			return true;
	return false;
}
