/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/seat_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/error.h"
#include "channel/board_layout.h"
#include "channel/event_layout.h"
#include "os/os.h"
#include "registry/cleanup.h"
#include "registry/file.h"
#include "registry/owner.h"
#include "registry/peer.h"
#include "registry/terms.h"

const struct seat_kind seat_event = {
	.prefix = SEAT_EVENT,
	.noun = "notifier",
	.one = "a notifier",
	.magic = EVENT_MAGIC,
	.signature = EVENT_SIGNATURE,
	.size_min = sizeof(struct event_shared),
};

const struct seat_kind seat_board = {
	.prefix = SEAT_BOARD,
	.noun = "board writer",
	.one = "a board",
	.magic = BOARD_MAGIC,
	.signature = BOARD_SIGNATURE,
	.size_min = sizeof(struct board_shared),
};

static struct seat_shared *seat_of(const struct region *region)
{
	return (struct seat_shared *)(void *)region->base;
}

/* Pairs with the loads in listener_refresh and board_refresh: the seat has its name, its owner is
 * there or gone, before. */
void seat_tell(struct hints_shared *hints)
{
	(void)add_seq_cst(&hints->seats, 1);
	(void)os->wake(futex_half(&hints->seats), INT_MAX);
}

/* Explicitly: the mapping keeps the open file, and with it the lock. */
void seat_file_settle(struct seat_file *file)
{
	if (file->coming >= 0)
		(void)os->try_lock(file->coming, OS_LOCK_NONE);
	os_close_fdp(&file->coming);
}

bool seat_is_coming(const struct seat_kind *kind, int dir, uint32_t index)
{
	floe_cleanup(os_close_fdp) int fd = -1;
	char name[PLACE_NAME_MAX];

	place_name(name, kind->prefix, index);
	fd = file_open(dir, name, O_RDONLY, NULL);
	return fd >= 0 && os->is_locked(fd) == 1;
}

/* Dying in between: see seat_layout.h. */
void seat_file_close(struct seat_file *file, struct hints_shared *hints)
{
	if (!file->region.base) {
		seat_file_settle(file);
		return;
	}
	bump(&seat_of(&file->region)->dropped, 1);
	store_release(&seat_of(&file->region)->owner, 0);
	region_close(&file->region);
	seat_file_settle(file);
	seat_tell(hints);
	*file = SEAT_FILE_NULL;
}

void seat_file_discard(struct seat_file *file, const struct seat_kind *kind,
		       const struct topic *topic)
{
	floe_cleanup(os_close_fdp) int dir = topic_open_dir(topic, NULL);
	char name[PLACE_NAME_MAX];

	place_name(name, kind->prefix, file->index);
	/* Before the name goes: who finds none any more must not take the owner for one who has settled. */
	if (file->region.base)
		store_release(&seat_of(&file->region)->owner, 0);
	if (file->region.base && dir >= 0 && file_id_at(dir, name) == file->file)
		(void)os->unlink(dir, name);
	seat_file_close(file, topic->hints);
}

/*
 * Looking at it
 */

static int check(const struct region *region, const struct seat_kind *kind, const char *name,
		 uint32_t index, uint64_t topic_id, struct floe_error *error)
{
	struct seat_shared seen;
	int r;

	copy_once(&seen, region->base, offsetof(struct seat_shared, owner));
	r = identity_check(seen.identity, kind->magic, kind->signature, kind->one, name, error);
	if (r < 0)
		return r;
	if (seen.size != region->size || seen.size > region->reserved || seen.index != index ||
	    seen.topic_id != topic_id)
		return error_set(error, -EPROTO, "'%s' is damaged: remove it", name);
	return 0;
}

/* All of it has memory. What claims more gets no addresses, for it may claim as many as there are. */
static int map_solid(struct region *ret_region, int fd, const struct seat_kind *kind,
		     const char *name, struct floe_error *error)
{
	int64_t hole = os->seek_hole(fd, 0);

	/* ENXIO: it is empty */
	if (hole < 0 && hole != -ENXIO)
		return error_system(error, (int)hole, "look at", name);
	return file_map(ret_region, fd, kind->size_min, hole < 0 ? 0 : (size_t)hole, false, name,
			error);
}

int seat_attach(struct region *ret_region, const struct seat_kind *kind, int dir, uint32_t index,
		uint64_t topic_id, uint64_t *ret_file, struct floe_error *error)
{
	floe_cleanup(os_close_fdp) int fd = -1;
	floe_cleanup(region_close) struct region region = REGION_NULL;
	char name[PLACE_NAME_MAX];
	int r;

	place_name(name, kind->prefix, index);
	fd = file_open(dir, name, O_RDONLY, error);
	if (fd < 0)
		return fd;
	r = file_get_id(fd, ret_file);
	if (r == 0)
		r = map_solid(&region, fd, kind, name, error);
	if (r == 0)
		r = check(&region, kind, name, index, topic_id, error);
	if (r == 0)
		*ret_region = take_region(&region);
	return r;
}

const shared_u32 *seat_attach_life(struct region *ret_life, const struct domain *domain,
				   uint64_t owner)
{
	floe_cleanup(os_close_fdp) int fd = -1;
	struct peer peer;
	char path[DOMAIN_NAME_MAX];

	node_path(domain, owner, path);
	fd = owner ? file_open(AT_FDCWD, path, O_RDONLY, NULL) : -1;
	if (fd < 0 || peer_attach(&peer, fd, path, NULL) < 0)
		return NULL;
	*ret_life = peer.region;
	return peer_omen(&peer);
}

/*
 * Taking it over
 */

static bool is_gone(const struct node *node, uint64_t owner)
{
	return owner == 0 || peer_is_alive(&node->domain, owner) == 0;
}

/* Only the holder of the lock decides, as in ring_file.c: take_over. One that is contested is not made
 * anew because another one is faster: values and sequences would begin anew with it. */
static int take_over(const struct node *node, const struct seat_plan *plan,
		     struct seat_shared *seat, int fd)
{
	uint64_t before;

	if (os->try_lock(fd, OS_LOCK_EXCLUSIVE) != 1)
		return plan->contested ? -EEXIST : 0;
	before = load_acquire(&seat->owner);
	if (!is_gone(node, before))
		return 0;
	/* Dying between the two: the dead one's, as before. */
	store_release(&seat->owner, node->id);
	store_release(&seat->generation, load_relaxed(&seat->generation) + 1);
	if (!plan->contested)
		(void)os->try_lock(fd, OS_LOCK_NONE);
	if (before)
		(void)cleanup_node(&node->domain, before, NULL);
	return 1;
}

/* Another user, who may still have it mapped, could write into what we say. */
static bool is_ours(int fd)
{
	struct stat seen;

	return os->stat(fd, &seen) == 0 && seen.st_uid == os->get_uid();
}

static bool is_wanted(const struct seat_plan *plan, const struct region *region, const char *name,
		      uint32_t index, const struct topic *topic)
{
	return region->size == plan->size &&
	       check(region, plan->kind, name, index, topic->id, NULL) == 0 &&
	       plan->is_wanted(plan->user, seat_of(region));
}

/* 1 it is ours now; 0 not to be had; -EEXIST */
static int try_adopt(struct seat_file *ret_file, const struct seat_plan *plan,
		     const struct node *node, const struct topic *topic, int dir, uint32_t index)
{
	floe_cleanup(os_close_fdp) int fd = -1;
	floe_cleanup(region_close) struct region region = REGION_NULL;
	char name[PLACE_NAME_MAX];
	int r;

	place_name(name, plan->kind->prefix, index);
	fd = file_open(dir, name, O_RDWR, NULL);
	if (fd < 0 || !is_ours(fd) || file_get_id(fd, &ret_file->file) < 0 ||
	    file_map(&region, fd, plan->size, plan->size, true, name, NULL) < 0 ||
	    !is_wanted(plan, &region, name, index, topic))
		return 0;
	if (file_id_at(dir, name) != ret_file->file)
		return 0;
	r = take_over(node, plan, seat_of(&region), fd);
	if (r != 1)
		return r;
	/* Removed between our two looks. */
	if (file_id_at(dir, name) != ret_file->file) {
		store_release(&seat_of(&region)->owner, 0);
		return 0;
	}
	(void)os->change_mode(fd, plan->mode);
	ret_file->region = take_region(&region);
	ret_file->index = index;
	ret_file->adopted = true;
	if (plan->contested)
		ret_file->coming = take_fd(&fd);
	return 1;
}

/* Nobody who wants another one can use it, and its owner is gone. Mappings of it stay. */
void seat_file_remove(const struct seat_kind *kind, const struct node *node, int dir,
		      uint32_t index)
{
	floe_cleanup(os_close_fdp) int fd = -1;
	char name[PLACE_NAME_MAX];
	uint64_t owner;

	place_name(name, kind->prefix, index);
	fd = file_open(dir, name, O_RDWR, NULL);
	/* With the lock nobody takes it over any more. */
	if (fd < 0 || os->try_lock(fd, OS_LOCK_EXCLUSIVE) != 1)
		return;
	if (owner_read(dir, name, &owner) == 0 && is_gone(node, owner) &&
	    file_id_at(dir, name) == file_id(fd))
		(void)os->unlink(dir, name);
}

static int adopt_any(struct seat_file *ret_file, const struct seat_plan *plan,
		     const struct node *node, const struct topic *topic, int dir)
{
	floe_cleanup(os_close_fdp) int again = file_open_dir(dir, ".", NULL);
	uint8_t taken[SEATS_MAX];
	int r = again < 0 ? again : file_list_indexes(again, plan->kind->prefix, SEATS_MAX, taken);

	for (uint32_t i = 0; r == 0 && i < SEATS_MAX; i++)
		if (taken[i])
			r = try_adopt(ret_file, plan, node, topic, dir, i);
	return r;
}

/*
 * Making one
 */

/* Dying before the name leaves nothing. */
static int link_name(struct seat_file *file, const struct seat_plan *plan, int fd, int dir,
		     struct floe_error *error)
{
	for (uint32_t i = 0; i < SEATS_MAX; i++) {
		char name[PLACE_NAME_MAX];
		int r;

		seat_of(&file->region)->index = i;
		place_name(name, plan->kind->prefix, i);
		r = os->link_fd(fd, dir, name);
		if (r == -EEXIST)
			continue;
		file->index = i;
		return r < 0 ? error_system(error, r, "name", name) : 0;
	}
	return -EMFILE;
}

static int link_somewhere(struct seat_file *file, const struct seat_plan *plan,
			  const struct node *node, int fd, int dir, struct floe_error *error)
{
	int r = link_name(file, plan, fd, dir, error);

	if (r != -EMFILE)
		return r;
	for (uint32_t i = 0; i < SEATS_MAX; i++)
		seat_file_remove(plan->kind, node, dir, i);
	r = link_name(file, plan, fd, dir, error);
	if (r == -EMFILE)
		return error_set(error, r, "there are %d %ss of this name already", SEATS_MAX,
				 plan->kind->noun);
	return r;
}

static void format(struct seat_shared *seat, const struct seat_plan *plan, const struct node *node,
		   const struct topic *topic)
{
	seat->identity = identity_make(plan->kind->magic, plan->kind->signature);
	seat->size = plan->size;
	seat->topic_id = topic->id;
	store_relaxed(&seat->owner, node->id);
	store_relaxed(&seat->generation, 1);
	plan->format(plan->user, seat);
}

static int create(struct seat_file *ret_file, const struct seat_plan *plan, const struct node *node,
		  const struct topic *topic, int dir, struct floe_error *error)
{
	floe_cleanup(os_close_fdp) int fd = file_create(dir, plan->mode, error);
	struct source source;
	int r;

	if (fd < 0)
		return fd;
	r = terms_admit_memory(&node->domain, plan->size, error);
	if (r < 0)
		return r;
	source = source_file(fd);
	r = region_create(&ret_file->region, &source, plan->size, plan->size, error);
	if (r == -ENOSPC)
		return error_set(error, r,
				 "the %s needs %zu bytes and the file system of '%.100s' is full: "
				 "remove what is not needed, or enlarge it",
				 plan->kind->noun, plan->size, node->domain.path);
	if (r < 0)
		return r;
	format(seat_of(&ret_file->region), plan, node, topic);
	r = file_get_id(fd, &ret_file->file);
	if (r == 0 && plan->contested && os->try_lock(fd, OS_LOCK_EXCLUSIVE) != 1)
		r = error_set(error, -ENOLCK, "the %s cannot be locked", plan->kind->noun);
	if (r == 0)
		r = link_somewhere(ret_file, plan, node, fd, dir, error);
	ret_file->region.source.fd = -1;
	if (r == 0 && plan->contested)
		ret_file->coming = take_fd(&fd);
	return r;
}

int seat_file_open(struct seat_file *ret_file, const struct seat_plan *plan,
		   const struct node *node, const struct topic *topic, struct floe_error *error)
{
	floe_cleanup(os_close_fdp) int dir = topic_open_dir(topic, error);
	int r;

	*ret_file = SEAT_FILE_NULL;
	if (dir < 0)
		return dir;
	r = adopt_any(ret_file, plan, node, topic, dir);
	if (r < 0)
		return r;
	if (r == 0)
		r = create(ret_file, plan, node, topic, dir, error);
	if (r < 0) {
		region_close(&ret_file->region);
		seat_file_settle(ret_file);
		return r;
	}
	/* Dying before this: who waits finds it within half a second. */
	seat_tell(topic->hints);
	return 0;
}
