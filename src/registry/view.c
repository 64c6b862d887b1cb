/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "channel/board_layout.h"
#include "channel/event_layout.h"
#include "channel/receipt.h"
#include "os/os.h"
#include "registry/feeds.h"
#include "registry/file.h"
#include "registry/node.h"
#include "registry/omen.h"
#include "registry/owner.h"
#include "registry/peer.h"
#include "registry/record_layout.h"
#include "registry/topic.h"

static uint32_t state_of(int r)
{
	return r == -EACCES || r == -EPERM ? FLOE_STATE_HIDDEN : FLOE_STATE_BROKEN;
}

static void copy_text(char *to, size_t size, const char *from)
{
	copy_once(to, from, size);
	to[size - 1] = 0;
}

static uint64_t count_memory(int dir, const char *name)
{
	struct stat seen;

	return os->stat_at(dir, name, &seen) < 0 ? 0 : (uint64_t)seen.st_blocks * 512;
}

/* A place to put the next element, or NULL when the caller has no room; counted either way. */
struct list {
	const struct domain *domain;
	int dir;
	unsigned char *at;
	size_t size;
	size_t room;
	int count;
	uint64_t topic_id;
	struct type_shared type; /* of the first that names one */
};

static void *next(struct list *list)
{
	void *element = NULL;

	if ((size_t)list->count < list->room) {
		element = list->at + (size_t)list->count * list->size;
		memset(element, 0, list->size);
	}
	list->count++;
	return element;
}

static int walk(struct list *list, const char *path, int (*each)(void *user, const char *name))
{
	int r;

	list->dir = file_open_dir(AT_FDCWD, path, NULL);
	if (list->dir < 0)
		return list->dir;
	r = file_list(list->dir, each, list);
	os_close_fdp(&list->dir);
	return r < 0 ? r : list->count;
}

/* Of the thread that watches over the omen, if it is of our own PID namespace. */
static void describe_thread(const struct peer *peer, struct floe_node_info *ret)
{
	int32_t tid = (int32_t)(load_relaxed(peer_omen(peer)) & FUTEX_TID_MASK);
	floe_cleanup(os_close_fdp) int fd = -1;
	char path[64];
	ssize_t size;

	if (ret->state != FLOE_STATE_ALIVE || !tid || peer_space(peer) != omen_get_space())
		return;
	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", ret->pid, tid);
	fd = os->open(AT_FDCWD, path, O_RDONLY, 0);
	size = fd < 0 ? fd : os->read_at(fd, ret->thread, sizeof(ret->thread) - 1, 0);
	if (size <= 0)
		return;
	ret->tid = tid;
	ret->thread[size - (ret->thread[size - 1] == '\n')] = 0;
}

static void describe_node(const struct peer *peer, int fd, struct floe_node_info *ret)
{
	const struct port_shared *port = NULL;
	uint32_t holds_max;

	ret->id = peer_id(peer);
	ret->state = os->is_locked(fd) == 1 ? FLOE_STATE_ALIVE : FLOE_STATE_DEAD;
	ret->pid = peer_pid(peer);
	ret->uid = peer_uid(peer);
	peer_process(peer, ret->process, sizeof(ret->process));
	describe_thread(peer, ret);
	while ((port = peer_next_port(peer, port, &holds_max)))
		ret->subscribers += load_acquire(&port->state) == PORT_OPEN;
}

static int add_node(void *user, const char *name)
{
	struct list *list = user;
	floe_cleanup(os_close_fdp) int fd = file_open(list->dir, name, O_RDONLY, NULL);
	floe_cleanup(peer_detach) struct peer peer = PEER_NULL;
	struct floe_node_info *info;
	int r = fd < 0 ? fd : peer_attach(&peer, fd, name, NULL);

	if (r == -ENOENT)
		return 0;
	info = next(list);
	if (!info)
		return 0;
	info->memory = count_memory(list->dir, name);
	if (r < 0) {
		info->id = strtoull(name, NULL, 16);
		info->state = state_of(r);
		return 0;
	}
	describe_node(&peer, fd, info);
	return 0;
}

int view_nodes(const struct domain *domain, struct floe_node_info *ret, size_t count)
{
	struct list list = {
		.domain = domain,
		.at = (unsigned char *)ret,
		.size = sizeof(*ret),
		.room = count,
	};
	char path[DOMAIN_NAME_MAX];
	int r;

	domain_path(domain, "nodes", ".", path);
	r = walk(&list, path, add_node);
	return r == -ENOENT ? 0 : r;
}

/* Fills in who the owner is, from its node's file. */
static void describe_owner(const struct domain *domain, struct floe_publisher_info *info)
{
	floe_cleanup(os_close_fdp) int fd = -1;
	floe_cleanup(peer_detach) struct peer peer = PEER_NULL;
	char path[DOMAIN_NAME_MAX];

	info->state = FLOE_STATE_CLOSED;
	if (info->node == 0)
		return;
	info->state = FLOE_STATE_DEAD;
	node_path(domain, info->node, path);
	fd = file_open(AT_FDCWD, path, O_RDONLY, NULL);
	if (fd == -EACCES)
		info->state = FLOE_STATE_HIDDEN;
	if (fd < 0)
		return;
	if (os->is_locked(fd) == 1)
		info->state = FLOE_STATE_ALIVE;
	if (peer_attach(&peer, fd, path, NULL) < 0)
		return;
	info->pid = peer_pid(&peer);
	info->uid = peer_uid(&peer);
	peer_process(&peer, info->process, sizeof(info->process));
}

/* What a peer says of a limit, and the most that it can be. */
static uint64_t smaller(uint64_t limit, uint64_t most)
{
	return limit < most ? limit : most;
}

static void describe_segment(const struct segment_shared *segment, struct floe_publisher_info *info)
{
	info->flags = segment->flags;
	info->node = load_relaxed(&segment->owner);
	info->generation = load_relaxed(&segment->generation);
	info->sequence = load_relaxed(&segment->head);
	info->depth = segment->depth;
	info->payload_max = segment->payload_max;
	info->loans = segment_loans(segment);
	info->loans_max = smaller(load_relaxed(&segment->loans_limit), segment->loans_max);
	info->loans_refused = load_relaxed(&segment->loans_refused);
	info->would_block = load_relaxed(&segment->would_block);
	info->wakes = load_relaxed(&segment->wakes);
	info->spilled = load_relaxed(&segment->spilled);
	info->solid = load_relaxed(&segment->solid);
	info->quota = smaller(load_relaxed(&segment->quota_limit), segment->quota);
	info->loans_ceiling = segment->loans_max;
	info->quota_ceiling = segment->quota;
	info->lanes_max = segment->lanes_max;
	info->lane_depth = segment->lane_depth;
	for (uint32_t i = 0; i < FLOE_POOLS_MAX; i++)
		info->chunks += load_relaxed(&segment->pool[i].chunk_count);
	copy_text(info->type, sizeof(info->type), segment->type.name);
}

/* What a segment in a file of its own says of itself. It is read, not mapped: to map it is to look
 * how much of it has memory, page by page. 0; 1 a record leads to it; -errno */
static int read_segment(int dir, const char *name, struct segment_shared *ret)
{
	floe_cleanup(os_close_fdp) int fd = file_open(dir, name, O_RDONLY, NULL);
	struct stat status;
	ssize_t size;

	if (fd < 0)
		return fd;
	memset(ret, 0, sizeof(*ret));
	size = os->read_at(fd, ret, sizeof(*ret), 0);
	if (size < 0)
		return (int)size;
	if ((size_t)size >= sizeof(ret->identity) && ret->identity.magic == RECORD_MAGIC)
		return 1;
	if ((size_t)size < sizeof(*ret) || os->stat_at(dir, name, &status) < 0)
		return -EPROTO;
	return segment_check(ret, (size_t)status.st_size, name, NULL);
}

/* The same of any publisher. 0; -errno */
static int peek(const struct domain *domain, int dir, const char *name, struct segment_shared *ret)
{
	struct type_shared type;
	struct feed feed;
	int r = read_segment(dir, name, ret);

	if (r <= 0)
		return r;
	r = feed_attach(&feed, domain, dir, name, &type, NULL);
	if (r < 0)
		return r;
	copy_once(ret, feed.reader.segment, sizeof(*ret));
	feed_detach(&feed);
	return 0;
}

static void note_type(struct list *list, const struct type_shared *type)
{
	if (!list->type.name[0])
		copy_once(&list->type, type, sizeof(list->type));
	list->type.name[sizeof(list->type.name) - 1] = 0;
}

/* Few offer anything or have lanes: their files are read once more. */
static void describe_rest(const struct list *list, const char *name,
			  struct floe_publisher_info *info)
{
	struct accord_shared accord;
	struct type_shared type;
	struct feed feed;

	if (feed_attach(&feed, list->domain, list->dir, name, &type, NULL) < 0)
		return;
	if (feed_read_accord(&feed, &accord) == 0) {
		info->header_size = accord.header.size;
		info->attributes = accord.count;
		memcpy(info->header, accord.header.name, sizeof(info->header));
	}
	info->lanes_dropped = lanes_dropped((const char *)feed.reader.segment + feed.lanes_offset,
					    feed.lanes_max, feed.lane_depth);
	feed_detach(&feed);
}

static int add_publisher(void *user, const char *name)
{
	struct list *list = user;
	struct floe_publisher_info *info;
	struct segment_shared segment;
	struct stat seen;
	int index = file_index(name, "pub.", FLOE_PUBLISHERS_MAX);
	int r;

	if (index < 0 || os->stat_at(list->dir, name, &seen) < 0)
		return 0;
	info = next(list);
	if (!info)
		return 0;
	info->index = (uint32_t)index;
	info->mode = seen.st_mode & 07777;
	info->uid = seen.st_uid;
	info->memory = (uint64_t)seen.st_blocks * 512;
	r = peek(list->domain, list->dir, name, &segment);
	if (r < 0) {
		info->state = state_of(r);
		/* A record tells its owner, also when the memory cannot be had. */
		if (r != -EPROTO && owner_read(list->dir, name, &info->node) == 0)
			describe_owner(list->domain, info);
		return 0;
	}
	describe_segment(&segment, info);
	describe_owner(list->domain, info);
	if (segment.accord_size || segment.lanes_max)
		describe_rest(list, name, info);
	note_type(list, &segment.type);
	return 0;
}

static int list_publishers(const struct domain *domain, const char *topic,
			   struct floe_publisher_info *ret, size_t count, struct type_shared *type)
{
	struct list list = {
		.domain = domain,
		.at = (unsigned char *)ret,
		.size = sizeof(*ret),
		.room = count,
	};
	char path[DOMAIN_NAME_MAX];
	int r;

	domain_path(domain, "topics", topic, path);
	r = walk(&list, path, add_publisher);
	if (type)
		*type = list.type;
	return r;
}

int view_publishers(const struct domain *domain, const char *topic, struct floe_publisher_info *ret,
		    size_t count)
{
	return list_publishers(domain, topic, ret, count, NULL);
}

static int attach(const struct domain *domain, const char *topic, uint32_t publisher,
		  struct feed *ret_feed)
{
	floe_cleanup(os_close_fdp) int dir = -1;
	char path[DOMAIN_NAME_MAX], name[PLACE_NAME_MAX];
	struct type_shared type;

	domain_path(domain, "topics", topic, path);
	dir = file_open_dir(AT_FDCWD, path, NULL);
	if (dir < 0)
		return dir;
	place_name(name, "pub.", publisher);
	return feed_attach(ret_feed, domain, dir, name, &type, NULL);
}

/* feed_attach has checked that receipts lie between the slots and what follows. */
int view_loans(const struct domain *domain, const char *topic, uint32_t publisher,
	       struct floe_loan_info *ret, size_t count)
{
	const struct loan_shared *receipts;
	struct feed feed;
	int found = 0;
	int r = attach(domain, topic, publisher, &feed);

	if (r < 0)
		return r;
	receipts = (const struct loan_shared *)(const void *)(feed.reader.slots +
							      feed.reader.depth);
	for (uint32_t i = 0; i < feed.loans_max; i++) {
		struct floe_loan_info info;

		if (receipt_read(&receipts[i], &info) && (size_t)found++ < count)
			ret[found - 1] = info;
	}
	feed_detach(&feed);
	return found;
}

int view_attributes(const struct domain *domain, const char *topic, uint32_t publisher,
		    struct floe_attribute_info *ret, size_t count)
{
	struct accord_shared accord;
	struct feed feed;
	int r = attach(domain, topic, publisher, &feed);

	if (r < 0)
		return r;
	r = feed_read_accord(&feed, &accord);
	feed_detach(&feed);
	for (uint64_t i = 0; r == 0 && i < accord.count && i < count; i++) {
		memcpy(ret[i].key, accord.attribute[i].key, sizeof(ret[i].key));
		memcpy(ret[i].value, accord.attribute[i].value, sizeof(ret[i].value));
	}
	return r < 0 ? r : (int)accord.count;
}

static void describe_port(const struct port_shared *port, uint32_t holds_max,
			  struct floe_subscriber_info *info)
{
	info->policy = port->policy;
	info->sleeping = (uint32_t)load_relaxed(&port->sleeping);
	info->received = port_received(port);
	info->lost = load_relaxed(&port->lost);
	for (uint32_t i = 0; i < holds_max; i++)
		info->held += load_relaxed(&port->hold[i]) != HOLD_NONE;
	info->holds_max = smaller(load_relaxed(&port->holds_limit), holds_max);
	info->holds_ceiling = holds_max;
	info->queue_max = port->policy == FLOE_POLICY_DROP_NEWEST ? port->depth : 0;
	copy_text(info->type, sizeof(info->type), port->type.name);
}

/* What this port's lane has from `cursor` on. Where there is none it is read as nothing. */
static uint64_t count_in_lane(const struct list *list, const char *name,
			      const struct port_shared *port, uint64_t cursor)
{
	uint32_t lane = lane_of(port->index);
	struct lane_reader reader;
	struct type_shared type;
	struct feed feed;
	uint64_t next = 0;

	if (feed_attach(&feed, list->domain, list->dir, name, &type, NULL) < 0)
		return 0;
	if (lane < feed.lanes_max) {
		lane_reader_init(&reader, &feed.reader, feed.lanes_offset, lane, feed.lane_depth);
		next = lane_reader_start(&reader);
	}
	feed_detach(&feed);
	return next > cursor ? smaller(next - cursor, feed.lane_depth) : 0;
}

/* The same of the ring. */
static uint64_t count_in_ring(const struct list *list, const char *name, uint64_t cursor)
{
	struct segment_shared segment;
	uint64_t head;

	if (peek(list->domain, list->dir, name, &segment) < 0)
		return 0;
	head = load_relaxed(&segment.head);
	return head >= cursor ? head + 1 - cursor : 0;
}

/* What this port has not yet taken, of all publishers that it has begun with, and if it does not keep the
 * last of the others too: they wait for it, or fill its lane, as for one that wants message 1. */
static uint64_t count_behind(const struct list *list, const struct port_shared *port)
{
	bool drops = port->policy == FLOE_POLICY_DROP_NEWEST;
	uint64_t behind = 0;

	for (uint32_t i = 0; i < FLOE_PUBLISHERS_MAX; i++) {
		uint64_t cursor = load_relaxed(&port->cursor[i]);
		char name[PLACE_NAME_MAX];

		if (cursor == 0 && port->policy != FLOE_POLICY_KEEP_LAST)
			cursor = 1;
		place_name(name, "pub.", i);
		if (cursor > 0 && cursor <= SEQUENCE_MAX)
			behind += drops ? count_in_lane(list, name, port, cursor)
					: count_in_ring(list, name, cursor);
	}
	return behind;
}

static void describe_wish(const struct peer *peer, const struct port_shared *port,
			  struct floe_subscriber_info *info)
{
	struct accord_shared accord;

	if (peer_read_accord(peer, port, &accord) < 0)
		return;
	info->header_size = accord.header.size;
	info->attributes = accord.count;
}

static int add_subscriber(void *user, const char *name)
{
	struct list *list = user;
	floe_cleanup(os_close_fdp) int fd = -1;
	floe_cleanup(peer_detach) struct peer peer = PEER_NULL;
	const struct port_shared *port;
	struct floe_subscriber_info *info;
	uint32_t holds_max = 0;
	int index = file_index(name, "sub.", FLOE_SUBSCRIBERS_MAX);
	int r;

	if (index < 0)
		return 0;
	fd = file_open(list->dir, name, O_RDONLY, NULL);
	r = fd < 0 ? fd : peer_attach(&peer, fd, name, NULL);
	if (r == -ENOENT)
		return 0;
	info = next(list);
	if (!info)
		return 0;
	info->index = (uint32_t)index;
	if (r < 0) {
		info->state = state_of(r);
		return 0;
	}
	info->node = peer_id(&peer);
	info->pid = peer_pid(&peer);
	info->uid = peer_uid(&peer);
	info->state = os->is_locked(fd) == 1 ? FLOE_STATE_ALIVE : FLOE_STATE_DEAD;
	peer_process(&peer, info->process, sizeof(info->process));
	port = peer_find_port(&peer, list->topic_id, (uint32_t)index, &holds_max);
	if (!port) {
		info->state = FLOE_STATE_CLOSED;
		return 0;
	}
	describe_port(port, holds_max, info);
	describe_wish(&peer, port, info);
	note_type(list, &port->type);
	info->behind = count_behind(list, port);
	return 0;
}

static void describe_seat(const struct region *region, const struct domain *domain,
			  struct floe_seat_info *info)
{
	const struct seat_shared *seat = (const struct seat_shared *)(const void *)region->base;
	struct floe_publisher_info owner = {.node = load_acquire(&seat->owner), .uid = info->uid};

	describe_owner(domain, &owner);
	info->node = owner.node;
	info->state = owner.state;
	info->pid = owner.pid;
	info->uid = owner.uid;
	memcpy(info->process, owner.process, sizeof(info->process));
	info->generation = load_relaxed(&seat->generation);
	info->dropped = load_relaxed(&seat->dropped);
}

static void describe_event(const struct region *region, struct floe_seat_info *info)
{
	const struct event_shared *event = (const struct event_shared *)(const void *)region->base;

	info->count = event->ids;
	info->total = load_relaxed(&event->total);
	info->wakes = load_relaxed(&event->wakes);
}

/* Sums what was written of all keys, as far as they lie inside. */
static void describe_board(const struct region *region, struct floe_seat_info *info)
{
	const struct board_shared *board = (const struct board_shared *)(const void *)region->base;
	uint64_t most = (region->reserved - sizeof(*board)) / sizeof(board->key[0]);

	info->count = board->key_count;
	for (uint64_t i = 0; i < info->count && i < most; i++) {
		uint64_t offset = board->key[i].offset;
		const struct cell_shared *cell = region_at(region, offset, sizeof(*cell));

		if (cell && offset % FLOE_CACHELINE == 0)
			info->total += load_relaxed(&cell->done);
	}
}

static int add_seat(struct list *list, const struct seat_kind *kind, const char *name)
{
	int index = file_index(name, kind->prefix, SEATS_MAX);
	struct floe_seat_info *info;
	struct region region;
	struct stat seen;
	uint64_t file;
	int r;

	if (index < 0 || os->stat_at(list->dir, name, &seen) < 0)
		return 0;
	info = next(list);
	if (!info)
		return 0;
	info->kind = kind == &seat_event ? FLOE_SEAT_NOTIFIER : FLOE_SEAT_WRITER;
	info->index = (uint32_t)index;
	info->mode = seen.st_mode & 07777;
	info->uid = seen.st_uid;
	info->memory = (uint64_t)seen.st_blocks * 512;
	r = seat_attach(&region, kind, list->dir, (uint32_t)index, list->topic_id, &file, NULL);
	if (r < 0) {
		info->state = state_of(r);
		return 0;
	}
	describe_seat(&region, list->domain, info);
	if (kind == &seat_event)
		describe_event(&region, info);
	else
		describe_board(&region, info);
	region_close(&region);
	return 0;
}

static int add_any_seat(void *user, const char *name)
{
	(void)add_seat(user, &seat_event, name);
	return add_seat(user, &seat_board, name);
}

static uint64_t read_topic_id(const char *path)
{
	char file[DOMAIN_NAME_MAX + 16];
	struct topic_shared seen;
	ssize_t r = -1;
	int fd;

	(void)snprintf(file, sizeof(file), "%s/topic", path);
	fd = file_open(AT_FDCWD, file, O_RDONLY, NULL);
	if (fd >= 0) {
		r = os->read_at(fd, &seen, sizeof(seen), 0);
		os->close(fd);
	}
	if (r != (ssize_t)sizeof(seen) ||
	    identity_check(seen.identity, TOPIC_MAGIC, TOPIC_SIGNATURE, "", "", NULL) < 0)
		return 0;
	return seen.id;
}

static int list_subscribers(const struct domain *domain, const char *topic,
			    struct floe_subscriber_info *ret, size_t count,
			    struct type_shared *type)
{
	struct list list = {
		.domain = domain,
		.at = (unsigned char *)ret,
		.size = sizeof(*ret),
		.room = count,
	};
	char path[DOMAIN_NAME_MAX];
	int r;

	domain_path(domain, "topics", topic, path);
	list.topic_id = read_topic_id(path);
	r = walk(&list, path, add_subscriber);
	if (type)
		*type = list.type;
	return r;
}

int view_subscribers(const struct domain *domain, const char *topic,
		     struct floe_subscriber_info *ret, size_t count)
{
	return list_subscribers(domain, topic, ret, count, NULL);
}

int view_seats(const struct domain *domain, const char *topic, struct floe_seat_info *ret,
	       size_t count)
{
	struct list list = {
		.domain = domain,
		.at = (unsigned char *)ret,
		.size = sizeof(*ret),
		.room = count,
	};
	char path[DOMAIN_NAME_MAX];

	domain_path(domain, "topics", topic, path);
	list.topic_id = read_topic_id(path);
	return walk(&list, path, add_any_seat);
}

struct names {
	int (*each)(void *user, const char *name);
	void *user;
};

static int pass_name(void *user, const char *name)
{
	const struct names *names = user;

	if (name_check(name, "topic name", FLOE_TOPIC_NAME_MAX, NULL) < 0)
		return 0;
	return names->each(names->user, name);
}

int view_each_topic(const struct domain *domain, int (*each)(void *user, const char *name),
		    void *user)
{
	floe_cleanup(os_close_fdp) int dir = -1;
	struct names names = {each, user};
	char path[DOMAIN_NAME_MAX];

	domain_path(domain, "topics", ".", path);
	dir = file_open_dir(AT_FDCWD, path, NULL);
	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	return file_list(dir, pass_name, &names);
}

/* A coordinator keeps it for who may come. */
static bool has_terms(const char *path)
{
	char file[DOMAIN_NAME_MAX + 16];

	(void)snprintf(file, sizeof(file), "%s/terms", path);
	return file_id_at(AT_FDCWD, file) != 0;
}

static void describe_type(struct floe_topic_info *ret, const struct type_shared *type)
{
	ret->type.size = type->size;
	ret->type.alignment = type->alignment;
	ret->type.hash = type->hash;
	memcpy(ret->type.name, type->name, sizeof(ret->type.name));
}

/* Who only listens or reads has no file of his own, but the topic open. */
static bool is_used(const char *path)
{
	floe_cleanup(os_close_fdp) int fd = -1;
	char file[DOMAIN_NAME_MAX + 16];

	(void)snprintf(file, sizeof(file), "%s/topic", path);
	fd = file_open(AT_FDCWD, file, O_RDONLY, NULL);
	return fd >= 0 && os->is_used(fd) == 1;
}

static void add_to_topic(struct floe_topic_info *ret, const struct floe_seat_info *seat,
			 bool *hidden)
{
	bool lives = seat->state == FLOE_STATE_ALIVE;

	*hidden |= seat->state == FLOE_STATE_HIDDEN;
	ret->notifiers += lives && seat->kind == FLOE_SEAT_NOTIFIER;
	ret->writers += lives && seat->kind == FLOE_SEAT_WRITER;
	ret->leftovers += !lives;
	ret->memory += seat->memory;
}

int view_topic(const struct domain *domain, const char *topic, struct view_room *room,
	       struct floe_topic_info *ret)
{
	char path[DOMAIN_NAME_MAX];
	bool hidden = false;
	struct type_shared sent = {0};
	struct type_shared wanted = {0};
	int publishers = room->publishers = list_publishers(domain, topic, room->publisher,
							    FLOE_PUBLISHERS_MAX, &sent);
	int subscribers = room->subscribers = list_subscribers(domain, topic, room->subscriber,
							       FLOE_SUBSCRIBERS_MAX, &wanted);
	int seats = room->seats = view_seats(domain, topic, room->seat, FLOE_COUNT(room->seat));

	memset(ret, 0, sizeof(*ret));
	(void)snprintf(ret->name, sizeof(ret->name), "%s", topic);
	ret->state = FLOE_STATE_BROKEN;
	if (publishers < 0 || subscribers < 0)
		return publishers < 0 ? publishers : subscribers;
	for (int i = 0; i < publishers; i++) {
		hidden |= room->publisher[i].state == FLOE_STATE_HIDDEN;
		ret->publishers += room->publisher[i].state == FLOE_STATE_ALIVE;
		ret->published += room->publisher[i].sequence;
		ret->memory += room->publisher[i].memory;
	}
	for (int i = 0; i < subscribers; i++)
		ret->subscribers += room->subscriber[i].state == FLOE_STATE_ALIVE;
	ret->leftovers = (uint32_t)(publishers + subscribers) - ret->publishers - ret->subscribers;
	for (int i = 0; i < seats; i++)
		add_to_topic(ret, &room->seat[i], &hidden);
	domain_path(domain, "topics", topic, path);
	if (read_topic_id(path))
		ret->state = hidden ? FLOE_STATE_HIDDEN : FLOE_STATE_DEAD;
	/* A coordinator keeps it, and uses it for no other end. */
	if (ret->state == FLOE_STATE_DEAD && has_terms(path))
		ret->state = FLOE_STATE_CLOSED;
	if (ret->state != FLOE_STATE_BROKEN &&
	    (ret->publishers + ret->subscribers + ret->notifiers + ret->writers ||
	     (ret->state != FLOE_STATE_CLOSED && is_used(path))))
		ret->state = FLOE_STATE_ALIVE;
	describe_type(ret, sent.name[0] ? &sent : &wanted);
	return 0;
}

/* First publisher's schema that is there. */
struct schema {
	const struct domain *domain;
	int dir;
	char *ret;
	size_t size;
	ssize_t length;
};

static int read_schema(void *user, const char *name)
{
	struct schema *schema = user;
	struct type_shared type;
	struct feed feed;
	size_t length;

	if (file_index(name, "pub.", FLOE_PUBLISHERS_MAX) < 0 ||
	    feed_attach(&feed, schema->domain, schema->dir, name, &type, NULL) < 0)
		return 0;
	/* feed_attach has checked that the schema ends before the slots. */
	length = type.schema_size;
	if (length) {
		size_t part = length < schema->size ? length : schema->size - 1;

		schema->length = (ssize_t)length;
		copy_once(schema->ret, feed.reader.segment->schema, part);
		schema->ret[part] = 0;
	}
	feed_detach(&feed);
	return length ? 1 : 0;
}

ssize_t view_schema(const struct domain *domain, const char *topic, char *ret, size_t size)
{
	floe_cleanup(os_close_fdp) int dir = -1;
	struct schema schema = {.domain = domain, .ret = ret, .size = size};
	char path[DOMAIN_NAME_MAX];
	int r;

	domain_path(domain, "topics", topic, path);
	dir = file_open_dir(AT_FDCWD, path, NULL);
	if (dir < 0)
		return dir;
	ret[0] = 0;
	schema.dir = dir;
	r = file_list(dir, read_schema, &schema);
	return r < 0 ? r : schema.length;
}
