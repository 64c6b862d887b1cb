/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/census.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "channel/segment.h"
#include "os/os.h"
#include "registry/file.h"
#include "registry/peer.h"
#include "registry/ring_file.h"

struct census {
	const struct topic *topic;
	const struct type_shared *ours;
	struct floe_error *error;
	int dir;
};

static int check_publisher(void *user, const char *name)
{
	const struct census *census = user;
	floe_cleanup(os_close_fdp) int fd = -1;
	struct segment_shared seen;
	char who[64];

	if (file_index(name, "pub.", FLOE_PUBLISHERS_MAX) < 0)
		return 0;
	fd = file_open(census->dir, name, O_RDONLY, NULL);
	if (fd < 0 || os->read_at(fd, &seen, sizeof(seen), 0) != (ssize_t)sizeof(seen) ||
	    segment_check(&seen, SIZE_MAX, name, NULL) < 0)
		return 0;
	/* What a dead one meant binds nobody. */
	if (peer_is_alive(census->topic->domain, load_relaxed(&seen.owner)) == 0)
		return 0;
	(void)snprintf(who, sizeof(who), "publisher %u", seen.index);
	return type_check(census->ours, &seen.type, census->topic->name, who, census->error);
}

static int check_subscribers(const struct census *census, const struct members *members)
{
	for (uint32_t i = 0; i < members->count; i++) {
		const struct peer *peer = members->member[i].node;
		struct type_shared seen;
		char who[64];
		int r;

		copy_once(&seen, &members->member[i].port->type, sizeof(seen));
		seen.name[sizeof(seen.name) - 1] = 0;
		(void)snprintf(who, sizeof(who), "subscriber %u of process %d", members->place[i],
			       peer_pid(peer));
		r = type_check(census->ours, &seen, census->topic->name, who, census->error);
		if (r < 0 && peer_is_alive(census->topic->domain, peer_id(peer)) != 0)
			return r;
	}
	return 0;
}

int census_check(const struct topic *topic, const struct type_shared *ours,
		 const struct members *members, struct floe_error *error)
{
	struct census census = {.topic = topic, .ours = ours, .error = error};
	floe_cleanup(os_close_fdp) int dir = -1;
	int r;

	if (!ours->name[0])
		return 0;
	dir = topic_open_dir(topic, error);
	if (dir < 0)
		return dir;
	census.dir = dir;
	r = file_list(dir, check_publisher, &census);
	return r < 0 ? r : check_subscribers(&census, members);
}
