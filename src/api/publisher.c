/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The publisher's calls: arguments are checked, the parts are joined, and everything is passed
 * down. A struct floe_publisher is a handle; `struct publication` is what lies behind it.
 */

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handle.h"
#include "api/options.h"
#include "api/publication.h"
#include "base/arith.h"
#include "base/error.h"
#include "base/name.h"
#include "channel/receipt.h"
#include "os/os.h"
#include "registry/census.h"
#include "registry/cleanup.h"
#include "registry/terms.h"

static uint32_t total_chunks(const struct segment_plan *plan)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < plan->pool_count; i++)
		count += plan->pool[i].chunk_count_max;
	return count;
}

/* A chunk for everything that can be held. */
static uint32_t count_wanted(const struct publication *p)
{
	const struct pool_plan *last = &p->file.plan.pool[p->file.plan.pool_count - 1];
	uint32_t holds = members_count_holds(&p->members);
	uint32_t count;

	if (holds < p->holds_reserved)
		holds = p->holds_reserved;
	count = p->chunks_needed + holds;
	return count < last->chunk_count_max ? count : last->chunk_count_max;
}

/* What cannot be had now is asked for again when a loan finds nothing. */
static void grow(struct publication *p, struct publisher *pub)
{
	struct pool_plan *last = &p->file.plan.pool[p->file.plan.pool_count - 1];

	pub->shortage = 0;
	if (p->fixed)
		return;
	/* No more than there is already costs nothing. */
	pub->shortage = ring_file_grow(&p->file, &p->topic, count_wanted(p));
	publisher_grow(pub, last->chunk_count);
}

static int refresh(void *user, struct publisher *pub)
{
	struct publication *p = user;
	int r = members_read(&p->members, &p->topic);

	if (r < 0)
		return r;
	publisher_set_members(pub, p->members.member, p->members.count);
	grow(p, pub);
	return 0;
}

/* A dead one is cleaned away at once, if we may: then its holds count no longer either. One that is
 * dying is not waited for, but until that is proved its holds count. */
static int is_alive(void *user, const struct member *member)
{
	struct publication *p = user;
	uint64_t id = peer_id(member->node);
	int r = peer_is_alive(&p->node->domain, id);

	if (r == 0)
		(void)cleanup_node(&p->node->domain, id, NULL);
	else if (peer_is_ending(member->node, p->node->shared))
		r = 0;
	return r;
}

static void watch(void *user)
{
	const struct publication *p = user;

	node_watch(p->node);
}

static int would_block(void *user)
{
	struct publication *p = user;
	int r = p->drops ? FLOE_DROP : FLOE_BLOCK;

	if (!p->would_block)
		return r;
	safe_let_go(&p->safe);
	r = p->would_block(p->user);
	safe_take_again(&p->safe);
	return r;
}

static int wait_any(void *user, const struct os_wait *words, unsigned count, int64_t deadline_ns)
{
	struct publication *p = user;

	return safe_wait_any(&p->safe, words, count, deadline_ns);
}

static int reserve(void *user, uint64_t offset, size_t size)
{
	struct publication *p = user;

	return ring_file_reserve(&p->file, offset, size);
}

static int punch(void *user, uint64_t offset, size_t size)
{
	struct publication *p = user;

	return ring_file_punch(&p->file, offset, size);
}

static void describe_loans(const struct publisher *pub, char *ret_text, size_t size)
{
	struct floe_loan_info oldest = {0}, info;

	for (uint32_t i = 0; i < pub->loans_table; i++)
		if (publisher_describe_loan(pub, i, &info) &&
		    (!oldest.size || info.since_ns < oldest.since_ns))
			oldest = info;
	if (oldest.line)
		(void)snprintf(ret_text, size, "the oldest, %" PRIu64 " bytes, was lent at %s:%u",
			       oldest.size, oldest.file, oldest.line);
	else if (oldest.file[0])
		(void)snprintf(ret_text, size, "the oldest, %" PRIu64 " bytes, was lent at %s",
			       oldest.size, oldest.file);
	else
		(void)snprintf(ret_text, size, "FLOE_TRACE_LOANS=1 tells where they were lent");
}

static void tell(struct publication *p, const char *sentence)
{
	safe_let_go(&p->safe);
	p->notice(p->notice_user, sentence);
	safe_take_again(&p->safe);
}

static void tell_limit(void *user, struct publisher *pub)
{
	struct publication *p = user;
	char text[512], oldest[128];

	if (!p->notice)
		return;
	describe_loans(pub, oldest, sizeof(oldest));
	(void)snprintf(text, sizeof(text), "topic '%.60s': all %u loans are out; %s", p->topic.name,
		       pub->loans_max, oldest);
	tell(p, text);
}

static void tell_full(void *user, struct publisher *pub)
{
	struct publication *p = user;
	char text[512];

	if (!p->notice)
		return;
	(void)snprintf(
		text, sizeof(text),
		"topic '%.60s': no memory for a loan beside %u that are out and %u that "
		"subscribers may hold, for the file system of '%.150s' is full: remove what is not "
		"needed, or enlarge it",
		p->topic.name, publisher_count_loans(pub), members_count_holds(&p->members),
		p->node->domain.path);
	tell(p, text);
}

static const struct elastic_calls memory_calls = {
	.reserve = reserve,
	.punch = punch,
};

static const struct publisher_calls calls = {
	.refresh = refresh,
	.is_alive = is_alive,
	.watch = watch,
	.would_block = would_block,
	.wait_any = wait_any,
	.tell_limit = tell_limit,
	.tell_full = tell_full,
};

/* Most of it is never touched: fresh zeros of the system cost nothing. */
static int set_up_stretch(struct publication *p, const struct segment_plan *plan,
			  struct stretch **ret_stretch)
{
	struct elastic_plan area = segment_elastic(plan);
	size_t size = stretch_memory_size(&area);

	p->stretch = size == SIZE_INVALID ? NULL : calloc(1, size);
	if (!p->stretch)
		return -ENOMEM;
	return stretch_init(ret_stretch, p->stretch, size, &area, &memory_calls, p);
}

static int set_up_relays(struct publication *p, uint32_t relays_max)
{
	p->relays = calloc(1, sizeof(*p->relays) + relays_memory_size(relays_max));
	if (!p->relays)
		return -ENOMEM;
	relays_init(p->relays, p->relays + 1, relays_max);
	return 0;
}

/* What a message needs that lies in the ring, with a loan, or in a lane. */
static uint32_t count_unheld(const struct publication *p, uint32_t loans_max)
{
	return p->file.plan.depth + loans_max + p->file.plan.lanes_max * p->file.plan.lane_depth;
}

/* The private tables, and the publisher in them. */
static int set_up(struct publication *p, const struct segment_plan *plan)
{
	bool elastic = plan->flags & FLOE_ELASTIC;
	uint32_t pools = elastic ? 0 : plan->pool_count;
	uint32_t chunks = elastic ? 0 : total_chunks(plan);
	size_t manager_size = size_align(manager_memory_size(plan->pool, pools), FLOE_CACHELINE);
	size_t tables_size = publisher_memory_size(plan->depth, plan->loans_max,
						   chunks + plan->relays_max, FLOE_SUBSCRIBERS_MAX);
	struct publisher_plan wanted = {
		.segment = (struct segment_shared *)(void *)p->file.region.base,
		.hints = p->topic.hints,
		.memory_size = tables_size,
		.member_max = FLOE_SUBSCRIBERS_MAX,
		.fenced = p->node->fenced,
		.chunks_only = p->chunks_only,
		.spill = p->spill,
		.loans_limit = p->loans_limit,
		.quota_limit = p->quota_limit,
		.keeps_blocked = p->many_threads,
		.header_size = plan->header_size,
		.header_inline = plan->header_inline,
		.lanes_max = plan->lanes_max,
		.lane_depth = plan->lane_depth,
		.calls = &calls,
		.user = p,
	};
	size_t size = size_align(size_add(manager_size, tables_size), FLOE_CACHELINE);
	int r;

	p->tables = size == SIZE_INVALID ? NULL : aligned_alloc(FLOE_CACHELINE, size);
	if (!p->tables)
		return -ENOMEM;
	r = manager_init(&wanted.manager, p->tables, manager_size, plan->pool, pools);
	if (r == 0 && plan->relays_max)
		r = set_up_relays(p, plan->relays_max);
	wanted.relays = p->relays;
	if (r == 0 && plan->lanes_max) {
		wanted.lanes = p->lanes = calloc(plan->lanes_max, sizeof(*p->lanes));
		r = p->lanes ? 0 : -ENOMEM;
	}
	if (r == 0 && elastic)
		r = set_up_stretch(p, plan, &wanted.stretch);
	if (r < 0)
		return r;
	wanted.memory = (unsigned char *)p->tables + manager_size;
	return publisher_init(&p->publisher, &wanted);
}

/* Undoes what was done so far, in reverse. */
static void end(struct publication *p, bool keep)
{
	ring_file_close(&p->file, &p->topic, keep);
	if (p->topic.region.base)
		topic_tell_subscribers(p->topic.hints);
	members_close(&p->members);
	cleanup_leave(&p->topic);
	if (p->node)
		cleanup_abandoned(p->node);
	node_put(p->node);
	free(p->tables);
	free(p->stretch);
	free(p->relays);
	free(p->lanes);
	free(p);
}

static enum terms_role role_of(uint64_t sender)
{
	return sender ? TERMS_SENDER : TERMS_PUBLISHER;
}

static int join(struct publication *p, const char *topic, const struct floe_publisher_options *o,
		struct ring_file_options *wanted)
{
	struct party ours = {.accord = wanted->plan.accord, .lanes = wanted->plan.lanes_max};
	int r = node_get(&p->node, o->dir, o->domain, o->error);

	if (r < 0)
		return r;
	/* The one reader of a sender is there, or it is of no use to wait. */
	r = wanted->plan.sender ? topic_try_open(&p->topic, &p->node->domain, topic, o->error)
				: topic_open(&p->topic, &p->node->domain, topic, o->error);
	if (r < 0)
		return r;
	(void)cleanup_places(&p->node->domain, topic, NULL);
	/* Who makes a ring in a file meets those of the dead while looking for one to adopt. */
	if (wanted->memory)
		(void)cleanup_records(&p->node->domain, topic, NULL);
	cleanup_bare_nodes(&p->node->domain);
	r = members_read(&p->members, &p->topic);
	if (r < 0)
		return error_system(o->error, r, "read the subscribers of", topic);
	wanted->plan.topic_id = p->topic.id;
	r = ring_file_open(&p->file, wanted, p->node, &p->topic, &p->members, o->error);
	if (r < 0)
		return r;

	topic_tell_subscribers(p->topic.hints);
	r = members_read(&p->members, &p->topic);
	if (r < 0)
		return error_system(o->error, r, "read the subscribers of", topic);
	type_format(&ours.type, o->type);
	r = census_check(&p->topic, &ours, &p->members, o->error);
	if (r < 0)
		return r;
	return terms_admit(&p->topic, role_of(wanted->plan.sender), &ours.type, o->error);
}

/* The ring that a dead publisher left is damaged: it goes, and a new one takes its place. */
static int start_anew(struct publication *p, const struct floe_publisher_options *o,
		      struct ring_file_options *wanted)
{
	int r;

	free(p->tables);
	free(p->stretch);
	free(p->relays);
	free(p->lanes);
	p->tables = p->stretch = NULL;
	p->relays = NULL;
	p->lanes = NULL;
	ring_file_close(&p->file, &p->topic, false);
	p->file = RING_FILE_NULL;
	wanted->fresh = true;
	r = ring_file_open(&p->file, wanted, p->node, &p->topic, &p->members, o->error);
	if (r < 0)
		return r;
	topic_tell_subscribers(p->topic.hints);
	return set_up(p, &p->file.plan);
}

static bool is_traced(void)
{
	const char *wish = os->get_variable("FLOE_TRACE_LOANS");

	return wish && *wish && strcmp(wish, "0") != 0;
}

static int open_publication(struct publication *p, const char *topic,
			    const struct floe_publisher_options *o, uint64_t sender)
{
	struct ring_file_options wanted = {
		.mode = o->mode,
		.memory = o->memory,
		.memory_size = o->memory_size,
		.fresh = sender != 0,
	};
	struct accord_shared offer;
	int r;

	options_offer(o, &offer);
	r = options_plan(o, &offer, &wanted.plan, &p->fixed);
	if (r < 0)
		return r;
	wanted.plan.sender = sender;
	if (o->memory && o->memory_size < segment_lay_out(&wanted.plan).size)
		return error_set(o->error, -ENOMEM, "the memory has %zu bytes, %zu are needed",
				 o->memory_size, segment_lay_out(&wanted.plan).size);
	p->loans_limit = wanted.plan.loans_limit;
	p->quota_limit = wanted.plan.quota_limit;
	p->holds_reserved = (uint32_t)o->holds_max;
	p->drops = o->flags & FLOE_DROP_NEWEST;
	p->would_block = o->would_block;
	p->user = o->user;
	p->spill = o->flags & FLOE_SPILL;
	p->many_threads = o->flags & FLOE_THREAD_SAFE;
	p->chunks_only = o->alignment > FLOE_CACHELINE;
	p->notice = o->notice;
	p->notice_user = o->notice_user;
	r = join(p, topic, o, &wanted);
	if (r < 0)
		return r;
	r = set_up(p, &p->file.plan);
	if (r == -EPROTO && p->file.adopted)
		r = start_anew(p, o, &wanted);
	/* Perhaps more, of the one before us. */
	p->chunks_needed = count_unheld(p, p->publisher.loans_max);
	if (r == 0 && is_traced())
		publisher_trace(&p->publisher);
	topic_settle(&p->topic);
	return r;
}

/* What a coordinator has laid down for this topic fills what the options leave open. */
static int read_options(struct floe_publisher_options *ret, const char *topic,
			const struct floe_publisher_options *options, uint64_t sender,
			struct options_room *room)
{
	struct domain domain;
	struct terms_shared terms;
	int r = options_read_publisher(ret, options);

	if (r == 0)
		r = name_check(topic, "topic name", FLOE_TOPIC_NAME_MAX, ret->error);
	if (r == 0)
		r = domain_init(&domain, ret->dir, ret->domain, ret->error);
	if (r < 0)
		return r;
	error_clear(ret->error);
	r = terms_read(&terms, &domain, topic, role_of(sender), ret->error);
	if (r == 1)
		r = options_read_publisher_under(ret, options, topic, &terms, room);
	return r;
}

int publication_open(struct publication **ret, const char *topic,
		     const struct floe_publisher_options *options, uint64_t sender)
{
	struct floe_publisher_options o;
	struct options_room room;
	struct publication *p;
	int r = read_options(&o, topic, options, sender, &room);

	if (r < 0)
		return r;

	p = aligned_alloc(FLOE_CACHELINE, size_align(sizeof(*p), FLOE_CACHELINE));
	if (!p)
		return error_set(o.error, -ENOMEM, "out of memory");
	memset(p, 0, offsetof(struct publication, members.member));
	p->topic = TOPIC_NULL;
	p->file = RING_FILE_NULL;
	r = open_publication(p, topic, &o, sender);
	if (r < 0) {
		error_complete(o.error, r, "open", topic);
		end(p, p->file.adopted);
		return r;
	}
	*ret = p;
	return 0;
}

/* Somebody alive may still want what is in the ring, or what was republished of it. */
static bool is_read(struct publication *p)
{
	if (members_read(&p->members, &p->topic) < 0)
		return true;
	for (uint32_t i = 0; i < p->members.count; i++)
		if (peer_is_alive(&p->node->domain, peer_id(p->members.member[i].node)) != 0)
			return true;
	return members_hold(&p->members, p->file.index);
}

void publication_close(struct publication *p, bool keep)
{
	if (p)
		end(p, keep && is_read(p));
}

FLOE_PUBLIC int floe_publisher_open(struct floe_publisher **ret, const char *topic,
				    const struct floe_publisher_options *options)
{
	struct floe_publisher_options o;
	struct publication *p;
	void *handle;
	int r;

	if (!ret)
		return -EINVAL;
	r = publication_open(&p, topic, options, 0);
	if (r < 0)
		return r;
	r = handle_open(&handle, HANDLE_PUBLISHER, p);
	if (r == 0 && p->many_threads)
		r = safe_open(&p->safe, &handle, HANDLE_SAFE_PUBLISHER, HANDLE_PUBLISHER);
	if (r < 0) {
		(void)options_read_publisher(&o, options);
		error_complete(o.error, r, "open", topic);
		end(p, p->file.adopted);
		return r;
	}
	*ret = handle;
	return 0;
}

FLOE_PUBLIC void floe_publisher_close(struct floe_publisher *pub)
{
	struct publication *p = handle_close(pub, HANDLE_PUBLISHER);

	if (!p)
		p = safe_close(pub, HANDLE_SAFE_PUBLISHER, HANDLE_PUBLISHER);
	publication_close(p, true);
}

FLOE_PUBLIC ssize_t floe_publisher_memory_size(const struct floe_publisher_options *options)
{
	struct floe_publisher_options o;
	int r = options_read_publisher(&o, options);

	return r < 0 ? r : options_size_at_most(&o);
}

/* A handle that is not found as usual. 1: it is sound after all, again; -EPROTO memory of it is gone;
 * -EINVAL */
static floe_cold int refuse(struct floe_publisher *pub)
{
	const struct publication *p = handle_find_suspect(pub, HANDLE_PUBLISHER);

	if (!p)
		return -EINVAL;
	if (region_is_broken(&p->file.region) || region_is_broken(&p->topic.region))
		return -EPROTO;
	handle_trust(pub, HANDLE_PUBLISHER);
	return 1;
}

/* Who is traced without a macro is known by the address that he called from, which is not here. */
static int loan_safely(void *port, size_t size, struct floe_loan *ret, const void *caller)
{
	const struct publisher *p = handle_find(port, HANDLE_PUBLISHER);
	char text[32];

	if (!p || !p->traced)
		return floe_loan(port, size, ret);
	receipt_place(caller, text, sizeof(text));
	return floe_loan_traced(port, size, ret, text, 0);
}

static floe_cold int loan_again(struct floe_publisher *pub, size_t size, struct floe_loan *ret,
				const void *caller)
{
	struct safe *safe = safe_enter(pub, HANDLE_SAFE_PUBLISHER);
	int r;

	if (safe)
		return safe_leave(safe, loan_safely(safe->port, size, ret, caller));
	r = ret ? refuse(pub) : -EINVAL;
	return r < 0 ? r : floe_loan(pub, size, ret);
}

static floe_cold int publish_again(struct floe_publisher *pub, struct floe_loan *loan)
{
	struct safe *safe = safe_enter(pub, HANDLE_SAFE_PUBLISHER);
	int r;

	if (safe)
		return safe_leave(safe, floe_publish(safe->port, loan));
	r = loan ? refuse(pub) : -EINVAL;
	return r < 0 ? r : floe_publish(pub, loan);
}

FLOE_PUBLIC int floe_loan(struct floe_publisher *pub, size_t size, struct floe_loan *ret)
{
	struct publisher *p = handle_find(pub, HANDLE_PUBLISHER);

	if (floe_unlikely(!p || !ret))
		return loan_again(pub, size, ret, __builtin_return_address(0));
	return publisher_loan(p, size, ret);
}

FLOE_PUBLIC int floe_loan_traced(struct floe_publisher *pub, size_t size, struct floe_loan *ret,
				 const char *file, uint32_t line)
{
	struct publisher *p = handle_find(pub, HANDLE_PUBLISHER);
	struct safe *safe = p ? NULL : safe_enter(pub, HANDLE_SAFE_PUBLISHER);
	struct loan_place place = {file, line};
	int r = ret ? 1 : -EINVAL;

	if (safe)
		return safe_leave(safe, floe_loan_traced(safe->port, size, ret, file, line));
	if (r > 0 && !p)
		r = refuse(pub);
	if (r < 0)
		return r;
	return p ? publisher_loan_traced(p, size, ret, &place)
		 : floe_loan_traced(pub, size, ret, file, line);
}

FLOE_PUBLIC int floe_publish(struct floe_publisher *pub, struct floe_loan *loan)
{
	struct publisher *p = handle_find(pub, HANDLE_PUBLISHER);

	if (floe_unlikely(!p || !loan))
		return publish_again(pub, loan);
	return publisher_publish(p, loan);
}

static floe_cold void discard_again(struct floe_publisher *pub, struct floe_loan *loan)
{
	struct safe *safe = safe_enter(pub, HANDLE_SAFE_PUBLISHER);

	if (safe) {
		floe_discard(safe->port, loan);
		(void)safe_leave(safe, 0);
	} else if (refuse(pub) == 1) {
		floe_discard(pub, loan);
	}
}

FLOE_PUBLIC void floe_discard(struct floe_publisher *pub, struct floe_loan *loan)
{
	struct publisher *p = handle_find(pub, HANDLE_PUBLISHER);

	if (p && loan)
		publisher_discard(p, loan);
	else if (loan)
		discard_again(pub, loan);
}

FLOE_PUBLIC int floe_publisher_wait(struct floe_publisher *pub, int64_t deadline_ns)
{
	struct publisher *p = handle_find(pub, HANDLE_PUBLISHER);
	struct safe *safe = p ? NULL : safe_enter(pub, HANDLE_SAFE_PUBLISHER);
	int r;

	if (safe)
		return safe_leave(safe, floe_publisher_wait(safe->port, deadline_ns));
	r = p ? 1 : refuse(pub);
	if (r < 0)
		return r;
	return p ? publisher_wait(p, 1, deadline_ns) : floe_publisher_wait(pub, deadline_ns);
}

FLOE_PUBLIC int floe_publisher_wait_for_room(struct floe_publisher *pub, size_t count,
					     int64_t deadline_ns)
{
	struct publisher *p = handle_find(pub, HANDLE_PUBLISHER);
	struct safe *safe = p ? NULL : safe_enter(pub, HANDLE_SAFE_PUBLISHER);
	int r;

	if (safe)
		return safe_leave(safe,
				  floe_publisher_wait_for_room(safe->port, count, deadline_ns));
	r = p ? 1 : refuse(pub);
	if (r < 0)
		return r;
	if (!p)
		return floe_publisher_wait_for_room(pub, count, deadline_ns);
	if (count == 0)
		return -EINVAL;
	return count > p->ring.depth ? -EMSGSIZE : publisher_wait(p, count, deadline_ns);
}

FLOE_PUBLIC int floe_publisher_wait_for_subscribers(struct floe_publisher *pub, size_t count,
						    int64_t deadline_ns)
{
	struct publisher *p = handle_find(pub, HANDLE_PUBLISHER);
	struct safe *safe = p ? NULL : safe_enter(pub, HANDLE_SAFE_PUBLISHER);
	int r;

	if (safe)
		return safe_leave(
			safe, floe_publisher_wait_for_subscribers(safe->port, count, deadline_ns));
	r = p ? 1 : refuse(pub);
	if (r < 0)
		return r;
	if (count > FLOE_SUBSCRIBERS_MAX)
		return -EINVAL;
	return p ? publisher_wait_for_members(p, (uint32_t)count, deadline_ns)
		 : floe_publisher_wait_for_subscribers(pub, count, deadline_ns);
}

FLOE_PUBLIC int floe_publish_all(struct floe_publisher *pub, struct floe_loan *loans, size_t count)
{
	struct publisher *p = handle_find(pub, HANDLE_PUBLISHER);
	struct safe *safe = p ? NULL : safe_enter(pub, HANDLE_SAFE_PUBLISHER);
	size_t sent = 0;
	int r = 1;

	if (safe)
		return safe_leave(safe, floe_publish_all(safe->port, loans, count));
	if (!p && refuse(pub) == 1)
		return floe_publish_all(pub, loans, count);
	if (!p || (count && !loans) || count > INT_MAX)
		return -EINVAL;
	while (sent < count && (r = publisher_publish(p, &loans[sent])) == 1)
		sent++;
	return sent || r >= 0 ? (int)sent : r;
}

static int loan_parts(struct floe_publisher *pub, size_t size, struct floe_loan *ret, size_t count,
		      const void *caller)
{
	struct publisher *p = handle_find(pub, HANDLE_PUBLISHER);
	struct safe *safe = p ? NULL : safe_enter(pub, HANDLE_SAFE_PUBLISHER);
	int r = ret ? 1 : -EINVAL;

	if (safe)
		return safe_leave(safe, loan_parts(safe->port, size, ret, count, caller));
	if (r > 0 && !p)
		r = refuse(pub);
	if (r < 0)
		return r;
	if (count > FLOE_PARTS_MAX)
		count = FLOE_PARTS_MAX;
	return p ? publisher_loan_parts(p, size, ret, (uint32_t)count, caller)
		 : loan_parts(pub, size, ret, count, caller);
}

FLOE_PUBLIC int floe_loan_parts(struct floe_publisher *pub, size_t size, struct floe_loan *ret,
				size_t count)
{
	return loan_parts(pub, size, ret, count, __builtin_return_address(0));
}

FLOE_PUBLIC int floe_publish_parts(struct floe_publisher *pub, struct floe_loan *loans,
				   size_t count)
{
	struct publisher *p = handle_find(pub, HANDLE_PUBLISHER);
	struct safe *safe = p ? NULL : safe_enter(pub, HANDLE_SAFE_PUBLISHER);
	int r = loans && count ? 1 : -EINVAL;

	if (safe)
		return safe_leave(safe, floe_publish_parts(safe->port, loans, count));
	if (r > 0 && !p)
		r = refuse(pub);
	if (r < 0)
		return r;
	if (!p)
		return floe_publish_parts(pub, loans, count);
	if (count > FLOE_PARTS_MAX)
		return -EMSGSIZE;
	return count == 1 ? publisher_publish(p, loans)
			  : publisher_publish_parts(p, loans, (uint32_t)count);
}

FLOE_PUBLIC void *floe_loan_header(struct floe_publisher *pub, const struct floe_loan *loan)
{
	struct publisher *p = handle_find(pub, HANDLE_PUBLISHER);
	struct safe *safe = p ? NULL : safe_enter(pub, HANDLE_SAFE_PUBLISHER);
	void *header;

	if (safe) {
		header = floe_loan_header(safe->port, loan);
		(void)safe_leave(safe, 0);
		return header;
	}
	if (!p && loan && refuse(pub) == 1)
		return floe_loan_header(pub, loan);
	return p && loan ? publisher_header(p, loan) : NULL;
}

static void tell_not_raised(struct publication *p, size_t loans_max, const char *why)
{
	char text[512];

	if (!p->notice)
		return;
	(void)snprintf(text, sizeof(text),
		       "topic '%.60s': %zu loans are not allowed, but %u as before: %s",
		       p->topic.name, loans_max, p->publisher.loans_max, why);
	tell(p, text);
}

/* May their memory be had, and is it there? 0, or why not */
static int take_memory(struct publication *p, struct floe_error *error)
{
	size_t size = segment_size_with(&p->file.plan, count_wanted(p));
	size_t before = p->file.region.reserved;
	int r = 0;

	if (p->fixed)
		return 0;
	if (size > before)
		r = terms_admit_memory(&p->node->domain, size - before, error);
	if (r < 0)
		return r;
	grow(p, &p->publisher);
	r = p->publisher.shortage;
	return r < 0 ? error_system(error, r, "have more memory in", p->node->domain.path) : 0;
}

/* Chunks for so many loans have memory before the first of them. */
static int reserve_loans(struct publication *p, uint32_t loans_max)
{
	uint32_t before = p->chunks_needed;
	int shortage = p->publisher.shortage;
	struct floe_error error;
	int r;

	p->chunks_needed = count_unheld(p, (uint32_t)loans_max);
	r = take_memory(p, &error);
	if (r < 0) {
		p->chunks_needed = before;
		p->publisher.shortage = shortage;
		tell_not_raised(p, loans_max, error.text);
	}
	return r;
}

static int limit_loans(struct publication *p, size_t loans_max)
{
	bool more = loans_max > p->publisher.loans_max && loans_max <= p->publisher.loans_table;
	int r = more ? reserve_loans(p, (uint32_t)loans_max) : 0;

	return r < 0 ? r : publisher_limit_loans(&p->publisher, loans_max);
}

FLOE_PUBLIC int floe_publisher_limit_loans(struct floe_publisher *pub, size_t loans_max)
{
	struct publication *p = handle_find(pub, HANDLE_PUBLISHER);
	struct safe *safe = p ? NULL : safe_enter(pub, HANDLE_SAFE_PUBLISHER);
	int r;

	if (safe)
		return safe_leave(safe, floe_publisher_limit_loans(safe->port, loans_max));
	r = p ? 1 : refuse(pub);
	if (r < 0)
		return r;
	return p ? limit_loans(p, loans_max) : floe_publisher_limit_loans(pub, loans_max);
}

FLOE_PUBLIC int floe_publisher_limit_memory(struct floe_publisher *pub, size_t quota)
{
	struct publisher *p = handle_find(pub, HANDLE_PUBLISHER);
	struct safe *safe = p ? NULL : safe_enter(pub, HANDLE_SAFE_PUBLISHER);
	int r;

	if (safe)
		return safe_leave(safe, floe_publisher_limit_memory(safe->port, quota));
	r = p ? 1 : refuse(pub);
	if (r < 0)
		return r;
	return p ? publisher_limit_memory(p, quota) : floe_publisher_limit_memory(pub, quota);
}

static int list_loans(const struct publisher *p, struct floe_loan_info *ret, size_t size,
		      size_t count)
{
	unsigned char *at = (unsigned char *)ret;
	struct floe_loan_info info;
	size_t found = 0;

	for (uint32_t i = 0; i < p->loans_table; i++) {
		if (!publisher_describe_loan(p, i, &info))
			continue;
		if (found++ >= count)
			continue;
		memset(at, 0, size);
		memcpy(at, &info, size < sizeof(info) ? size : sizeof(info));
		at += size;
	}
	return (int)found;
}

FLOE_PUBLIC int floe_publisher_loans(struct floe_publisher *pub, struct floe_loan_info *ret,
				     size_t size, size_t count)
{
	struct publisher *p = handle_find(pub, HANDLE_PUBLISHER);
	struct safe *safe = p ? NULL : safe_enter(pub, HANDLE_SAFE_PUBLISHER);
	int r = size && (ret || !count) ? 1 : -EINVAL;

	if (safe)
		return safe_leave(safe, floe_publisher_loans(safe->port, ret, size, count));
	if (r > 0 && !p)
		r = refuse(pub);
	if (r < 0)
		return r;
	return p ? list_loans(p, ret, size, count) : floe_publisher_loans(pub, ret, size, count);
}

static void count_elastic(const struct elastic *e, struct floe_publisher_counts *counts)
{
	counts->chunks = e->plan.chunks_max;
	counts->solid = e->solid;
	counts->solid_high = e->solid_high;
	counts->quota = e->limit;
}

FLOE_PUBLIC int floe_publisher_count(struct floe_publisher *pub, struct floe_publisher_counts *ret,
				     size_t ret_size)
{
	struct publisher *p = handle_find(pub, HANDLE_PUBLISHER);
	struct safe *safe = p ? NULL : safe_enter(pub, HANDLE_SAFE_PUBLISHER);
	struct floe_publisher_counts counts = {0};
	const struct segment_shared *segment;

	if (safe)
		return safe_leave(safe, floe_publisher_count(safe->port, ret, ret_size));
	if (!ret || !ret_size)
		return -EINVAL;
	if (!p) {
		int r = refuse(pub);

		return r < 0 ? r : floe_publisher_count(pub, ret, ret_size);
	}
	segment = p->ring.segment;
	counts.published = p->ring.next - 1;
	counts.would_block = load_relaxed(&segment->would_block);
	counts.dropped = load_relaxed(&segment->dropped);
	counts.wakes = load_relaxed(&segment->wakes);
	counts.loans = publisher_count_loans(p);
	counts.loans_high = p->loans_high;
	for (uint32_t i = 0; i < p->manager.pool_count; i++)
		counts.chunks += p->manager.pool[i].chunk_count;
	counts.chunks_free = publisher_count_free(p);
	counts.spilled = p->manager.spilled;
	if (p->stretch)
		count_elastic(&p->stretch->elastic, &counts);
	memcpy(ret, &counts, ret_size < sizeof(counts) ? ret_size : sizeof(counts));
	return 0;
}
