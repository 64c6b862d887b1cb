/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/relays.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/name.h"
#include "channel/relay_layout.h"
#include "channel/segment.h"
#include "os/os.h"
#include "registry/file.h"

/* A longer chain is taken for one that is needed. */
#define CHAIN_MAX 16

/* As much effort as a name is: so many bytes of ports; and a note, whose ring may have 255 relays, is as
 * much as so many names. */
#define EFFORT_BYTES ((size_t)64 << 10)
#define EFFORT_NOTE 4u

/* A question and those for whose sake it is asked: a circle of dead ports needs itself only. */
struct question {
	const struct domain *domain;
	const struct peer *peer;
	const struct port_shared *port;
	const struct question *above;
	unsigned depth;
	unsigned *effort;
};

/* What a note says, in a checked copy. */
struct note {
	uint64_t topic_id;
	uint32_t index;
	uint64_t ring_file;
	char topic[FLOE_TOPIC_NAME_MAX + 1];
	char path[DOMAIN_NAME_MAX];
};

static bool is_needed(const struct question *question);

/* false: there is none left */
static bool spend(const struct question *question, size_t effort)
{
	bool suffices = effort <= *question->effort;

	*question->effort = suffices ? *question->effort - (unsigned)effort : 0;
	return suffices;
}

static bool read_note(struct note *ret_note, const struct domain *domain,
		      const struct port_shared *port)
{
	struct port_shared seen;

	if (load_acquire(&port->state) != PORT_NOTE)
		return false;
	copy_once(&seen, port, offsetof(struct port_shared, type));
	*ret_note = (struct note){
		.topic_id = seen.topic_id, .index = seen.index, .ring_file = seen.ring_file};
	memcpy(ret_note->topic, seen.topic, sizeof(seen.topic));
	ret_note->topic[FLOE_TOPIC_NAME_MAX] = 0;
	if (seen.index >= FLOE_PUBLISHERS_MAX ||
	    name_check(ret_note->topic, "topic name", FLOE_TOPIC_NAME_MAX, NULL) < 0)
		return false;
	domain_path(domain, "topics", ret_note->topic, ret_note->path);
	return true;
}

/* 1 somebody alive has it open; 0 nobody; -ENOENT there is no such topic any more */
static int is_open(const struct note *note)
{
	floe_cleanup(os_close_fdp) int fd = -1;
	char path[DOMAIN_NAME_MAX + 16];
	struct topic_shared seen;

	(void)snprintf(path, sizeof(path), "%s/topic", note->path);
	fd = file_open(AT_FDCWD, path, O_RDONLY, NULL);
	if (fd == -ENOENT || fd == -EPROTO)
		return -ENOENT;
	/* Who cannot look does not know that nobody is there. */
	if (fd < 0 || os->read_at(fd, &seen, sizeof(seen), 0) != (ssize_t)sizeof(seen))
		return 1;
	if (seen.id != note->topic_id)
		return -ENOENT;
	/* Who removes it has it alone. */
	return os->is_used(fd) == 1 && os->is_locked(fd) == 0;
}

/* The shared relays of an open ring: where they are, and how many. 0, or none can be read */
static int find_relays(int fd, uint64_t *ret_offset, uint32_t *ret_count)
{
	struct segment_shared seen;

	if (os->read_at(fd, &seen, sizeof(seen), 0) != (ssize_t)sizeof(seen) ||
	    segment_check(&seen, SIZE_MAX, "", NULL) < 0)
		return -EPROTO;
	*ret_offset = segment_relays_offset(seen.slots_offset, seen.depth, seen.loans_max);
	*ret_count = (uint32_t)seen.relays_max;
	return 0;
}

static bool read_relay(int fd, uint64_t offset, uint32_t n, uint64_t *ret_holder,
		       uint64_t *ret_port)
{
	uint64_t words[2];

	if (os->read_at(fd, words, sizeof(words), offset + n * sizeof(struct relay_shared)) !=
	    (ssize_t)sizeof(words))
		return false;
	*ret_holder = words[0];
	*ret_port = words[1];
	return true;
}

static uint64_t offset_of(const struct peer *peer, const struct port_shared *port)
{
	return (uint64_t)((const unsigned char *)port - peer->region.base);
}

/* 1 one of its relays is of this port; 0 none is; -ENOENT the ring has no name any more */
static int is_relayed(const struct note *note, const struct question *question)
{
	floe_cleanup(os_close_fdp) int fd = -1;
	char path[DOMAIN_NAME_MAX + PLACE_NAME_MAX];
	char name[PLACE_NAME_MAX];
	uint64_t offset, holder, port;
	uint32_t count;

	place_name(name, "pub.", note->index);
	(void)snprintf(path, sizeof(path), "%s/%s", note->path, name);
	fd = file_open(AT_FDCWD, path, O_RDONLY, NULL);
	if (fd < 0 && fd != -ENOENT)
		return 1;
	if (fd < 0 || file_id(fd) != note->ring_file || find_relays(fd, &offset, &count) < 0)
		return -ENOENT;
	for (uint32_t n = 0; n < count; n++)
		if (read_relay(fd, offset, n, &holder, &port) &&
		    holder == peer_id(question->peer) &&
		    port == offset_of(question->peer, question->port))
			return 1;
	return 0;
}

static bool holds_relay(const struct port_shared *port, uint32_t holds_max, uint32_t index)
{
	for (uint32_t i = 0; i < holds_max; i++) {
		uint64_t hold = load_acquire(&port->hold[i]);

		if (hold >> HOLD_OFFSET_BITS == (uint64_t)index + 1 && hold & SLOT_FOREIGN)
			return true;
	}
	return false;
}

/* Places of a topic. */
struct search {
	const struct question *question;
	const struct note *note;
	int dir;
	bool holders; /* only those that hold a relay of the ring, also of the living */
};

static bool is_place_needed(const struct search *search, int fd, uint32_t place)
{
	floe_cleanup(peer_detach) struct peer peer = PEER_NULL;
	const struct port_shared *port;
	struct question question = *search->question;
	uint32_t holds_max;

	if (peer_attach(&peer, fd, "a node", NULL) < 0)
		return false;
	if (!spend(search->question, peer.region.reserved / EFFORT_BYTES))
		return true;
	port = peer_find_port(&peer, search->note->topic_id, place, &holds_max);
	if (!port || (search->holders && !holds_relay(port, holds_max, search->note->index)))
		return false;
	if (os->is_locked(fd) != 0)
		return search->holders;
	question.peer = &peer;
	question.port = port;
	question.above = search->question;
	question.depth++;
	return is_needed(&question);
}

static int visit_place(void *user, const char *name)
{
	const struct search *search = user;
	floe_cleanup(os_close_fdp) int fd = -1;
	int place = file_index(name, "sub.", FLOE_SUBSCRIBERS_MAX);

	if (!spend(search->question, 1))
		return 1;
	if (place < 0)
		return 0;
	fd = file_open(search->dir, name, O_RDONLY, NULL);
	return fd >= 0 && is_place_needed(search, fd, (uint32_t)place);
}

static bool is_any_place_needed(const struct question *question, const struct note *note,
				bool holders)
{
	floe_cleanup(os_close_fdp) int dir = file_open_dir(AT_FDCWD, note->path, NULL);
	struct search search = {question, note, dir, holders};

	/* What cannot be told is taken for yes, but for a folder that is gone. */
	return dir < 0 ? dir != -ENOENT : file_list(dir, visit_place, &search) != 0;
}

static bool is_needed_by(const struct question *question, const struct note *note)
{
	int open = is_open(note);
	int relayed;

	if (open < 0)
		return false;
	relayed = is_relayed(note, question);
	if (relayed == 1)
		return open == 1 || is_any_place_needed(question, note, false);
	return relayed < 0 && is_any_place_needed(question, note, true);
}

static bool is_asked_above(const struct question *question)
{
	for (const struct question *q = question->above; q; q = q->above)
		if (q->peer->file == question->peer->file &&
		    offset_of(q->peer, q->port) == offset_of(question->peer, question->port))
			return true;
	return false;
}

static bool is_needed(const struct question *question)
{
	const struct port_shared *port = NULL;
	struct note note;
	uint32_t holds_max;

	if (question->depth > CHAIN_MAX)
		return true;
	if (is_asked_above(question))
		return false;
	while ((port = peer_next_port(question->peer, port, &holds_max)))
		if (read_note(&note, question->domain, port) &&
		    (!spend(question, EFFORT_NOTE) || is_needed_by(question, &note)))
			return true;
	return false;
}

bool relays_need(const struct domain *domain, const struct peer *peer,
		 const struct port_shared *port, unsigned *effort)
{
	struct question question = {.domain = domain, .peer = peer, .port = port, .effort = effort};

	return is_needed(&question);
}

int relays_withdraw(const struct domain *domain, const struct peer *peer,
		    const struct port_shared *port, struct region *writable, unsigned *effort)
{
	struct port_shared *ours;
	uint64_t life;

	if (relays_need(domain, peer, port, effort))
		return 0;
	ours = region_at(writable, offset_of(peer, port), sizeof(*ours));
	if (!ours)
		return 0;
	life = load_relaxed(&ours->life);
	/* Pairs with the look in hold_relay (channel/subscriber.c): either we find the hold now, or he
	 * finds this. Dying after it: what the ring still has of this port is lost to who has not taken
	 * it, and the place goes with the next one who cleans. */
	store_seq_cst(&ours->life, life | PORT_WITHDRAWN);
	fence_seq_cst();
	return !relays_need(domain, peer, port, effort);
}

/* A ring that is gone needs no note, unless somebody may hold what it had. */
static bool is_stale(const struct node *node, const struct peer *peer,
		     const struct port_shared *port, unsigned *effort)
{
	struct question question = {
		.domain = &node->domain, .peer = peer, .port = port, .effort = effort};
	struct note note;

	if (!read_note(&note, &node->domain, port))
		return false;
	if (is_open(&note) < 0)
		return true;
	return is_relayed(&note, &question) < 0 && !is_any_place_needed(&question, &note, true);
}

static bool is_note_of(const struct port_shared *port, const struct topic *topic, uint32_t index,
		       uint64_t ring_file)
{
	return load_acquire(&port->state) == PORT_NOTE && port->topic_id == topic->id &&
	       port->index == index && port->ring_file == ring_file;
}

static int find_or_make_note(struct node *node, const struct topic *topic, uint32_t index,
			     uint64_t ring_file)
{
	struct peer peer = {.region = node_region(node), .file = file_id(node->fd)};
	const struct port_shared *port = NULL;
	struct port_shared *note;
	unsigned effort = RELAYS_EFFORT;
	uint32_t holds_max;
	int r;

	while ((port = peer_next_port(&peer, port, &holds_max))) {
		if (is_note_of(port, topic, index, ring_file))
			return 0;
		if (is_stale(node, &peer, port, &effort))
			node_remove_port(node, node_port(node, port));
	}
	r = node_add_port(node, 0, 0, &note, NULL);
	if (r < 0)
		return r;
	note->topic_id = topic->id;
	note->index = index;
	note->ring_file = ring_file;
	memcpy(note->topic, topic->name, sizeof(note->topic));
	/* Dying before this store: nothing was republished yet. After it: who cleans looks at that ring,
	 * and finds no relay. */
	store_release(&note->state, PORT_NOTE);
	return 0;
}

/* Two threads that find the same stale note would both remove it, the second one when it is another
 * ring's already. */
int relays_note(struct node *node, const struct topic *topic, uint32_t index, uint64_t ring_file)
{
	int r;

	(void)pthread_mutex_lock(&node->cleaning);
	r = find_or_make_note(node, topic, index, ring_file);
	(void)pthread_mutex_unlock(&node->cleaning);
	return r;
}

uint32_t relays_list_holders(int dir, const char *name, uint64_t *ret_holders, uint32_t max)
{
	floe_cleanup(os_close_fdp) int fd = file_open(dir, name, O_RDONLY, NULL);
	uint64_t offset, holder, port;
	uint32_t count, found = 0;

	if (fd < 0 || find_relays(fd, &offset, &count) < 0)
		return 0;
	for (uint32_t n = 0; n < count && found < max; n++) {
		uint32_t i = 0;

		if (!read_relay(fd, offset, n, &holder, &port) || holder == 0)
			continue;
		while (i < found && ret_holders[i] != holder)
			i++;
		ret_holders[i] = holder;
		found += i == found;
	}
	return found;
}
