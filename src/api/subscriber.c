/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The subscriber's calls: arguments are checked, the parts are joined, and everything is passed
 * down. A struct floe_subscriber is a handle; `struct subscription` is what lies behind it.
 */

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "api/handle.h"
#include "api/options.h"
#include "api/subscription.h"
#include "base/arith.h"
#include "base/error.h"
#include "base/name.h"
#include "channel/lane.h"
#include "channel/share.h"
#include "os/os.h"
#include "registry/census.h"
#include "registry/cleanup.h"
#include "registry/place.h"
#include "registry/terms.h"

static int refresh(void *user, struct subscriber *sub)
{
	struct subscription *s = user;

	int r = feeds_read(&s->feeds, sub, &s->topic, &s->says, s->joining, s->history, s->error);

	if (s->changed)
		s->changed(s->user);
	return r;
}

static int look_again(void *user, struct feed *feed)
{
	const struct subscription *s = user;

	return feed_look_again(feed, s->topic.path);
}

static void detach(void *user, struct feed *feed)
{
	(void)user;
	feed_detach(feed);
}

static void watch(void *user)
{
	const struct subscription *s = user;

	node_watch(s->node);
}

static void settle(void *user, struct subscriber *sub)
{
	struct subscription *s = user;

	descriptor_settle(s->descriptor, sub);
}

static void ring_anew(void *user)
{
	struct subscription *s = user;

	alarm_ring_anew(&s->descriptor->alarm);
}

static int find_origin(void *user, struct subscriber *sub, const struct relay_shared *relay,
		       const struct relay_seen *seen, const struct origin **ret_origin)
{
	struct subscription *s = user;

	if (!s->origins)
		s->origins = calloc(1, sizeof(*s->origins));
	if (!s->origins)
		return -ENOMEM;
	return origins_find(s->origins, &s->node->domain, sub, relay, seen, ret_origin);
}

static int wait_any(void *user, const struct os_wait *words, unsigned count, int64_t deadline_ns)
{
	struct subscription *s = user;

	return safe_wait_any(&s->safe, words, count, deadline_ns);
}

static const struct subscriber_calls calls = {
	.refresh = refresh,
	.look_again = look_again,
	.detach = detach,
	.watch = watch,
	.wait_any = wait_any,
	.settle = settle,
	.ring_anew = ring_anew,
	.find_origin = find_origin,
};

static int set_up(struct subscription *s, const struct floe_subscriber_options *o)
{
	struct subscriber_plan wanted = {
		.port = s->port,
		.hints = s->topic.hints,
		/* Who looks keeps others out. */
		.spin_ns = o->flags & FLOE_THREAD_SAFE ? 1 : o->spin_ns,
		.expect_ns = o->expect_ns,
		.flags = o->flags,
		.fenced = s->node->fenced,
		.calls = &calls,
		.user = s,
	};
	int r;

	s->tables = aligned_alloc(
		FLOE_CACHELINE,
		size_align(subscriber_memory_size(s->port->holds_max), FLOE_CACHELINE));
	if (!s->tables)
		return error_set(o->error, -ENOMEM, "out of memory");
	r = os->get_random(&wanted.serial, sizeof(wanted.serial));
	if (r < 0)
		return error_system(o->error, r, "read", "random numbers");
	wanted.memory = s->tables;
	subscriber_init(&s->subscriber, &wanted);
	return 0;
}

/* The others are only looked at by who says something himself. */
static int check_others(struct subscription *s, const struct floe_subscriber_options *o)
{
	struct members *members;
	int r;

	if (party_is_silent(&s->says))
		return 0;
	members = calloc(1, sizeof(*members));
	if (!members)
		return error_set(o->error, -ENOMEM, "out of memory");
	r = members_read(members, &s->topic);
	if (r == 0)
		r = census_check(&s->topic, &s->says, members, o->error);
	members_close(members);
	free(members);
	return r;
}

/*
 * A publisher that cannot be read is left out, and the first take says so: nobody can keep others
 * from joining. But where it is all there is, and this user's own, opening fails with the sentence.
 */
static int read_publishers(struct subscription *s)
{
	int r = subscriber_refresh(&s->subscriber);

	if (r != -EPROTO && r != -EACCES)
		return r;
	if (!s->subscriber.feed_count && !s->feeds.strange)
		return r;
	subscriber_tell_later(&s->subscriber, r);
	return 0;
}

/*
 * The port is laid out, gets its place, and then the publishers are told: from then on they look
 * at its holds, so only then anything is taken.
 */
static int join(struct subscription *s, const char *topic, const struct floe_subscriber_options *o)
{
	struct place_options place = {
		.policy = o->policy,
		.depth = o->depth,
		.patience_ns = o->patience_ns,
		.type = o->type,
		.accord = s->wish,
	};
	int r = node_get(&s->node, o->dir, o->domain, o->error);

	if (r < 0)
		return r;
	r = topic_open(&s->topic, &s->node->domain, topic, o->error);
	if (r < 0)
		return r;
	(void)cleanup_places(&s->node->domain, topic, NULL);
	cleanup_bare_nodes(&s->node->domain);
	r = node_add_port(s->node, (uint32_t)o->holds_ceiling, (uint32_t)accord_size(s->wish),
			  &s->port, o->error);
	if (r < 0)
		return r;
	store_relaxed(&s->port->holds_limit, o->holds_max);
	r = place_claim(s->port, &place, s->node, &s->topic, o->error);
	if (r < 0)
		return r;
	s->placed = true;
	if (o->policy == FLOE_POLICY_DROP_NEWEST)
		s->says.lanes = lane_of(s->port->index) + 1;
	topic_tell_publishers(s->topic.hints);
	/* Publishers pay for no fence: what they published before they could see us becomes visible
	 * now, so that the head we start from is not older than that. */
	(void)os->barrier_all();
	r = check_others(s, o);
	if (r == 0)
		r = terms_admit(&s->topic, TERMS_SUBSCRIBER, &s->says.type, o->error);
	if (r == 0)
		r = set_up(s, o);
	return r < 0 ? r : read_publishers(s);
}

static void close_shares(struct subscriber *sub)
{
	for (uint32_t i = 0; i < sub->holds_table; i++)
		if (sub->shares[i].handle)
			(void)handle_close(sub->shares[i].handle, HANDLE_SHARED);
}

/* Nobody waits for it any more; whom an omen has woken tells the others who sleep on that. */
static void end_waits(struct subscription *s)
{
	words_close(s->words);
	s->words = NULL;
	descriptor_close(s->descriptor);
	s->descriptor = NULL;
	if (s->tables)
		subscriber_note_omens(&s->subscriber);
}

/* Undoes what was done so far, in reverse. */
static void end(struct subscription *s)
{
	end_waits(s);
	if (s->tables) {
		close_shares(&s->subscriber);
		subscriber_deinit(&s->subscriber);
	}
	origins_close(s->origins);
	if (s->subscriber.relayed_count)
		node_abandon_port(s->node, s->port);
	else if (s->placed)
		place_give_back(s->port, s->node, &s->topic);
	else if (s->port)
		node_remove_port(s->node, s->port);
	cleanup_leave(&s->topic);
	if (s->node)
		cleanup_abandoned(s->node);
	node_put(s->node);
	free(s->origins);
	free(s->tables);
	free(s->wish);
	free(s);
}

/* Few want anything. */
static int keep_wish(struct subscription *s, const struct floe_subscriber_options *o)
{
	s->says.wants = true;
	type_format(&s->says.type, o->type);
	if (!o->header && !o->attributes)
		return 0;
	s->wish = malloc(sizeof(*s->wish));
	if (!s->wish)
		return error_set(o->error, -ENOMEM, "out of memory");
	options_wish(o, s->wish);
	s->says.accord = s->wish;
	return 0;
}

int subscription_open(struct subscription **ret, const char *topic,
		      const struct floe_subscriber_options *options, void (*changed)(void *user),
		      void *user)
{
	struct floe_subscriber_options o;
	struct subscription *s;
	int r = options_read_subscriber(&o, options);

	if (r == 0)
		r = name_check(topic, "topic name", FLOE_TOPIC_NAME_MAX, o.error);
	if (r < 0)
		return r;
	error_clear(o.error);

	s = aligned_alloc(FLOE_CACHELINE, size_align(sizeof(*s), FLOE_CACHELINE));
	if (!s)
		return error_set(o.error, -ENOMEM, "out of memory");
	memset(s, 0, sizeof(*s));
	s->topic = TOPIC_NULL;
	s->history = o.history;
	s->joining = true;
	s->error = o.error;
	r = keep_wish(s, &o);
	if (r == 0)
		r = join(s, topic, &o);
	if (r < 0) {
		error_complete(o.error, r, "open", topic);
		end(s);
		return r;
	}
	if (!s->subscriber.untold)
		error_clear(o.error);
	topic_settle(&s->topic);
	s->joining = false;
	s->error = NULL;
	s->changed = changed;
	s->user = user;
	atomic_init(&s->owners, 1);
	*ret = s;
	return 0;
}

void subscription_put(struct subscription *s)
{
	/* Pairs with itself: what the others did comes before the end. */
	if (atomic_fetch_sub_explicit(&s->owners, 1, memory_order_acq_rel) == 1)
		end(s);
}

void subscription_close(struct subscription *s)
{
	if (!s)
		return;
	if (atomic_load_explicit(&s->owners, memory_order_relaxed) > 1) {
		end_waits(s);
		subscriber_retire(&s->subscriber);
	}
	subscription_put(s);
}

FLOE_PUBLIC int floe_subscriber_open(struct floe_subscriber **ret, const char *topic,
				     const struct floe_subscriber_options *options)
{
	struct floe_subscriber_options o;
	struct subscription *s;
	void *handle;
	int r;

	if (!ret)
		return -EINVAL;
	r = subscription_open(&s, topic, options, NULL, NULL);
	if (r < 0)
		return r;
	(void)options_read_subscriber(&o, options);
	r = handle_open(&handle, HANDLE_SUBSCRIBER, s);
	if (r == 0 && o.flags & FLOE_THREAD_SAFE)
		r = safe_open(&s->safe, &handle, HANDLE_SAFE_SUBSCRIBER, HANDLE_SUBSCRIBER);
	if (r < 0) {
		error_complete(o.error, r, "open", topic);
		end(s);
		return r;
	}
	*ret = handle;
	return 0;
}

FLOE_PUBLIC void floe_subscriber_close(struct floe_subscriber *sub)
{
	struct subscription *s = handle_close(sub, HANDLE_SUBSCRIBER);

	if (!s)
		s = safe_close(sub, HANDLE_SAFE_SUBSCRIBER, HANDLE_SUBSCRIBER);
	subscription_close(s);
}

FLOE_PUBLIC ssize_t floe_subscriber_memory_size(const struct floe_subscriber_options *options)
{
	struct floe_subscriber_options o;
	struct accord_shared wish;
	int r = options_read_subscriber(&o, options);

	if (r < 0)
		return r;
	options_wish(&o, &wish);
	return (ssize_t)(port_size((uint32_t)o.holds_ceiling) + accord_size(&wish));
}

/* A handle that is not found as usual. 1: it is sound after all, again; -EPROTO memory of it is gone;
 * -EINVAL */
static floe_cold int refuse(struct floe_subscriber *sub)
{
	const struct subscription *s = handle_find_suspect(sub, HANDLE_SUBSCRIBER);

	if (!s)
		return -EINVAL;
	if (region_is_broken(&s->node->region) || region_is_broken(&s->topic.region))
		return -EPROTO;
	handle_trust(sub, HANDLE_SUBSCRIBER);
	return 1;
}

static floe_cold int take_again(struct floe_subscriber *sub, struct floe_sample *ret)
{
	struct safe *safe = safe_enter(sub, HANDLE_SAFE_SUBSCRIBER);
	int r;

	if (safe)
		return safe_leave(safe, floe_take(safe->port, ret));
	r = ret ? refuse(sub) : -EINVAL;
	return r < 0 ? r : floe_take(sub, ret);
}

FLOE_PUBLIC int floe_take(struct floe_subscriber *sub, struct floe_sample *ret)
{
	struct subscriber *s = handle_find(sub, HANDLE_SUBSCRIBER);

	if (floe_unlikely(!s || !ret))
		return take_again(sub, ret);
	return subscriber_take(s, ret);
}

FLOE_PUBLIC int floe_take_all(struct floe_subscriber *sub, struct floe_sample *ret, size_t count)
{
	struct subscriber *s = handle_find(sub, HANDLE_SUBSCRIBER);
	struct safe *safe = s ? NULL : safe_enter(sub, HANDLE_SAFE_SUBSCRIBER);
	size_t taken = 0;
	int r = 1;

	if (safe)
		return safe_leave(safe, floe_take_all(safe->port, ret, count));
	if (!s && refuse(sub) == 1)
		return floe_take_all(sub, ret, count);
	if (!s || (count && !ret) || count > INT_MAX)
		return -EINVAL;
	while (taken < count && (r = subscriber_take(s, &ret[taken])) == 1)
		taken++;
	return taken || r >= 0 ? (int)taken : r;
}

FLOE_PUBLIC int floe_take_parts(struct floe_subscriber *sub, struct floe_sample *ret, size_t count)
{
	struct subscriber *s = handle_find(sub, HANDLE_SUBSCRIBER);
	struct safe *safe = s ? NULL : safe_enter(sub, HANDLE_SAFE_SUBSCRIBER);
	int r = ret && count ? 1 : -EINVAL;

	if (safe)
		return safe_leave(safe, floe_take_parts(safe->port, ret, count));
	if (r > 0 && !s)
		r = refuse(sub);
	if (r < 0)
		return r;
	if (count > FLOE_PARTS_MAX)
		count = FLOE_PARTS_MAX;
	return s ? subscriber_take_parts(s, ret, (uint32_t)count)
		 : floe_take_parts(sub, ret, count);
}

FLOE_PUBLIC int floe_wait(struct floe_subscriber *sub, int64_t deadline_ns)
{
	struct subscriber *s = handle_find(sub, HANDLE_SUBSCRIBER);
	struct safe *safe = s ? NULL : safe_enter(sub, HANDLE_SAFE_SUBSCRIBER);
	int r;

	if (safe)
		return safe_leave(safe, floe_wait(safe->port, deadline_ns));
	r = s ? 1 : refuse(sub);
	if (r < 0)
		return r;
	return s ? subscriber_wait(s, deadline_ns) : floe_wait(sub, deadline_ns);
}

static floe_cold void release_again(struct floe_subscriber *sub, struct floe_sample *sample)
{
	struct safe *safe = safe_enter(sub, HANDLE_SAFE_SUBSCRIBER);

	if (safe) {
		floe_release(safe->port, sample);
		(void)safe_leave(safe, 0);
	} else if (sample && refuse(sub) == 1) {
		floe_release(sub, sample);
	}
}

FLOE_PUBLIC void floe_release(struct floe_subscriber *sub, struct floe_sample *sample)
{
	struct subscriber *s = handle_find(sub, HANDLE_SUBSCRIBER);

	if (floe_likely(s && sample))
		subscriber_release(s, sample);
	else
		release_again(sub, sample);
}

int subscription_get_fd(struct subscription *s)
{
	int r;

	if (!s->descriptor) {
		r = descriptor_open(&s->descriptor, &s->subscriber);
		if (r < 0)
			return r;
		subscriber_be_polled(&s->subscriber);
	}
	return s->descriptor->alarm.fd;
}

void subscription_go_on(struct subscription *s)
{
	if (s->subscriber.polled && subscriber_has_more(&s->subscriber))
		ring_anew(s);
}

void subscription_ring(struct subscription *s)
{
	if (s->subscriber.polled)
		ring_anew(s);
}

FLOE_PUBLIC int floe_subscriber_fd(struct floe_subscriber *sub)
{
	struct subscription *s = handle_find(sub, HANDLE_SUBSCRIBER);
	struct safe *safe = s ? NULL : safe_enter(sub, HANDLE_SAFE_SUBSCRIBER);
	int r;

	if (safe)
		return safe_leave(safe, floe_subscriber_fd(safe->port));
	if (s)
		return subscription_get_fd(s);
	r = refuse(sub);
	return r < 0 ? r : floe_subscriber_fd(sub);
}

bool subscription_has_more(struct floe_subscriber *sub)
{
	struct subscriber *s = handle_find(sub, HANDLE_SUBSCRIBER);
	struct safe *safe = s ? NULL : safe_enter(sub, HANDLE_SAFE_SUBSCRIBER);

	if (safe)
		return safe_leave(safe, subscription_has_more(safe->port));
	return !s || subscriber_has_more(s);
}

static int list_words(struct subscription *s, const struct floe_word **ret)
{
	int r = s->words ? 0 : words_open(&s->words);

	if (r == 0)
		r = words_list(s->words, &s->subscriber);
	if (r > 0)
		*ret = s->words->list;
	return r;
}

FLOE_PUBLIC int floe_subscriber_words(struct floe_subscriber *sub, const struct floe_word **ret)
{
	struct subscription *s = handle_find(sub, HANDLE_SUBSCRIBER);
	struct safe *safe = s ? NULL : safe_enter(sub, HANDLE_SAFE_SUBSCRIBER);
	int r = ret ? 1 : -EINVAL;

	if (safe)
		return safe_leave(safe, floe_subscriber_words(safe->port, ret));
	if (r > 0 && !s)
		r = refuse(sub);
	if (r < 0)
		return r;
	return s ? list_words(s, ret) : floe_subscriber_words(sub, ret);
}

/* Publishers look again before they take a chunk for free, and before that nothing more is held. Where
 * nothing changes they are left alone. */
static int limit_holds(struct subscription *s, size_t holds_max)
{
	bool same = holds_max == s->subscriber.holds_max;
	int r = subscriber_limit_holds(&s->subscriber, holds_max);

	if (r == 0 && !same)
		topic_tell_publishers(s->topic.hints);
	return r;
}

FLOE_PUBLIC int floe_subscriber_limit_holds(struct floe_subscriber *sub, size_t holds_max)
{
	struct subscription *s = handle_find(sub, HANDLE_SUBSCRIBER);
	struct safe *safe = s ? NULL : safe_enter(sub, HANDLE_SAFE_SUBSCRIBER);
	int r;

	if (safe)
		return safe_leave(safe, floe_subscriber_limit_holds(safe->port, holds_max));
	r = s ? 1 : refuse(sub);
	if (r < 0)
		return r;
	return s ? limit_holds(s, holds_max) : floe_subscriber_limit_holds(sub, holds_max);
}

FLOE_PUBLIC int floe_subscriber_limit_depth(struct floe_subscriber *sub, size_t depth)
{
	struct subscriber *s = handle_find(sub, HANDLE_SUBSCRIBER);
	struct safe *safe = s ? NULL : safe_enter(sub, HANDLE_SAFE_SUBSCRIBER);
	int r;

	if (safe)
		return safe_leave(safe, floe_subscriber_limit_depth(safe->port, depth));
	r = s ? 1 : refuse(sub);
	if (r < 0)
		return r;
	if (!s)
		return floe_subscriber_limit_depth(sub, depth);
	if (depth > FLOE_DEPTH_MAX || s->drops)
		return -EINVAL;
	subscriber_limit_depth(s, (uint32_t)depth);
	return 0;
}

FLOE_PUBLIC int floe_subscriber_count(struct floe_subscriber *sub,
				      struct floe_subscriber_counts *ret, size_t ret_size)
{
	struct subscriber *s = handle_find(sub, HANDLE_SUBSCRIBER);
	struct safe *safe = s ? NULL : safe_enter(sub, HANDLE_SAFE_SUBSCRIBER);
	struct floe_subscriber_counts counts = {0};

	if (safe)
		return safe_leave(safe, floe_subscriber_count(safe->port, ret, ret_size));
	if (!ret || !ret_size)
		return -EINVAL;
	if (!s) {
		int r = refuse(sub);

		return r < 0 ? r : floe_subscriber_count(sub, ret, ret_size);
	}
	subscriber_collect(s);
	counts.received = port_received(s->port);
	counts.lost = load_relaxed(&s->port->lost);
	counts.held = subscriber_held(s);
	counts.publishers = s->feed_count;
	counts.copied = s->copied;
	counts.late = s->late;
	memcpy(ret, &counts, ret_size < sizeof(counts) ? ret_size : sizeof(counts));
	return 0;
}

FLOE_PUBLIC int floe_sample_publisher(struct floe_subscriber *sub, const struct floe_sample *sample)
{
	struct subscriber *s = handle_find(sub, HANDLE_SUBSCRIBER);
	const struct held *held = s && sample ? subscriber_find_any(s, sample) : NULL;
	struct safe *safe = s ? NULL : safe_enter(sub, HANDLE_SAFE_SUBSCRIBER);

	if (safe)
		return safe_leave(safe, floe_sample_publisher(safe->port, sample));
	if (!s && sample && refuse(sub) == 1)
		return floe_sample_publisher(sub, sample);
	return held ? (int)held->feed->index : -EINVAL;
}

FLOE_PUBLIC int floe_sample_part(struct floe_subscriber *sub, const struct floe_sample *sample,
				 size_t *ret_index)
{
	struct subscriber *s = handle_find(sub, HANDLE_SUBSCRIBER);
	const struct held *held = s && sample ? subscriber_find_any(s, sample) : NULL;
	struct safe *safe = s ? NULL : safe_enter(sub, HANDLE_SAFE_SUBSCRIBER);
	struct part part;

	if (safe)
		return safe_leave(safe, floe_sample_part(safe->port, sample, ret_index));
	if (!s && sample && refuse(sub) == 1)
		return floe_sample_part(sub, sample, ret_index);
	if (!held)
		return -EINVAL;
	part = subscriber_part_of(s, held);
	if (ret_index)
		*ret_index = part.index;
	return (int)part.count;
}

FLOE_PUBLIC const void *floe_sample_header(struct floe_subscriber *sub,
					   const struct floe_sample *sample, size_t *ret_size)
{
	struct subscriber *s = handle_find(sub, HANDLE_SUBSCRIBER);
	const struct held *held = s && sample ? subscriber_find_any(s, sample) : NULL;
	struct safe *safe = s ? NULL : safe_enter(sub, HANDLE_SAFE_SUBSCRIBER);
	const void *header;
	size_t size = 0;

	if (safe) {
		header = floe_sample_header(safe->port, sample, ret_size);
		(void)safe_leave(safe, 0);
		return header;
	}
	if (!s && sample && refuse(sub) == 1)
		return floe_sample_header(sub, sample, ret_size);
	header = held ? subscriber_header(s, held, &size) : NULL;
	if (ret_size)
		*ret_size = header ? size : 0;
	return header;
}

static int share(struct subscription *s, struct floe_sample *sample,
		 struct floe_shared_sample **ret)
{
	struct subscriber *sub = &s->subscriber;
	struct share *found = share_find(sub, sample);
	int r = found ? 0 : -EINVAL;

	if (found && !found->handle)
		r = handle_open(&found->handle, HANDLE_SHARED, found);
	if (r < 0)
		return r;
	atomic_fetch_add_explicit(&s->owners, 1, memory_order_relaxed);
	share_begin(found, sample);
	*ret = found->handle;
	/* For who waits by a descriptor this sample is done with. */
	if (sub->polled)
		settle(s, sub);
	return 0;
}

FLOE_PUBLIC int floe_sample_share(struct floe_subscriber *sub, struct floe_sample *sample,
				  struct floe_shared_sample **ret)
{
	struct subscription *s = handle_find(sub, HANDLE_SUBSCRIBER);
	struct safe *safe = s ? NULL : safe_enter(sub, HANDLE_SAFE_SUBSCRIBER);
	int r = sample && ret ? 1 : -EINVAL;

	if (safe)
		return safe_leave(safe, floe_sample_share(safe->port, sample, ret));
	if (r > 0 && !s)
		r = refuse(sub);
	if (r < 0)
		return r;
	return s ? share(s, sample, ret) : floe_sample_share(sub, sample, ret);
}
