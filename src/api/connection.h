/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_CONNECTION_H
#define API_CONNECTION_H

/*
 * Connection: a server, as a client sees it. The calls go over all connections of one client.
 */

#include "api/client.h"

/* An omen that cannot be confirmed yet is looked at again after this time. */
#define CONNECTION_LOOK_NS 1000000

/* For subscription_open: feeds have come and gone, and with them their omens. */
void connection_changed(void *user);

/* Has no server announced anything, and does no omen speak? No system call. */
floe_inline bool connection_is_quiet(const struct client *c)
{
	const struct subscriber *sub = &c->announcements->subscriber;

	if (load_relaxed(&sub->hints->publishers) != sub->publishers_seen || c->news || c->outcomes)
		return false;
	for (uint32_t i = 0; i < sub->feed_count; i++)
		if (ring_look(&sub->feeds[i].reader) != RING_EMPTY)
			return false;
	for (const struct connection *k = c->connections; k; k = k->next)
		if (k->drained || (k->omen && omen_is_bad(load_relaxed(k->omen))))
			return false;
	return true;
}

/* The same of a client that knows no server but this one, which is not gone: so there are no news either. */
floe_inline bool connection_is_alone(const struct client *c, const struct connection *k)
{
	return c->connections == k && !k->next &&
	       subscriber_is_empty(&c->announcements->subscriber) &&
	       !(k->omen && omen_is_bad(load_relaxed(k->omen)));
}

/* Who came, who is gone, what has expired. `ask`: the kernel is asked who lives in any case. */
void connection_look(struct client *c, bool ask);

/* Does somebody have requests of ours whose end only the kernel can tell? */
bool connection_wants_asking(struct client *c);

/* The requests of those who are gone end, if nothing is left of what they have sent. False: of somebody
 * something is. */
bool connection_end_gone(struct client *c);

/* Lets go of those that are gone and need nothing more. */
void connection_bury(struct client *c);

/* Servers whose memory is not what it must be answer nothing any more. Of who has taken nothing yet that shows
 * later, and connection_look finds it. */
void connection_lose_broken(struct client *c);

/* As floe_client_loan, when a place is free. caller: for who looks for the loan later */
int connection_lend(struct client *c, size_t size, struct floe_loan *ret, const void *caller);

/* From whom this was lent, and as what; NULL: it is not a loan of this client. */
struct connection *connection_find_other_lender(const struct client *c,
						const struct floe_loan *loan,
						struct lent **ret_lent);
floe_inline struct connection *connection_find_lender(const struct client *c,
						      const struct floe_loan *loan,
						      struct lent **ret_lent)
{
	struct connection *last = c->lender;

	*ret_lent = last ? publisher_find(&last->requests->publisher, loan) : NULL;
	if (floe_likely(*ret_lent))
		return last;
	return connection_find_other_lender(c, loan, ret_lent);
}

void connection_close_all(struct client *c);

#endif
