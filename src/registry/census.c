/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/census.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "channel/lane.h"
#include "channel/segment.h"
#include "os/os.h"
#include "registry/feeds.h"
#include "registry/file.h"
#include "registry/peer.h"
#include "registry/record_layout.h"
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
	return accord_read_offer(ret_accord, bytes, size);
}

/* In a block of the program, by its record. Where that cannot be mapped nobody knows what it offers. */
static int follow_record(const struct census *census, const char *name,
			 struct segment_shared *ret_seen, struct accord_shared *ret_accord)
{
	struct type_shared type;
	struct feed feed;
	int r = feed_attach(&feed, census->topic->domain, census->dir, name, &type, NULL);

	if (r < 0)
		return r;
	copy_once(ret_seen, feed.reader.segment, sizeof(*ret_seen));
	/* As it was checked. */
	ret_seen->type = type;
	ret_seen->index = feed.index;
	r = feed_read_accord(&feed, ret_accord);
	feed_detach(&feed);
	return r;
}

static int read_publisher(const struct census *census, const char *name,
			  struct segment_shared *ret_seen, struct accord_shared *ret_accord)
{
	floe_cleanup(os_close_fdp) int fd = file_open(census->dir, name, O_RDONLY, NULL);
	ssize_t size = fd < 0 ? fd : os->read_at(fd, ret_seen, sizeof(*ret_seen), 0);

	if (size < (ssize_t)sizeof(ret_seen->identity))
		return -EPROTO;
	if (ret_seen->identity.magic == RECORD_MAGIC)
		return follow_record(census, name, ret_seen, ret_accord);
	if (size != (ssize_t)sizeof(*ret_seen) || segment_check(ret_seen, SIZE_MAX, name, NULL) < 0)
		return -EPROTO;
	return read_accord(fd, ret_seen, ret_accord);
}

static int check_publisher(void *user, const char *name)
{
	const struct census *census = user;
	struct accord_shared accord;
	struct party theirs = {.accord = &accord};
	struct segment_shared seen;
	char who[64];

	if (file_index(name, "pub.", FLOE_PUBLISHERS_MAX) < 0 ||
	    read_publisher(census, name, &seen, &accord) < 0)
		return 0;
	/* What a dead one meant binds nobody. */
	if (peer_is_alive(census->topic->domain, load_relaxed(&seen.owner)) == 0)
		return 0;
	(void)snprintf(who, sizeof(who), "publisher %u", seen.index);
	theirs.type = seen.type;
	theirs.lanes = seen.lanes_max;
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
	if (member->drops)
		theirs.lanes = lane_of(place) + 1;
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
