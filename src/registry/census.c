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
	const struct party *ours;
	struct floe_error *error;
	int dir;
};

/* -EPROTO: it is not what it must be, which is not asked here. */
static int read_accord(int fd, const struct segment_shared *seen, struct accord_shared *ret_accord)
{
	unsigned char bytes[ACCORD_SIZE_MAX];
	size_t size = seen->accord_size;

	if (size && os->read_at(fd, bytes, size, segment_accord_offset(seen)) != (ssize_t)size)
		return -EPROTO;
	return accord_read(ret_accord, bytes, size);
}

static int check_publisher(void *user, const char *name)
{
	const struct census *census = user;
	floe_cleanup(os_close_fdp) int fd = -1;
	struct accord_shared accord;
	struct party theirs = {.accord = &accord};
	struct segment_shared seen;
	char who[64];

	if (file_index(name, "pub.", FLOE_PUBLISHERS_MAX) < 0)
		return 0;
	fd = file_open(census->dir, name, O_RDONLY, NULL);
	if (fd < 0 || os->read_at(fd, &seen, sizeof(seen), 0) != (ssize_t)sizeof(seen) ||
	    segment_check(&seen, SIZE_MAX, name, NULL) < 0 || read_accord(fd, &seen, &accord) < 0)
		return 0;
	/* What a dead one meant binds nobody. */
	if (peer_is_alive(census->topic->domain, load_relaxed(&seen.owner)) == 0)
		return 0;
	(void)snprintf(who, sizeof(who), "publisher %u", seen.index);
	theirs.type = seen.type;
	return party_check(census->ours, &theirs, census->topic->name, who, census->error);
}

/* It was closed and only its place is still needed, for what it shared or what goes on being read by
 * relays; or it is disconnected. */
static bool reads_nobody(const struct port_shared *port)
{
	for (uint32_t i = 0; i < FLOE_PUBLISHERS_MAX; i++)
		if (load_relaxed(&port->cursor[i]) != CURSOR_NEVER)
			return false;
	return true;
}

static int check_subscriber(const struct census *census, const struct member *member,
			    uint32_t place)
{
	const struct peer *peer = member->node;
	struct accord_shared accord;
	struct party theirs = {.accord = &accord, .wants = true};
	char who[64];
	int r;

	if (reads_nobody(member->port))
		return 0;
	copy_once(&theirs.type, &member->port->type, sizeof(theirs.type));
	theirs.type.name[sizeof(theirs.type.name) - 1] = 0;
	if (peer_read_accord(peer, member->port, &accord) < 0)
		return 0;
	(void)snprintf(who, sizeof(who), "subscriber %u of process %d", place, peer_pid(peer));
	r = party_check(census->ours, &theirs, census->topic->name, who, census->error);
	return r < 0 && peer_is_alive(census->topic->domain, peer_id(peer)) != 0 ? r : 0;
}

static int check_subscribers(const struct census *census, const struct members *members)
{
	int r = 0;

	for (uint32_t i = 0; i < members->count && r == 0; i++)
		r = check_subscriber(census, &members->member[i], members->place[i]);
	return r;
}

int census_check(const struct topic *topic, const struct party *ours, const struct members *members,
		 struct floe_error *error)
{
	struct census census = {.topic = topic, .ours = ours, .error = error};
	floe_cleanup(os_close_fdp) int dir = -1;
	int r;

	/* Who says nothing can still lack what a subscriber wants. */
	if (party_is_silent(ours))
		return ours->wants ? 0 : check_subscribers(&census, members);
	dir = topic_open_dir(topic, error);
	if (dir < 0)
		return dir;
	census.dir = dir;
	r = file_list(dir, check_publisher, &census);
	return r < 0 ? r : check_subscribers(&census, members);
}
