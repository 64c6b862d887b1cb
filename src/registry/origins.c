/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/origins.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/name.h"
#include "os/os.h"
#include "registry/feeds.h"
#include "registry/file.h"
#include "registry/node.h"
#include "registry/peer.h"

static void unmap(struct mapped_origin *mapped)
{
	feed_detach(&mapped->feed);
	region_close(&mapped->node);
	*mapped = (struct mapped_origin){.feed = {.mapping = REGION_NULL, .life = REGION_NULL},
					 .node = REGION_NULL};
}

/* A name that says where to look, in a copy: what the relay's owner wrote is input. */
static int read_topic(const struct relay_shared *relay, char *ret_topic)
{
	uint64_t words[RELAY_TOPIC_WORDS];

	words_load(words, relay->topic, RELAY_TOPIC_WORDS);
	memcpy(ret_topic, words, sizeof(words));
	ret_topic[FLOE_TOPIC_NAME_MAX] = 0;
	return name_check(ret_topic, "topic name", FLOE_TOPIC_NAME_MAX, NULL) < 0 ? -EPROTO : 0;
}

/* Memory that lies in a program's own block is not relayed: it may go while it is held. */
static int map_segment(struct mapped_origin *mapped, const struct domain *domain,
		       const struct relay_seen *seen)
{
	floe_cleanup(os_close_fdp) int dir = -1;
	char path[DOMAIN_NAME_MAX], name[PLACE_NAME_MAX];
	struct type_shared type;
	int r;

	if (seen->index >= FLOE_PUBLISHERS_MAX)
		return -EPROTO;
	domain_path(domain, "topics", mapped->topic, path);
	dir = file_open_dir(AT_FDCWD, path, NULL);
	if (dir < 0)
		return dir;
	place_name(name, "pub.", (uint32_t)seen->index);
	r = feed_attach(&mapped->feed, domain, dir, name, &type, NULL);
	if (r < 0)
		return r;
	if (mapped->feed.mapping.base != mapped->feed.region.base)
		return -EPROTO;
	return mapped->feed.file == seen->file ? 0 : -ENOENT;
}

static int map_node(struct mapped_origin *mapped, const struct domain *domain,
		    const struct relay_seen *seen)
{
	floe_cleanup(os_close_fdp) int fd = -1;
	const struct port_shared *port;
	char path[DOMAIN_NAME_MAX];
	struct peer peer;
	int r;

	node_path(domain, seen->holder, path);
	fd = file_open(AT_FDCWD, path, O_RDONLY, NULL);
	if (fd < 0)
		return fd;
	r = peer_attach(&peer, fd, path, NULL);
	if (r < 0)
		return r;
	mapped->node = peer.region;
	port = region_at(&peer.region, seen->port, sizeof(*port));
	if (!port || seen->port % FLOE_CACHELINE)
		return -EPROTO;
	mapped->origin.life = &port->life;
	return 0;
}

static int map_origin(struct mapped_origin *mapped, const struct domain *domain,
		      const struct relay_shared *relay, const struct relay_seen *seen)
{
	int r = read_topic(relay, mapped->topic);

	if (r == 0)
		r = map_segment(mapped, domain, seen);
	if (r == 0)
		r = map_node(mapped, domain, seen);
	if (r < 0)
		return r == -ENOENT ? 0 : r == -EPERM ? -EACCES : r;
	mapped->origin.base = mapped->feed.base = mapped->feed.region.base;
	mapped->origin.reserved = mapped->feed.region.reserved;
	mapped->holder = seen->holder;
	mapped->port = seen->port;
	return 1;
}

/* The publisher may have grown its memory since it was mapped; else the taker refuses what is outside. */
static void reach(struct mapped_origin *mapped, const struct domain *domain, uint64_t offset)
{
	char folder[DOMAIN_NAME_MAX];

	if (offset < mapped->origin.reserved)
		return;
	domain_path(domain, "topics", mapped->topic, folder);
	(void)feed_look_again(&mapped->feed, folder);
	mapped->origin.reserved = mapped->feed.region.reserved;
}

static struct mapped_origin *find(struct origins *origins, const struct relay_seen *seen)
{
	for (uint32_t i = 0; i < ORIGINS_MAX; i++) {
		struct mapped_origin *mapped = &origins->mapped[i];

		if (mapped->feed.file && mapped->feed.file == seen->file &&
		    mapped->holder == seen->holder && mapped->port == seen->port)
			return mapped;
	}
	return NULL;
}

/* In turn, one of which nothing is held. */
static struct mapped_origin *find_room(struct origins *origins, const struct subscriber *sub)
{
	for (uint32_t i = 0; i < ORIGINS_MAX; i++) {
		struct mapped_origin *mapped = &origins->mapped[origins->next++ % ORIGINS_MAX];

		if (!mapped->feed.file || !subscriber_uses(sub, &mapped->origin)) {
			unmap(mapped);
			return mapped;
		}
	}
	return NULL;
}

int origins_find(struct origins *origins, const struct domain *domain, const struct subscriber *sub,
		 const struct relay_shared *relay, const struct relay_seen *seen,
		 const struct origin **ret_origin)
{
	struct mapped_origin *mapped = find(origins, seen);
	int r = 1;

	if (!mapped) {
		mapped = find_room(origins, sub);
		if (!mapped)
			return -EMFILE;
		r = map_origin(mapped, domain, relay, seen);
	}
	if (r != 1) {
		unmap(mapped);
		return r;
	}
	reach(mapped, domain, seen->offset);
	*ret_origin = &mapped->origin;
	return 1;
}

static const struct mapped_origin *mapped_of(const struct origin *origin)
{
	return (const struct mapped_origin *)(const void *)origin;
}

bool origins_is_elastic(const struct origin *origin)
{
	return mapped_of(origin)->feed.elastic;
}

int origins_open_file(const struct origin *origin, const struct domain *domain, uint64_t size)
{
	char folder[DOMAIN_NAME_MAX];

	domain_path(domain, "topics", mapped_of(origin)->topic, folder);
	return feed_open_file(&mapped_of(origin)->feed, folder, size);
}

void origins_close(struct origins *origins)
{
	for (uint32_t i = 0; origins && i < ORIGINS_MAX; i++)
		unmap(&origins->mapped[i]);
}
