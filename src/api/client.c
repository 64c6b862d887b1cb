/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The client's calls. A struct floe_client is a handle; `struct client` is what lies behind it.
 *
 * A request has a place in a table, and its number says which, and how often that was used. It is
 * *open* until its server has ended it, or is gone, and *told* once take has said how it ended; after
 * both its place is free:
 *
 *   active_max = free places + open ones + those that are not told
 *   a connection's active = requests on it that are open
 *
 * A server is gone when it says so, when another one announces itself in its place, or when its
 * process is dead or has begun to end, after which it executes nothing. What it sent before is taken
 * first, then the rest of its requests end.
 */

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "api/handle.h"
#include "api/options.h"
#include "api/publication.h"
#include "api/service.h"
#include "api/subscription.h"
#include "base/arith.h"
#include "base/error.h"
#include "os/os.h"
#include "registry/peer.h"
#include "uring/alarm.h"

/* Where no omen tells of a death, servers are looked at this often; where one does that cannot be
 * confirmed yet, more often for a while. */
#define LOOK_NS 500000000
#define LOOK_SOON_NS 1000000
#define LOOK_SOON_TIMES 1000
/* Who polls asks the kernel who lives after so many takes that found nothing, and not more often than
 * this: it takes microseconds. Measured: half a round trip of 144 ns became one of 104. */
#define LOOKS 1024
#define ASK_NS 1000000
#define TAKES 64 /* that find something, for one look around */
#define ATTEMPTS 3

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
	bool drained; /* gone, and all that it sent has been taken */
};

struct pending {
	uint64_t number;               /* of the request that is out, or was last */
	struct connection *connection; /* while it is open */
	uint64_t server;               /* who may answer */
	int64_t deadline_ns;           /* INT64_MAX: none */
	int32_t outcome;               /* how it ended, and take has not said it; else 0 */
	bool open;
	bool told;
	bool runs; /* open, and it has not ended for us */
};

struct client {
	struct subscription *responses;
	struct subscription *announcements;
	struct connection *connections;
	struct connection *lender; /* from which was lent last */
	struct pending pending[REQUESTS_MAX];
	uint8_t free[REQUESTS_MAX]; /* places; the last one is used next */
	uint32_t free_count;
	uint32_t outcomes; /* to be told */
	int64_t nearest_ns;
	int64_t looked_ns;
	uint32_t looks;
	int64_t asked_ns;
	uint32_t takes;
	bool news; /* a server is gone, and perhaps not drained */
	uint64_t id;
	uint64_t turn;
	uint64_t attempt;
	struct floe_client_options options;
	char *dir;
	char *domain;
	char service[FLOE_SERVICE_NAME_MAX + 1];
	struct floe_client_counts counts;
	struct alarm alarm;
	bool polled;
	bool told; /* the alarm has been set once */
	uint32_t feed_changes;
};

/*
 * Requests
 */

static void free_place(struct client *c, struct pending *p)
{
	if (p->open || !p->told)
		return;
	c->free[c->free_count++] = (uint8_t)(p - c->pending);
}

/* Its server has ended it, or is gone. */
static void shut(struct client *c, struct pending *p)
{
	p->connection->active--;
	p->connection = NULL;
	p->open = false;
	free_place(c, p);
}

/* Take has said how it ended. */
static void close_told(struct client *c, struct pending *p)
{
	p->told = true;
	p->runs = false;
	p->outcome = 0;
	c->counts.ended++;
	free_place(c, p);
}

/* It ended without a response, which take will say. */
static void conclude(struct client *c, struct pending *p, int32_t outcome)
{
	p->runs = false;
	p->outcome = outcome;
	c->outcomes++;
	c->counts.failed += outcome == -EPIPE && p->connection->gone;
	c->counts.timed_out += outcome == -ETIMEDOUT;
	c->counts.cancelled += outcome == -ECANCELED;
}

static void give_up(struct client *c, struct pending *p, int32_t outcome)
{
	publisher_set_unwanted(&p->connection->requests->publisher, (uint32_t)(p - c->pending),
			       true);
	conclude(c, p, outcome);
}

static struct pending *find_pending(struct client *c, uint64_t number)
{
	uint64_t index = number & MARK_INDEX;

	if (index >= c->options.active_max || c->pending[index].number != number)
		return NULL;
	return &c->pending[index];
}

static void expire(struct client *c)
{
	int64_t now = c->nearest_ns == INT64_MAX ? 0 : os->now_ns();
	int64_t nearest = INT64_MAX;

	if (now < c->nearest_ns)
		return;
	for (size_t i = 0; i < c->options.active_max; i++) {
		struct pending *p = &c->pending[i];

		if (!p->runs)
			continue;
		if (p->deadline_ns <= now)
			give_up(c, p, -ETIMEDOUT);
		else if (p->deadline_ns < nearest)
			nearest = p->deadline_ns;
	}
	c->nearest_ns = nearest;
}

/*
 * Servers
 */

static struct feed *find_feed(struct subscriber *sub, uint32_t index)
{
	for (uint32_t i = 0; i < sub->feed_count; i++)
		if (sub->feeds[i].index == index && !sub->feeds[i].leaving)
			return &sub->feeds[i];
	return NULL;
}

static struct feed *find_sender(struct subscriber *sub, uint64_t sender)
{
	for (uint32_t i = 0; i < sub->feed_count; i++)
		if (sub->feeds[i].sender == sender)
			return &sub->feeds[i];
	return NULL;
}

static void lose(struct client *c, struct connection *connection)
{
	connection->gone = true;
	c->news = true;
}

static struct connection *find_connection(struct client *c, uint32_t index)
{
	for (struct connection *k = c->connections; k; k = k->next)
		if (k->index == index && !k->gone)
			return k;
	return NULL;
}

/* Feeds have come and gone, and with them their omens. */
static void changed(void *user)
{
	struct client *c = user;

	for (struct connection *k = c->connections; k; k = k->next) {
		const struct feed *feed = find_feed(&c->announcements->subscriber, k->index);

		k->omen = feed ? feed->omen : NULL;
	}
}

static void add_connection(struct client *c, const struct announcement *a, uint32_t index)
{
	struct connection *added;

	if (peer_is_alive(&c->responses->node->domain, a->node) == 0)
		return;
	added = calloc(1, sizeof(*added));
	/* Without memory it is as if it were not there; the next one that comes may have more luck. */
	if (!added)
		return;
	*added = (struct connection){
		.next = c->connections,
		.server = a->server,
		.node = a->node,
		.index = index,
		.active_max = a->active_max < FLOE_REQUESTS_MAX ? a->active_max : FLOE_REQUESTS_MAX,
	};
	c->connections = added;
	changed(c);
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

static void read_announcements(struct client *c)
{
	struct subscriber *sub = &c->announcements->subscriber;
	struct floe_sample sample;
	int r;

	while ((r = subscriber_take(sub, &sample)) == 1 || r == -EPROTO || r == -EACCES) {
		if (r != 1)
			continue;
		note_announcement(c, &sample, subscriber_find(sub, &sample)->feed->index);
		subscriber_release(sub, &sample);
	}
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
	if (!ask && now - k->checked_ns < LOOK_SOON_NS)
		return;
	k->checked_ns = now;
	if (is_bad && k->suspicions++ == 0)
		(void)os->wake(omen_futex(feed->omen), INT_MAX);
	if (is_dead(c, k, feed))
		lose(c, k);
}

/* Its ring on our topic has been read to its end: the name goes as soon as it is proved dead, or has
 * closed it. */
static bool is_over(struct client *c, struct connection *k)
{
	const struct feed *feed = find_sender(&c->responses->subscriber, k->server);

	if (feed && !feed->leaving)
		ring_file_remove(c->responses->node, &c->responses->topic, feed->index);
	if (k->requests && publisher_count_loans(&k->requests->publisher) == 0) {
		publication_close(k->requests, false);
		k->requests = NULL;
	}
	return !k->requests && (!feed || feed->leaving);
}

static void bury(struct client *c)
{
	struct connection **at = &c->connections;

	while (*at) {
		struct connection *k = *at;

		if (k->drained && is_over(c, k)) {
			*at = k->next;
			if (c->lender == k)
				c->lender = NULL;
			free(k);
		} else {
			at = &k->next;
		}
	}
}

/* Has no server announced anything, and does no omen speak? */
static bool is_quiet(const struct client *c)
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

static void look(struct client *c, bool ask)
{
	bool over = false;

	read_announcements(c);
	for (struct connection *k = c->connections; k; k = k->next) {
		if (!k->gone)
			look_at_server(c, k, ask);
		over |= k->drained;
	}
	if (over && ask)
		bury(c);
	expire(c);
}

/* Nothing is left of what those who are gone have sent. */
static void end_with_gone(struct client *c)
{
	c->news = false;
	for (struct connection *k = c->connections; k; k = k->next) {
		if (!k->gone || k->drained)
			continue;
		k->drained = true;
		for (size_t i = 0; i < c->options.active_max; i++) {
			struct pending *p = &c->pending[i];

			if (!p->open || p->connection != k)
				continue;
			if (p->runs)
				conclude(c, p, -EPIPE);
			shut(c, p);
		}
	}
	bury(c);
}

/*
 * Sending
 */

static int connect_to(struct client *c, struct connection *k)
{
	struct floe_publisher_options o = {
		.size = sizeof(o),
		.depth = c->options.active_max,
		.loans_max = c->options.loans_max,
		.payload_max = c->options.payload_max,
		.holds_max = k->active_max,
		.mode = c->options.mode,
		.dir = c->dir,
		.domain = c->domain,
	};
	char topic[SERVICE_NAME_MAX];

	service_server_topic(topic, c->service, k->server);
	return publication_open(&k->requests, topic, &o, c->id);
}

/* The one that has fewest of our requests, and of these the one that was not asked for longest. */
static struct connection *choose(struct client *c)
{
	struct connection *best = NULL;

	for (struct connection *k = c->connections; k; k = k->next) {
		if (k->gone || k->attempt == c->attempt)
			continue;
		if (!best || k->active < best->active ||
		    (k->active == best->active && k->turn < best->turn))
			best = k;
	}
	return best;
}

static int lend(struct client *c, size_t size, struct floe_loan *ret)
{
	int r = -ENOTCONN;

	c->attempt++;
	for (struct connection *k = choose(c); k; k = choose(c)) {
		k->attempt = c->attempt;
		r = k->requests ? 0 : connect_to(c, k);
		if (r == 0)
			r = publisher_loan(&k->requests->publisher, size, ret);
		if (r > 0) {
			k->turn = ++c->turn;
			c->lender = k;
		}
		if (r > 0 || r == -EINVAL)
			return r;
	}
	return r;
}

static struct connection *find_lender(const struct client *c, const struct floe_loan *loan)
{
	struct connection *last = c->lender;

	if (floe_likely(last && last->requests && publisher_find(&last->requests->publisher, loan)))
		return last;
	for (struct connection *k = c->connections; k; k = k->next)
		if (k->requests && publisher_find(&k->requests->publisher, loan))
			return k;
	return NULL;
}

/* The next number of a place that gets free: what it was is over on all sides. */
static uint64_t next_number(uint64_t number)
{
	number = (number + MARK_NEXT_REQUEST) & MARK_REQUEST;
	return number > MARK_INDEX ? number : number + MARK_NEXT_REQUEST;
}

static int send_to(struct client *c, struct connection *k, struct floe_loan *loan,
		   int64_t deadline_ns, uint64_t *ret_request)
{
	struct publisher *pub = &k->requests->publisher;
	uint32_t place = c->free[c->free_count - 1];
	struct pending *p = &c->pending[place];
	uint64_t number = next_number(p->number);
	int r;

	if (publisher_is_unwanted(pub, place))
		publisher_set_unwanted(pub, place, false);
	r = publisher_publish_marked(pub, loan, number);
	if (r <= 0)
		return r;
	c->free_count--;
	c->counts.sent++;
	k->active++;
	p->number = number;
	p->connection = k;
	p->server = k->server;
	p->deadline_ns = deadline_ns < 0 ? INT64_MAX : deadline_ns;
	p->open = true;
	p->told = false;
	p->runs = true;
	if (p->deadline_ns < c->nearest_ns)
		c->nearest_ns = p->deadline_ns;
	if (ret_request)
		*ret_request = p->number;
	return 1;
}

/*
 * Receiving
 */

/* A status from a server: it cannot say that more will come. */
static int32_t read_status(const struct floe_sample *sample)
{
	int32_t status;

	if (sample->size != sizeof(status))
		return -EPROTO;
	memcpy(&status, sample->data, sizeof(status));
	return status > 0 ? -EPROTO : status;
}

/* Its server has ended it in order. */
floe_inline void end_request(struct client *c, struct pending *p)
{
	p->connection->active--;
	p->connection = NULL;
	p->open = false;
	p->told = true;
	p->runs = false;
	c->counts.ended++;
	c->free[c->free_count++] = (uint8_t)(p - c->pending);
}

/* What came is a response to a request that still runs: 1, and it is handed over. */
floe_inline int deliver(struct client *c, struct pending *p, const struct floe_sample *sample,
			uint64_t mark, struct floe_response *ret)
{
	ret->data = sample->data;
	ret->size = sample->size;
	ret->request = p->number;
	ret->status = !!(mark & MARK_MORE);
	ret->reserved = 0;
	ret->ticket = sample->ticket;
	c->counts.responses++;
	if (!(mark & MARK_MORE))
		end_request(c, p);
	return 1;
}

/* It is the end without a response. */
static int deliver_end(struct client *c, struct pending *p, struct floe_sample *sample,
		       struct floe_response *ret)
{
	*ret = (struct floe_response){.request = p->number, .status = read_status(sample)};
	subscriber_release(&c->responses->subscriber, sample);
	end_request(c, p);
	return 1;
}

/* Too late, or nothing that we asked this server. */
static void drop(struct client *c, struct pending *p, struct floe_sample *sample, uint64_t mark)
{
	subscriber_release(&c->responses->subscriber, sample);
	c->counts.late++;
	if (p && !(mark & MARK_MORE))
		shut(c, p);
}

/* A number that is not ours is told from the one that its place has now; so is who answers. */
floe_inline int take_response(struct client *c, struct floe_response *ret)
{
	struct subscriber *sub = &c->responses->subscriber;
	struct floe_sample sample;
	uint64_t mark;
	int r;

	while ((r = subscriber_take_marked(sub, &sample, &mark)) == 1) {
		uint64_t sender = subscriber_feed_of(sub, &sample)->sender;
		struct pending *p = &c->pending[mark & MARK_INDEX];

		if (floe_unlikely(p->number != (mark & MARK_REQUEST) || p->server != sender ||
				  !p->open))
			p = NULL;
		if (floe_likely(p && p->runs && !(mark & MARK_END)))
			return deliver(c, p, &sample, mark, ret);
		if (p && p->runs)
			return deliver_end(c, p, &sample, ret);
		drop(c, p, &sample, mark);
	}
	return r;
}

/* Servers whose memory is not what it must be answer nothing any more. */
static void lose_broken(struct client *c)
{
	const struct subscriber *sub = &c->responses->subscriber;

	for (uint32_t i = 0; i < sub->feed_count; i++)
		for (struct connection *k = c->connections; k; k = k->next)
			if (sub->feeds[i].broken && k->server == sub->feeds[i].sender && !k->gone)
				lose(c, k);
}

static int take_outcome(struct client *c, struct floe_response *ret)
{
	for (size_t i = 0; c->outcomes && i < c->options.active_max; i++) {
		struct pending *p = &c->pending[i];

		if (p->told || p->outcome == 0)
			continue;
		*ret = (struct floe_response){.request = p->number, .status = p->outcome};
		c->outcomes--;
		close_told(c, p);
		return 1;
	}
	return 0;
}

static bool is_time_to_ask(struct client *c)
{
	int64_t now;

	if (++c->looks % LOOKS)
		return false;
	now = os->now_ns();
	if (now - c->asked_ns < ASK_NS)
		return false;
	c->asked_ns = now;
	return true;
}

static floe_noinline int take_slow(struct client *c, struct floe_response *ret, int r)
{
	for (;; r = take_response(c, ret)) {
		bool news = c->news && r == 0;
		bool ask;

		if (r == -EPROTO || r == -EACCES) {
			lose_broken(c);
			continue;
		}
		if (r != 0)
			return r;
		if (news)
			end_with_gone(c);
		if (take_outcome(c, ret))
			return 1;
		ask = is_time_to_ask(c);
		if (!ask && is_quiet(c) && c->nearest_ns == INT64_MAX)
			return 0;
		look(c, ask);
		if (!c->news && !c->outcomes)
			return 0;
	}
}

/*
 * Waiting
 */

/* Is there something that take would say? Also when it has to find out. */
static bool has_more(struct client *c)
{
	struct subscriber *sub = &c->responses->subscriber;

	if (c->outcomes || subscriber_has_more(sub))
		return true;
	look(c, false);
	if (!c->news)
		return c->outcomes != 0;
	/* What they sent before they were gone comes first. */
	if (subscriber_has_more(sub))
		return true;
	end_with_gone(c);
	return c->outcomes != 0;
}

/* An omen is bad, and what it means may show any moment. */
static bool is_suspicious(const struct client *c)
{
	for (const struct connection *k = c->connections; k; k = k->next)
		if (!k->gone && k->suspicions && k->suspicions < LOOK_SOON_TIMES)
			return true;
	return false;
}

/* All that can wake us: responses, what servers announce, and their omens. */
static unsigned list_words(const struct client *c, struct os_wait *ret_words)
{
	struct os_wait more[OS_WAIT_MAX];
	unsigned count = subscriber_list_words(&c->responses->subscriber, ret_words);
	unsigned added = subscriber_list_words(&c->announcements->subscriber, more);

	if (added > OS_WAIT_MAX - count)
		added = OS_WAIT_MAX - count;
	memcpy(ret_words + count, more, added * sizeof(*more));
	return count + added;
}

static bool spin(struct client *c, int64_t until_ns)
{
	do {
		for (unsigned i = 0; i < 64; i++) {
			if (subscriber_has_more(&c->responses->subscriber))
				return true;
			relax();
		}
	} while (os->now_ns() < until_ns);
	return false;
}

/* The heads are read before, and the flag is up before the last look, as in subscriber_announce. */
static int sleep_once(struct client *c, bool (*is_done)(struct client *c), int64_t until_ns)
{
	struct os_wait words[OS_WAIT_MAX];
	unsigned count = list_words(c, words);
	int64_t look_ns = is_suspicious(c) ? LOOK_SOON_NS : LOOK_NS;
	int64_t now = os->now_ns();
	int r = 0;

	if (subscriber_announce(&c->responses->subscriber) < 0)
		look_ns = LOOK_SOON_NS;
	if (c->nearest_ns - now < look_ns)
		look_ns = c->nearest_ns - now;
	if (until_ns < 0 || until_ns - now > look_ns)
		until_ns = now + look_ns;
	if (!is_done(c))
		r = os->wait_any(words, count, until_ns);
	if (r == -ENOSYS || r == -EINVAL) {
		os->sleep_ns(LOOK_SOON_NS / 10); /* before Linux 5.16 */
		r = 0;
	}
	store_relaxed(&c->responses->port->sleeping, c->polled);
	return r;
}

static int wait_until(struct client *c, bool (*is_done)(struct client *c), int64_t deadline_ns)
{
	for (bool spun = false;;) {
		int64_t now;
		int r;

		if (is_done(c))
			return 1;
		now = os->now_ns();
		if (deadline_ns >= 0 && now >= deadline_ns)
			return 0;
		if (now - c->looked_ns >= LOOK_NS) {
			c->looked_ns = now;
			look(c, true);
			continue;
		}
		if (!spun && c->options.spin_ns > 1) {
			int64_t until_ns = now + (int64_t)c->options.spin_ns;

			spun = true;
			if (deadline_ns >= 0 && deadline_ns < until_ns)
				until_ns = deadline_ns;
			(void)spin(c, until_ns);
			continue;
		}
		r = sleep_once(c, is_done, deadline_ns);
		if (r == -EINTR)
			return r;
	}
}

static bool has_server(struct client *c)
{
	look(c, false);
	for (const struct connection *k = c->connections; k; k = k->next)
		if (!k->gone)
			return true;
	return false;
}

/*
 * A descriptor
 */

/* One attempt to fall asleep: 1; 0, -errno: look again. */
static int fall_asleep(struct client *c)
{
	struct os_wait words[OS_WAIT_MAX];
	uint32_t changes = c->responses->subscriber.feed_changes +
			   c->announcements->subscriber.feed_changes;
	unsigned count = list_words(c, words);
	bool anew = !c->told || count != c->alarm.count || changes != c->feed_changes;

	if (!c->alarm.timed)
		(void)subscriber_announce(&c->responses->subscriber);
	if (has_more(c) || is_suspicious(c) ||
	    changes != c->responses->subscriber.feed_changes +
			       c->announcements->subscriber.feed_changes)
		return 0;
	c->feed_changes = changes;
	c->told = true;
	return alarm_set(&c->alarm, words, count, anew);
}

/* As descriptor_settle, which knows of one subscriber only. */
static void settle(struct client *c)
{
	if (!c->polled)
		return;
	for (unsigned attempt = 0; attempt < ATTEMPTS && !has_more(c); attempt++)
		if (fall_asleep(c) == 1)
			return;
	if (!alarm_rings(&c->alarm))
		alarm_ring(&c->alarm);
}

/*
 * Coming and going
 */

static void close_connections(struct client *c)
{
	while (c->connections) {
		struct connection *k = c->connections;

		c->connections = k->next;
		publication_close(k->requests, false);
		free(k);
	}
}

static void end(struct client *c)
{
	alarm_close(&c->alarm);
	close_connections(c);
	subscription_close(c->responses);
	subscription_close(c->announcements);
	free(c->dir);
	free(c->domain);
	free(c);
}

static void lay_out(struct client *c)
{
	for (size_t i = c->options.active_max; i-- > 0;) {
		c->pending[i] = (struct pending){.number = i, .told = true};
		c->free[c->free_count++] = (uint8_t)i;
	}
	c->nearest_ns = INT64_MAX;
}

/* Options are the caller's until open returns. */
static int keep_options(struct client *c, const struct floe_client_options *o, const char *service)
{
	c->options = *o;
	memcpy(c->service, service, strlen(service) + 1);
	c->dir = o->dir ? strdup(o->dir) : NULL;
	c->domain = o->domain ? strdup(o->domain) : NULL;
	if ((o->dir && !c->dir) || (o->domain && !c->domain))
		return error_set(o->error, -ENOMEM, "out of memory");
	return service_make_id(&c->id, o->error);
}

/* Who has announced himself before is listed with the history. */
static int meet(struct client *c, const struct floe_client_options *o)
{
	struct service_type type;
	struct floe_subscriber_options wanted = {
		.size = sizeof(wanted),
		.history = 1,
		.holds_max = 1,
		.spin_ns = 1,
		.dir = o->dir,
		.domain = o->domain,
		.error = o->error,
	};
	char topic[SERVICE_NAME_MAX];
	int r = service_join_types(&type, o->request, o->response, o->error);

	if (r < 0)
		return r;
	wanted.type = type.name[0] ? &type.type : NULL;
	service_topic(topic, c->service);
	r = subscription_open(&c->announcements, topic, &wanted, changed, c);
	if (r < 0)
		return r;
	wanted.type = NULL;
	wanted.history = 0;
	wanted.holds_max = o->holds_max;
	wanted.policy = FLOE_POLICY_RELIABLE;
	service_client_topic(topic, c->service, c->id);
	r = subscription_open(&c->responses, topic, &wanted, NULL, NULL);
	if (r < 0)
		return r;
	/* Servers announce themselves twice at most, so once is enough for always. */
	(void)subscriber_announce(&c->announcements->subscriber);
	look(c, false);
	return 0;
}

FLOE_PUBLIC int floe_client_open(struct floe_client **ret, const char *service,
				 const struct floe_client_options *options)
{
	struct floe_client_options o;
	struct client *c;
	void *handle;
	int r;

	if (!ret)
		return -EINVAL;
	r = options_read_client(&o, options);
	if (r == 0)
		r = service_check_name(service, o.error);
	if (r < 0)
		return r;
	error_clear(o.error);
	c = calloc(1, sizeof(*c));
	if (!c)
		return error_set(o.error, -ENOMEM, "out of memory");
	r = keep_options(c, &o, service);
	lay_out(c);
	if (r == 0)
		r = meet(c, &o);
	if (r == 0)
		r = handle_open(&handle, HANDLE_CLIENT, c);
	if (r < 0) {
		error_complete(o.error, r, "open", service);
		end(c);
		return r;
	}
	*ret = handle;
	return 0;
}

FLOE_PUBLIC void floe_client_close(struct floe_client *client)
{
	struct client *c = handle_close(client, HANDLE_CLIENT);

	if (c)
		end(c);
}

FLOE_PUBLIC ssize_t floe_client_memory_size(const struct floe_client_options *options,
					    size_t servers)
{
	struct floe_client_options o;
	struct floe_publisher_options ring = {.size = sizeof(ring), .holds_max = ACTIVE_DEFAULT};
	int r = options_read_client(&o, options);
	ssize_t size;

	if (r < 0)
		return r;
	if (servers > FLOE_SERVERS_MAX)
		return -EINVAL;
	ring.depth = o.active_max;
	ring.loans_max = o.loans_max;
	ring.payload_max = o.payload_max;
	size = floe_publisher_memory_size(&ring);
	if (size < 0)
		return size;
	return (ssize_t)(port_size(1) + port_size((uint32_t)o.holds_max)) + (ssize_t)servers * size;
}

/*
 * The calls
 */

static bool is_broken(const struct client *c)
{
	for (const struct connection *k = c->connections; k; k = k->next)
		if (k->requests && (region_is_broken(&k->requests->file.region) ||
				    region_is_broken(&k->requests->topic.region)))
			return true;
	return region_is_broken(&c->responses->node->region) ||
	       region_is_broken(&c->responses->topic.region) ||
	       region_is_broken(&c->announcements->topic.region);
}

/* A handle that is not found as usual. 1: it is sound after all; -EPROTO memory of it is gone;
 * -EINVAL */
static floe_cold int refuse(struct floe_client *client, struct client **ret)
{
	struct client *c = handle_find_suspect(client, HANDLE_CLIENT);

	if (!c)
		return -EINVAL;
	if (is_broken(c))
		return -EPROTO;
	handle_trust(client, HANDLE_CLIENT);
	*ret = c;
	return 1;
}

floe_inline int find(struct floe_client *client, struct client **ret)
{
	*ret = handle_find(client, HANDLE_CLIENT);
	return floe_likely(*ret) ? 1 : refuse(client, ret);
}

FLOE_PUBLIC int floe_client_loan(struct floe_client *client, size_t size, struct floe_loan *ret)
{
	struct client *c;
	int r = find(client, &c);

	if (r < 0 || !ret)
		return r < 0 ? r : -EINVAL;
	if (size - 1 >= c->options.payload_max)
		return -EINVAL;
	if (!is_quiet(c))
		look(c, false);
	if (!c->free_count)
		return 0;
	return lend(c, size, ret);
}

FLOE_PUBLIC int floe_client_send(struct floe_client *client, struct floe_loan *loan,
				 int64_t deadline_ns, uint64_t *ret_request)
{
	struct connection *k;
	struct client *c;
	int r = find(client, &c);

	if (r < 0 || !loan)
		return r < 0 ? r : -EINVAL;
	k = find_lender(c, loan);
	if (!k)
		return -EINVAL;
	if (k->gone)
		return -EPIPE;
	return c->free_count ? send_to(c, k, loan, deadline_ns, ret_request) : 0;
}

FLOE_PUBLIC void floe_client_discard(struct floe_client *client, struct floe_loan *loan)
{
	struct connection *k;
	struct client *c;

	if (find(client, &c) < 0 || !loan)
		return;
	k = find_lender(c, loan);
	if (!k)
		return;
	publisher_discard(&k->requests->publisher, loan);
	if (k->drained)
		bury(c);
}

FLOE_PUBLIC int floe_client_take(struct floe_client *client, struct floe_response *ret)
{
	struct client *c;
	int r = find(client, &c);

	if (r < 0 || !ret)
		return r < 0 ? r : -EINVAL;
	if (floe_unlikely(!(++c->takes % TAKES)))
		look(c, false);
	r = take_response(c, ret);
	if (floe_likely(r == 1))
		return 1;
	r = take_slow(c, ret, r);
	if (r != 1)
		settle(c);
	return r;
}

FLOE_PUBLIC void floe_client_release(struct floe_client *client, struct floe_response *response)
{
	struct floe_sample sample = {0};
	struct client *c;

	if (find(client, &c) < 0 || !response)
		return;
	sample.ticket = response->ticket;
	if (response->ticket && subscriber_find(&c->responses->subscriber, &sample))
		subscriber_release(&c->responses->subscriber, &sample);
	*response = (struct floe_response){0};
	if (c->polled)
		settle(c);
}

FLOE_PUBLIC int floe_client_cancel(struct floe_client *client, uint64_t request)
{
	struct pending *p;
	struct client *c;
	int r = find(client, &c);

	if (r < 0)
		return r;
	p = find_pending(c, request);
	if (!p || request <= MARK_INDEX)
		return -EINVAL;
	if (!p->runs)
		return 0;
	give_up(c, p, -ECANCELED);
	settle(c);
	return 1;
}

FLOE_PUBLIC int floe_client_wait(struct floe_client *client, int64_t deadline_ns)
{
	struct client *c;
	int r = find(client, &c);

	if (r < 0)
		return r;
	r = wait_until(c, has_more, deadline_ns);
	settle(c);
	return r;
}

FLOE_PUBLIC int floe_client_wait_for_server(struct floe_client *client, int64_t deadline_ns)
{
	struct client *c;
	int r = find(client, &c);

	if (r < 0)
		return r;
	r = wait_until(c, has_server, deadline_ns);
	settle(c);
	return r;
}

FLOE_PUBLIC int floe_client_fd(struct floe_client *client)
{
	struct client *c;
	int r = find(client, &c);

	if (r < 0)
		return r;
	if (!c->polled) {
		/* Without barriers publishers may miss that somebody sleeps. */
		r = alarm_open(&c->alarm, os->barrier_all() < 0);
		if (r < 0)
			return r;
		c->polled = true;
		settle(c);
	}
	return c->alarm.fd;
}

FLOE_PUBLIC int floe_client_count(struct floe_client *client, struct floe_client_counts *ret,
				  size_t ret_size)
{
	struct floe_client_counts counts;
	struct client *c;
	int r = find(client, &c);

	if (r < 0 || !ret || !ret_size)
		return r < 0 ? r : -EINVAL;
	look(c, false);
	counts = c->counts;
	counts.held = subscriber_held(&c->responses->subscriber);
	for (const struct connection *k = c->connections; k; k = k->next) {
		counts.active += k->active;
		counts.servers += !k->gone;
	}
	memcpy(ret, &counts, ret_size < sizeof(counts) ? ret_size : sizeof(counts));
	return 0;
}
