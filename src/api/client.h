/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_CLIENT_H
#define API_CLIENT_H

/*
 * Client: what lies behind a struct floe_client.
 *
 * A request has a place in a table, and its number says which, and how often that was used. It is
 * *open* until its server has ended it, or is gone, and *told* once take has said how it ended; after
 * both its place is free:
 *
 *   active_max = free places + open ones + those that are not told
 *   a connection's active = requests on it that are open
 *   it runs  =>  it is open;  it is told  =  it does not run, and has no outcome
 *   it is unwanted  =>  it is open, and does not run
 *
 * A server is gone when it says so, when another one announces itself in its place, or when its
 * process is dead or has begun to end, after which it executes nothing. What it sent before is taken
 * first, then the rest of its requests end.
 */

#include "api/asking.h"
#include "api/publication.h"
#include "api/service.h"
#include "api/subscription.h"
#include "uring/alarm.h"

/* A ring in the name of a server that is gone. */
struct last_ring {
	uintptr_t met;  /* which one: as its feed says */
	uint64_t until; /* messages of it are too late from here on */
};

/* A server, as this client sees it. */
struct connection {
	struct connection *next;
	struct publication *requests; /* NULL: it was sent none yet */
	uint64_t server;
	uint64_t node;
	const shared_u32 *omen; /* as its feed on NAME@service has it, or NULL */
	uint32_t index;         /* which publisher of NAME@service announced it */
	uint32_t active_max;
	uint32_t active;
	uint32_t suspicions; /* looks since its omen turned bad */
	uint64_t turn;       /* when it was lent from last: a count */
	uint64_t attempt;    /* of which call it was tried in */
	int64_t checked_ns;
	bool gone;
	bool broke;            /* gone because it broke the rules */
	bool over;             /* gone because its process is dead, or its place not there */
	bool drained;          /* gone, and all that it sent has been taken */
	bool refused;          /* it wants another header than we send: it is asked no more */
	bool unheard;          /* nobody listens where it said that it does: nor is it */
	struct floe_error why; /* it could not be sent anything, when that was tried last */
	uint32_t last_count;   /* gone: so many rings in its name were found since, */
	struct last_ring last[FLOE_PUBLISHERS_MAX]; /* which are these; further ones do not count */
};

struct pending {
	uint64_t awaited;              /* its number while it runs, else NOT_AWAITED */
	struct connection *connection; /* while it is open, else NULL */
	uint64_t number;               /* of the request that is out, or was last */
	uint64_t next;                 /* number of the next one here */
	int64_t deadline_ns;           /* INT64_MAX: none */
	int32_t outcome;               /* how it ended, and take has not said it; else 0 */
	uint32_t reserved[5];
};
static_assert(sizeof(struct pending) == 64, "found by a shift");

/* No mark is that. */
#define NOT_AWAITED UINT64_MAX

struct client {
	struct subscription *responses;
	struct subscription *announcements;
	struct connection *connections;
	struct connection *lender; /* from which was lent last, if it is not gone: it has a ring, */
	struct publisher *asks;    /* which is this; else both are NULL */
	struct pending pending[REQUESTS_MAX];
	struct pending *places[1 + REQUESTS_MAX]; /* NULL, and those that are free */
	struct pending **free;                    /* the last of these: used next */
	uint32_t outcomes;                        /* to be told */
	int64_t nearest_ns;
	int64_t looked_ns;
	struct asking asking;
	uint32_t takes_left; /* that find something, until one looks around */
	bool news;           /* a server is gone, and perhaps not drained */
	uint64_t id;
	uint64_t turn;
	uint64_t attempt;
	struct floe_client_options options;
	char *dir;
	char *domain;
	char service[FLOE_SERVICE_NAME_MAX + 1];
	struct floe_client_counts counts;
	struct connection *spare; /* for the next one, or NULL */
	struct floe_error why;    /* the last loan was not to be had, if it was not */
	struct alarm alarm;
	bool polled;
	bool told; /* the alarm has been set once */
	uint32_t feed_changes;
	uintptr_t met; /* rings in the name of a server that was gone: each has a number */
	struct floe_type request_header; /* where the options point, if they do */
	struct floe_type response_header;
};

#endif
