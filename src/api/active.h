/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_ACTIVE_H
#define API_ACTIVE_H

/*
 * Active: the requests of a server that were taken and not ended.
 */

#include "api/server.h"

/* All places are free. */
void active_lay_out(struct server *s);

/* The place of who has this ticket. */
floe_inline struct active *active_at(struct server *s, uint64_t ticket)
{
	return &s->active[ticket & PLACE_INDEX];
}

/* NULL: it was ended, or is no request of this server. */
floe_inline struct active *active_find(struct server *s, const struct floe_request *request)
{
	uint64_t ticket = request->ticket;
	struct active *a = active_at(s, ticket);

	return floe_likely(a->ticket == ticket) ? a : NULL;
}

/* Is this the response that is on loan for it? */
floe_inline bool active_has_lent(const struct active *a, const struct floe_loan *loan)
{
	return a->lent && a->lent->data == loan->data && a->lent->ticket == loan->ticket;
}

/* Gives back the sample of a request. */
void active_release(struct server *s, uint64_t ticket);

/* The same without a call. False: there is a descriptor, and that has to be settled. */
floe_inline bool active_release_straight(struct server *s, uint64_t ticket)
{
	struct subscriber *sub = &s->requests->subscriber;
	struct held *held = &sub->held[ticket & sub->holds_mask];
	struct floe_sample sample = {.ticket = ticket};

	if (floe_unlikely(held->ticket != ticket))
		return false;
	subscriber_give_back(sub, held, &sample);
	return true;
}

/* Gives back the response that is on loan, if one is. */
void active_discard(struct active *a);

/* Its sample has been given back: the books. */
floe_inline void active_leave(struct server *s, struct active *a, struct floe_request *request)
{
	a->caller->active--;
	a->ticket = ~a->ticket;
	s->counts.ended++;
	*request = (struct floe_request){0};
}

/* It has ended: its place is free, and what the program has of it is emptied. */
void active_finish(struct server *s, struct active *a, struct floe_request *request);

/* Did its client say that it does not want it any more? No system call. */
bool active_is_unwanted(struct server *s, const struct active *a);

/* Sends the end without a response: there is always room for it. */
void active_end_with(struct active *a, int32_t status);

/* Sends a response that is not the last, which leaves room for the last ones of all requests that the
 * client may have. As floe_server_send. */
int active_send_more(struct server *s, struct active *a, struct floe_loan *loan);

#endif
