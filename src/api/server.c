/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The server's calls. A struct floe_server is a handle; `struct server` is what lies behind it.
 *
 * A caller is a client, as its server sees it: a ring of requests that it made on our topic, and a
 * ring of responses that we made on its. It is gone when its ring has lost its name, which it takes
 * away when it closes, or when its process is dead or has begun to end. A caller that is gone stays
 * in the list while a loan for it is out, a request of it is not ended, or its ring is still mapped.
 *
 *   active = requests of all callers that were taken and not ended
 *   each of them holds its sample, so its feed stays
 */

#include <errno.h>
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

#define LOOK_SOON_NS 1000000
/* As in client.c. */
#define LOOKS 1024
#define ASK_NS 1000000
#define TAKES 64 /* that find something, for one look around */

struct caller {
	struct caller *next;
	struct publication *responses;
	uint64_t sender;
	uint64_t file;          /* of its ring */
	const shared_u32 *omen; /* as the feed of that has it, or NULL */
	uint32_t index;         /* of its ring */
	uint32_t active_max;    /* requests that it has out at most */
	uint32_t active;
	int64_t checked_ns;
	bool gone;
};

/* A request that was taken and not ended. */
struct active {
	struct caller *caller; /* NULL: free */
	struct floe_sample sample;
	struct floe_loan loan; /* the response that is on loan */
	uint64_t mark;
	uint64_t ticket; /* of this request, or of the next */
};

#define TICKET_ALWAYS 0x100u
#define TICKET_NEXT_USE 0x200u

struct server {
	struct subscription *requests;
	struct publication *announcement;
	struct caller *callers;
	struct active active[REQUESTS_MAX];
	uint8_t free[REQUESTS_MAX]; /* places; the last one is used next */
	uint32_t free_count;
	uint32_t looks;
	int64_t asked_ns;
	uint32_t takes;
	bool waits; /* the next free place has a sample, whose client could not be answered yet */
	uint64_t id;
	struct floe_server_options options;
	char *dir;
	char *domain;
	char service[FLOE_SERVICE_NAME_MAX + 1];
	struct floe_server_counts counts;
};

/*
 * Callers
 */

static struct feed *find_feed(struct subscriber *sub, uint64_t file)
{
	for (uint32_t i = 0; i < sub->feed_count; i++)
		if (sub->feeds[i].file == file)
			return &sub->feeds[i];
	return NULL;
}

/* What nobody needs any more of a caller that is gone. */
static bool is_over(struct server *s, struct caller *k)
{
	if (!k->gone)
		return false;
	if (k->responses && publisher_count_loans(&k->responses->publisher) == 0) {
		publication_close(k->responses, true);
		k->responses = NULL;
	}
	return !k->responses && !k->active && !find_feed(&s->requests->subscriber, k->file);
}

static void bury(struct server *s)
{
	struct caller **at = &s->callers;

	while (*at) {
		struct caller *k = *at;

		if (is_over(s, k)) {
			*at = k->next;
			free(k);
		} else {
			at = &k->next;
		}
	}
}

/* Its process is dead: the name of its ring goes too, as soon as that is proved. */
static void look_at_caller(struct server *s, struct caller *k, bool ask)
{
	const struct node *node = s->requests->node;
	const struct feed *feed = find_feed(&s->requests->subscriber, k->file);
	struct peer peer = PEER_NULL;
	bool is_bad;
	int64_t now;

	if (!feed || feed->leaving) {
		k->gone = true;
		return;
	}
	is_bad = feed->omen && omen_is_bad(load_acquire(feed->omen));
	if (!is_bad && !ask)
		return;
	now = os->now_ns();
	if (!ask && now - k->checked_ns < LOOK_SOON_NS)
		return;
	k->checked_ns = now;
	if (peer_is_alive(&node->domain, feed->owner) == 0) {
		k->gone = true;
		ring_file_remove(node, &s->requests->topic, k->index);
		return;
	}
	peer.region = feed->life;
	if (is_bad && peer_is_ending(&peer, node->shared))
		k->gone = true;
}

static void look(struct server *s, bool ask)
{
	bool gone = false;

	for (struct caller *k = s->callers; k; k = k->next) {
		look_at_caller(s, k, ask);
		gone |= k->gone;
	}
	if (gone)
		bury(s);
}

/* Does no omen speak, and is nobody gone? */
static bool is_quiet(const struct server *s)
{
	for (const struct caller *k = s->callers; k; k = k->next)
		if (k->gone || (k->omen && omen_is_bad(load_relaxed(k->omen))))
			return false;
	return true;
}

static struct caller *add_caller(struct server *s, struct feed *feed)
{
	struct caller *added = calloc(1, sizeof(*added));

	/* Its requests wait until there is memory. */
	if (!added)
		return NULL;
	*added = (struct caller){
		.next = s->callers,
		.sender = feed->sender,
		.file = feed->file,
		.index = feed->index,
		.active_max = feed->reader.depth < FLOE_REQUESTS_MAX ? feed->reader.depth
								     : FLOE_REQUESTS_MAX,
	};
	s->callers = added;
	feed->user = added;
	return added;
}

/* A ring for the responses to this caller, when the first of its requests comes. */
static int connect_to(struct server *s, struct caller *k)
{
	struct floe_publisher_options o = {
		.size = sizeof(o),
		.depth = s->options.responses_max + k->active_max,
		.loans_max = k->active_max + 1,
		.payload_max = s->options.payload_max,
		.holds_max = CLIENT_HOLDS_DEFAULT,
		.mode = s->options.mode,
		.dir = s->dir,
		.domain = s->domain,
	};
	char topic[SERVICE_NAME_MAX];

	service_client_topic(topic, s->service, k->sender);
	return publication_open(&k->responses, topic, &o, s->id);
}

/* The folder has been read again: clients came, or have gone. What cannot be had now is asked for
 * again with the first request. */
static void changed(void *user)
{
	struct server *s = user;
	struct subscriber *sub = &s->requests->subscriber;

	for (uint32_t i = 0; i < sub->feed_count; i++) {
		struct feed *feed = &sub->feeds[i];

		if (!feed->leaving && feed->sender && !feed->user)
			(void)add_caller(s, feed);
	}
	for (struct caller *k = s->callers; k; k = k->next) {
		const struct feed *feed = find_feed(sub, k->file);

		k->omen = feed && !feed->leaving ? feed->omen : NULL;
	}
	look(s, true);
	for (struct caller *k = s->callers; k; k = k->next)
		if (!k->gone && !k->responses)
			(void)connect_to(s, k);
}

/*
 * Requests
 */

static struct active *find_active(struct server *s, const struct floe_request *request)
{
	uint64_t ticket = request->ticket;
	uint64_t index = ticket & 0xff;

	if (index >= s->options.active_max || s->active[index].ticket != ticket ||
	    !s->active[index].caller)
		return NULL;
	return &s->active[index];
}

static void release(struct server *s, struct floe_sample *sample)
{
	struct subscriber *sub = &s->requests->subscriber;

	if (subscriber_find(sub, sample))
		subscriber_release(sub, sample);
	else
		subscriber_release_slow(sub, sample);
}

static void discard(struct active *a)
{
	if (a->loan.data)
		publisher_discard(&a->caller->responses->publisher, &a->loan);
}

static void finish(struct server *s, struct active *a, struct floe_request *request)
{
	struct caller *caller = a->caller;

	discard(a);
	release(s, &a->sample);
	caller->active--;
	s->counts.ended++;
	s->counts.active--;
	s->counts.abandoned += caller->gone;
	a->caller = NULL;
	a->ticket += TICKET_NEXT_USE;
	s->free[s->free_count++] = (uint8_t)(a - s->active);
	*request = (struct floe_request){0};
	if (caller->gone)
		bury(s);
}

/* Feeds move when one before them is let go; the held sample knows where its own is. */
static const struct feed *feed_of(struct server *s, const struct active *a)
{
	return subscriber_feed_of(&s->requests->subscriber, &a->sample);
}

static bool is_unwanted(struct server *s, const struct active *a)
{
	const struct segment_shared *segment = feed_of(s, a)->reader.segment;
	uint64_t place = a->mark & MARK_INDEX;

	/* Pairs with the release in publisher_set_unwanted; nothing depends on what was before it. */
	return load_relaxed(&segment->unwanted[place / 64]) >> place % 64 & 1;
}

floe_inline int enter(struct server *s, struct active *a, struct caller *caller,
		      struct floe_request *ret)
{
	s->free_count--;
	a->caller = caller;
	caller->active++;
	s->counts.active++;
	s->counts.taken++;
	ret->data = a->sample.data;
	ret->size = a->sample.size;
	ret->client = caller->sender;
	ret->ticket = a->ticket;
	return 1;
}

/* It may pass: the request stays for the next take. */
static bool may_pass(int r)
{
	return r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -ENOSPC || r == -EDQUOT ||
	       r == -EBUSY || r == -EINTR;
}

/* A request that cannot be entered at once: its client must be met first, or is gone. 1; 0 it is
 * dropped; -errno it stays where it is */
static floe_noinline int meet_caller(struct server *s, struct active *a)
{
	struct feed *feed = subscriber_feed_of(&s->requests->subscriber, &a->sample);
	struct caller *caller = feed->user;
	int r;

	if (!caller && feed->sender && !feed->leaving)
		caller = add_caller(s, feed);
	r = !caller || caller->gone ? -EPIPE : 0;
	if (r == 0 && !caller->responses)
		r = connect_to(s, caller);
	s->waits = may_pass(r);
	if (r == 0 || s->waits)
		return r == 0 ? 1 : r;
	if (caller)
		caller->gone = true;
	s->counts.abandoned++;
	release(s, &a->sample);
	return 0;
}

floe_inline int take_any(struct server *s, struct floe_request *ret)
{
	struct subscriber *sub = &s->requests->subscriber;

	for (;;) {
		struct active *a = &s->active[s->free[(s->free_count - 1) % REQUESTS_MAX]];
		/* A place is free for each hold that is. */
		int r = s->waits ? 1 : subscriber_take_marked(sub, &a->sample, &a->mark);
		struct caller *caller;

		if (r != 1)
			return r;
		caller = subscriber_feed_of(sub, &a->sample)->user;
		if (floe_likely(caller && !caller->gone && caller->responses && !s->waits))
			return enter(s, a, caller, ret);
		r = meet_caller(s, a);
		if (r < 0)
			return r;
		if (r == 1)
			return enter(s, a, subscriber_feed_of(sub, &a->sample)->user, ret);
	}
}

/*
 * Responses
 */

static int end_with(struct active *a, int32_t status)
{
	struct publisher *pub = &a->caller->responses->publisher;
	struct floe_loan loan;
	int r = publisher_loan(pub, sizeof(status), &loan);

	if (r != 1)
		return r;
	memcpy(loan.data, &status, sizeof(status));
	r = publisher_publish_marked(pub, &loan, (a->mark & MARK_REQUEST) | MARK_END);
	if (r != 1)
		publisher_discard(pub, &loan);
	return r;
}

/* One that is not the last leaves room for the last ones of all requests that the client may have. */
static int send_more(struct server *s, struct active *a, struct floe_loan *loan)
{
	struct publisher *pub = &a->caller->responses->publisher;
	int r;

	if (is_unwanted(s, a))
		return -ECANCELED;
	r = publisher_has_room(pub, a->caller->active_max);
	if (r < 0)
		return r;
	if (r == 1)
		return publisher_publish_marked(pub, loan, (a->mark & MARK_REQUEST) | MARK_MORE);
	s->counts.would_block++;
	look_at_caller(s, a->caller, false);
	return a->caller->gone ? -EPIPE : 0;
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

/* The last place is nobody's: it is where is looked when no other is free. */
static void lay_out(struct server *s)
{
	s->free[REQUESTS_MAX - 1] = REQUESTS_MAX - 1;
	for (size_t i = s->options.active_max; i-- > 0;) {
		s->active[i].ticket = s->id * TICKET_NEXT_USE | TICKET_ALWAYS | i;
		s->free[s->free_count++] = (uint8_t)i;
	}
}

/* Options are the caller's until open returns. */
static int keep_options(struct server *s, const struct floe_server_options *o, const char *service)
{
	s->options = *o;
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
		.dir = o->dir,
		.domain = o->domain,
		.error = o->error,
	};
	char topic[SERVICE_NAME_MAX];

	service_server_topic(topic, s->service, s->id);
	return subscription_open(&s->requests, topic, &wanted, changed, s);
}

/* Two announcements are all that there ever are. */
static const struct floe_publisher_options announcing = {
	.size = sizeof(announcing),
	.depth = 2,
	.loans_max = 1,
	.payload_max = sizeof(struct announcement),
	.holds_max = 1,
};

/* Types are compared here, on the one topic where all meet. */
static int meet(struct server *s, const struct floe_server_options *o)
{
	struct floe_publisher_options wanted = announcing;
	struct service_type type;
	char topic[SERVICE_NAME_MAX];
	int r = service_join_types(&type, o->request, o->response, o->error);

	if (r < 0)
		return r;
	wanted.type = type.name[0] ? &type.type : NULL;
	wanted.mode = o->mode;
	wanted.dir = o->dir;
	wanted.domain = o->domain;
	wanted.error = o->error;
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
	lay_out(s);
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
	int r = options_read_server(&o, options);
	ssize_t size;

	if (r < 0)
		return r;
	if (clients > FLOE_CLIENTS_MAX)
		return -EINVAL;
	ring.depth = o.responses_max + ACTIVE_DEFAULT;
	ring.payload_max = o.payload_max;
	size = floe_publisher_memory_size(&ring);
	if (size < 0)
		return size;
	return (ssize_t)port_size((uint32_t)o.active_max) +
	       floe_publisher_memory_size(&announcing) + (ssize_t)clients * size;
}

/*
 * The calls
 */

static bool is_broken(const struct server *s)
{
	for (const struct caller *k = s->callers; k; k = k->next)
		if (k->responses && (region_is_broken(&k->responses->file.region) ||
				     region_is_broken(&k->responses->topic.region)))
			return true;
	return region_is_broken(&s->requests->node->region) ||
	       region_is_broken(&s->requests->topic.region) ||
	       region_is_broken(&s->announcement->file.region) ||
	       region_is_broken(&s->announcement->topic.region);
}

/* A handle that is not found as usual. 1: it is sound after all; -EPROTO memory of it is gone;
 * -EINVAL */
static floe_cold int refuse(struct floe_server *server, struct server **ret)
{
	struct server *s = handle_find_suspect(server, HANDLE_SERVER);

	if (!s)
		return -EINVAL;
	if (is_broken(s))
		return -EPROTO;
	handle_trust(server, HANDLE_SERVER);
	*ret = s;
	return 1;
}

floe_inline int find(struct floe_server *server, struct server **ret)
{
	*ret = handle_find(server, HANDLE_SERVER);
	return floe_likely(*ret) ? 1 : refuse(server, ret);
}

static bool is_time_to_ask(struct server *s)
{
	int64_t now;

	if (++s->looks % LOOKS)
		return false;
	now = os->now_ns();
	if (now - s->asked_ns < ASK_NS)
		return false;
	s->asked_ns = now;
	return true;
}

FLOE_PUBLIC int floe_server_take(struct floe_server *server, struct floe_request *ret)
{
	struct server *s;
	int r = find(server, &s);
	bool ask;

	if (r < 0 || !ret)
		return r < 0 ? r : -EINVAL;
	r = take_any(s, ret);
	if (r == 1 && ++s->takes % TAKES)
		return 1;
	ask = is_time_to_ask(s);
	if (ask || !is_quiet(s))
		look(s, ask);
	return r;
}

FLOE_PUBLIC int floe_server_loan(struct floe_server *server, const struct floe_request *request,
				 size_t size, struct floe_loan *ret)
{
	struct active *a;
	struct server *s;
	int r = find(server, &s);

	if (r < 0 || !request || !ret)
		return r < 0 ? r : -EINVAL;
	a = find_active(s, request);
	if (!a)
		return -EINVAL;
	if (a->caller->gone)
		return -EPIPE;
	if (a->loan.data)
		return -ENOBUFS;
	r = publisher_loan(&a->caller->responses->publisher, size, ret);
	if (r == 1)
		a->loan = *ret;
	return r;
}

static bool is_lent(const struct active *a, const struct floe_loan *loan)
{
	return a->loan.data && a->loan.data == loan->data && a->loan.ticket == loan->ticket;
}

FLOE_PUBLIC int floe_server_send(struct floe_server *server, struct floe_request *request,
				 struct floe_loan *loan, int more)
{
	struct active *a;
	struct server *s;
	int r = find(server, &s);

	if (r < 0 || !request || !loan)
		return r < 0 ? r : -EINVAL;
	a = find_active(s, request);
	if (!a || !is_lent(a, loan))
		return -EINVAL;
	if (a->caller->gone)
		r = -EPIPE;
	else if (more)
		r = send_more(s, a, loan);
	else
		r = publisher_publish_marked(&a->caller->responses->publisher, loan,
					     a->mark & MARK_REQUEST);
	if (r == 1) {
		a->loan = (struct floe_loan){0};
		s->counts.responses++;
	}
	if (!more && (r == 1 || r == -EPIPE)) {
		*loan = (struct floe_loan){0};
		finish(s, a, request);
	}
	return r;
}

FLOE_PUBLIC void floe_server_discard(struct floe_server *server, const struct floe_request *request,
				     struct floe_loan *loan)
{
	struct active *a;
	struct server *s;

	if (find(server, &s) < 0 || !request || !loan)
		return;
	a = find_active(s, request);
	if (!a || !is_lent(a, loan))
		return;
	discard(a);
	*loan = (struct floe_loan){0};
}

FLOE_PUBLIC int floe_server_end(struct floe_server *server, struct floe_request *request,
				int status)
{
	struct active *a;
	struct server *s;
	int r = find(server, &s);

	if (r < 0 || !request || status > 0)
		return r < 0 ? r : -EINVAL;
	a = find_active(s, request);
	if (!a)
		return -EINVAL;
	discard(a);
	r = a->caller->gone ? 1 : end_with(a, status);
	if (r < 0)
		return r;
	finish(s, a, request);
	return 0;
}

FLOE_PUBLIC int floe_server_is_wanted(struct floe_server *server,
				      const struct floe_request *request)
{
	const struct active *a;
	struct server *s;
	int r = find(server, &s);

	if (r < 0 || !request)
		return r < 0 ? r : -EINVAL;
	a = find_active(s, request);
	if (!a)
		return -EINVAL;
	return a->caller->gone ? -EPIPE : !is_unwanted(s, a);
}

FLOE_PUBLIC int floe_server_wait(struct floe_server *server, int64_t deadline_ns)
{
	struct server *s;
	int r = find(server, &s);

	if (r < 0)
		return r;
	if (s->waits)
		return 1;
	return subscriber_wait(&s->requests->subscriber, deadline_ns);
}

FLOE_PUBLIC int floe_server_fd(struct floe_server *server)
{
	struct server *s;
	int r = find(server, &s);

	return r < 0 ? r : subscription_get_fd(s->requests);
}

FLOE_PUBLIC int floe_server_count(struct floe_server *server, struct floe_server_counts *ret,
				  size_t ret_size)
{
	struct floe_server_counts counts;
	struct server *s;
	int r = find(server, &s);

	if (r < 0 || !ret || !ret_size)
		return r < 0 ? r : -EINVAL;
	look(s, false);
	counts = s->counts;
	for (const struct caller *k = s->callers; k; k = k->next)
		counts.clients += !k->gone;
	memcpy(ret, &counts, ret_size < sizeof(counts) ? ret_size : sizeof(counts));
	return 0;
}
