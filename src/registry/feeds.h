/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_FEEDS_H
#define REGISTRY_FEEDS_H

/*
 * Feeds: the publishers of a topic, as a subscriber or an observer finds them in the topic's
 * folder. Their segments are mapped read-only.
 */

#include "channel/segment.h"
#include "channel/subscriber.h"
#include "registry/topic.h"

/* Of a file that lost its name nobody can tell where it has memory without filling it: no more than this
 * is filled at once. */
#define FEED_NAMELESS_MAX ((size_t)256 << 20)

/* Publishers that could not be read, so that each is told of once. */
struct feeds {
	uint64_t refused[FLOE_PUBLISHERS_MAX]; /* which file it was, 0: none */
	bool strange;                          /* one of them was another user's */
};

/*
 * Reads the folder again: adds feeds for new publishers, lets go of those whose file is gone.
 * Publishers that do not fit `ours` are left out. 0; -EPROTO, -EACCES when a publisher was
 * refused for the first time, with a sentence; other -errno for what may pass.
 */
int feeds_read(struct feeds *feeds, struct subscriber *sub, const struct topic *topic,
	       const struct party *ours, bool joining, uint64_t history, struct floe_error *error);

/* Maps one publisher's segment for reading; fills everything but the start. -ENOENT: it is gone,
 * or it lay in memory of a process that is. */
int feed_attach(struct feed *ret_feed, const struct domain *domain, int dir, const char *name,
		struct type_shared *ret_type, struct floe_error *error);
void feed_detach(struct feed *feed);

/* What it offers, in a checked copy. 0, or -EPROTO */
int feed_read_accord(const struct feed *feed, struct accord_shared *ret_accord);

/* The publisher reserved more memory since it was mapped: makes `region` reach as far. The segment's file
 * is looked for in `folder`, its topic's. 0; -EPROTO there is no memory where there should be. */
int feed_look_again(struct feed *feed, const char *folder);

/* The segment's file, to read `size` bytes of it. -ENODATA: it has less memory than that; other -errno:
 * nobody can tell */
int feed_open_file(const struct feed *feed, const char *folder, uint64_t size);

#endif
