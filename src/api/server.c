/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The server's calls. A struct floe_server is a handle.
 */

#include "api/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/active.h"
#include "api/caller.h"
#include "api/handle.h"
#include "api/options.h"
#include "base/arith.h"
#include "base/error.h"
#include "os/os.h"

#define TAKES 64 /* that find something, for one look around */
#define REST_NS 1000000
#define DROPS 1024 /* of what nobody waits for, in one call: who floods us keeps nobody in it */

/*
 * Taking
 */

floe_inline int enter(struct server *s, struct caller *caller, const struct floe_sample *sample,
		      uint64_t mark, struct floe_request *ret)
{
	struct active *a = active_at(s, sample->ticket);

	/* In turns: gcc 12 would make a vector of neighbours, which takes longer than to store them. */
	a->ticket = sample->ticket;
	ret->ticket = sample->ticket;
	a->mark = mark & MARK_REQUEST;
	ret->data = sample->data;
	a->caller = caller;
	ret->size = sample->size;
	caller->active++;
	ret->client = caller->sender;
	return 1;
}

/* One whose client must be met first. 1; 0 it is dropped; -errno it waits */
static floe_noinline int enter_first(struct server *s, struct floe_sample *sample, uint64_t mark,
				     struct floe_request *ret)
{
	int r = caller_meet(s, sample);

	s->waiting = *sample;
	active_at(s, sample->ticket)->mark = mark;
	if (r == 1)
		enter(s, subscriber_feed_of(&s->requests->subscriber, sample)->user, sample, mark,
		      ret);
	return r;
}

/* 0 although there is more, after so many that nobody waits for: the next call goes on. */
floe_inline int take_any(struct server *s, struct floe_request *ret)
{
	struct subscriber *sub = &s->requests->subscriber;
	unsigned drops = 0;
	int r;

	do {
		struct floe_sample sample;
		struct caller *caller;
		struct feed *feed;
		uint64_t mark;

		if (floe_unlikely(s->waits)) {
			sample = s->waiting;
			r = enter_first(s, &sample, active_at(s, sample.ticket)->mark, ret);
			continue;
		}
		r = subscriber_take_marked(sub, &sample, &mark, &feed);
		if (r != 1)
			return r;
		caller = feed->user;
		if (floe_likely(caller && caller->answers))
			return enter(s, caller, &sample, mark, ret);
		r = enter_first(s, &sample, mark, ret);
	} while (r == 0 && ++drops < DROPS);
	return r;
}

/*
 * Coming and going
 */

static int announce(struct server *s, bool leaving)
{
	struct publisher *pub = &s->announcement->publisher;
	struct announcement what = {
		.server = s->id,
		.node = s->announcement->node->id,
		.active_max = (uint32_t)s->options.active_max,
		.leaving = leaving,
	};
	struct floe_loan loan;
	int r = publisher_loan(pub, sizeof(what), &loan);

	if (r < 1)
		return r < 0 ? r : -ENOBUFS;
	memcpy(loan.data, &what, sizeof(what));
	r = publisher_publish(pub, &loan);
	return r < 1 ? r : 0;
}

/* Nothing is sent after the announcement: so clients know that they have all. */
static void end(struct server *s, bool announced)
{
	if (announced)
		(void)announce(s, true);
	while (s->callers) {
		struct caller *k = s->callers;

		s->callers = k->next;
		publication_close(k->responses, true);
		free(k);
	}
	if (s->requests)
		s->requests->changed = NULL;
	subscription_close(s->requests);
	publication_close(s->announcement, true);
	free(s->dir);
	free(s->domain);
	free(s);
}

/* Options are the caller's until open returns. */
static int keep_options(struct server *s, const struct floe_server_options *o, const char *service)
{
	s->options = *o;
	s->options.request_header = service_keep_header(&s->request_header, o->request_header);
	s->options.response_header = service_keep_header(&s->response_header, o->response_header);
	memcpy(s->service, service, strlen(service) + 1);
	s->dir = o->dir ? strdup(o->dir) : NULL;
	s->domain = o->domain ? strdup(o->domain) : NULL;
	if ((o->dir && !s->dir) || (o->domain && !s->domain))
		return error_set(o->error, -ENOMEM, "out of memory");
	return service_make_id(&s->id, o->error);
}

static int subscribe(struct server *s, const struct floe_server_options *o)
{
	struct floe_subscriber_options wanted = {
		.size = sizeof(wanted),
		.holds_max = o->active_max,
		.spin_ns = o->spin_ns,
		.header = s->options.request_header,
		.dir = o->dir,
		.domain = o->domain,
		.error = o->error,
	};
	char topic[SERVICE_NAME_MAX];

	service_server_topic(topic, s->service, s->id);
	return subscription_open(&s->requests, topic, &wanted, caller_changed, s);
}

/* Two announcements are all that there ever are. */
static const struct floe_publisher_options announcing = {
	.size = sizeof(announcing),
	.depth = 2,
	.loans_max = 1,
	.payload_max = sizeof(struct announcement),
	.holds_max = 1,
};

static int join_headers(struct service_says *ret, const struct floe_server_options *o)
{
	return service_join_headers(ret, o->attributes, o->attributes_count, o->request_header,
				    o->response_header, o->error);
}

/* Types are compared here, on the one topic where all meet. */
static int meet(struct server *s, const struct floe_server_options *o)
{
	struct floe_publisher_options wanted = announcing;
	struct service_type type;
	struct service_says says;
	char topic[SERVICE_NAME_MAX];
	int r = service_join_types(&type, o->request, o->response, o->error);

	if (r == 0)
		r = join_headers(&says, o);
	if (r < 0)
		return r;
	wanted.type = type.name[0] ? &type.type : NULL;
	wanted.mode = o->mode;
	wanted.dir = o->dir;
	wanted.domain = o->domain;
	wanted.error = o->error;
	if (says.count)
		wanted.attributes = says.attribute;
	wanted.attributes_count = says.count;
	service_topic(topic, s->service);
	r = publication_open(&s->announcement, topic, &wanted, 0);
	if (r < 0)
		return r;
	if (s->announcement->file.index >= FLOE_SERVERS_MAX)
		return error_set(o->error, -EMFILE, "the service has %d servers already",
				 FLOE_SERVERS_MAX);
	return announce(s, false);
}

FLOE_PUBLIC int floe_server_open(struct floe_server **ret, const char *service,
				 const struct floe_server_options *options)
{
	struct floe_server_options o;
	struct server *s;
	void *handle;
	int r;

	if (!ret)
		return -EINVAL;
	r = options_read_server(&o, options);
	if (r == 0)
		r = service_check_name(service, o.error);
	if (r < 0)
		return r;
	error_clear(o.error);
	s = calloc(1, sizeof(*s));
	if (!s)
		return error_set(o.error, -ENOMEM, "out of memory");
	r = keep_options(s, &o, service);
	s->takes_left = TAKES;
	active_lay_out(s);
	if (r == 0)
		r = subscribe(s, &o);
	if (r == 0)
		r = handle_open(&handle, HANDLE_SERVER, s);
	if (r < 0) {
		error_complete(o.error, r, "open", service);
		end(s, false);
		return r;
	}
	r = meet(s, &o);
	if (r < 0) {
		error_complete(o.error, r, "open", service);
		end(handle_close(handle, HANDLE_SERVER), false);
		return r;
	}
	*ret = handle;
	return 0;
}

FLOE_PUBLIC void floe_server_close(struct floe_server *server)
{
	struct server *s = handle_close(server, HANDLE_SERVER);

	if (s)
		end(s, true);
}

FLOE_PUBLIC ssize_t floe_server_memory_size(const struct floe_server_options *options,
					    size_t clients)
{
	struct floe_server_options o;
	struct floe_publisher_options ring = {
		.size = sizeof(ring),
		.loans_max = ACTIVE_DEFAULT + 1,
		.holds_max = CLIENT_HOLDS_DEFAULT,
	};
	struct floe_publisher_options announced = announcing;
	int r = options_read_server(&o, options);
	struct accord_shared wish;
	struct service_says says;
	ssize_t size;

	if (r == 0)
		r = join_headers(&says, &o);
	if (r < 0)
		return r;
	ring.depth = o.responses_max + ACTIVE_DEFAULT;
	ring.payload_max = o.payload_max;
	ring.header = o.response_header;
	size = service_rings_size(&ring, clients, FLOE_CLIENTS_MAX);
	if (size < 0)
		return size;
	if (says.count)
		announced.attributes = says.attribute;
	announced.attributes_count = says.count;
	accord_format(&wish, o.request_header, NULL, 0);
	return size + (ssize_t)(port_size((uint32_t)o.active_max) + accord_size(&wish)) +
	       floe_publisher_memory_size(&announced);
}

/*
 * The calls
 */

static bool is_broken(const void *object)
{
	const struct server *s = object;

	for (const struct caller *k = s->callers; k; k = k->next)
		if (k->responses && (region_is_broken(&k->responses->file.region) ||
				     region_is_broken(&k->responses->topic.region)))
			return true;
	return region_is_broken(&s->requests->node->region) ||
	       region_is_broken(&s->requests->topic.region) ||
	       region_is_broken(&s->announcement->file.region) ||
	       region_is_broken(&s->announcement->topic.region);
}

/* NULL, and why */
floe_inline struct server *find(struct floe_server *server, int *ret_error)
{
	struct server *s = handle_find(server, HANDLE_SERVER);

	if (floe_likely(s))
		return s;
	return handle_find_sound(server, HANDLE_SERVER, is_broken, ret_error);
}

static floe_noinline int take(struct server *s, struct floe_request *ret)
{
	int r = take_any(s, ret);
	bool ask;

	if (floe_likely(r == 1 && s->takes_left > 1)) {
		s->takes_left--;
		return 1;
	}
	s->takes_left = TAKES;
	ask = asking_is_due(&s->asking);
	if (ask || !caller_is_quiet(s))
		caller_look(s, ask);
	if (s->waits)
		subscription_ring(s->requests);
	else if (r == 0)
		subscription_go_on(s->requests);
	return r;
}

static floe_cold int take_suspect(struct floe_server *server, struct floe_request *ret)
{
	int r = -EINVAL;
	struct server *s = find(server, &r);

	return s && ret ? take(s, ret) : r;
}

/* Nothing was found, and there is nothing else to see to. */
floe_inline bool may_rest(struct server *s)
{
	return !s->waits && asking_may_rest(&s->asking) && caller_is_quiet(s);
}

/* The same; if so it was a look around, too. */
floe_inline bool rests(struct server *s)
{
	if (!may_rest(s))
		return false;
	s->takes_left = TAKES;
	return true;
}

/* What lies ready lies in its slot, or in a chunk: a function for each saves few registers, or none. Who gets it
 * is about to send, and what that is written to is fetched; earlier is no better, for who polls for it has it back
 * by then. As take. */
static floe_noinline int take_inline(struct server *s, struct floe_request *ret, struct feed *feed,
				     struct held *held, uint64_t what)
{
	struct subscriber *sub = &s->requests->subscriber;
	struct ready ready = {feed, held, feed->reader.slot, feed->reader.want,
			      what & SLOT_SIZE_MASK};
	struct floe_sample sample;

	if (floe_unlikely(ready.what - 1 >= FLOE_INLINE_MAX ||
			  !subscriber_take_inline(sub, &ready, &sample)))
		return take(s, ret);
	sample.ticket = held->ticket;
	subscriber_pass(sub, &ready);
	publisher_expect_loan(((const struct caller *)feed->user)->answers);
	return enter(s, feed->user, &sample, subscriber_mark_inline(what), ret);
}

static floe_noinline int take_chunk(struct server *s, struct floe_request *ret, struct feed *feed,
				    struct held *held, uint64_t what)
{
	struct subscriber *sub = &s->requests->subscriber;
	struct ready ready = {feed, held, feed->reader.slot, feed->reader.want,
			      what & ~SLOT_MARKED};
	uint64_t mark = subscriber_mark_chunk(ready.slot);
	struct floe_sample sample;

	if (floe_unlikely(!subscriber_take_chunk(sub, &ready, &sample)))
		return take(s, ret);
	publisher_expect_loan(((const struct caller *)feed->user)->answers);
	sample.ticket = held->ticket;
	subscriber_pass(sub, &ready);
	return enter(s, feed->user, &sample, mark, ret);
}

/* Who polls finds nothing most of the time, and goes straight on; so does who finds a client's that he
 * knows. Clients do not wait for us to take. */
FLOE_PUBLIC int floe_server_take(struct floe_server *server, struct floe_request *ret)
{
	struct server *s = handle_find(server, HANDLE_SERVER);
	const struct caller *caller;
	struct ready ready;
	int r;

	if (floe_unlikely(!s || !ret))
		return take_suspect(server, ret);
	r = subscriber_peek(&s->requests->subscriber, &ready);
	if (r == 0)
		return floe_likely(rests(s)) ? 0 : take(s, ret);
	caller = ready.feed->user;
	if (floe_unlikely(r < 0 || !caller || !caller->answers || --s->takes_left == 0))
		return take(s, ret);
	if (floe_unlikely(!subscriber_find_place(&s->requests->subscriber, &ready)))
		return take(s, ret);
	switch (ready.what & SLOT_KIND) {
	case SLOT_IS_MARKED_INLINE:
		return take_inline(s, ret, ready.feed, ready.held, ready.what);
	case SLOT_IS_MARKED_CHUNK:
		return take_chunk(s, ret, ready.feed, ready.held, ready.what);
	default:
		return take(s, ret);
	}
}

FLOE_PUBLIC const void *floe_server_request_header(struct floe_server *server,
						   const struct floe_request *request,
						   size_t *ret_size)
{
	const struct active *a;
	int r;
	struct server *s = find(server, &r);

	if (ret_size)
		*ret_size = 0;
	a = s && request ? active_find(s, request) : NULL;
	return a ? subscriber_header_of(&s->requests->subscriber, a->ticket, ret_size) : NULL;
}

/* What is lent last is on top. */
floe_inline int lend(struct active *a, int r)
{
	const struct publisher *pub = &a->caller->responses->publisher;

	if (floe_likely(r == 1))
		a->lent = pub->loan[-1];
	return r;
}

static floe_noinline int loan_slow(struct floe_server *server, const struct floe_request *request,
				   size_t size, struct floe_loan *ret, const void *caller)
{
	struct active *a;
	int r = -EINVAL;
	struct server *s = find(server, &r);

	if (!s || !request || !ret)
		return r;
	a = active_find(s, request);
	if (!a)
		return -EINVAL;
	if (a->caller->gone)
		return -EPIPE;
	if (a->lent)
		return -ENOBUFS;
	return lend(a, publisher_loan_for(&a->caller->responses->publisher, size, ret, caller));
}

FLOE_PUBLIC int floe_server_loan(struct floe_server *server, const struct floe_request *request,
				 size_t size, struct floe_loan *ret)
{
	struct server *s = handle_find(server, HANDLE_SERVER);
	struct publisher *pub;
	struct active *a;
	struct lent *lent;

	if (floe_unlikely(!s || !request || !ret))
		return loan_slow(server, request, size, ret, __builtin_return_address(0));
	a = active_find(s, request);
	if (floe_unlikely(!a || a->lent))
		return loan_slow(server, request, size, ret, __builtin_return_address(0));
	pub = a->caller->answers;
	if (floe_unlikely(!pub))
		return loan_slow(server, request, size, ret, __builtin_return_address(0));
	lent = publisher_loan_straight(pub, size, ret);
	if (floe_unlikely(!lent))
		return loan_slow(server, request, size, ret, __builtin_return_address(0));
	a->lent = lent;
	return 1;
}

/* What is left where there is a descriptor. 1 */
static floe_noinline int answered_polled(struct server *s, struct active *a,
					 struct floe_request *request)
{
	(void)publisher_wake_sleepers(a->caller->answers);
	active_finish(s, a, request);
	return 1;
}

FLOE_PUBLIC void *floe_server_loan_header(struct floe_server *server,
					  const struct floe_request *request,
					  const struct floe_loan *loan)
{
	const struct active *a;
	int r;
	struct server *s = find(server, &r);

	a = s && request && loan ? active_find(s, request) : NULL;
	if (!a || !active_has_lent(a, loan))
		return NULL;
	return publisher_header(&a->caller->responses->publisher, loan);
}

/* The last response has been sent: on its way, so what is left to do costs nobody time. 1 */
static floe_noinline int answered(struct server *s, struct floe_request *request,
				  struct floe_loan *loan)
{
	struct active *a = active_at(s, request->ticket);
	struct publisher *pub = a->caller->answers;
	struct lent *lent = a->lent;

	publisher_settle(pub, lent, loan);
	a->lent = NULL;
	s->counts.responses++;
	if (floe_unlikely(!active_release_straight(s, a->ticket)))
		return answered_polled(s, a, request);
	active_leave(s, a, request);
	(void)publisher_wake_sleepers(pub);
	return publisher_make_ready(pub, lent);
}

static floe_noinline int send(struct server *s, struct floe_request *request,
			      struct floe_loan *loan, int more)
{
	struct active *a = active_find(s, request);
	int r;

	if (!a || !active_has_lent(a, loan))
		return -EINVAL;
	if (a->caller->gone)
		r = -EPIPE;
	else if (more)
		r = active_send_more(s, a, loan);
	else
		r = publisher_publish_marked(&a->caller->responses->publisher, loan, a->mark);
	if (r == 1) {
		a->lent = NULL;
		s->counts.responses++;
	}
	if (!more && (r == 1 || r == -EPIPE)) {
		*loan = (struct floe_loan){0};
		active_finish(s, a, request);
	}
	return r;
}

static floe_cold int send_suspect(struct floe_server *server, struct floe_request *request,
				  struct floe_loan *loan, int more)
{
	int r = -EINVAL;
	struct server *s = find(server, &r);

	return s && request && loan ? send(s, request, loan, more) : r;
}

FLOE_PUBLIC int floe_server_send(struct floe_server *server, struct floe_request *request,
				 struct floe_loan *loan, int more)
{
	struct server *s = handle_find(server, HANDLE_SERVER);
	struct publisher *pub;
	struct active *a;

	if (floe_unlikely(!s || !request || !loan))
		return send_suspect(server, request, loan, more);
	a = active_find(s, request);
	if (floe_unlikely(more || !a || !active_has_lent(a, loan)))
		return send(s, request, loan, more);
	pub = a->caller->answers;
	if (floe_unlikely(!pub || !publisher_is_straight(pub, a->lent, loan)))
		return send(s, request, loan, more);
	publisher_commit_marked(pub, a->lent, loan, a->mark);
	return answered(s, request, loan);
}

FLOE_PUBLIC void floe_server_discard(struct floe_server *server, const struct floe_request *request,
				     struct floe_loan *loan)
{
	struct active *a;
	int r;
	struct server *s = find(server, &r);

	if (!s || !request || !loan)
		return;
	a = active_find(s, request);
	if (!a || !active_has_lent(a, loan))
		return;
	active_discard(a);
	*loan = (struct floe_loan){0};
}

FLOE_PUBLIC int floe_server_end(struct floe_server *server, struct floe_request *request,
				int status)
{
	struct active *a;
	int r = -EINVAL;
	struct server *s = find(server, &r);

	if (!s || !request || status > 0)
		return r;
	a = active_find(s, request);
	if (!a)
		return -EINVAL;
	if (!a->caller->gone)
		active_end_with(a, status);
	active_finish(s, a, request);
	return 0;
}

FLOE_PUBLIC int floe_server_is_wanted(struct floe_server *server,
				      const struct floe_request *request)
{
	const struct active *a;
	int r = -EINVAL;
	struct server *s = find(server, &r);

	if (!s || !request)
		return r;
	a = active_find(s, request);
	if (!a)
		return -EINVAL;
	return a->caller->gone ? -EPIPE : !active_is_unwanted(s, a);
}

/* What a request waits for tells nobody when it is there: it is tried again after a moment. Past the deadline it
 * is looked for here, for who is told each time that there is something would never come to his deadline. */
static int rest(struct server *s, int64_t deadline_ns)
{
	int64_t left = deadline_ns < 0 ? REST_NS : deadline_ns - os->now_ns();

	if (left <= 0)
		return caller_can_be_met(s);
	os->sleep_ns(left < REST_NS ? left : REST_NS);
	return 1;
}

FLOE_PUBLIC int floe_server_wait(struct floe_server *server, int64_t deadline_ns)
{
	int r = -EINVAL;
	struct server *s = find(server, &r);

	if (!s)
		return r;
	if (s->waits)
		return rest(s, deadline_ns);
	return subscriber_wait(&s->requests->subscriber, deadline_ns);
}

FLOE_PUBLIC int floe_server_fd(struct floe_server *server)
{
	int r = -EINVAL;
	struct server *s = find(server, &r);

	if (!s)
		return r;
	r = subscription_get_fd(s->requests);
	/* Nobody tells when what already waits can be had. */
	if (r >= 0 && s->waits)
		subscription_ring(s->requests);
	return r;
}

FLOE_PUBLIC int floe_server_count(struct floe_server *server, struct floe_server_counts *ret,
				  size_t ret_size)
{
	struct floe_server_counts counts;
	int r = -EINVAL;
	struct server *s = find(server, &r);

	if (!s || !ret || !ret_size)
		return r;
	caller_look(s, false);
	counts = s->counts;
	counts.active = subscriber_held(&s->requests->subscriber) - s->waits;
	counts.taken = counts.ended + counts.active;
	for (const struct caller *k = s->callers; k; k = k->next)
		counts.clients += !k->gone;
	memcpy(ret, &counts, ret_size < sizeof(counts) ? ret_size : sizeof(counts));
	return 0;
}
