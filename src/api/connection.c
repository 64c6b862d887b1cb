/* SPDX-License-Identifier: Apache-2.0 */
#include "api/connection.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "api/pending.h"
#include "base/error.h"
#include "os/os.h"
#include "registry/peer.h"

/* In one look: two of each publisher that a topic can have, which is all that decent ones leave. */
#define ANNOUNCEMENTS 128

static struct feed *find_feed(struct subscriber *sub, uint32_t index)
{
	for (uint32_t i = 0; i < sub->feed_count; i++)
		if (sub->feeds[i].index == index && !sub->feeds[i].leaving)
			return &sub->feeds[i];
	return NULL;
}

/* The first ring that says that it is this server's, or the next one behind `feed`. Anybody may say so of
 * his. NULL: there is no more. */
static struct feed *next_ring(struct client *c, const struct connection *k, const struct feed *feed)
{
	struct subscriber *sub = &c->responses->subscriber;

	for (uint32_t i = feed ? (uint32_t)(feed - sub->feeds) + 1 : 0; i < sub->feed_count; i++)
		if (sub->feeds[i].sender == k->server)
			return &sub->feeds[i];
	return NULL;
}

static void lose(struct client *c, struct connection *connection)
{
	connection->gone = true;
	c->news = true;
	if (c->lender != connection)
		return;
	c->lender = NULL;
	c->asks = NULL;
}

static struct connection *find_connection(struct client *c, uint32_t index)
{
	for (struct connection *k = c->connections; k; k = k->next)
		if (k->index == index && !k->gone)
			return k;
	return NULL;
}

void connection_changed(void *user)
{
	struct client *c = user;

	for (struct connection *k = c->connections; k; k = k->next) {
		const struct feed *feed = find_feed(&c->announcements->subscriber, k->index);

		k->omen = feed ? feed->omen : NULL;
	}
}

/* One in the same place that is gone, and of which nothing was ever wanted: who announces one server after
 * the other needs no memory for each. */
static struct connection *find_unused(struct client *c, uint32_t index)
{
	for (struct connection *k = c->connections; k; k = k->next)
		if (k->index == index && k->gone && !k->drained && !k->requests && !k->active)
			return k;
	return NULL;
}

/* The one that lay ready is used. */
static struct connection *make_connection(struct client *c)
{
	struct connection *made = c->spare;

	c->spare = NULL;
	made->next = c->connections;
	c->connections = made;
	return made;
}

static void add_connection(struct client *c, const struct announcement *a, uint32_t index)
{
	struct connection *added;

	if (peer_is_alive(&c->responses->node->domain, a->node) == 0)
		return;
	added = find_unused(c, index);
	if (!added)
		added = make_connection(c);
	*added = (struct connection){
		.next = added->next,
		.server = a->server,
		.node = a->node,
		.index = index,
		.active_max = a->active_max < FLOE_REQUESTS_MAX ? a->active_max : FLOE_REQUESTS_MAX,
	};
	connection_changed(c);
}

/* What a server announces is input; the one before it in the same place has gone. */
static void note_announcement(struct client *c, const struct floe_sample *sample, uint32_t index)
{
	struct connection *known = find_connection(c, index);
	struct announcement a;

	if (sample->size != sizeof(a))
		return;
	memcpy(&a, sample->data, sizeof(a));
	if (known && (known->server != a.server || a.leaving))
		lose(c, known);
	if (a.server && !a.leaving && (!known || known->gone))
		add_connection(c, &a, index);
}

/* Memory for the next server that announces itself. */
static bool has_spare(struct client *c)
{
	if (!c->spare)
		c->spare = calloc(1, sizeof(*c->spare));
	return c->spare;
}

/* What is left is read at the next look, for until then the client is not quiet. So is, without memory, all of
 * it: what was read would be forgotten, and a server says but once that it is there. */
static void read_announcements(struct client *c)
{
	struct subscriber *sub = &c->announcements->subscriber;
	struct floe_sample sample;

	for (unsigned i = 0; i < ANNOUNCEMENTS && has_spare(c); i++) {
		int r = subscriber_take(sub, &sample);

		if (r == -EPROTO || r == -EACCES)
			continue;
		if (r != 1)
			break;
		note_announcement(c, &sample, subscriber_find(sub, &sample)->feed->index);
		subscriber_release(sub, &sample);
	}
}

/* Who announced this server announced what is true: it subscribed there before it did. */
static bool listens(const struct connection *k)
{
	const struct members *members = &k->requests->members;

	for (uint32_t i = 0; i < members->count; i++)
		if (peer_id(members->member[i].node) == k->node)
			return true;
	return false;
}

/* Its place is not there any more, whoever says that it is. What cannot be looked up for now counts as there. */
static bool has_left(struct connection *k)
{
	return publisher_has_room(&k->requests->publisher, 0) >= 0 && !listens(k);
}

static bool is_dead(const struct client *c, const struct connection *k, const struct feed *feed)
{
	const struct node *node = c->responses->node;
	struct peer peer = PEER_NULL;

	if (peer_is_alive(&node->domain, k->node) == 0)
		return true;
	if (!feed || !feed->life.base || feed->owner != k->node)
		return false;
	peer.region = feed->life;
	return peer_is_ending(&peer, node->shared);
}

/* Its omen is bad, or it is time to ask in any case. The kernel wakes one of those who sleep on an
 * omen; he wakes the others. */
static void look_at_server(struct client *c, struct connection *k, bool ask)
{
	const struct feed *feed = find_feed(&c->announcements->subscriber, k->index);
	bool is_bad = feed && feed->omen && omen_is_bad(load_acquire(feed->omen));
	int64_t now;

	if (!is_bad)
		k->suspicions = 0;
	if (!is_bad && !ask)
		return;
	now = os->now_ns();
	if (!ask && now - k->checked_ns < CONNECTION_LOOK_NS)
		return;
	k->checked_ns = now;
	if (is_bad && k->suspicions++ == 0)
		(void)os->wake(omen_futex(feed->omen), INT_MAX);
	k->over = is_dead(c, k, feed) || (k->active && has_left(k));
	if (k->over)
		lose(c, k);
}

static bool has_broken_ring(struct client *c, const struct connection *k)
{
	for (const struct feed *feed = next_ring(c, k, NULL); feed; feed = next_ring(c, k, feed))
		if (feed->broken)
			return true;
	return false;
}

/* Requests of it are out, and no omen of its process or word of its own says when it is gone, or that a ring
 * in its name that is broken is its own. */
static bool is_unwatched(struct client *c, const struct connection *k)
{
	const struct feed *feed = find_feed(&c->announcements->subscriber, k->index);

	return k->active && !k->drained &&
	       (k->gone || !feed || feed->owner != k->node || has_broken_ring(c, k));
}

bool connection_wants_asking(struct client *c)
{
	for (const struct connection *k = c->connections; k; k = k->next)
		if (is_unwatched(c, k))
			return true;
	return false;
}

/* Does no other connection have the same number, and is not done with it? Who announces the number of
 * somebody else has no say in what becomes of that one's ring. */
static bool has_own_number(const struct client *c, const struct connection *k)
{
	for (const struct connection *o = c->connections; o; o = o->next)
		if (o != k && o->server == k->server && !o->drained)
			return false;
	return true;
}

/* What is named as its ring has been read to its end: the name goes as soon as its owner is proved dead, or
 * has closed it. */
static bool is_over(struct client *c, struct connection *k)
{
	bool named = false;

	if (has_own_number(c, k))
		for (struct feed *feed = next_ring(c, k, NULL); feed; feed = next_ring(c, k, feed))
			if (!feed->leaving) {
				named = true;
				ring_file_remove(c->responses->node, &c->responses->topic,
						 feed->index);
			}
	if (k->requests && publisher_count_loans(&k->requests->publisher) == 0) {
		publication_close(k->requests, false);
		k->requests = NULL;
	}
	return !k->requests && !named;
}

void connection_bury(struct client *c)
{
	struct connection **at = &c->connections;

	while (*at) {
		struct connection *k = *at;

		if (k->drained && is_over(c, k)) {
			*at = k->next;
			free(k);
		} else {
			at = &k->next;
		}
	}
}

void connection_look(struct client *c, bool ask)
{
	bool over = false;

	read_announcements(c);
	for (struct connection *k = c->connections; k; k = k->next) {
		if (!k->gone)
			look_at_server(c, k, ask);
		else if (ask && !k->drained)
			c->news = true;
		over |= k->drained;
	}
	/* Burying tells of names that go, and who is told looks again first. */
	if (ask)
		connection_lose_broken(c);
	if (over && ask)
		connection_bury(c);
	pending_expire(c);
}

/* How far the ring counts; NULL: not at all. What tells it from others is our own number, for one that is
 * replaced may have the same index, and even the same file number. */
static const struct last_ring *find_last(struct client *c, struct connection *k, struct feed *feed)
{
	if (!feed->user)
		feed->user = (void *)++c->met;
	for (uint32_t i = 0; i < k->last_count; i++)
		if (k->last[i].met == (uintptr_t)feed->user)
			return &k->last[i];
	if (k->last_count == FLOE_PUBLISHERS_MAX)
		return NULL;
	k->last[k->last_count] = (struct last_ring){
		.met = (uintptr_t)feed->user,
		.until = ring_reader_next(&feed->reader) + feed->reader.depth,
	};
	return &k->last[k->last_count++];
}

/* What it sent before it was gone is in its ring, so no further than that is deep. */
static bool is_spent(struct client *c, struct connection *k, struct feed *feed)
{
	const struct last_ring *last = find_last(c, k, feed);

	return !last || ring_reader_next(&feed->reader) >= last->until;
}

/* Which ring is its own nobody can tell, so what others send in its name comes first as well: as many rings as
 * a topic can have, for who replaces his again and again adds no more. Its own is among them: all that have a
 * name are found before this is asked first, and counted at once, whatever others hold. Who writes on, or left
 * nonsense there, keeps no request open, and no other ring out: without end, his would stay among our feeds. */
static bool has_more(struct client *c, struct connection *k)
{
	bool is_ours = has_own_number(c, k);
	bool more = false;

	for (struct feed *feed = next_ring(c, k, NULL); feed; feed = next_ring(c, k, feed)) {
		bool spent = feed->broken || is_spent(c, k, feed);

		if (!spent)
			more |= ring_look(&feed->reader) != RING_EMPTY;
		else if (is_ours)
			subscriber_ignore(&c->responses->subscriber, feed);
	}
	return more;
}

/* Nothing that comes of it from now on is for us: it would be there for ever, in a ring that never ends. */
static void ignore(struct client *c, const struct connection *k)
{
	if (!has_own_number(c, k))
		return;
	for (struct feed *feed = next_ring(c, k, NULL); feed; feed = next_ring(c, k, feed))
		subscriber_ignore(&c->responses->subscriber, feed);
}

/* It was announced more than once, and only one of those has taken it back: as long as its server is there it
 * answers what it was sent by whatever ring. */
static bool goes_on(const struct client *c, struct connection *k)
{
	const struct connection *o = c->connections;

	while (o && (o == k || o->gone || o->server != k->server || o->node != k->node))
		o = o->next;
	if (!o || k->broke || k->over || !k->active)
		return false;
	return !has_left(k) && peer_is_alive(&c->responses->node->domain, k->node) != 0;
}

static void end_requests(struct client *c, const struct connection *k)
{
	for (size_t i = 0; i < c->options.active_max; i++) {
		struct pending *p = &c->pending[i];

		if (p->connection != k)
			continue;
		if (pending_runs(p))
			pending_conclude(c, p, k->broke ? -EPROTO : -EPIPE);
		pending_shut(c, p);
	}
}

bool connection_end_gone(struct client *c)
{
	c->news = false;
	for (struct connection *k = c->connections; k; k = k->next) {
		if (!k->gone || k->drained || goes_on(c, k))
			continue;
		if (has_more(c, k)) {
			c->news = true;
			continue;
		}
		k->drained = true;
		ignore(c, k);
		end_requests(c, k);
	}
	connection_bury(c);
	return !c->news;
}

/* Has it taken a request of ours? It alone writes where it is in our ring. Its ring of responses has a name by
 * then: of a request that it keeps because it cannot open that just now it says that it has not. Who looks
 * between these two, or while it is stopped there, is mistaken only where somebody else has left a broken ring in
 * its name: then a request ends with -EPROTO that might have had a response. */
static bool has_taken(const struct connection *k)
{
	const struct members *members = k->requests ? &k->requests->members : NULL;

	for (uint32_t i = 0; members && i < members->count; i++)
		if (peer_id(members->member[i].node) == k->node &&
		    load_acquire(&members->member[i].port->cursor[k->requests->file.index]) > 1)
			return true;
	return false;
}

/* Anybody can break a ring that he says is this server's: so its own one is among them when it has one, that
 * one has been found, and there is none that is whole. */
static bool is_broken(struct client *c, const struct connection *k)
{
	const struct subscriber *sub = &c->responses->subscriber;
	bool broken = false;

	for (const struct feed *feed = next_ring(c, k, NULL); feed; feed = next_ring(c, k, feed)) {
		if (!feed->broken)
			return false;
		broken = true;
	}
	/* In this order: who has a name for its ring told of that before it took. */
	return broken && has_taken(k) &&
	       load_acquire(&sub->hints->publishers) == sub->publishers_seen;
}

void connection_lose_broken(struct client *c)
{
	for (struct connection *k = c->connections; k; k = k->next)
		if (!k->gone && is_broken(c, k)) {
			k->broke = true;
			lose(c, k);
		}
}

/*
 * Sending
 */

/* What would be sent there nobody reads, and others are there who do. */
static int leave_unheard(const struct client *c, struct connection *k, const char *topic)
{
	k->unheard = true;
	publication_close(k->requests, false);
	k->requests = NULL;
	return error_set(&k->why, -ENOTCONN,
			 "publisher %u of '%.60s@service' announced a server, and its process does "
			 "not listen on '%.100s'",
			 k->index, c->service, topic);
}

static int connect_to(struct client *c, struct connection *k)
{
	struct floe_publisher_options o = {
		.size = sizeof(o),
		.depth = c->options.active_max,
		.loans_max = c->options.loans_max,
		.payload_max = c->options.payload_max,
		.holds_max = k->active_max,
		.header = c->options.request_header,
		.mode = c->options.mode,
		.dir = c->dir,
		.domain = c->domain,
		.error = &k->why,
	};
	char topic[SERVICE_NAME_MAX];
	int r;

	service_server_topic(topic, c->service, k->server);
	r = publication_open(&k->requests, topic, &o, c->id);
	if (r < 0)
		return r;
	return listens(k) ? 0 : leave_unheard(c, k, topic);
}

/* The one that has fewest of our requests, and of these the one that was not asked for longest. */
static struct connection *choose(struct client *c)
{
	struct connection *best = NULL;

	for (struct connection *k = c->connections; k; k = k->next) {
		if (k->gone || k->refused || k->unheard || k->attempt == c->attempt)
			continue;
		if (!best || k->active < best->active ||
		    (k->active == best->active && k->turn < best->turn))
			best = k;
	}
	return best;
}

/* What a server wants does not change, nor what we send. */
static int lend_from(struct client *c, struct connection *k, size_t size, struct floe_loan *ret,
		     const void *caller)
{
	int r = k->requests ? 0 : connect_to(c, k);

	k->attempt = c->attempt;
	k->refused = r == -EPROTOTYPE;
	if (r == 0)
		r = publisher_loan_for(&k->requests->publisher, size, ret, caller);
	if (r > 0) {
		k->turn = ++c->turn;
		c->lender = k;
		c->asks = &k->requests->publisher;
	}
	return r;
}

/* One that nothing can be sent to, so that it was not asked: who wants another header comes first. */
static const struct connection *find_left_out(const struct client *c)
{
	const struct connection *unheard = NULL;

	for (const struct connection *k = c->connections; k; k = k->next) {
		if (!k->gone && k->refused)
			return k;
		if (!k->gone && k->unheard)
			unheard = k;
	}
	return unheard;
}

/* Why no server got it; `asked`: the last one that might have. */
static int explain(struct client *c, const struct connection *asked, int r)
{
	const struct connection *told = asked ? asked : find_left_out(c);

	if (!asked && told && told->refused)
		r = -EPROTOTYPE;
	if (!told)
		return error_set(&c->why, r, "no server of '%s' is there", c->service);
	c->why = told->why;
	error_complete(&c->why, r, "send anything to a server of", c->service);
	return r;
}

int connection_lend(struct client *c, size_t size, struct floe_loan *ret, const void *caller)
{
	const struct connection *asked = NULL;
	int told = -ENOTCONN;

	c->attempt++;
	for (struct connection *k = choose(c); k; k = choose(c)) {
		int r = lend_from(c, k, size, ret, caller);

		if (r > 0 || r == -EINVAL)
			return r;
		if (k->refused || k->unheard)
			continue;
		told = r;
		asked = k;
	}
	return told < 0 ? explain(c, asked, told) : told;
}

struct connection *connection_find_other_lender(const struct client *c,
						const struct floe_loan *loan,
						struct lent **ret_lent)
{
	for (struct connection *k = c->connections; k; k = k->next) {
		*ret_lent = k->requests ? publisher_find(&k->requests->publisher, loan) : NULL;
		if (*ret_lent)
			return k;
	}
	return NULL;
}

/*
 * The end
 */

void connection_close_all(struct client *c)
{
	while (c->connections) {
		struct connection *k = c->connections;

		c->connections = k->next;
		publication_close(k->requests, false);
		free(k);
	}
	free(c->spare);
}
