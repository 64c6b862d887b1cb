/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/members.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "channel/lane.h"
#include "os/os.h"
#include "registry/file.h"

/* Not a reason to do without the others, and nothing that passes. */
static bool is_his_fault(int r)
{
	return r == -ENOENT || r == -EPROTO || r == -EACCES || r == -EPERM;
}

static struct peer *find_peer(struct members *members, uint64_t file)
{
	for (uint32_t i = 0; i < members->peer_count; i++)
		if (members->peer[i].file == file)
			return &members->peer[i];
	return NULL;
}

/* Maps the node behind a place, or looks at it again, for it may have grown. */
static int attach(struct members *members, int dir, const char *name, struct peer **ret_peer)
{
	floe_cleanup(os_close_fdp) int fd = file_open(dir, name, O_RDONLY, NULL);
	struct peer *peer;
	int r;

	if (fd < 0)
		return fd;
	peer = find_peer(members, file_id(fd));
	if (peer) {
		*ret_peer = peer;
		return region_look_again(&peer->region, fd);
	}
	if (members->peer_count == FLOE_SUBSCRIBERS_MAX)
		return -EMFILE;
	r = peer_attach(&members->peer[members->peer_count], fd, name, NULL);
	if (r == 0)
		*ret_peer = &members->peer[members->peer_count++];
	return r;
}

/* The port of this place, in a node that is mapped already or else now. NULL: it has none. */
static int find_port(struct members *members, const struct topic *topic, int dir, uint32_t place,
		     struct member *ret_member)
{
	char name[PLACE_NAME_MAX];
	struct peer *peer;
	uint64_t file;
	int r;

	place_name(name, "sub.", place);
	r = file_find_id(dir, name, &file);
	if (r < 0)
		return r;
	peer = find_peer(members, file);
	ret_member->port = NULL;
	if (peer)
		ret_member->port = peer_find_port(peer, topic->id, place, &ret_member->holds_max);
	if (!ret_member->port) {
		r = attach(members, dir, name, &peer);
		if (r < 0)
			return r;
		ret_member->port = peer_find_port(peer, topic->id, place, &ret_member->holds_max);
	}
	ret_member->node = peer;
	return 0;
}

/* All of it is read anew: the same port may be another subscriber's by now. */
static int read_member(struct members *members, const struct topic *topic, int dir, uint32_t place,
		       struct member *ret_member)
{
	int r;

	*ret_member = (struct member){0};
	r = find_port(members, topic, dir, place, ret_member);
	if (r < 0)
		return is_his_fault(r) ? 0 : r;
	if (!ret_member->port)
		return 0;
	ret_member->reliable = ret_member->port->policy == FLOE_POLICY_RELIABLE;
	ret_member->drops = ret_member->port->policy == FLOE_POLICY_DROP_NEWEST;
	ret_member->lane = lane_of(place);
	ret_member->queue_max = ret_member->port->depth;
	ret_member->life = load_relaxed(&ret_member->port->life);
	ret_member->patience_ns = ret_member->port->patience_ns;
	ret_member->omen = peer_omen(ret_member->node);
	return 1;
}

static bool is_used(const struct members *members, const struct peer *peer)
{
	for (uint32_t i = 0; i < members->count; i++)
		if (members->member[i].node == peer)
			return true;
	return false;
}

/* Members point at peers: the last peer moves into a gap, and its members learn it. */
static void drop_unused(struct members *members)
{
	for (uint32_t i = members->peer_count; i-- > 0;) {
		struct peer *peer = &members->peer[i];
		struct peer *last = &members->peer[members->peer_count - 1];

		if (is_used(members, peer))
			continue;
		peer_detach(peer);
		*peer = *last;
		for (uint32_t j = 0; peer != last && j < members->count; j++)
			if (members->member[j].node == last)
				members->member[j].node = peer;
		members->peer_count--;
	}
}

int members_read(struct members *members, const struct topic *topic)
{
	floe_cleanup(os_close_fdp) int dir = topic_open_ours(topic);
	struct member read[FLOE_SUBSCRIBERS_MAX];
	uint32_t place[FLOE_SUBSCRIBERS_MAX];
	uint8_t taken[FLOE_SUBSCRIBERS_MAX];
	uint32_t count = 0;
	int r;

	if (dir < 0)
		return dir;
	r = file_list_indexes(dir, "sub.", FLOE_SUBSCRIBERS_MAX, taken);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < FLOE_SUBSCRIBERS_MAX; i++) {
		if (!taken[i])
			continue;
		r = read_member(members, topic, dir, i, &read[count]);
		if (r < 0)
			return r;
		if (r)
			place[count++] = i;
	}
	memcpy(members->member, read, count * sizeof(read[0]));
	memcpy(members->place, place, count * sizeof(place[0]));
	members->count = count;
	drop_unused(members);
	return 0;
}

/* What it says of itself is never more than it has places for. */
static uint32_t count_holds(const struct member *member)
{
	uint64_t limit = load_acquire(&member->port->holds_limit);

	return limit < member->holds_max ? (uint32_t)limit : member->holds_max;
}

uint32_t members_count_holds(const struct members *members)
{
	uint32_t holds = 0;

	for (uint32_t i = 0; i < members->count; i++)
		holds += count_holds(&members->member[i]);
	return holds;
}

bool members_remember(const struct members *members, uint32_t index)
{
	for (uint32_t i = 0; i < members->count; i++)
		if (load_relaxed(&members->member[i].port->cursor[index]))
			return true;
	return false;
}

static bool holds(const struct member *member, uint32_t index)
{
	for (uint32_t i = 0; i < member->holds_max; i++)
		if (load_acquire(&member->port->hold[i]) >> HOLD_OFFSET_BITS == (uint64_t)index + 1)
			return true;
	return false;
}

bool members_hold(const struct members *members, uint32_t index)
{
	for (uint32_t i = 0; i < members->count; i++)
		if (holds(&members->member[i], index))
			return true;
	return false;
}

void members_close(struct members *members)
{
	members->count = 0;
	drop_unused(members);
}
