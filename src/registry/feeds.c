/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/feeds.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "base/error.h"
#include "os/os.h"
#include "registry/file.h"
#include "registry/lent_memory.h"
#include "registry/node.h"
#include "registry/peer.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

/* Who made a ring of a few bytes may say that it has as many as there are addresses, and so might those who
 * want more payloads, or larger ones, than there is memory for: a ring is what it says, as long as there are
 * addresses. Those up to RING_LARGE are always mapped, the larger ones of all topics of this process as far
 * as they have no more than RINGS_MAX, half of its addresses: they keep each other out, and nobody else. */
#define RING_LARGE ((size_t)64 << 30)
#define RINGS_MAX ((uint64_t)1 << 46)
static _Atomic uint64_t large_rings; /* bytes of those that are mapped */

static bool take_addresses(size_t size)
{
	uint64_t before = atomic_load_explicit(&large_rings, memory_order_relaxed);

	if (size <= RING_LARGE)
		return true;
	do {
		if (size > RINGS_MAX - before)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&large_rings, &before, before + size, memory_order_relaxed, memory_order_relaxed));
	return true;
}

static void unmap(struct region *mapping)
{
	if (mapping->size > RING_LARGE)
		(void)atomic_fetch_sub_explicit(&large_rings, mapping->size, memory_order_relaxed);
	region_close(mapping);
}

static int refuse_size(const char *path, struct floe_error *error)
{
	return error_set(error, -EPROTO,
			 "'%s' says it is larger than %zu GiB, and there are no addresses left for "
			 "it: close others, or remove it",
			 path, RING_LARGE >> 30);
}

static bool is_large(int fd)
{
	struct stat seen;

	return os->stat(fd, &seen) == 0 && (uint64_t)seen.st_size > RING_LARGE;
}

static int map_ring(struct region *ret_mapping, int fd, const char *path, struct floe_error *error)
{
	int r = file_map(ret_mapping, fd, sizeof(struct record_shared), REGION_SIZE_MAX, false,
			 path, error);

	if (r == -ENOMEM && is_large(fd))
		return refuse_size(path, error);
	if (r < 0 || take_addresses(ret_mapping->size))
		return r;
	region_close(ret_mapping);
	return refuse_size(path, error);
}

/* Memory of an elastic segment comes and goes all over its area: any chunk that a slot names has some,
 * and elsewhere it reads as zeros. So all of the file may be read. */
static int open_area(struct feed *feed, const struct segment_shared *seen, const char *path,
		     struct floe_error *error)
{
	if (seen->size > feed->region.size)
		return error_set(error, -EPROTO, "'%s' is truncated: remove it", path);
	feed->region.reserved = seen->size;
	feed->elastic = true;
	return 0;
}

int feed_read_accord(const struct feed *feed, struct accord_shared *ret_accord)
{
	int r = accord_read_offer(ret_accord, feed->region.base + feed->accord_offset,
				  feed->accord_size);

	return r == 0 && ret_accord->header.size != feed->header_size ? -EPROTO : r;
}

/* segment_check has found that it lies before the slots. */
static int check_accord(struct feed *feed, const struct segment_shared *seen, const char *path,
			struct floe_error *error)
{
	struct accord_shared accord;

	feed->header_size = seen->header_size;
	feed->header_inline = seen->header_inline;
	feed->accord_offset = (uint32_t)segment_accord_offset(seen);
	feed->accord_size = seen->accord_size;
	if (feed_read_accord(feed, &accord) < 0)
		return error_set(error, -EPROTO, "'%s' is damaged (accord): remove it", path);
	return 0;
}

/* The segment in this memory; `feed->region` is where it may be read, `mapping` what is mapped. */
static int fill(struct feed *ret_feed, const char *path, struct type_shared *ret_type,
		struct floe_error *error)
{
	struct segment_shared seen;
	const struct region *region = &ret_feed->region;
	const void *head = region_at(region, 0, sizeof(seen));
	int r;

	if (!head)
		return error_set(error, -EPROTO, "'%s' is truncated: remove it", path);
	copy_once(&seen, head, sizeof(seen));
	r = segment_check(&seen, region->reserved, path, error);
	if (r < 0)
		return r;
	if (seen.flags & FLOE_ELASTIC)
		r = open_area(ret_feed, &seen, path, error);
	if (r == 0)
		r = check_accord(ret_feed, &seen, path, error);
	if (r < 0)
		return r;
	ret_feed->index = seen.index;
	ret_feed->sender = seen.sender;
	ret_feed->loans_max = seen.loans_max;
	ret_feed->relays_max = (uint32_t)seen.relays_max;
	ret_feed->relays = (const struct relay_shared *)(const void *)(region->base +
								       segment_relays_offset(
									       seen.slots_offset,
									       seen.depth,
									       seen.loans_max));
	ret_feed->lanes_offset = segment_lanes_offset(&seen);
	ret_feed->lanes_max = seen.lanes_max;
	ret_feed->lane_depth = seen.lane_depth;
	*ret_type = seen.type;
	ring_reader_init(&ret_feed->reader, (const struct segment_shared *)head, seen.slots_offset,
			 seen.depth);
	return 0;
}

/* A record leads to a segment in the publisher's own memory. */
static int follow_record(struct feed *feed, const struct domain *domain, const char *path,
			 struct floe_error *error)
{
	floe_cleanup(unmap) struct region record = feed->mapping;
	struct record_shared seen;
	unsigned char *memory = NULL;
	size_t size = 0;
	int r;

	feed->mapping = REGION_NULL;
	copy_once(&seen, record.base, sizeof(seen));
	r = identity_check(seen.identity, RECORD_MAGIC, RECORD_SIGNATURE, "a publisher", path,
			   error);
	if (r < 0)
		return r;
	if (peer_is_alive(domain, seen.owner) == 0)
		return -ENOENT;
	r = lent_memory_attach(feed->file, &seen, path, &feed->mapping, &memory, &size, error);
	if (r < 0)
		return r;
	if (!take_addresses(feed->mapping.size)) {
		region_close(&feed->mapping);
		return refuse_size(path, error);
	}
	feed->region = REGION_NULL;
	feed->region.base = memory;
	feed->region.size = size;
	feed->region.reserved = size;
	feed->lent = feed->looked_into = !feed->mapping.base;
	return 0;
}

static void look_away(struct feed *feed)
{
	if (feed->looked_into)
		lent_memory_release(feed->file);
	feed->looked_into = false;
}

int feed_attach(struct feed *ret_feed, const struct domain *domain, int dir, const char *name,
		struct type_shared *ret_type, struct floe_error *error)
{
	floe_cleanup(os_close_fdp) int fd = file_open(dir, name, O_RDONLY, error);
	struct feed feed = {.mapping = REGION_NULL, .life = REGION_NULL};
	uint64_t magic;
	int r;

	if (fd < 0)
		return fd;
	r = file_get_id(fd, &feed.file);
	if (r < 0)
		return r;
	r = map_ring(&feed.mapping, fd, name, error);
	if (r < 0)
		return r;
	copy_once(&magic, feed.mapping.base, sizeof(magic));
	feed.region = feed.mapping;
	if (magic == RECORD_MAGIC)
		r = follow_record(&feed, domain, name, error);
	if (r == 0)
		r = fill(&feed, name, ret_type, error);
	if (r < 0) {
		feed_detach(&feed);
		return r;
	}
	*ret_feed = feed;
	return 0;
}

void feed_detach(struct feed *feed)
{
	look_away(feed);
	unmap(&feed->mapping);
	region_close(&feed->life);
}

/* The file, if it still has its name. */
static int open_again(const struct feed *feed, const char *folder)
{
	floe_cleanup(os_close_fdp) int dir = file_open_dir(AT_FDCWD, folder, NULL);
	floe_cleanup(os_close_fdp) int fd = -1;
	char name[PLACE_NAME_MAX];
	uint64_t file;
	int r;

	if (dir < 0)
		return dir;
	place_name(name, "pub.", feed->index);
	fd = file_open(dir, name, O_RDONLY, NULL);
	if (fd < 0)
		return fd;
	r = file_get_id(fd, &file);
	if (r < 0)
		return r;
	return file == feed->file ? take_fd(&fd) : -ENOENT;
}

/* Of a ring that has lost its name it cannot be seen where it has memory. Populating asks the kernel to
 * back the range, and says so when it cannot; but it also fills what was never there, so it is not done
 * for much. */
static int populate(struct feed *feed, uint64_t end)
{
	size_t page = 4096;
	size_t from = feed->region.reserved & ~(page - 1);
	int r;

	if (end - from > FEED_NAMELESS_MAX)
		return -EPROTO;
	r = os->advise(feed->region.base + from, end - from, MADV_POPULATE_READ);
	/* EFAULT: there is nothing behind it; EINVAL: before Linux 5.14 */
	if (r < 0)
		return r == -EFAULT || r == -EINVAL ? -EPROTO : r;
	feed->region.reserved = end;
	return 0;
}

/* How far its pools have memory, as it says itself: 0 nonsense */
static uint64_t claimed_end(const struct feed *feed)
{
	uint64_t end = 0;

	for (uint32_t i = 0; i < FLOE_POOLS_MAX; i++) {
		struct pool_shared pool;
		uint64_t pool_end;

		copy_once(&pool, &feed->reader.segment->pool[i], sizeof(pool));
		if (__builtin_mul_overflow(load_relaxed(&pool.chunk_count), pool.chunk_size,
					   &pool_end) ||
		    __builtin_add_overflow(pool_end, pool.offset, &pool_end))
			return 0;
		if (pool_end > end)
			end = pool_end;
	}
	return end;
}

/* What a publisher claims costs nothing: the file has memory up to its first hole, whoever made it. */
int feed_look_again(struct feed *feed, const char *folder)
{
	floe_cleanup(os_close_fdp) int fd = -1;
	uint64_t end = claimed_end(feed);
	int r;

	if (end <= feed->region.reserved || end > feed->region.size)
		return -EPROTO;
	fd = open_again(feed, folder);
	if (fd == -ENOENT || fd == -EACCES)
		return populate(feed, end);
	if (fd < 0)
		return fd;
	r = region_look_again(&feed->region, fd);
	return r == 0 ? -EPROTO : r < 0 ? r : 0;
}

/* Where it lies is not asked: pages that were reserved and never written are holes to lseek(2). */
int feed_open_file(const struct feed *feed, const char *folder, uint64_t size)
{
	floe_cleanup(os_close_fdp) int fd = open_again(feed, folder);
	struct stat seen;
	int r = fd < 0 ? fd : os->stat(fd, &seen);

	if (r < 0)
		return r;
	return (uint64_t)seen.st_blocks * 512 < size ? -ENODATA : take_fd(&fd);
}

/* Told once, remembered, and said to the publisher too: nobody waits for us there. */
static void leave_alone(struct feeds *feeds, struct subscriber *sub, uint32_t index, uint64_t file)
{
	feeds->refused[index] = file;
	store_release(&sub->port->cursor[index], CURSOR_NEVER);
}

/* Another file has that name now, or none has. */
static void forget_refused(struct feeds *feeds, struct subscriber *sub, uint32_t index)
{
	feeds->refused[index] = 0;
	store_release(&sub->port->cursor[index], 0);
}

static bool is_strange(int dir, const char *name)
{
	struct stat seen;

	return os->stat_at(dir, name, &seen) == 0 && seen.st_uid != os->get_uid();
}

/* What may pass is tried again. */
static int refuse(struct feeds *feeds, struct subscriber *sub, int dir, uint32_t index,
		  uint64_t file, int r)
{
	char name[PLACE_NAME_MAX];

	if (r == -ENOENT)
		return 0;
	place_name(name, "pub.", index);
	feeds->strange |= is_strange(dir, name);
	if (r != -EPROTO && r != -EACCES && r != -EPERM && r != -EOPNOTSUPP)
		return r;
	leave_alone(feeds, sub, index, file);
	return r == -EPROTO ? r : -EACCES;
}

static void forget_life(struct feed *feed)
{
	region_close(&feed->life);
	feed->omen = NULL;
	feed->omen_told = false;
}

/* Maps the file of the node that owns the segment now, for its omen alone: what cannot be had is
 * done without. That of a dead one is let go, or its memory would stay. */
static void look_at_life(struct feed *feed, const struct domain *domain)
{
	uint64_t owner = load_acquire(&feed->reader.segment->owner);
	floe_cleanup(os_close_fdp) int fd = -1;
	struct peer peer;
	char path[DOMAIN_NAME_MAX];

	if (feed->omen_told && peer_is_alive(domain, owner) == 0)
		forget_life(feed);
	if (owner == feed->owner)
		return;
	forget_life(feed);
	feed->owner = owner;
	node_path(domain, owner, path);
	fd = owner ? file_open(AT_FDCWD, path, O_RDONLY, NULL) : -1;
	if (fd < 0 || peer_attach(&peer, fd, path, NULL) < 0)
		return;
	feed->life = peer.region;
	feed->omen = peer_omen(&peer);
}

static bool fits(const struct topic *topic, const struct party *ours, const struct feed *feed,
		 const struct type_shared *type)
{
	struct accord_shared accord;
	struct party theirs = {.type = *type, .accord = &accord, .lanes = feed->lanes_max};

	return feed_read_accord(feed, &accord) == 0 &&
	       party_check(ours, &theirs, topic->name, "", NULL) == 0;
}

/* Names need not be there to be compared, and what a peer says of its alignment is not asked: what we want
 * must hold where its headers are. In chunks they begin with a line. */
static int check_place(const struct party *ours, const struct feed *feed, const char *path,
		       struct floe_error *error)
{
	uint64_t alignment = ours->accord ? ours->accord->header.alignment : 0;

	if (alignment <= 8 || feed->header_inline % alignment == 0)
		return 0;
	return error_set(error, -EPROTO,
			 "'%s' has headers at byte %u of its slots, not aligned to %" PRIu64
			 " as is wanted here",
			 path, feed->header_inline, alignment);
}

/* A block that was given back is not looked at any more, whatever name it still has. */
static bool look_at_known(struct feed *known, const struct domain *domain)
{
	if (known->lent && !lent_memory_hold(known->file))
		return false;
	look_at_life(known, domain);
	if (known->lent)
		lent_memory_release(known->file);
	return true;
}

/* From here on its owner does not wait for us when he wants his block back. */
static int begin(struct subscriber *sub, struct feed *feed, bool joining, uint64_t history)
{
	bool looked_into = feed->looked_into;
	int r;

	feed->looked_into = false;
	r = subscriber_add_feed(sub, feed, joining, history);
	feed->looked_into = looked_into;
	if (r < 0)
		feed_detach(feed);
	look_away(feed);
	return r;
}

/* One file may have more names than its own. */
static struct feed *find_feed(struct subscriber *sub, uint64_t file, uint32_t index)
{
	struct feed *found = file ? subscriber_find_feed(sub, file) : NULL;

	return found && found->index == index ? found : NULL;
}

/* The file of this index, the same as before or another one. *ret_new: it is one that nobody has looked into
 * yet; 0: there is none. */
static int look_at(struct feeds *feeds, struct subscriber *sub, const struct topic *topic, int dir,
		   uint32_t index, uint64_t *ret_new)
{
	char name[PLACE_NAME_MAX];
	struct feed *known;
	uint64_t file;
	int r;

	place_name(name, "pub.", index);
	r = file_find_id(dir, name, &file);
	if (r < 0 && r != -ENOENT)
		return r;
	if (feeds->refused[index] && file != feeds->refused[index])
		forget_refused(feeds, sub, index);
	known = find_feed(sub, file, index);
	if (known)
		known->seen = look_at_known(known, topic->domain);
	*ret_new = known || file == feeds->refused[index] ? 0 : file;
	return 0;
}

static int add_feed(struct feeds *feeds, struct subscriber *sub, const struct topic *topic, int dir,
		    uint32_t index, uint64_t file, const struct party *ours, bool joining,
		    uint64_t history, struct floe_error *error)
{
	struct type_shared theirs;
	struct feed feed;
	char name[PLACE_NAME_MAX];
	int r;

	place_name(name, "pub.", index);
	r = feed_attach(&feed, topic->domain, dir, name, &theirs, error);
	if (r < 0)
		return refuse(feeds, sub, dir, index, file, r);
	if (feed.index != index || !fits(topic, ours, &feed, &theirs)) {
		leave_alone(feeds, sub, index, file);
		feed_detach(&feed);
		return 0;
	}
	r = check_place(ours, &feed, name, error);
	if (r < 0) {
		feed_detach(&feed);
		return refuse(feeds, sub, dir, index, file, r);
	}
	feed.seen = true;
	look_at_life(&feed, topic->domain);
	return begin(sub, &feed, joining, history);
}

/* Before anything can fail: a take goes on with what is known, and a block that was given back may be
 * unmapped by now. */
static void leave_blocks(struct subscriber *sub)
{
	for (uint32_t i = 0; i < sub->feed_count; i++) {
		struct feed *feed = &sub->feeds[i];

		if (!feed->lent || feed->leaving)
			continue;
		if (lent_memory_hold(feed->file))
			lent_memory_release(feed->file);
		else
			subscriber_let_go(sub, feed);
	}
}

/* Whoever lost his name goes before others come: the cursor of an index is one word, and there are as many
 * feeds as indexes. */
static int let_go_gone(struct feeds *feeds, struct subscriber *sub, const struct topic *topic,
		       int dir, const uint8_t *taken, uint64_t *ret_new)
{
	for (uint32_t i = 0; i < sub->feed_count; i++)
		sub->feeds[i].seen = false;
	for (uint32_t i = 0; i < FLOE_PUBLISHERS_MAX; i++) {
		int r = taken[i] ? look_at(feeds, sub, topic, dir, i, &ret_new[i]) : 0;

		if (r < 0)
			return r;
		if (!taken[i] && feeds->refused[i])
			forget_refused(feeds, sub, i);
	}
	for (uint32_t i = 0; i < sub->feed_count; i++)
		if (!sub->feeds[i].seen)
			subscriber_let_go(sub, &sub->feeds[i]);
	if (sub->leaving_count)
		subscriber_drop_feeds(sub);
	return 0;
}

int feeds_read(struct feeds *feeds, struct subscriber *sub, const struct topic *topic,
	       const struct party *ours, bool joining, uint64_t history, struct floe_error *error)
{
	floe_cleanup(os_close_fdp) int dir = topic_open_ours(topic);
	uint64_t new[FLOE_PUBLISHERS_MAX] = {0};
	uint8_t taken[FLOE_PUBLISHERS_MAX];
	int told = 0;
	int r;

	leave_blocks(sub);
	if (dir < 0)
		return dir;
	r = file_list_indexes(dir, "pub.", FLOE_PUBLISHERS_MAX, taken);
	if (r == 0)
		r = let_go_gone(feeds, sub, topic, dir, taken, new);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < FLOE_PUBLISHERS_MAX; i++) {
		r = new[i] ? add_feed(feeds, sub, topic, dir, i, new[i], ours, joining, history,
				      error)
			   : 0;
		if (r < 0 && r != -EPROTO && r != -EACCES)
			return r;
		if (r < 0)
			told = r;
	}
	return told;
}
