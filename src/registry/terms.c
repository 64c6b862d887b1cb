/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/terms.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "channel/segment.h"
#include "os/os.h"
#include "registry/file.h"
#include "registry/owner.h"
#include "registry/peer.h"
#include "registry/usage.h"

/* In a folder that several users may write, anybody could lay down terms. Who sends to its owner may be one of
 * many to whom he is a stranger. */
static bool counts(const struct stat *file, const struct stat *folder, enum terms_role role)
{
	if (file->st_uid == 0 || file->st_uid == os->get_uid())
		return true;
	return role != TERMS_SENDER && file->st_uid == folder->st_uid;
}

static int read_file(void *ret, size_t size, const char *folder, const char *name,
		     enum terms_role role, struct floe_error *error)
{
	char path[DOMAIN_NAME_MAX + 16];
	floe_cleanup(os_close_fdp) int fd = -1;
	struct stat seen;
	struct stat above;
	ssize_t r;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = file_open(AT_FDCWD, path, O_RDONLY, error);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	r = os->stat(fd, &seen);
	if (r == 0)
		r = os->stat_at(AT_FDCWD, folder, &above);
	if (r < 0)
		return error_system(error, (int)r, "look at", path);
	if (!counts(&seen, &above, role))
		return 0;
	r = os->read_at(fd, ret, size, 0);
	if (r < 0)
		return error_system(error, (int)r, "read", path);
	if ((size_t)r != size)
		return error_set(error, -EPROTO, "'%.200s' is not a file of floe: remove it", path);
	return 1;
}

int terms_read(struct terms_shared *ret_terms, const struct domain *domain, const char *topic,
	       enum terms_role role, struct floe_error *error)
{
	char folder[DOMAIN_NAME_MAX];
	int r;

	domain_path(domain, "topics", topic, folder);
	r = read_file(ret_terms, sizeof(*ret_terms), folder, "terms", role, error);
	if (r <= 0)
		return r;
	r = identity_check(ret_terms->identity, TERMS_MAGIC, TERMS_SIGNATURE, "terms", folder,
			   error);
	if (r < 0)
		return r;
	if (ret_terms->pool_count > FLOE_POOLS_MAX)
		return error_set(error, -EPROTO, "the terms of topic '%.100s' are damaged", topic);
	ret_terms->type.name[sizeof(ret_terms->type.name) - 1] = 0;
	return 1;
}

int terms_read_quotas(struct quotas_shared *ret_quotas, const struct domain *domain,
		      struct floe_error *error)
{
	int r = read_file(ret_quotas, sizeof(*ret_quotas), domain->path, "quotas", TERMS_PUBLISHER,
			  error);

	if (r <= 0)
		return r;
	r = identity_check(ret_quotas->identity, QUOTAS_MAGIC, QUOTAS_SIGNATURE, "quotas",
			   domain->path, error);
	if (r < 0)
		return r;
	if (ret_quotas->count > QUOTAS_MAX)
		return error_set(error, -EPROTO, "the quotas of '%.100s' are damaged",
				 domain->path);
	return 1;
}

struct quota_shared terms_find_quota(const struct quotas_shared *quotas, uint32_t uid)
{
	for (uint32_t i = 0; i < quotas->count; i++)
		if (quotas->user[i].uid == uid)
			return quotas->user[i];
	return quotas->others;
}

struct crowd {
	const struct domain *domain;
	int dir;
	enum terms_role role;
	uint32_t count;
};

static int count_one(void *user, const char *name)
{
	struct crowd *crowd = user;
	floe_cleanup(os_close_fdp) int fd = -1;
	uint64_t owner;

	if (crowd->role != TERMS_SUBSCRIBER) {
		if (file_index(name, "pub.", FLOE_PUBLISHERS_MAX) >= 0 &&
		    owner_read(crowd->dir, name, &owner) != -ENOENT && owner &&
		    peer_is_alive(crowd->domain, owner) != 0)
			crowd->count++;
		return 0;
	}
	if (file_index(name, "sub.", FLOE_SUBSCRIBERS_MAX) < 0)
		return 0;
	fd = file_open(crowd->dir, name, O_RDONLY, NULL);
	if (fd >= 0 && os->is_locked(fd) != 0)
		crowd->count++;
	return 0;
}

/* A lock of this process does not show to itself where it is held by the same open file; through
 * another one, as here, it does. */
static int check_count(const struct topic *topic, enum terms_role role, uint32_t max,
		       struct floe_error *error)
{
	floe_cleanup(os_close_fdp) int dir = topic_open_dir(topic, error);
	struct crowd crowd = {.domain = topic->domain, .dir = dir, .role = role};
	int r;

	if (dir < 0)
		return dir;
	r = file_list(dir, count_one, &crowd);
	if (r < 0 || crowd.count <= max)
		return r;
	return error_set(error, -EDQUOT,
			 "topic '%.100s' has %u %s already, which is all that its coordinator "
			 "allows (floed.conf)",
			 topic->name, max, role == TERMS_SUBSCRIBER ? "subscribers" : "publishers");
}

/* How many publishers there are concerns nobody but who is one himself. */
static int check_quota(const struct domain *domain, bool is_publisher, uint64_t more,
		       struct floe_error *error)
{
	struct quotas_shared quotas;
	struct quota_shared quota;
	struct usage usage;
	int r = terms_read_quotas(&quotas, domain, error);

	if (r <= 0)
		return r;
	quota = terms_find_quota(&quotas, os->get_uid());
	if (!is_publisher)
		quota.publishers_max = 0;
	if (quota.publishers_max == 0 && quota.memory_max == 0)
		return 0;
	r = usage_read_of(domain, os->get_uid(), &usage);
	if (r < 0)
		return error_system(error, r, "count what is used in", domain->path);
	if (quota.publishers_max && usage.publishers > quota.publishers_max)
		return error_set(error, -EDQUOT,
				 "user %u has %u publishers already, which is the quota "
				 "(floed.conf)",
				 usage.uid, quota.publishers_max);
	if (quota.memory_max &&
	    (usage.memory > quota.memory_max || more > quota.memory_max - usage.memory))
		return error_set(error, -EDQUOT,
				 "user %u would have %" PRIu64 " bytes here, the quota is %" PRIu64
				 " (floed.conf)",
				 usage.uid, usage.memory + more, quota.memory_max);
	return 0;
}

static int check_terms(const struct topic *topic, enum terms_role role,
		       const struct type_shared *type, struct floe_error *error)
{
	struct terms_shared terms;
	uint32_t max;
	int r = terms_read(&terms, topic->domain, topic->name, role, error);

	if (r <= 0)
		return r;
	r = type_check(type, &terms.type, topic->name, "floed.conf", error);
	if (r < 0)
		return r;
	max = role == TERMS_SUBSCRIBER ? terms.subscribers_max : terms.publishers_max;
	return max ? check_count(topic, role, max, error) : 0;
}

int terms_admit(const struct topic *topic, enum terms_role role, const struct type_shared *type,
		struct floe_error *error)
{
	int r = check_terms(topic, role, type, error);

	return r < 0 ? r : check_quota(topic->domain, role != TERMS_SUBSCRIBER, 0, error);
}

int terms_admit_memory(const struct domain *domain, uint64_t size, struct floe_error *error)
{
	return check_quota(domain, false, size, error);
}

/* The old one goes first; dying before the new one has its name leaves none, which is as without terms. */
static int name_file(int fd, int dir, const char *name)
{
	int r = os->link_fd(fd, dir, name);

	if (r != -EEXIST)
		return r;
	(void)os->unlink(dir, name);
	return os->link_fd(fd, dir, name);
}

/* Unnamed, filled, then named. */
static int write_file(const void *from, size_t size, const char *folder, const char *name,
		      mode_t mode, struct floe_error *error)
{
	floe_cleanup(os_close_fdp) int dir = file_open_dir(AT_FDCWD, folder, error);
	floe_cleanup(os_close_fdp) int fd = -1;
	int r;

	if (dir < 0)
		return dir;
	fd = file_create(dir, mode, error);
	if (fd < 0)
		return fd;
	r = file_fill(fd, from, size);
	if (r < 0)
		return error_system(error, r, "write", name);
	r = name_file(fd, dir, name);
	return r < 0 ? error_system(error, r, "name", name) : 0;
}

int terms_write(const struct terms_shared *terms, const struct domain *domain, const char *topic,
		mode_t mode, struct floe_error *error)
{
	char folder[DOMAIN_NAME_MAX];

	domain_path(domain, "topics", topic, folder);
	return write_file(terms, sizeof(*terms), folder, "terms", mode, error);
}

int terms_write_quotas(const struct quotas_shared *quotas, const struct domain *domain, mode_t mode,
		       struct floe_error *error)
{
	return write_file(quotas, sizeof(*quotas), domain->path, "quotas", mode, error);
}

void terms_remove(const struct domain *domain, const char *topic)
{
	char path[DOMAIN_NAME_MAX + 16];

	domain_path(domain, "topics", topic, path);
	(void)snprintf(path + strlen(path), 16, "/terms");
	(void)os->unlink(AT_FDCWD, path);
}

void terms_remove_quotas(const struct domain *domain)
{
	char path[DOMAIN_NAME_MAX];

	(void)snprintf(path, sizeof(path), "%s/quotas", domain->path);
	(void)os->unlink(AT_FDCWD, path);
}
