/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "os/os.h"
#include "registry/file.h"
#include "registry/node.h"
#include "registry/owner.h"
#include "registry/peer.h"
#include "registry/relays.h"
#include "registry/seat_file.h"
#include "registry/terms.h"

/* Cleaning a topic takes some ten system calls. */
#define LOCK_STEP_NS 200000
#define LOCK_ATTEMPTS 100
/* Of a topic that is removed: more of them are left to who comes to their topics next. */
#define HOLDERS_MAX 16
/* Who opens looks at so many nodes. tmpfs lists the youngest first, so of programs that die again
 * and again no more than a few are left. */
#define BARE_NODES 8

/* 1: go on and remove; 0: only looking */
static floe_format(2, 3) int found(struct cleanup *cleanup, const char *format, ...)
{
	char sentence[512];
	va_list arguments;

	if (!cleanup)
		return 1;
	cleanup->count++;
	if (cleanup->tell) {
		va_start(arguments, format);
		(void)vsnprintf(sentence, sizeof(sentence), format, arguments);
		va_end(arguments);
		cleanup->tell(cleanup->user, sentence);
	}
	return !cleanup->dry_run;
}

/* Only looking: dead nodes, which a real run removes where it meets them first, are told once,
 * when the nodes are walked. */
static bool is_dry(const struct cleanup *cleanup)
{
	return cleanup && cleanup->dry_run;
}

/* Makes the publishers of a topic look again. */
static void tell_publishers(const char *topic_path)
{
	floe_cleanup(os_close_fdp) int fd = -1;
	floe_cleanup(region_close) struct region region = REGION_NULL;
	char path[DOMAIN_NAME_MAX + 16];
	uint64_t id;

	(void)snprintf(path, sizeof(path), "%s/topic", topic_path);
	fd = file_open(AT_FDCWD, path, O_RDWR, NULL);
	if (fd >= 0 && topic_map(&region, fd, path, &id, NULL) == 0)
		topic_tell_publishers(&((struct topic_shared *)(void *)region.base)->hints);
}

/* Does somebody alive need what this dead port holds? Only looking changes nothing. */
static bool is_needed(const struct domain *domain, const struct peer *peer,
		      const struct port_shared *port, struct region *writable,
		      const struct cleanup *cleanup, unsigned *effort)
{
	return is_dry(cleanup) ? relays_need(domain, peer, port, effort)
			       : relays_withdraw(domain, peer, port, writable, effort) == 0;
}

/* The place that a dead port had, if its name still leads to the dead node. false: it stays, for it is
 * needed */
static bool remove_place(const struct domain *domain, const struct peer *peer,
			 const struct port_shared *port, struct region *writable,
			 struct cleanup *cleanup, unsigned *effort)
{
	struct port_shared seen;
	char topic[DOMAIN_NAME_MAX];
	char path[DOMAIN_NAME_MAX + PLACE_NAME_MAX];
	char name[PLACE_NAME_MAX];

	copy_once(&seen, port, offsetof(struct port_shared, type));
	seen.topic[sizeof(seen.topic) - 1] = 0;
	if (seen.index >= FLOE_SUBSCRIBERS_MAX ||
	    name_check(seen.topic, "topic name", FLOE_TOPIC_NAME_MAX, NULL) < 0)
		return true;
	place_name(name, "sub.", seen.index);
	domain_path(domain, "topics", seen.topic, topic);
	(void)snprintf(path, sizeof(path), "%s/%s", topic, name);
	if (file_id_at(AT_FDCWD, path) != peer->file)
		return true;
	if (writable->base && is_needed(domain, peer, port, writable, cleanup, effort))
		return false;
	if (!found(cleanup, "topic '%s': subscriber %u of process %d is dead", seen.topic,
		   seen.index, peer_pid(peer)))
		return true;
	(void)os->unlink(AT_FDCWD, path);
	tell_publishers(topic);
	return true;
}

/* Has it ever republished anything? */
static bool has_notes(const struct peer *peer)
{
	const struct port_shared *port = NULL;
	uint32_t holds_max;

	while ((port = peer_next_port(peer, port, &holds_max)))
		if (load_acquire(&port->state) == PORT_NOTE)
			return true;
	return false;
}

/* Returns how many stay. `fd`: of the node's file, whose lock we have. */
static unsigned remove_places(const struct domain *domain, const struct peer *peer, int fd,
			      struct cleanup *cleanup, unsigned *effort)
{
	floe_cleanup(region_close) struct region writable = REGION_NULL;
	const struct port_shared *port = NULL;
	uint32_t holds_max;
	unsigned kept = 0;

	if (has_notes(peer) && file_map(&writable, fd, sizeof(struct node_shared), NODE_SIZE_MAX,
					true, "a node", NULL) < 0)
		return 1;
	while ((port = peer_next_port(peer, port, &holds_max))) {
		uint32_t state = load_acquire(&port->state);

		if (state == PORT_OPEN || state == PORT_LEAVING)
			kept += !remove_place(domain, peer, port, &writable, cleanup, effort);
	}
	return kept;
}

/* `fd`: the node's file under one of its names. Its lock, once had, is kept to the end. */
static int clean_open_node(const struct domain *domain, int fd, struct cleanup *cleanup,
			   unsigned *effort)
{
	floe_cleanup(peer_detach) struct peer peer = PEER_NULL;
	char path[DOMAIN_NAME_MAX];
	int r = os->try_lock(fd, OS_LOCK_EXCLUSIVE);

	if (r <= 0)
		return r;
	r = peer_attach(&peer, fd, "a node", NULL);
	if (r < 0)
		return r;
	if (remove_places(domain, &peer, fd, cleanup, effort))
		return 2;
	node_path(domain, peer_id(&peer), path);
	if (file_id_at(AT_FDCWD, path) == peer.file &&
	    found(cleanup, "node %016" PRIx64 ": process %d is dead", peer_id(&peer),
		  peer_pid(&peer)))
		(void)os->unlink(AT_FDCWD, path);
	return 1;
}

static int clean_node(const struct domain *domain, uint64_t id, struct cleanup *cleanup,
		      unsigned *effort)
{
	floe_cleanup(os_close_fdp) int fd = -1;
	char path[DOMAIN_NAME_MAX];

	node_path(domain, id, path);
	fd = file_open(AT_FDCWD, path, O_RDWR, NULL);
	return fd < 0 ? fd : clean_open_node(domain, fd, cleanup, effort);
}

int cleanup_node(const struct domain *domain, uint64_t id, struct cleanup *cleanup)
{
	unsigned effort = RELAYS_EFFORT;

	return clean_node(domain, id, cleanup, &effort);
}

struct walk {
	const struct domain *domain;
	struct cleanup *cleanup;
	int dir;
	const char *topic;
	bool lives;
	unsigned left;    /* to be looked at */
	unsigned *effort; /* for relays_need */
	/* Whose places elsewhere were needed for rings that have gone. */
	uint32_t holder_count;
	uint64_t holder[HOLDERS_MAX];
};

/* With the node all its open places go; a name whose port was free already, because giving it
 * back had failed, goes here. */
static void remove_dead_place(struct walk *walk, int fd, const char *name)
{
	int r = clean_open_node(walk->domain, fd, walk->cleanup, walk->effort);

	/* Somebody else is at it: until he is done the name is his. Or it is needed. */
	if (r == 0 || r == 2)
		walk->lives = true;
	if (r == 1 && file_id_at(walk->dir, name) == file_id(fd) &&
	    found(walk->cleanup, "topic '%s': %s is left of a process that is dead", walk->topic,
		  name))
		(void)os->unlink(walk->dir, name);
}

/* What a real run would leave. */
static bool would_stay(const struct walk *walk, int fd)
{
	floe_cleanup(peer_detach) struct peer peer = PEER_NULL;
	const struct port_shared *port = NULL;
	uint32_t holds_max;

	if (peer_attach(&peer, fd, "a node", NULL) < 0)
		return false;
	while ((port = peer_next_port(&peer, port, &holds_max)))
		if (load_acquire(&port->state) == PORT_OPEN &&
		    relays_need(walk->domain, &peer, port, walk->effort))
			return true;
	return false;
}

static int visit_place(void *user, const char *name)
{
	struct walk *walk = user;
	floe_cleanup(os_close_fdp) int fd = -1;

	if (file_index(name, "sub.", FLOE_SUBSCRIBERS_MAX) < 0)
		return 0;
	fd = file_open(walk->dir, name, O_RDWR, NULL);
	if (fd == -EACCES)
		fd = file_open(walk->dir, name, O_RDONLY, NULL);
	if (fd == -ENOENT || fd == -EPROTO)
		return 0;
	/* Who cannot be looked at may be alive. */
	if (fd < 0 || os->is_locked(fd) != 0)
		walk->lives = true;
	else if (is_dry(walk->cleanup))
		walk->lives |= would_stay(walk, fd);
	else
		remove_dead_place(walk, fd, name);
	return 0;
}

static int walk_topic(const struct domain *domain, const char *topic, struct walk *walk,
		      int (*visit)(void *user, const char *name))
{
	char path[DOMAIN_NAME_MAX];
	int r;

	domain_path(domain, "topics", topic, path);
	walk->dir = file_open_dir(AT_FDCWD, path, NULL);
	if (walk->dir < 0)
		return walk->dir;
	r = file_list(walk->dir, visit, walk);
	os_close_fdp(&walk->dir);
	return r;
}

static int clean_places(const struct domain *domain, const char *topic, struct cleanup *cleanup,
			unsigned *effort)
{
	struct walk walk = {.domain = domain, .cleanup = cleanup, .topic = topic, .effort = effort};

	return walk_topic(domain, topic, &walk, visit_place);
}

int cleanup_places(const struct domain *domain, const char *topic, struct cleanup *cleanup)
{
	unsigned effort = RELAYS_EFFORT;

	return clean_places(domain, topic, cleanup, &effort);
}

/* The lock is what else removes or adopts a ring takes: with it the name stays this file's. The
 * record's owner is dead for ever, so nothing is lost; dying before the name goes leaves it. */
static int visit_record(void *user, const char *name)
{
	struct walk *walk = user;
	floe_cleanup(os_close_fdp) int fd = -1;
	uint64_t owner;

	if (file_index(name, "pub.", FLOE_PUBLISHERS_MAX) < 0)
		return 0;
	fd = file_open(walk->dir, name, O_RDWR, NULL);
	if (fd < 0 || owner_read_record(fd, &owner) < 0 || peer_is_alive(walk->domain, owner) != 0)
		return 0;
	if (os->try_lock(fd, OS_LOCK_EXCLUSIVE) == 1 &&
	    file_id_at(walk->dir, name) == file_id(fd) &&
	    found(walk->cleanup, "topic '%s': the memory of %s went with its process", walk->topic,
		  name))
		(void)os->unlink(walk->dir, name);
	return 0;
}

int cleanup_records(const struct domain *domain, const char *topic, struct cleanup *cleanup)
{
	struct walk walk = {.domain = domain, .cleanup = cleanup, .topic = topic};

	return walk_topic(domain, topic, &walk, visit_record);
}

/* Is this the file of a publisher, a notifier or a board's writer? */
static bool is_owned(const char *name)
{
	return file_index(name, "pub.", FLOE_PUBLISHERS_MAX) >= 0 ||
	       file_index(name, SEAT_EVENT, SEATS_MAX) >= 0 ||
	       file_index(name, SEAT_BOARD, SEATS_MAX) >= 0;
}

static int visit_owned(void *user, const char *name)
{
	struct walk *walk = user;
	uint64_t owner;
	int alive;

	if (!is_owned(name))
		return 0;
	alive = owner_read(walk->dir, name, &owner);
	if (alive == -ENOENT || alive == -EPROTO || (alive == 0 && owner == 0))
		return 0;
	if (alive == 0)
		alive = peer_is_alive(walk->domain, owner);
	if (alive != 0)
		walk->lives = true;
	else if (!is_dry(walk->cleanup))
		(void)clean_node(walk->domain, owner, walk->cleanup, walk->effort);
	return 0;
}

static void note_holders(struct walk *walk, const char *name)
{
	walk->holder_count += relays_list_holders(walk->dir, name,
						  walk->holder + walk->holder_count,
						  HOLDERS_MAX - walk->holder_count);
}

static int remove_file(void *user, const char *name)
{
	struct walk *walk = user;

	if (!is_owned(name) &&
	    (is_dry(walk->cleanup) || file_index(name, "sub.", FLOE_SUBSCRIBERS_MAX) < 0))
		return 0;
	if (!found(walk->cleanup, "topic '%s': %s is left of a participant that is gone",
		   walk->topic, name))
		return 0;
	if (file_index(name, "pub.", FLOE_PUBLISHERS_MAX) >= 0)
		note_holders(walk, name);
	return os->unlink(walk->dir, name);
}

/* Rings and seats first, what a coordinator laid down, the file that is locked then, the folder last:
 * what is left half done still has the file that leads the next one here. A coordinator that lives
 * holds the lock, and is never met here. */
static int remove_topic(const struct domain *domain, const char *topic, struct walk *walk)
{
	char path[DOMAIN_NAME_MAX];
	char file[DOMAIN_NAME_MAX + 16];

	int r = walk_topic(domain, topic, walk, remove_file);

	if (r < 0)
		return r;
	domain_path(domain, "topics", topic, path);
	(void)snprintf(file, sizeof(file), "%s/topic", path);
	if (!found(walk->cleanup, "topic '%s' has no living participant", topic))
		return 1;
	terms_remove(domain, topic);
	(void)os->unlink(AT_FDCWD, file);
	(void)os->remove_dir(AT_FDCWD, path);
	return 1;
}

/*
 * 1 the topic is ours alone; 0 somebody uses it. Another one who is cleaning is waited for a little:
 * he may have seen us alive and leave the rest to us, as we would to him.
 */
static int lock_topic(int fd)
{
	int r = 0;

	for (int i = 0; i < LOCK_ATTEMPTS; i++) {
		r = os->try_lock(fd, OS_LOCK_EXCLUSIVE);
		if (r != 0 || os->is_locked(fd) != 1)
			return r;
		os->sleep_ns(LOCK_STEP_NS);
	}
	return r;
}

static int clean_topic(const struct domain *domain, const char *topic, struct walk *walk)
{
	floe_cleanup(os_close_fdp) int fd = -1;
	const struct cleanup *cleanup = walk->cleanup;
	char path[DOMAIN_NAME_MAX];
	char file[DOMAIN_NAME_MAX + 16];
	int r;

	domain_path(domain, "topics", topic, path);
	(void)snprintf(file, sizeof(file), "%s/topic", path);
	fd = file_open(AT_FDCWD, file, O_RDWR, NULL);
	/* A folder without its file: removing ended here. */
	if (fd == -ENOENT && !is_dry(cleanup))
		(void)os->remove_dir(AT_FDCWD, path);
	if (fd < 0)
		return fd;
	r = lock_topic(fd);
	if (r <= 0)
		return r;
	if (file_id_at(AT_FDCWD, file) != file_id(fd))
		return 0;

	r = walk_topic(domain, topic, walk, visit_place);
	if (r == 0)
		r = walk_topic(domain, topic, walk, visit_owned);
	if (r < 0)
		return r;
	return walk->lives ? 0 : remove_topic(domain, topic, walk);
}

static void leave_place_topics(const struct domain *domain, const struct peer *peer,
			       unsigned *effort);

/* One of those whose places elsewhere may have lost their reason, if it is dead: perhaps nobody comes to
 * those topics any more. */
static void follow(const struct domain *domain, uint64_t holder, unsigned *effort)
{
	floe_cleanup(peer_detach) struct peer peer = PEER_NULL;
	floe_cleanup(os_close_fdp) int fd = -1;
	char path[DOMAIN_NAME_MAX];

	node_path(domain, holder, path);
	fd = file_open(AT_FDCWD, path, O_RDWR, NULL);
	if (fd < 0 || os->is_locked(fd) != 0 || peer_attach(&peer, fd, path, NULL) < 0)
		return;
	/* Its topics are cleaned with its places; this keeps them to be read. */
	leave_place_topics(domain, &peer, effort);
}

/* Who has removed a topic may look as far again. */
static int clean_and_follow(const struct domain *domain, const char *topic, struct cleanup *cleanup,
			    unsigned *effort)
{
	struct walk walk = {.domain = domain, .cleanup = cleanup, .topic = topic, .effort = effort};
	int r = clean_topic(domain, topic, &walk);

	if (r == 1)
		*effort = RELAYS_EFFORT;
	for (uint32_t i = 0; i < walk.holder_count && !is_dry(cleanup); i++)
		follow(domain, walk.holder[i], effort);
	return r;
}

int cleanup_topic(const struct domain *domain, const char *topic, struct cleanup *cleanup)
{
	unsigned effort = RELAYS_EFFORT;

	return clean_and_follow(domain, topic, cleanup, &effort);
}

/* Each turn removes a topic, or ends: so does the chain. */
static void leave_place_topics(const struct domain *domain, const struct peer *peer,
			       unsigned *effort)
{
	const struct port_shared *port = NULL;
	uint32_t holds_max;

	while ((port = peer_next_port(peer, port, &holds_max))) {
		struct port_shared seen;

		if (load_acquire(&port->state) != PORT_OPEN)
			continue;
		copy_once(&seen, port, offsetof(struct port_shared, type));
		seen.topic[FLOE_TOPIC_NAME_MAX] = 0;
		if (name_check(seen.topic, "topic name", FLOE_TOPIC_NAME_MAX, NULL) == 0) {
			(void)clean_places(domain, seen.topic, NULL, effort);
			(void)clean_and_follow(domain, seen.topic, NULL, effort);
		}
	}
}

/* The next abandoned port that nobody needs: its place is gone, and its topic is told. */
static bool remove_abandoned(struct node *node, char *ret_topic)
{
	struct peer peer = {.region = node_region(node), .file = file_id(node->fd)};
	const struct port_shared *port = NULL;
	unsigned effort = RELAYS_EFFORT;
	uint32_t holds_max;

	while ((port = peer_next_port(&peer, port, &holds_max))) {
		/* Pairs with the store in node_abandon_port: all of it was laid out before. */
		if (load_relaxed(&port->state) != PORT_OPEN ||
		    !(load_acquire(&port->life) & PORT_ABANDONED) ||
		    !remove_place(&node->domain, &peer, port, &peer.region, NULL, &effort))
			continue;
		memcpy(ret_topic, port->topic, sizeof(port->topic));
		node_remove_port(node, node_port(node, port));
		return true;
	}
	return false;
}

void cleanup_abandoned(struct node *node)
{
	char topic[FLOE_TOPIC_NAME_MAX + 1];
	bool removed = node_has_abandoned(node);

	while (removed) {
		(void)pthread_mutex_lock(&node->cleaning);
		removed = remove_abandoned(node, topic);
		(void)pthread_mutex_unlock(&node->cleaning);
		if (removed)
			(void)cleanup_topic(&node->domain, topic, NULL);
	}
}

void cleanup_leave(struct topic *topic)
{
	const struct domain *domain = topic->domain;
	char name[sizeof(topic->name)];

	memcpy(name, topic->name, sizeof(name));
	topic_close(topic);
	if (name[0])
		(void)cleanup_topic(domain, name, NULL);
}

static int visit_node(void *user, const char *name)
{
	struct walk *walk = user;
	char *end;
	uint64_t id = strtoull(name, &end, 16);
	int r;

	if (*end || strlen(name) != 16) {
		(void)found(walk->cleanup, "'nodes/%s' is not a file of floe", name);
		return 0;
	}
	r = cleanup_node(walk->domain, id, walk->cleanup);
	/* Unlocked and no node: nothing of ours is ever seen like this. */
	if (r == -EPROTO && found(walk->cleanup, "'nodes/%s' is damaged", name))
		(void)os->unlink(walk->dir, name);
	return 0;
}

/*
 * A dead process whose node has no further name is in no topic, and its name is all that it left.
 * No lock: with one it would look alive meanwhile, and who leaves a topic with its ring would let
 * that be. A dead node stays dead, and its name is never another's.
 */
static int visit_bare_node(void *user, const char *name)
{
	struct walk *walk = user;
	floe_cleanup(os_close_fdp) int fd = -1;
	struct stat seen;

	if (walk->left-- == 0)
		return 1;
	fd = file_open(walk->dir, name, O_RDONLY, NULL);
	if (fd >= 0 && os->is_locked(fd) == 0 && os->stat(fd, &seen) == 0 && seen.st_nlink == 1)
		(void)os->unlink(walk->dir, name);
	return 0;
}

static int visit_topic(void *user, const char *name)
{
	struct walk *walk = user;

	/* Where somebody lives, the topic stays, but not the places of the dead, nor
	 * what leads to memory that is gone. */
	(void)cleanup_places(walk->domain, name, walk->cleanup);
	if (cleanup_topic(walk->domain, name, walk->cleanup) == 0)
		(void)cleanup_records(walk->domain, name, walk->cleanup);
	return 0;
}

static int walk_folder(const struct domain *domain, const char *folder, struct walk *walk,
		       int (*visit)(void *user, const char *name))
{
	char path[DOMAIN_NAME_MAX];
	int r;

	domain_path(domain, folder, ".", path);
	walk->dir = file_open_dir(AT_FDCWD, path, NULL);
	if (walk->dir < 0)
		return walk->dir == -ENOENT ? 0 : walk->dir;
	r = file_list(walk->dir, visit, walk);
	os_close_fdp(&walk->dir);
	return r;
}

void cleanup_bare_nodes(const struct domain *domain)
{
	struct walk walk = {.domain = domain, .left = BARE_NODES};

	(void)walk_folder(domain, "nodes", &walk, visit_bare_node);
}

int cleanup_domain(const struct domain *domain, struct cleanup *cleanup)
{
	struct walk walk = {.domain = domain, .cleanup = cleanup};
	/* In this order: while a node is being cleaned it looks alive to who walks its topic, so
	 * whoever cleaned it comes to the topic afterwards. */
	int r = walk_folder(domain, "nodes", &walk, visit_node);

	if (r == 0)
		r = walk_folder(domain, "topics", &walk, visit_topic);
	if (r == 0 && !cleanup->dry_run)
		domain_remove_empty(domain);
	return r;
}
