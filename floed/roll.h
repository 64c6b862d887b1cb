/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOED_ROLL_H
#define FLOED_ROLL_H

/*
 * Roll: the processes of a domain, each watched by a pidfd, so that its death is noticed when it
 * happens. A node whose process cannot be watched so (of another PID namespace; no descriptor left)
 * is asked for its lock once a second.
 *
 * That a process ended is a hint; that its node's lock is free is the proof. A node with another
 * process's number so costs nothing but looks.
 */

#include "registry/node.h"

struct roll_entry {
	uint64_t id;
	int pidfd; /* -1: none */
	bool ended;
	int64_t look_ns; /* when its lock is asked for; INT64_MAX: when the pidfd says so */
	unsigned looks;
};

struct roll {
	struct node *node; /* floed's own */
	int epoll;
	struct roll_entry *entry;
	size_t count;
	size_t room;
	unsigned deaths; /* since the start */
};

/* What an event of a pidfd carries. */
#define ROLL_EVENT(pidfd) ((uint64_t)1 << 32 | (uint32_t)(pidfd))
#define ROLL_IS_EVENT(data) ((data) >> 32 == 1)

/* `epoll` stays the caller's. */
void roll_init(struct roll *ret_roll, struct node *node, int epoll);
void roll_deinit(struct roll *roll);

/* Reads the folder of nodes: whoever is not watched is from now on. 0 or -errno. */
int roll_scan(struct roll *roll);

/* A name came, or went. */
void roll_add(struct roll *roll, const char *name);
void roll_remove(struct roll *roll, const char *name);

/* A pidfd was readable. */
void roll_end(struct roll *roll, uint64_t data);

/* Looks at those whose time has come; returns when the next one is due. */
int64_t roll_look(struct roll *roll, int64_t now_ns);

#endif
