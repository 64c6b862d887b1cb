/* SPDX-License-Identifier: Apache-2.0 */
#include "api/caller.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "api/active.h"
#include "os/os.h"
#include "registry/file.h"
#include "registry/peer.h"

#define CALLER_LOOK_NS 1000000

/* By the caller that it was met as: the number of a file that is gone may be another one's by now. */
static struct feed *find_feed(struct subscriber *sub, const struct caller *k)
{
	for (uint32_t i = 0; i < sub->feed_count; i++)
		if (sub->feeds[i].user == k)
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
	return !k->responses && !k->active && !find_feed(&s->requests->subscriber, k);
}

void caller_bury(struct server *s)
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

static void lose(struct caller *k)
{
	k->gone = true;
	k->answers = NULL;
}

/* What it sent before it was gone is at most as deep as its ring. Behind that is what somebody writes on, or
 * a ring that never ends: it would be there for ever. */
static void ignore_rest(struct server *s, struct caller *k, struct feed *feed)
{
	uint64_t next = ring_reader_next(&feed->reader);

	if (feed->broken)
		return;
	if (!k->until)
		k->until = next + feed->reader.depth;
	if (next >= k->until)
		subscriber_ignore(&s->requests->subscriber, feed);
}

/* Its process is dead: the name of its ring goes too, as soon as that is proved. */
void caller_look_at(struct server *s, struct caller *k, bool ask)
{
	const struct node *node = s->requests->node;
	struct feed *feed = find_feed(&s->requests->subscriber, k);
	struct peer peer = PEER_NULL;
	bool is_bad;
	int64_t now;

	if (feed && k->gone)
		ignore_rest(s, k, feed);
	if (!feed || feed->leaving) {
		lose(k);
		return;
	}
	is_bad = feed->omen && omen_is_bad(load_acquire(feed->omen));
	if (!is_bad && !ask)
		return;
	now = os->now_ns();
	if (!ask && now - k->checked_ns < CALLER_LOOK_NS)
		return;
	k->checked_ns = now;
	if (peer_is_alive(&node->domain, feed->owner) == 0) {
		lose(k);
		ring_file_remove(node, &s->requests->topic, k->index);
		return;
	}
	peer.region = feed->life;
	if (is_bad && peer_is_ending(&peer, node->shared))
		lose(k);
}

void caller_look(struct server *s, bool ask)
{
	bool gone = false;

	for (struct caller *k = s->callers; k; k = k->next) {
		caller_look_at(s, k, ask);
		gone |= k->gone;
	}
	if (gone)
		caller_bury(s);
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
		.header = s->options.response_header,
		.mode = s->options.mode,
		.dir = s->dir,
		.domain = s->domain,
	};
	char topic[SERVICE_NAME_MAX];

	service_client_topic(topic, s->service, k->sender);
	return publication_open(&k->responses, topic, &o, s->id);
}

/* Its requests may be taken as they come, unless one is taken already and waits: then that comes first. */
static void open_straight(const struct server *s, struct caller *k)
{
	k->answers = s->waits ? NULL : &k->responses->publisher;
}

/* The folder has been read again: clients came, or have gone. What cannot be had now is asked for
 * again with the first request. */
void caller_changed(void *user)
{
	struct server *s = user;
	struct subscriber *sub = &s->requests->subscriber;

	for (uint32_t i = 0; i < sub->feed_count; i++) {
		struct feed *feed = &sub->feeds[i];

		if (!feed->leaving && feed->sender && !feed->user)
			(void)add_caller(s, feed);
	}
	for (struct caller *k = s->callers; k; k = k->next) {
		const struct feed *feed = find_feed(sub, k);

		k->omen = feed && !feed->leaving ? feed->omen : NULL;
	}
	caller_look(s, true);
	for (struct caller *k = s->callers; k; k = k->next)
		if (!k->gone && !k->responses && connect_to(s, k) == 0)
			open_straight(s, k);
}

/* What came after the request that waits stays behind it. */
static void close_straight(struct server *s)
{
	for (struct caller *k = s->callers; k; k = k->next)
		k->answers = NULL;
}

/* As many rings as there can be are on the client's topic: that is not for us to wait for, nor for those who
 * come after it. Who has no descriptor to look does not know it. */
static bool is_full(const struct server *s, const struct caller *k)
{
	char topic[SERVICE_NAME_MAX], path[DOMAIN_NAME_MAX];
	floe_cleanup(os_close_fdp) int dir = -1;
	uint8_t taken[FLOE_PUBLISHERS_MAX];

	service_client_topic(topic, s->service, k->sender);
	domain_path(&s->requests->node->domain, "topics", topic, path);
	dir = file_open_dir(AT_FDCWD, path, NULL);
	if (dir < 0 || file_list_indexes(dir, "pub.", FLOE_PUBLISHERS_MAX, taken) < 0)
		return false;
	return !memchr(taken, 0, sizeof(taken));
}

/* It may pass: the request stays for the next take. -EBUSY is no such case: nobody removes the topic of a
 * client that is there. */
static bool may_pass(const struct server *s, const struct caller *k, int r)
{
	if (r == -EMFILE)
		return !k || !is_full(s, k);
	return r == -ENFILE || r == -ENOMEM || r == -ENOSPC || r == -EDQUOT || r == -EINTR ||
	       r == -EAGAIN || r == -ENOLCK;
}

/* Whose request this is: 0; -EPIPE nobody's, or of somebody who is gone; -ENOMEM he cannot be noted yet. */
static int find_caller(struct server *s, struct feed *feed, struct caller **ret)
{
	*ret = feed->user;
	if (!*ret && feed->sender && !feed->leaving) {
		*ret = add_caller(s, feed);
		if (!*ret)
			return -ENOMEM;
	}
	return !*ret || (*ret)->gone ? -EPIPE : 0;
}

/* As find_caller, and it has a ring for the responses. */
static int meet(struct server *s, struct floe_sample *sample, struct caller **ret)
{
	int r = find_caller(s, subscriber_feed_of(&s->requests->subscriber, sample), ret);

	return r == 0 && !(*ret)->responses ? connect_to(s, *ret) : r;
}

bool caller_can_be_met(struct server *s)
{
	struct caller *caller;
	int r = meet(s, &s->waiting, &caller);

	return !may_pass(s, caller, r);
}

/* Until it has a ring for the responses a server says that it has taken nothing: a client must be able to tell
 * one that cannot answer yet from one whose ring is among those that are broken (connection.c: has_taken). Dying
 * after either store: what is pending ends with its process, whatever was taken. */
static void say_how_far(struct server *s, struct feed *feed, bool taken)
{
	if (feed->broken || feed->leaving)
		return;
	store_seq_cst(feed->cursor, ring_reader_next(&feed->reader) - !taken);
	if (taken)
		(void)subscriber_wake_publisher(&s->requests->subscriber, feed);
}

int caller_meet(struct server *s, struct floe_sample *sample)
{
	struct feed *feed = subscriber_feed_of(&s->requests->subscriber, sample);
	const struct caller *known = feed->user;
	bool is_first = s->waits || !known || !known->responses;
	struct caller *caller;
	int r;

	if (is_first)
		say_how_far(s, feed, false);
	r = meet(s, sample, &caller);
	s->waits = may_pass(s, caller, r);
	if (s->waits) {
		close_straight(s);
		return r;
	}
	if (is_first)
		say_how_far(s, feed, true);
	if (r == 0) {
		open_straight(s, caller);
		return 1;
	}
	if (caller)
		lose(caller);
	s->counts.abandoned++;
	active_release(s, sample->ticket);
	return 0;
}
