/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_LOOKOUT_H
#define API_LOOKOUT_H

/*
 * Lookout: which parts of a domain may have changed, as inotify(7) says. It watches the folders of the
 * domain, of its nodes, of its topics and of each topic; while the domain is not there, the nearest
 * folder above it that is.
 *
 * What it says is a hint: somebody looks, and compares. So nothing depends on the order of what the
 * kernel tells, nor on its completeness: when its queue overflows, everything may have changed.
 *
 * A file that somebody had for writing is closed by the kernel when he ends, however he ends; and by
 * that the death of a process is known, for it had its node's file. The lock on it is taken away a
 * moment after that is told (__fput in Linux), and the mode of a ring is set a moment before or after
 * it is taken over. So where a file was closed or its mode set, it is looked at again after 1, 10 and
 * 100 ms, and then no more.
 *
 * Private to one watch.
 */

#include <stdbool.h>

#include "registry/domain.h"

struct lookout_topic {
	char *name;
	int wd;         /* -1: it is not watched */
	unsigned again; /* how often it is looked at again */
	bool changed;
	bool gone; /* its folder */
};

struct lookout {
	const struct domain *domain;
	int poll; /* readable while one of the next three is */
	int notify;
	int timer;
	int bell; /* rings when somebody wants that */
	int above_wd, domain_wd, nodes_wd, topics_wd;
	struct lookout_topic *topic;
	size_t count, room;
	bool moved; /* the folders above may be others */
	bool nodes_changed;
	bool topics_changed; /* which ones there are */
	unsigned nodes_again;
	int64_t due_ns; /* of the timer; 0: it is not set */
};

#define LOOKOUT_NULL \
	((struct lookout){.poll = -1, \
			  .notify = -1, \
			  .timer = -1, \
			  .bell = -1, \
			  .above_wd = -1, \
			  .domain_wd = -1, \
			  .nodes_wd = -1, \
			  .topics_wd = -1})

/* Everything has changed. `domain` outlives it. Half opened is for lookout_close. */
int lookout_open(struct lookout *ret_lookout, const struct domain *domain,
		 struct floe_error *error);
void lookout_close(struct lookout *lookout);

/* Reads what the kernel has to say. 0; -errno some of it could not be had, and is asked for again. */
int lookout_read(struct lookout *lookout);

/* Was this one marked as changed? It is not any more. */
bool lookout_take_nodes(struct lookout *lookout);
bool lookout_take_topic(struct lookout *lookout, char *ret_name /* FLOE_TOPIC_NAME_MAX + 1 */);

/* It has, or it could not be read and shall be again. */
void lookout_mark_nodes(struct lookout *lookout);
void lookout_mark_topic(struct lookout *lookout, const char *name);

/* While the bell rings the descriptor is readable. */
int lookout_ring(struct lookout *lookout, bool rings);

#endif
