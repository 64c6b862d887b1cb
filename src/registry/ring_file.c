/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/ring_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "channel/lane.h"
#include "os/os.h"
#include "registry/cleanup.h"
#include "registry/file.h"
#include "registry/lent_memory.h"
#include "registry/owner.h"
#include "registry/peer.h"

static struct segment_shared *segment_of(const struct ring_file *file)
{
	return (struct segment_shared *)(void *)file->region.base;
}

/* Chunks may have been added; all else must be the same for a successor. */
static bool is_same_plan(const struct segment_shared *seen, const struct segment_plan *plan)
{
	struct segment_plan theirs;
	struct type_shared type;

	segment_read_plan(seen, &theirs);
	type_format(&type, plan->type);
	if (theirs.depth != plan->depth || theirs.loans_max != plan->loans_max ||
	    theirs.flags != plan->flags || theirs.payload_max != plan->payload_max ||
	    theirs.quota != plan->quota || theirs.relays_max != plan->relays_max ||
	    theirs.lanes_max != plan->lanes_max || theirs.lane_depth != plan->lane_depth ||
	    theirs.pool_count != plan->pool_count || theirs.topic_id != plan->topic_id ||
	    theirs.sender != plan->sender || theirs.header_size != plan->header_size ||
	    theirs.header_inline != plan->header_inline ||
	    memcmp(&seen->type, &type, sizeof(type)) != 0)
		return false;
	for (uint32_t i = 0; i < plan->pool_count; i++)
		if (theirs.pool[i].offset != plan->pool[i].offset ||
		    theirs.pool[i].chunk_size != plan->pool[i].chunk_size ||
		    theirs.pool[i].chunk_count_max != plan->pool[i].chunk_count_max)
			return false;
	return true;
}

/* What it offers is what we do. It lies in front of the slots, and so inside. */
static bool is_same_offer(const struct segment_shared *seen, const struct region *region,
			  const struct accord_shared *accord)
{
	static const struct accord_shared nothing;
	struct accord_shared theirs;

	return accord_read(&theirs, region->base + segment_accord_offset(seen),
			   seen->accord_size) == 0 &&
	       memcmp(&theirs, accord ? accord : &nothing, sizeof(theirs)) == 0;
}

/* Is this copy of a segment's head one that we can go on with? */
static bool is_wanted(const struct segment_shared *seen, const struct region *region,
		      uint32_t index, const struct segment_plan *plan)
{
	struct segment_plan theirs;

	if (segment_check(seen, region->reserved, "", NULL) < 0 || seen->size > region->size ||
	    seen->index != index || !is_same_plan(seen, plan) ||
	    !is_same_offer(seen, region, plan->accord))
		return false;
	segment_read_plan(seen, &theirs);
	return segment_size_with(&theirs, theirs.pool[theirs.pool_count - 1].chunk_count) <=
	       region->reserved;
}

static bool is_gone(const struct node *node, const struct segment_shared *segment)
{
	uint64_t owner = load_acquire(&segment->owner);

	return owner == 0 || peer_is_alive(&node->domain, owner) == 0;
}

/*
 * Becomes the owner of an open, mapped segment. Only the holder of the lock decides; it is free
 * again when that is done, for from then on our node's lock stands for us.
 *
 * Dying before the store: still the dead one's. After it: ours, and we are dead: the same again.
 */
static int take_over(const struct node *node, struct segment_shared *segment, int fd)
{
	uint64_t before;
	int r = os->try_lock(fd, OS_LOCK_EXCLUSIVE);

	if (r <= 0)
		return r;
	if (!is_gone(node, segment))
		return 0;
	before = load_relaxed(&segment->owner);
	store_release(&segment->owner, node->id);
	bump(&segment->generation, 1);
	/* Closing alone would not unlock it: the mapping keeps the open file, and that its locks. */
	(void)os->try_lock(fd, OS_LOCK_NONE);
	if (before)
		(void)cleanup_node(&node->domain, before, NULL);
	return 1;
}

/* Another user, who may still have it mapped, could write into what we publish. */
static bool is_ours(int fd)
{
	struct stat seen;

	return os->stat(fd, &seen) == 0 && seen.st_uid == os->get_uid();
}

static void keep_open(struct ring_file *file, int *fd)
{
	if (file->plan.flags & FLOE_ELASTIC)
		file->fd = take_fd(fd);
}

/* 1 it is ours now; 0 not to be had */
static int try_adopt(struct ring_file *ret_file, const struct ring_file_options *options,
		     const struct node *node, int dir, uint32_t index)
{
	floe_cleanup(os_close_fdp) int fd = -1;
	floe_cleanup(region_close) struct region region = REGION_NULL;
	struct segment_plan plan = options->plan;
	struct segment_shared seen;
	struct segment_shared *segment;
	char name[PLACE_NAME_MAX];
	int r;

	place_name(name, "pub.", index);
	fd = file_open(dir, name, O_RDWR, NULL);
	if (fd < 0 || !is_ours(fd) ||
	    file_map(&region, fd, sizeof(seen), segment_lay_out(&plan).size_max, true, name, NULL) <
		    0)
		return 0;
	copy_once(&seen, region.base, sizeof(seen));
	if (!is_wanted(&seen, &region, index, &options->plan))
		return 0;

	segment = (struct segment_shared *)(void *)region.base;
	if (ring_check(segment, seen.slots_offset, seen.depth) < 0)
		return 0;
	if (!is_gone(node, segment) || file_id_at(dir, name) != file_id(fd))
		return 0;
	if (file_get_id(fd, &ret_file->file) < 0)
		return 0;
	r = take_over(node, segment, fd);
	if (r <= 0)
		return 0;
	/* Its publisher may have grown it before it died, or taken the name away and closed it between
	 * our two looks. One who only says that he closed it may still write there. */
	(void)region_look_again(&region, fd);
	copy_once(&seen, region.base, sizeof(seen));
	if (file_id_at(dir, name) != file_id(fd) ||
	    !is_wanted(&seen, &region, index, &options->plan)) {
		store_release(&segment->owner, 0);
		return 0;
	}
	segment_read_plan(&seen, &ret_file->plan);
	(void)os->change_mode(fd, options->mode);
	ret_file->region = take_region(&region);
	keep_open(ret_file, &fd);
	ret_file->index = index;
	ret_file->adopted = true;
	return 1;
}

static int list_names(int dir, uint8_t *ret_taken)
{
	/* A descriptor of a folder reads it once: another one starts at the beginning. */
	floe_cleanup(os_close_fdp) int again = file_open_dir(dir, ".", NULL);

	return again < 0 ? again : file_list_indexes(again, "pub.", FLOE_PUBLISHERS_MAX, ret_taken);
}

/* Where this member is at its end: that of the ring, or of its lane, whose sequences its cursor counts. What
 * cannot be read has none. */
static uint64_t find_end(int fd, const struct segment_shared *seen, const struct member *member)
{
	uint64_t head = 0;
	size_t at;

	if (!member->drops || member->lane >= seen->lanes_max)
		return load_relaxed(&seen->head);
	at = segment_lanes_offset(seen) + member->lane * lane_size(seen->lane_depth);
	return os->read_at(fd, &head, sizeof(head), at) == (ssize_t)sizeof(head) ? head : 0;
}

/* Has every subscriber read this ring to its end, and holds nothing of it? A record leads to memory
 * that went with its process: there is nothing to read. */
static bool is_read(int fd, uint32_t index, const struct members *members)
{
	struct segment_shared seen;

	if (os->read_at(fd, &seen, sizeof(seen), 0) != (ssize_t)sizeof(seen) ||
	    seen.identity.magic != SEGMENT_MAGIC)
		return true;
	for (uint32_t i = 0; i < members->count; i++)
		if (load_acquire(&members->member[i].port->cursor[index]) <=
		    find_end(fd, &seen, &members->member[i]))
			return false;
	return !members_hold(members, index);
}

/* A ring of another plan whose publisher is gone, and which every subscriber has read to its end
 * (or, if `any`, no matter who has not): its name goes, mappings of it stay. */
static void remove_stale(const struct node *node, int dir, uint32_t index,
			 const struct members *members, bool any)
{
	floe_cleanup(os_close_fdp) int fd = -1;
	char name[PLACE_NAME_MAX];
	uint64_t owner;

	place_name(name, "pub.", index);
	fd = file_open(dir, name, O_RDWR, NULL);
	/* With the lock nobody adopts it any more. */
	if (fd < 0 || os->try_lock(fd, OS_LOCK_EXCLUSIVE) != 1)
		return;
	if (owner_read(dir, name, &owner) < 0 ||
	    (owner && peer_is_alive(&node->domain, owner) != 0))
		return;
	/* In this order: until its owner was gone he could take the name away, and another one give
	 * it to a new ring. */
	if (file_id_at(dir, name) != file_id(fd))
		return;
	if (any || is_read(fd, index, members))
		(void)os->unlink(dir, name);
}

static int adopt_any(struct ring_file *ret_file, const struct ring_file_options *options,
		     const struct node *node, int dir, const struct members *members)
{
	uint8_t taken[FLOE_PUBLISHERS_MAX];
	int r = list_names(dir, taken);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < FLOE_PUBLISHERS_MAX; i++)
		if (taken[i] && try_adopt(ret_file, options, node, dir, i) == 1)
			return 1;
	for (uint32_t i = 0; i < FLOE_PUBLISHERS_MAX; i++)
		if (taken[i])
			remove_stale(node, dir, i, members, false);
	return 0;
}

/*
 * Gives the finished file a name: the first that is free, preferably one that no subscriber has a
 * cursor for. Dying before the name leaves nothing.
 */
static int link_name(struct ring_file *file, int fd, int dir, const struct members *members,
		     struct floe_error *error)
{
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < FLOE_PUBLISHERS_MAX; i++) {
			char name[PLACE_NAME_MAX];
			int r;

			if (pass == 0 && members_remember(members, i))
				continue;
			segment_of(file)->index = i;
			place_name(name, "pub.", i);
			r = os->link_fd(fd, dir, name);
			if (r == -EEXIST)
				continue;
			file->index = i;
			return r < 0 ? error_system(error, r, "name", name) : 0;
		}
	}
	return -EMFILE;
}

static int link_somewhere(struct ring_file *file, int fd, int dir, const struct node *node,
			  const struct members *members, struct floe_error *error)
{
	int r = link_name(file, fd, dir, members, error);

	if (r != -EMFILE)
		return r;
	for (uint32_t i = 0; i < FLOE_PUBLISHERS_MAX; i++)
		remove_stale(node, dir, i, members, true);
	r = link_name(file, fd, dir, members, error);
	if (r == -EMFILE)
		return error_set(error, r, "the topic has %d publishers already",
				 FLOE_PUBLISHERS_MAX);
	return r;
}

static void format(struct ring_file *file, const struct ring_file_options *options,
		   const struct segment_sizes *sizes, const struct node *node)
{
	segment_format(segment_of(file), &options->plan, sizes);
	store_relaxed(&segment_of(file)->owner, node->id);
	store_relaxed(&segment_of(file)->generation, 1);
}

/* Larger payloads are worth large pages; it is what a publisher gets that does not say. */
#define LARGE_PAYLOAD ((uint64_t)64 << 10)

/* Who reads large payloads needs fewer entries of its TLB, and a disk that takes them around the page
 * cache fewer pieces: a recording of 1 MiB messages is four times as fast. Elastic memory comes and
 * goes in small pages. */
static bool wants_large_pages(const struct segment_plan *plan)
{
	return plan->payload_max > LARGE_PAYLOAD && !(plan->flags & FLOE_ELASTIC);
}

static int create(struct ring_file *ret_file, const struct ring_file_options *options,
		  const struct node *node, int dir, const struct members *members,
		  struct floe_error *error)
{
	floe_cleanup(os_close_fdp) int fd = file_create(dir, options->mode, error);
	struct segment_plan plan = options->plan;
	struct segment_sizes sizes = segment_lay_out(&plan);
	struct source source;
	int r;

	if (fd < 0)
		return fd;
	source = source_file(fd);
	r = region_create(&ret_file->region, &source, sizes.size_max, sizes.size, error);
	if (r == -ENOSPC)
		return error_set(
			error, r,
			"the ring needs %zu bytes and the file system of '%.100s' is full: remove "
			"what is not needed, enlarge it, or ask for less depth or payload_max",
			sizes.size, node->domain.path);
	if (r < 0)
		return r;
	if (wants_large_pages(&plan))
		region_enlarge_pages(&ret_file->region);
	format(ret_file, options, &sizes, node);
	r = file_get_id(fd, &ret_file->file);
	if (r < 0)
		return r;
	r = link_somewhere(ret_file, fd, dir, node, members, error);
	ret_file->region.source.fd = -1;
	if (r == 0)
		keep_open(ret_file, &fd);
	return r;
}

/* The segment in the caller's block, and a record of it under the topic's name. */
static int create_outside(struct ring_file *ret_file, const struct ring_file_options *options,
			  const struct node *node, int dir, const struct members *members,
			  struct floe_error *error)
{
	floe_cleanup(os_close_fdp) int fd = file_create(dir, options->mode, error);
	struct segment_plan plan = options->plan;
	struct segment_sizes sizes = segment_lay_out(&plan);
	struct source source = source_block(options->memory, options->memory_size);
	int r;

	if (fd < 0)
		return fd;
	r = region_create(&ret_file->region, &source, sizes.size, sizes.size, error);
	if (r < 0)
		return r;
	ret_file->outside = true;
	format(ret_file, options, &sizes, node);
	r = file_get_id(fd, &ret_file->file);
	if (r < 0)
		return r;
	r = lent_memory_record(fd, node->id, options->memory, sizes.size, error);
	if (r < 0)
		return r;
	r = lent_memory_add(ret_file->file, options->memory, sizes.size);
	if (r < 0)
		return error_set(error, r, "this process has %d publishers in blocks of its own",
				 LENT_MEMORY_MAX);
	r = link_somewhere(ret_file, fd, dir, node, members, error);
	if (r < 0)
		lent_memory_remove(ret_file->file);
	return r;
}

int ring_file_open(struct ring_file *ret_file, const struct ring_file_options *options,
		   struct node *node, const struct topic *topic, const struct members *members,
		   struct floe_error *error)
{
	floe_cleanup(os_close_fdp) int dir = topic_open_dir(topic, error);
	int r;

	*ret_file = RING_FILE_NULL;
	if (dir < 0)
		return dir;
	r = options->memory || options->fresh ? 0
					      : adopt_any(ret_file, options, node, dir, members);
	if (r != 0)
		return r < 0 ? r : 0;

	ret_file->plan = options->plan;
	r = options->memory ? create_outside(ret_file, options, node, dir, members, error)
			    : create(ret_file, options, node, dir, members, error);
	if (r < 0)
		region_close(&ret_file->region);
	return r;
}

int ring_file_grow(struct ring_file *file, const struct topic *topic, uint32_t chunk_count)
{
	struct pool_plan *last = &file->plan.pool[file->plan.pool_count - 1];
	floe_cleanup(os_close_fdp) int dir = -1;
	floe_cleanup(os_close_fdp) int fd = -1;
	char name[PLACE_NAME_MAX];
	uint64_t id;
	int r;

	if (chunk_count > last->chunk_count_max)
		chunk_count = last->chunk_count_max;
	if (chunk_count <= last->chunk_count)
		return 0;
	dir = topic_open_ours(topic);
	place_name(name, "pub.", file->index);
	fd = dir < 0 ? dir : file_open(dir, name, O_RDWR, NULL);
	if (fd < 0)
		return fd == -ENOENT ? -ESTALE : fd;
	r = file_get_id(fd, &id);
	if (r < 0)
		return r;
	/* Somebody took our name: those who read us go on, but it does not grow any more. */
	if (id != file->file)
		return -ESTALE;

	file->region.source.fd = fd;
	r = region_reserve(&file->region, segment_size_with(&file->plan, chunk_count), NULL);
	file->region.source.fd = -1;
	if (r < 0)
		return r;
	last->chunk_count = chunk_count;
	/* Dying before this store: memory that the next owner reserves again at no cost. */
	store_release(&segment_of(file)->pool[file->plan.pool_count - 1].chunk_count, chunk_count);
	return 0;
}

int ring_file_reserve(struct ring_file *file, uint64_t offset, size_t size)
{
	return os->reserve(file->fd, offset, size);
}

int ring_file_punch(struct ring_file *file, uint64_t offset, size_t size)
{
	return os->punch(file->fd, offset, size);
}

void ring_file_remove(const struct node *node, const struct topic *topic, uint32_t index)
{
	floe_cleanup(os_close_fdp) int dir = topic_open_dir(topic, NULL);

	if (dir < 0)
		return;
	remove_stale(node, dir, index, NULL, true);
	topic_tell_subscribers(topic->hints);
}

void ring_file_close(struct ring_file *file, const struct topic *topic, bool keep)
{
	floe_cleanup(os_close_fdp) int dir = -1;
	char name[PLACE_NAME_MAX];

	if (!file->region.base)
		return;
	if (!keep || file->outside)
		dir = topic_open_dir(topic, NULL);
	place_name(name, "pub.", file->index);
	if (dir >= 0 && file_id_at(dir, name) == file->file)
		(void)os->unlink(dir, name);
	/* Dying before this store: dead instead of closed, which is the same to everybody. */
	store_release(&segment_of(file)->owner, 0);
	if (file->outside)
		lent_memory_remove(file->file);
	region_close(&file->region);
	os_close_fdp(&file->fd);
}
