/* SPDX-License-Identifier: Apache-2.0 */
#include "api/pending.h"

#include <errno.h>

#include "os/os.h"

static void free_place(struct client *c, struct pending *p)
{
	if (!p->connection && !pending_runs(p) && !p->outcome)
		*++c->free = p;
}

void pending_shut(struct client *c, struct pending *p)
{
	p->connection->active--;
	p->connection = NULL;
	free_place(c, p);
}

/* Take has said how it ended. */
static void close_told(struct client *c, struct pending *p)
{
	p->outcome = 0;
	c->counts.ended++;
	free_place(c, p);
}

void pending_conclude(struct client *c, struct pending *p, int32_t outcome)
{
	p->awaited = NOT_AWAITED;
	p->outcome = outcome;
	c->outcomes++;
	c->counts.failed += outcome == -EPIPE || outcome == -EPROTO;
	c->counts.timed_out += outcome == -ETIMEDOUT;
	c->counts.cancelled += outcome == -ECANCELED;
}

void pending_give_up(struct client *c, struct pending *p, int32_t outcome)
{
	publisher_set_unwanted(&p->connection->requests->publisher, (uint32_t)(p - c->pending),
			       true);
	pending_conclude(c, p, outcome);
}

struct pending *pending_find(struct client *c, uint64_t number)
{
	uint64_t index = number & MARK_INDEX;

	if (index >= c->options.active_max || c->pending[index].number != number)
		return NULL;
	return &c->pending[index];
}

void pending_expire(struct client *c)
{
	int64_t now = c->nearest_ns == INT64_MAX ? 0 : os->now_ns();
	int64_t nearest = INT64_MAX;

	if (now < c->nearest_ns)
		return;
	for (size_t i = 0; i < c->options.active_max; i++) {
		struct pending *p = &c->pending[i];

		if (!pending_runs(p))
			continue;
		if (p->deadline_ns <= now)
			pending_give_up(c, p, -ETIMEDOUT);
		else if (p->deadline_ns < nearest)
			nearest = p->deadline_ns;
	}
	c->nearest_ns = nearest;
}

int pending_take_outcome(struct client *c, struct floe_response *ret)
{
	for (size_t i = 0; c->outcomes && i < c->options.active_max; i++) {
		struct pending *p = &c->pending[i];

		if (p->outcome == 0)
			continue;
		*ret = (struct floe_response){.request = p->number, .status = p->outcome};
		c->outcomes--;
		close_told(c, p);
		return 1;
	}
	return 0;
}

void pending_lay_out(struct client *c)
{
	c->free = c->places;
	for (size_t i = 0; i < REQUESTS_MAX; i++)
		c->pending[i].awaited = NOT_AWAITED;
	for (size_t i = c->options.active_max; i-- > 0;) {
		c->pending[i].number = i;
		c->pending[i].next = pending_next_number(i);
		*++c->free = &c->pending[i];
	}
	c->nearest_ns = INT64_MAX;
}
