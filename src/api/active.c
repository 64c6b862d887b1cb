/* SPDX-License-Identifier: Apache-2.0 */
#include "api/active.h"

#include <errno.h>

#include "api/caller.h"

static_assert(FLOE_REQUESTS_MAX <= FLOE_HOLDS_MAX, "each holds its sample");
static_assert(PLACE_INDEX < REQUESTS_MAX, "any ticket leads into the table");

void active_release(struct server *s, uint64_t ticket)
{
	subscriber_release(&s->requests->subscriber, &(struct floe_sample){.ticket = ticket});
	if (s->waits)
		subscription_ring(s->requests);
}

void active_discard(struct active *a)
{
	struct floe_loan loan;

	if (!a->lent)
		return;
	loan = (struct floe_loan){.data = a->lent->data, .ticket = a->lent->ticket};
	publisher_discard(&a->caller->responses->publisher, &loan);
	a->lent = NULL;
}

void active_finish(struct server *s, struct active *a, struct floe_request *request)
{
	struct caller *caller = a->caller;

	active_discard(a);
	active_release(s, a->ticket);
	active_leave(s, a, request);
	s->counts.abandoned += caller->gone;
	if (caller->gone)
		caller_bury(s);
}

/* Feeds move when one before them is let go; the held sample knows where its own is. */
static const struct feed *feed_of(struct server *s, const struct active *a)
{
	return subscriber_feed_of(&s->requests->subscriber,
				  &(struct floe_sample){.ticket = a->ticket});
}

bool active_is_unwanted(struct server *s, const struct active *a)
{
	const struct segment_shared *segment = feed_of(s, a)->reader.segment;
	uint64_t place = a->mark & MARK_INDEX;

	/* Pairs with the release in publisher_set_unwanted; nothing depends on what was before it. */
	return load_relaxed(&segment->unwanted[place / 64]) >> place % 64 & 1;
}

static_assert(sizeof(int32_t) <= FLOE_INLINE_MAX, "a status needs no chunk");

void active_end_with(struct active *a, int32_t status)
{
	(void)publisher_publish_words(&a->caller->responses->publisher, &status, sizeof(status),
				      a->mark | MARK_END);
}

int active_send_more(struct server *s, struct active *a, struct floe_loan *loan)
{
	struct publisher *pub = &a->caller->responses->publisher;
	int r;

	if (active_is_unwanted(s, a))
		return -ECANCELED;
	r = publisher_has_room(pub, a->caller->active_max);
	if (r < 0)
		return r;
	if (r == 1)
		return publisher_publish_marked(pub, loan, a->mark | MARK_MORE);
	s->counts.would_block++;
	caller_look_at(s, a->caller, false);
	return a->caller->gone ? -EPIPE : 0;
}

void active_lay_out(struct server *s)
{
	for (uint64_t i = 0; i < REQUESTS_MAX; i++)
		s->active[i].ticket = ~i;
}
