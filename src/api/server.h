/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_SERVER_H
#define API_SERVER_H

/*
 * Server: what lies behind a struct floe_server.
 *
 * A caller is a client, as its server sees it: a ring of requests that it made on our topic, and a
 * ring of responses that we made on its. It is gone when its ring has lost its name, which it takes
 * away when it closes, or when its process is dead or has begun to end. A caller that is gone stays
 * in the list while a loan for it is out, a request of it is not ended, or its ring is still mapped.
 *
 *   active = requests of all callers that were taken and not ended
 *   each of them holds its sample, so its feed stays, and its place is that of the hold
 */

#include "api/asking.h"
#include "api/publication.h"
#include "api/service.h"
#include "api/subscription.h"

struct caller {
	struct caller *next;
	struct publication *responses;
	/* Of responses, if it is not gone, and no request waits for a client: else NULL. */
	struct publisher *answers;
	uint64_t sender;
	const shared_u32 *omen; /* as the feed of that has it, or NULL */
	uint32_t index;         /* of its ring */
	uint32_t active_max;    /* requests that it has out at most */
	uint32_t active;
	uint64_t until; /* gone: requests of its ring from here on are not looked at; 0: unset */
	int64_t checked_ns;
	bool gone;
};

/* A request that was taken and not ended. */
struct active {
	/* Of its sample, and of the request. While the place is free all bits are turned over, those of
	 * the place too: so no ticket is found there. */
	uint64_t ticket;
	uint64_t mark; /* below MARK_MORE */
	struct caller *caller;
	struct lent *lent; /* the response that is on loan, or NULL */
};
static_assert(sizeof(struct active) == 32, "found by a shift");

struct server {
	struct subscription *requests;
	struct publication *announcement;
	struct caller *callers;
	struct active active[REQUESTS_MAX];
	struct asking asking;
	uint32_t takes_left; /* that find something, until one looks around */
	bool waits;          /* a request was taken whose client could not be answered yet: */
	struct floe_sample waiting; /* its mark is in its place already */
	uint64_t id;
	struct floe_server_options options;
	char *dir;
	char *domain;
	char service[FLOE_SERVICE_NAME_MAX + 1];
	struct floe_server_counts counts; /* but for taken and active */
	struct floe_type request_header;  /* where the options point, if they do */
	struct floe_type response_header;
};

#endif
