/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The client's calls. A struct floe_client is a handle.
 */

#include "api/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/client_wait.h"
#include "api/connection.h"
#include "api/handle.h"
#include "api/options.h"
#include "api/pending.h"
#include "base/arith.h"
#include "base/error.h"
#include "os/os.h"

#define TAKES 64   /* that find something, for one look around */
#define DROPS 1024 /* of what nobody asked for, in one call: who floods us keeps nobody in it */
#define PASSES 16  /* of one call, for the same reason; each may read many announcements */

/*
 * Sending
 */

/* It has been sent as the next one of the place that is used next. */
floe_inline void note_sent(struct client *c, struct connection *k, int64_t deadline_ns,
			   uint64_t *ret_request)
{
	struct pending *p = *c->free--;

	c->counts.sent++;
	k->active++;
	p->awaited = p->number = p->next;
	p->connection = k;
	p->deadline_ns = deadline_ns < 0 ? INT64_MAX : deadline_ns;
	if (p->deadline_ns < c->nearest_ns)
		c->nearest_ns = p->deadline_ns;
	if (ret_request)
		*ret_request = p->number;
	p->next = pending_next_number(p->number);
}

/* The request is on its way to whom was lent from last: what is left to do costs nobody time. 1 */
static floe_noinline int asked(struct client *c, struct floe_loan *loan, int64_t deadline_ns,
			       uint64_t *ret_request)
{
	struct publisher *pub = c->asks;
	struct lent *lent = publisher_lent(pub, loan->ticket);

	publisher_settle(pub, lent, loan);
	note_sent(c, c->lender, deadline_ns, ret_request);
	(void)publisher_wake_sleepers(pub);
	return publisher_make_ready(pub, lent);
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
	p->awaited = NOT_AWAITED;
	c->counts.ended++;
	*++c->free = p;
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

/* It is the end without a response; or a mark that no server makes. */
static int deliver_end(struct client *c, struct pending *p, struct floe_sample *sample,
		       uint64_t mark, struct floe_response *ret)
{
	int32_t status = mark & MARK_END ? read_status(sample) : -EPROTO;

	*ret = (struct floe_response){.request = p->number, .status = status};
	subscriber_release(&c->responses->subscriber, sample);
	end_request(c, p);
	return 1;
}

/* Too late, or nothing that we asked this server. */
static void drop(struct client *c, struct pending *p, struct floe_sample *sample, uint64_t mark)
{
	subscriber_release(&c->responses->subscriber, sample);
	c->counts.late++;
	if (!p || mark & MARK_MORE)
		return;
	/* Its server is done with it; one that is lost and lives may still work on what nobody wants. */
	publisher_set_unwanted(&p->connection->requests->publisher, mark & MARK_INDEX, false);
	pending_shut(c, p);
}

/* The request that this answers, if it is still out: NULL. */
static struct pending *find_open(struct client *c, uint64_t mark, uint64_t sender)
{
	struct pending *p = &c->pending[mark & MARK_INDEX];

	if (!p->connection || p->number != (mark & MARK_REQUEST) || p->connection->server != sender)
		return NULL;
	return p;
}

/* The same if it runs, and this is a response. */
floe_inline struct pending *find_awaited(struct client *c, uint64_t mark, uint64_t sender)
{
	struct pending *p = &c->pending[mark & MARK_INDEX];

	if (floe_unlikely(p->awaited != (mark & ~MARK_MORE) || p->connection->server != sender))
		return NULL;
	return p;
}

/* A number that is not ours is told from the one that its place has now; so is who answers. -EAGAIN: there
 * is more to be dropped. */
floe_inline int take_response(struct client *c, struct floe_response *ret)
{
	struct subscriber *sub = &c->responses->subscriber;
	struct floe_sample sample;
	unsigned drops = 0;
	struct feed *feed;
	uint64_t mark;
	int r;

	while ((r = subscriber_take_marked(sub, &sample, &mark, &feed)) == 1) {
		struct pending *p = find_awaited(c, mark, feed->sender);

		if (floe_likely(p))
			return deliver(c, p, &sample, mark, ret);
		p = find_open(c, mark, feed->sender);
		if (p && pending_runs(p))
			return deliver_end(c, p, &sample, mark, ret);
		drop(c, p, &sample, mark);
		if (floe_unlikely(++drops == DROPS))
			return -EAGAIN;
	}
	return r;
}

/* 0 although there is more: it is gone on with at the next call, and until then waits find it. */
static floe_noinline int take_slow(struct client *c, struct floe_response *ret, int r)
{
	for (unsigned pass = 0;; pass++, r = take_response(c, ret)) {
		bool more = r == -EAGAIN || pass == PASSES;
		bool ask;

		/* It has been handed over, in whichever pass. */
		if (r == 1)
			return 1;
		if (r == -EPROTO || r == -EACCES) {
			connection_lose_broken(c);
			if (!more)
				continue;
		}
		if (r != 0 && !more)
			return r;
		if (c->news)
			more |= !connection_end_gone(c);
		if (pending_take_outcome(c, ret))
			return 1;
		ask = asking_is_due(&c->asking);
		if (!more && !ask && connection_is_quiet(c) && c->nearest_ns == INT64_MAX)
			return 0;
		connection_look(c, ask);
		if (more)
			return pending_take_outcome(c, ret);
		if (!c->news && !c->outcomes)
			return 0;
	}
}

/*
 * Coming and going
 */

static void end(struct client *c)
{
	alarm_close(&c->alarm);
	connection_close_all(c);
	subscription_close(c->responses);
	subscription_close(c->announcements);
	free(c->dir);
	free(c->domain);
	free(c);
}

/* Options are the caller's until open returns. */
static int keep_options(struct client *c, const struct floe_client_options *o, const char *service)
{
	c->options = *o;
	c->options.request_header = service_keep_header(&c->request_header, o->request_header);
	c->options.response_header = service_keep_header(&c->response_header, o->response_header);
	memcpy(c->service, service, strlen(service) + 1);
	c->dir = o->dir ? strdup(o->dir) : NULL;
	c->domain = o->domain ? strdup(o->domain) : NULL;
	if ((o->dir && !c->dir) || (o->domain && !c->domain))
		return error_set(o->error, -ENOMEM, "out of memory");
	return service_make_id(&c->id, o->error);
}

static int join_headers(struct service_says *ret, const struct floe_client_options *o)
{
	return service_join_headers(ret, o->attributes, o->attributes_count, o->request_header,
				    o->response_header, o->error);
}

/* Who has announced himself before is listed with the history. */
static int meet(struct client *c, const struct floe_client_options *o)
{
	struct service_type type;
	struct service_says says;
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

	if (r == 0)
		r = join_headers(&says, o);
	if (r < 0)
		return r;
	if (says.count)
		wanted.attributes = says.attribute;
	wanted.attributes_count = says.count;
	wanted.type = type.name[0] ? &type.type : NULL;
	service_topic(topic, c->service);
	r = subscription_open(&c->announcements, topic, &wanted, connection_changed, c);
	if (r < 0)
		return r;
	wanted.type = NULL;
	wanted.attributes = NULL;
	wanted.attributes_count = 0;
	wanted.header = c->options.response_header;
	wanted.history = 0;
	wanted.holds_max = o->holds_max;
	wanted.policy = FLOE_POLICY_RELIABLE;
	service_client_topic(topic, c->service, c->id);
	r = subscription_open(&c->responses, topic, &wanted, NULL, NULL);
	if (r < 0)
		return r;
	/* Servers announce themselves twice at most, so once is enough for always. */
	(void)subscriber_announce(&c->announcements->subscriber);
	connection_look(c, false);
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
	c->alarm = ALARM_NULL;
	r = keep_options(c, &o, service);
	c->takes_left = TAKES;
	pending_lay_out(c);
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
	struct accord_shared wish, header;
	struct service_says says;
	ssize_t size;

	if (r == 0)
		r = join_headers(&says, &o);
	if (r < 0)
		return r;
	ring.depth = o.active_max;
	ring.loans_max = o.loans_max;
	ring.payload_max = o.payload_max;
	ring.header = o.request_header;
	size = service_rings_size(&ring, servers, FLOE_SERVERS_MAX);
	if (size < 0)
		return size;
	accord_format(&wish, NULL, says.attribute, says.count);
	accord_format(&header, o.response_header, NULL, 0);
	return size + (ssize_t)(port_size(1) + accord_size(&wish) +
				port_size((uint32_t)o.holds_max) + accord_size(&header));
}

/*
 * The calls
 */

static bool is_broken(const void *object)
{
	const struct client *c = object;

	for (const struct connection *k = c->connections; k; k = k->next)
		if (k->requests && (region_is_broken(&k->requests->file.region) ||
				    region_is_broken(&k->requests->topic.region)))
			return true;
	return region_is_broken(&c->responses->node->region) ||
	       region_is_broken(&c->responses->topic.region) ||
	       region_is_broken(&c->announcements->topic.region);
}

/* NULL, and why */
floe_inline struct client *find(struct floe_client *client, int *ret_error)
{
	struct client *c = handle_find(client, HANDLE_CLIENT);

	if (floe_likely(c))
		return c;
	return handle_find_sound(client, HANDLE_CLIENT, is_broken, ret_error);
}

static floe_noinline int loan_slow(struct floe_client *client, size_t size, struct floe_loan *ret,
				   const void *caller)
{
	int r = -EINVAL;
	struct client *c = find(client, &r);

	if (!c || !ret)
		return r;
	if (size - 1 >= c->options.payload_max)
		return -EINVAL;
	if (!connection_is_quiet(c))
		connection_look(c, false);
	if (!*c->free)
		return 0;
	return connection_lend(c, size, ret, caller);
}

/* Of one server nobody has to choose. */
FLOE_PUBLIC int floe_client_loan(struct floe_client *client, size_t size, struct floe_loan *ret)
{
	struct client *c = handle_find(client, HANDLE_CLIENT);
	struct connection *k;

	if (floe_unlikely(!c || !ret))
		return loan_slow(client, size, ret, __builtin_return_address(0));
	k = c->lender;
	if (floe_unlikely(!k || !*c->free || !connection_is_alone(c, k)))
		return loan_slow(client, size, ret, __builtin_return_address(0));
	if (floe_unlikely(!publisher_loan_straight(c->asks, size, ret)))
		return loan_slow(client, size, ret, __builtin_return_address(0));
	return 1;
}

FLOE_PUBLIC int floe_client_explain(struct floe_client *client, struct floe_error *ret)
{
	int r = -EINVAL;
	struct client *c = find(client, &r);

	if (!c || !ret)
		return r;
	*ret = c->why;
	return c->why.text[0] != 0;
}

FLOE_PUBLIC void *floe_client_loan_header(struct floe_client *client, const struct floe_loan *loan)
{
	struct connection *k;
	struct lent *lent;
	int r;
	struct client *c = find(client, &r);

	if (!c || !loan)
		return NULL;
	k = connection_find_lender(c, loan, &lent);
	return k ? publisher_header(&k->requests->publisher, loan) : NULL;
}

static floe_noinline int send(struct client *c, struct floe_loan *loan, int64_t deadline_ns,
			      uint64_t *ret_request)
{
	struct lent *lent;
	struct connection *k = connection_find_lender(c, loan, &lent);
	int r;

	if (!k)
		return -EINVAL;
	if (k->gone)
		return -EPIPE;
	if (!*c->free)
		return 0;
	r = publisher_publish_marked(&k->requests->publisher, loan, (*c->free)->next);
	if (r > 0)
		note_sent(c, k, deadline_ns, ret_request);
	return r;
}

static floe_cold int send_suspect(struct floe_client *client, struct floe_loan *loan,
				  int64_t deadline_ns, uint64_t *ret_request)
{
	int r = -EINVAL;
	struct client *c = find(client, &r);

	return c && loan ? send(c, loan, deadline_ns, ret_request) : r;
}

/* To whom was lent from last, when nothing is to be seen to first. */
FLOE_PUBLIC int floe_client_send(struct floe_client *client, struct floe_loan *loan,
				 int64_t deadline_ns, uint64_t *ret_request)
{
	struct client *c = handle_find(client, HANDLE_CLIENT);
	const struct pending *p;
	struct publisher *pub;
	struct lent *lent;

	if (floe_unlikely(!c || !loan))
		return send_suspect(client, loan, deadline_ns, ret_request);
	pub = c->asks;
	p = *c->free;
	if (floe_unlikely(!pub || !p))
		return send(c, loan, deadline_ns, ret_request);
	lent = publisher_find(pub, loan);
	if (floe_unlikely(!lent || !publisher_is_straight(pub, lent, loan)))
		return send(c, loan, deadline_ns, ret_request);
	publisher_commit_marked(pub, lent, loan, p->next);
	return asked(c, loan, deadline_ns, ret_request);
}

FLOE_PUBLIC void floe_client_discard(struct floe_client *client, struct floe_loan *loan)
{
	struct connection *k;
	struct lent *lent;
	int r;
	struct client *c = find(client, &r);

	if (!c || !loan)
		return;
	k = connection_find_lender(c, loan, &lent);
	if (!k)
		return;
	publisher_discard(&k->requests->publisher, loan);
	if (k->drained)
		connection_bury(c);
}

static floe_noinline int take(struct client *c, struct floe_response *ret)
{
	bool look = c->takes_left <= 1;
	int r = take_response(c, ret);

	c->takes_left = look ? TAKES : c->takes_left - 1;
	if (floe_likely(r == 1)) {
		if (floe_unlikely(look))
			connection_look(c, false);
		return 1;
	}
	r = take_slow(c, ret, r);
	if (r == 1)
		return 1;
	client_settle(c);
	/* Who waits for edges has had that of what is still there. */
	if (r == 0 && c->polled && client_has_more(c))
		alarm_ring_anew(&c->alarm);
	return r;
}

static floe_cold int take_suspect(struct floe_client *client, struct floe_response *ret)
{
	int r = -EINVAL;
	struct client *c = find(client, &r);

	return c && ret ? take(c, ret) : r;
}

/* Nothing was found, and there is nothing else to see to. */
floe_inline bool may_rest(struct client *c)
{
	return !c->polled && c->nearest_ns == INT64_MAX && asking_may_rest(&c->asking) &&
	       connection_is_quiet(c);
}

/* The same; if so it was a look around, too. */
floe_inline bool rests(struct client *c)
{
	if (!may_rest(c))
		return false;
	c->takes_left = TAKES;
	return true;
}

/* What lies ready lies in its slot, or in a chunk: a function for each saves few registers, or none. Who gets it
 * is about to send, and what that is written to is fetched; earlier is no better, for who polls for it has it back
 * by then. As take. */
static floe_noinline int take_inline(struct client *c, struct floe_response *ret, struct feed *feed,
				     struct held *held, uint64_t what)
{
	struct subscriber *sub = &c->responses->subscriber;
	uint64_t mark = subscriber_mark_inline(what);
	struct pending *p = find_awaited(c, mark, feed->sender);
	struct ready ready = {feed, held, feed->reader.slot, feed->reader.want,
			      what & SLOT_SIZE_MASK};
	struct floe_sample sample;

	if (floe_unlikely(!p || ready.what - 1 >= FLOE_INLINE_MAX ||
			  !subscriber_take_inline(sub, &ready, &sample)))
		return take(c, ret);
	sample.ticket = held->ticket;
	subscriber_pass(sub, &ready);
	publisher_expect_send(c->asks);
	return deliver(c, p, &sample, mark, ret);
}

static floe_noinline int take_chunk(struct client *c, struct floe_response *ret, struct feed *feed,
				    struct held *held, uint64_t what)
{
	struct subscriber *sub = &c->responses->subscriber;
	struct ready ready = {feed, held, feed->reader.slot, feed->reader.want,
			      what & ~SLOT_MARKED};
	uint64_t mark = subscriber_mark_chunk(ready.slot);
	struct pending *p = find_awaited(c, mark, feed->sender);
	struct floe_sample sample;

	if (floe_unlikely(!p || !subscriber_take_chunk(sub, &ready, &sample)))
		return take(c, ret);
	publisher_expect_send(c->asks);
	sample.ticket = held->ticket;
	subscriber_pass(sub, &ready);
	return deliver(c, p, &sample, mark, ret);
}

/* Who polls finds nothing most of the time, and goes straight on; so does who finds something and is about to ask
 * the same server again. Servers do not sleep until there is room. */
FLOE_PUBLIC int floe_client_take(struct floe_client *client, struct floe_response *ret)
{
	struct client *c = handle_find(client, HANDLE_CLIENT);
	struct ready ready;
	int r;

	if (floe_unlikely(!c || !ret))
		return take_suspect(client, ret);
	r = subscriber_peek(&c->responses->subscriber, &ready);
	if (r == 0)
		return floe_likely(rests(c)) ? 0 : take(c, ret);
	if (floe_unlikely(r < 0 || !c->asks || --c->takes_left == 0))
		return take(c, ret);
	if (floe_unlikely(!subscriber_find_place(&c->responses->subscriber, &ready)))
		return take(c, ret);
	switch (ready.what & SLOT_KIND) {
	case SLOT_IS_MARKED_INLINE:
		return take_inline(c, ret, ready.feed, ready.held, ready.what);
	case SLOT_IS_MARKED_CHUNK:
		return take_chunk(c, ret, ready.feed, ready.held, ready.what);
	default:
		return take(c, ret);
	}
}

FLOE_PUBLIC const void *floe_client_response_header(struct floe_client *client,
						    const struct floe_response *response,
						    size_t *ret_size)
{
	int r;
	struct client *c = find(client, &r);

	if (ret_size)
		*ret_size = 0;
	if (!c || !response || !response->ticket)
		return NULL;
	return subscriber_header_of(&c->responses->subscriber, response->ticket, ret_size);
}

static floe_noinline void release_slow(struct floe_client *client, struct floe_response *response)
{
	struct floe_sample sample = {0};
	int r;
	struct client *c = find(client, &r);

	if (!c || !response)
		return;
	sample.ticket = response->ticket;
	if (response->ticket && subscriber_find(&c->responses->subscriber, &sample))
		subscriber_release(&c->responses->subscriber, &sample);
	*response = (struct floe_response){0};
	if (c->polled)
		client_settle(c);
}

FLOE_PUBLIC void floe_client_release(struct floe_client *client, struct floe_response *response)
{
	struct client *c = handle_find(client, HANDLE_CLIENT);
	struct floe_sample sample = {0};
	struct subscriber *sub;
	struct held *held;

	if (floe_unlikely(!c || !response || c->polled)) {
		release_slow(client, response);
		return;
	}
	sub = &c->responses->subscriber;
	sample.ticket = response->ticket;
	held = subscriber_find(sub, &sample);
	if (held)
		subscriber_give_back(sub, held, &sample);
	*response = (struct floe_response){0};
}

FLOE_PUBLIC int floe_client_cancel(struct floe_client *client, uint64_t request)
{
	struct pending *p;
	int r = -EINVAL;
	struct client *c = find(client, &r);

	if (!c)
		return r;
	p = pending_find(c, request);
	if (!p || request <= MARK_INDEX)
		return -EINVAL;
	if (!pending_runs(p))
		return 0;
	pending_give_up(c, p, -ECANCELED);
	client_settle(c);
	return 1;
}

FLOE_PUBLIC int floe_client_wait(struct floe_client *client, int64_t deadline_ns)
{
	int r = -EINVAL;
	struct client *c = find(client, &r);

	if (!c)
		return r;
	r = client_wait_until(c, client_has_more, deadline_ns);
	client_settle(c);
	return r;
}

FLOE_PUBLIC int floe_client_wait_for_server(struct floe_client *client, int64_t deadline_ns)
{
	int r = -EINVAL;
	struct client *c = find(client, &r);

	if (!c)
		return r;
	r = client_wait_until(c, client_has_server, deadline_ns);
	client_settle(c);
	return r;
}

FLOE_PUBLIC int floe_client_fd(struct floe_client *client)
{
	int r = -EINVAL;
	struct client *c = find(client, &r);

	if (!c)
		return r;
	if (!c->polled) {
		/* Without barriers publishers may miss that somebody sleeps. */
		r = alarm_open(&c->alarm, os->barrier_all() < 0);
		if (r < 0)
			return r;
		c->polled = true;
		client_settle(c);
	}
	return c->alarm.fd;
}

FLOE_PUBLIC int floe_client_count(struct floe_client *client, struct floe_client_counts *ret,
				  size_t ret_size)
{
	struct floe_client_counts counts;
	int r = -EINVAL;
	struct client *c = find(client, &r);

	if (!c || !ret || !ret_size)
		return r;
	connection_look(c, false);
	counts = c->counts;
	counts.held = subscriber_held(&c->responses->subscriber);
	for (const struct connection *k = c->connections; k; k = k->next) {
		counts.active += k->active;
		counts.servers += !k->gone && !k->unheard;
	}
	memcpy(ret, &counts, ret_size < sizeof(counts) ? ret_size : sizeof(counts));
	return 0;
}
