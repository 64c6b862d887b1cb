/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_PENDING_H
#define API_PENDING_H

/*
 * Pending: the requests of a client, from being sent until take has said how they ended.
 */

#include "api/client.h"

/* The next number of a place that gets free: what it was is over on all sides. */
floe_inline uint64_t pending_next_number(uint64_t number)
{
	number = (number + MARK_NEXT_REQUEST) & MARK_REQUEST;
	return number > MARK_INDEX ? number : number + MARK_NEXT_REQUEST;
}

floe_inline bool pending_runs(const struct pending *p)
{
	return p->awaited != NOT_AWAITED;
}

/* All places are free. */
void pending_lay_out(struct client *c);

/* The request of this number, also when it has ended; NULL: its place is another one's by now. */
struct pending *pending_find(struct client *c, uint64_t number);

/* Its server has ended it, or is gone. */
void pending_shut(struct client *c, struct pending *p);

/* It ended without a response, which take will say; give_up: its server is told too. */
void pending_conclude(struct client *c, struct pending *p, int32_t outcome);
void pending_give_up(struct client *c, struct pending *p, int32_t outcome);

/* Gives up what has passed its deadline. */
void pending_expire(struct client *c);

/* Says how one ended: 1, 0 there is none. */
int pending_take_outcome(struct client *c, struct floe_response *ret);

#endif
