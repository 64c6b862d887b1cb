/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_ACTIVE_H
#define API_ACTIVE_H

/*
 * Active: the requests of a server that were taken and not ended.
 */

#include "api/server.h"

/* All places are free. */
void active_lay_out(struct server *s);

/* NULL: it was ended, or is no request of this server. */
floe_inline struct active *active_find(struct server *s, const struct floe_request *request)
{
	uint64_t ticket = request->ticket;
	struct active *a = &s->active[ticket % REQUESTS_MAX];

	return a->ticket == ticket && a->caller ? a : NULL;
}

/* Is this the response that is on loan for it? */
floe_inline bool active_has_lent(const struct active *a, const struct floe_loan *loan)
{
	return a->lent && a->lent->data == loan->data && a->lent->ticket == loan->ticket;
}

/* Gives back the sample of a request. */
void active_release(struct server *s, uint64_t ticket);

/* Gives back the response that is on loan, if one is. */
void active_discard(struct active *a);

/* It has ended: its place is free, and what the program has of it is emptied. */
void active_finish(struct server *s, struct active *a, struct floe_request *request);

/* Did its client say that it does not want it any more? No system call. */
bool active_is_unwanted(struct server *s, const struct active *a);

/* Sends the end without a response. 1; 0 no chunk is free; -errno */
int active_end_with(struct active *a, int32_t status);

/* Sends a response that is not the last, which leaves room for the last ones of all requests that the
 * client may have. As floe_server_send. */
int active_send_more(struct server *s, struct active *a, struct floe_loan *loan);

#endif
