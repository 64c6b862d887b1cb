/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/publisher.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/arith.h"
#include "channel/receipt.h"
#include "channel/segment.h"
#include "os/os.h"

/* A blocked publisher asks the kernel this often whether who blocks it still lives. */
#define ALIVE_CHECK_NS 1000000
#define LOOK_NS (2 * ALIVE_CHECK_NS)
/* An omen has spoken, and not all threads of the process have got to their end. */
#define LOOK_SOON_NS (ALIVE_CHECK_NS / 20)
/* So often a message in parts is begun again because somebody came or went meanwhile. */
#define PARTS_ATTEMPTS 8

/* The tables, largest alignment first; one order for the size and for the addresses. What is written at
 * once comes first: of the others a page is touched when there is something to put there. */
struct tables {
	size_t loans, slot_chunk, members, marked, ready, retired, end;
};

static struct tables lay_out(uint32_t depth, uint32_t loans_max, uint32_t chunk_count_max,
			     uint32_t member_max)
{
	struct tables t = {0};
	size_t stack_size = size_mul(size_add(chunk_count_max, 1), sizeof(uint64_t));

	t.loans = size_mul(count_round_up(loans_max), sizeof(struct lent));
	t.slot_chunk = size_add(t.loans, size_mul(size_add(loans_max, 1), sizeof(struct lent *)));
	t.members = size_add(t.slot_chunk, size_mul(depth, sizeof(uint64_t)));
	t.marked = size_add(t.members, size_mul(member_max, sizeof(struct member)));
	t.ready = size_add(t.marked, size_mul(chunk_count_max, sizeof(uint64_t)));
	t.retired = size_add(t.ready, stack_size);
	t.end = size_add(t.retired, stack_size);
	return t;
}

size_t publisher_memory_size(uint32_t depth, uint32_t loans_max, uint32_t chunk_count_max,
			     uint32_t member_max)
{
	return lay_out(depth, loans_max, chunk_count_max, member_max).end;
}

static uint32_t chunk_count_max(const struct manager *manager)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < manager->pool_count; i++)
		count += manager->pool[i].chunk_count_max;
	return count;
}

/* Chunks from..to of a pool have no mark of a scan yet. */
static void clear_marks(struct publisher *pub, uint32_t pool, uint32_t from, uint32_t to)
{
	memset(&pub->marked[pub->manager.first[pool] + from], 0, (to - from) * sizeof(uint64_t));
}

static void start_at(struct publisher *pub, struct segment_shared *segment,
		     const struct segment_shared *seen, uint64_t next)
{
	ring_init(&pub->ring, segment, seen->slots_offset, seen->depth, next);
	pub->named = pub->slot_chunk + next % seen->depth;
}

/* Takes one particular chunk: 1; 0 it is taken; -EINVAL there is none. */
static int claim(struct publisher *pub, uint64_t chunk)
{
	uint32_t number;

	if (chunk & SLOT_FOREIGN)
		return pub->relays ? relays_claim(pub->relays, chunk & ~SLOT_FOREIGN) : -EINVAL;
	if (pub->stretch)
		return stretch_claim(pub->stretch, chunk);
	return manager_find(&pub->manager, chunk, &number) == 1
		       ? manager_claim(&pub->manager, number)
		       : -EINVAL;
}

/* Published slots name chunks: those are in use. */
static int claim_ring(struct publisher *pub)
{
	for (uint32_t i = 0; i < pub->ring.depth; i++) {
		const struct slot_shared *slot = &pub->ring.slots[i];
		uint64_t sequence = load_relaxed(&slot->sequence);
		uint64_t what = load_relaxed(&slot->what) & ~SLOT_FLAGS;

		pub->slot_chunk[i] = CHUNK_NONE;
		if (sequence == 0 || sequence % 2 || what & SLOT_INLINE)
			continue;
		if (claim(pub, what) <= 0)
			return -EPROTO;
		pub->slot_chunk[i] = what;
	}
	return 0;
}

/* Relays that no slot names may be held all the same. */
static void retire_relays(struct publisher *pub)
{
	if (!pub->relays)
		return;
	for (uint32_t n = 0; (n = relays_inherit(pub->relays, n)) < pub->relays->max; n++)
		*pub->retired++ = SLOT_FOREIGN | n;
}

/* What no slot names may still be held by somebody: it is retired until a scan says otherwise. In an
 * area that would be everything; there nothing is lent before the first scan. */
static void retire_rest(struct publisher *pub)
{
	uint32_t number = 0;

	if (pub->stretch)
		pub->stretch->inherited = true;
	for (uint32_t p = 0; p < pub->manager.pool_count; p++) {
		for (uint32_t i = 0; i < pub->manager.pool[p].chunk_count; i++) {
			number = pub->manager.first[p] + i;
			if (manager_claim(&pub->manager, number) == 1)
				*pub->retired++ = manager_offset(&pub->manager, number);
		}
	}
}

/* What the one before us had raised stays so, if it is what there is room for. */
static uint64_t choose_limit(uint64_t before, uint64_t wanted, uint64_t max)
{
	if (wanted == 0 || wanted > max)
		wanted = max;
	return before > wanted && before <= max ? before : wanted;
}

/* How much there may ever be was compared in an earlier copy of the head, of which the stretch was made:
 * whoever had the segment before may have written there since. */
static void take_quota(struct publisher *pub, uint64_t before, uint64_t wanted)
{
	struct elastic *e = &pub->stretch->elastic;

	e->limit = choose_limit(before, wanted, e->plan.quota) & ~(ELASTIC_PAGE - 1);
	store_relaxed(&pub->ring.segment->quota_limit, e->limit);
}

static void take_limits(struct publisher *pub, const struct segment_shared *seen,
			const struct publisher_plan *plan)
{
	uint64_t loans = choose_limit(load_relaxed(&seen->loans_limit), plan->loans_limit,
				      pub->loans_table);

	pub->loans_max = (uint32_t)loans;
	store_relaxed(&pub->ring.segment->loans_limit, loans);
	if (pub->stretch)
		take_quota(pub, load_relaxed(&seen->quota_limit), plan->quota_limit);
}

static int take_up_lanes(struct publisher *pub, const struct segment_shared *seen, uint64_t last)
{
	char *lanes = (char *)pub->ring.segment + segment_lanes_offset(seen);
	int r = 0;

	for (uint32_t n = 0; n < pub->lanes_max && r == 0; n++)
		r = lane_take_up(&pub->lanes[n], lanes, n, pub->lane_depth, last);
	return r;
}

/*
 * Dying here leaves a head that is behind its slots, which the next one repairs again, as it does the
 * counts of loans, which are for people. A slot
 * that was left odd stays so until its turn comes. Parts that were not sent may be odd or even, and all
 * are odd before the first message of ours.
 */
static int take_up(struct publisher *pub, const struct segment_shared *seen)
{
	struct segment_shared *segment = pub->ring.segment;
	uint64_t last = ring_recover(segment, seen->slots_offset, seen->depth);
	int r = ring_check(segment, seen->slots_offset, seen->depth);

	if (r < 0)
		return r;
	ring_take_back(segment, seen->slots_offset, seen->depth, last);
	r = take_up_lanes(pub, seen, last);
	if (r < 0)
		return r;
	r = claim_ring(pub);
	if (r < 0)
		return r;
	retire_relays(pub);
	if (last)
		retire_rest(pub);
	start_at(pub, segment, seen, last + 1);
	store_relaxed(&segment->discarded, 0);
	store_relaxed(&segment->lent, last);
	store_relaxed(&segment->parts_end, 0);
	for (uint32_t i = 0; i < pub->loans_table; i++)
		receipt_erase(&pub->receipts[i]);
	store_release(&segment->head, last);
	return 0;
}

/* The geometry once more, in the copy that is used: whoever had the segment before, and only says that
 * he closed it, may still write there. The pools are our own by now. */
static bool is_usable(const struct segment_shared *seen, const struct publisher_plan *plan)
{
	uint64_t begin = plan->stretch ? plan->stretch->elastic.plan.offset
				       : plan->manager.pool[0].offset;

	return segment_check(seen, begin, "", NULL) == 0 &&
	       seen->header_size == plan->header_size && seen->header_inline == plan->header_inline;
}

/* Relays lie behind the receipts, and lanes behind them. What the head says of them must be what we have tables
 * for. */
static bool take_relays(struct publisher *pub, const struct segment_shared *seen)
{
	if (!pub->relays)
		return seen->relays_max == 0;
	pub->relays->shared = (struct relay_shared *)(void *)(pub->receipts + seen->loans_max);
	return seen->relays_max == pub->relays->max;
}

static bool take_lanes(struct publisher *pub, const struct segment_shared *seen,
		       const struct publisher_plan *plan)
{
	pub->lanes = plan->lanes;
	pub->lanes_max = plan->lanes_max;
	pub->lane_depth = plan->lane_depth;
	return seen->lanes_max == plan->lanes_max && seen->lane_depth == plan->lane_depth;
}

static uint32_t choose_inline_max(const struct segment_shared *seen,
				  const struct publisher_plan *plan)
{
	if (plan->chunks_only)
		return 0;
	if (seen->header_size)
		return seen->header_inline;
	return seen->flags & FLOE_TIMESTAMPS ? FLOE_INLINE_MAX - 8 : FLOE_INLINE_MAX;
}

/* What lies below it goes back straight to the stack of ready chunks. An area has none: but for
 * inline loans that is so of nothing. */
static uint64_t find_first_end(const struct publisher *pub)
{
	const struct pool *first = &pub->manager.pool[0];

	return pub->stretch ? CHUNK_NONE + 1 : pool_offset(first, first->chunk_count_max);
}

/* A payload of this size is for the straight path. */
static size_t choose_straight_max(const struct publisher *pub)
{
	size_t chunk_size = pub->manager.pool[0].chunk_size - pub->header_room;

	if (pub->traced)
		return 0;
	if (pub->stretch)
		return stretch_is_calm(pub->stretch) ? pub->inline_max : 0;
	return pub->payload_max < chunk_size ? pub->payload_max : chunk_size;
}

int publisher_init(struct publisher *pub, const struct publisher_plan *plan)
{
	struct segment_shared *segment = plan->segment;
	uint32_t relays = plan->relays ? plan->relays->max : 0;
	uint32_t chunks = chunk_count_max(&plan->manager) + relays;
	unsigned char *memory = plan->memory;
	struct segment_shared seen;
	struct tables t;
	int r;

	copy_once(&seen, segment, sizeof(seen));
	if (!is_usable(&seen, plan))
		return -EPROTO;
	t = lay_out(seen.depth, seen.loans_max, chunks, plan->member_max);
	if (t.end == SIZE_INVALID || plan->memory_size < t.end)
		return -ENOMEM;

	memset(memory, 0, t.slot_chunk);
	*pub = (struct publisher){
		.hints = plan->hints,
		.timed = seen.flags & FLOE_TIMESTAMPS,
		.keeps_blocked = plan->keeps_blocked,
		.fenced = plan->fenced,
		.wants_refresh = true,
		.straight_at = MEMBERS_UNSEEN,
		.index = seen.index,
		.inline_max = choose_inline_max(&seen, plan),
		.payload_max = seen.payload_max,
		.header_size = plan->header_size,
		.header_room = segment_header_room(plan->header_size),
		.header_inline = plan->header_inline,
		.receipts = (struct loan_shared *)(void *)((char *)segment + seen.slots_offset) +
			    seen.depth,
		.loans_table = seen.loans_max,
		.loans_max = seen.loans_max,
		.loans_mask = count_round_up(seen.loans_max) - 1,
		.lent = (struct lent *)(void *)memory,
		.marked = (uint64_t *)(memory + t.marked),
		.members = (struct member *)(memory + t.members),
		.member_max = plan->member_max,
		.slot_chunk = (uint64_t *)(memory + t.slot_chunk),
		.ready = (uint64_t *)(memory + t.ready),
		.ready_bottom = (uint64_t *)(memory + t.ready),
		.retired = (uint64_t *)(memory + t.retired) + 1,
		.retired_bottom = (uint64_t *)(memory + t.retired),
		.loan = (struct lent **)(void *)(memory + t.loans),
		.loans = (struct lent **)(void *)(memory + t.loans),
		.manager = plan->manager,
		.stretch = plan->stretch,
		.relays = plan->relays,
		.spill = plan->spill,
		.calls = plan->calls,
		.user = plan->user,
	};
	if (pub->stretch) {
		pub->retired_bottom = pub->stretch->retired;
		pub->retired = pub->stretch->retired + 1;
		pub->stretch->header_room = pub->header_room;
	}
	*pub->ready_bottom = *pub->retired_bottom = CHUNK_NONE;
	for (uint32_t i = 0; i < pub->manager.pool_count; i++)
		clear_marks(pub, i, 0, pub->manager.pool[i].chunk_count);
	if (!take_relays(pub, &seen) || !take_lanes(pub, &seen, plan))
		return -EPROTO;
	for (uint32_t i = 0; i < pub->loans_table; i++)
		pub->lent[i].ticket = TICKET_ALWAYS | i;
	start_at(pub, segment, &seen, 1);
	store_relaxed(&segment->sleeping, 0);
	take_limits(pub, &seen, plan);
	r = take_up(pub, &seen);
	pub->first_end = find_first_end(pub);
	pub->straight_max = choose_straight_max(pub);
	return r;
}

void publisher_grow(struct publisher *pub, uint32_t chunk_count)
{
	uint32_t last = pub->manager.pool_count - 1;
	uint32_t before = pub->manager.pool[last].chunk_count;

	if (chunk_count <= before || manager_grow(&pub->manager, last, chunk_count) < 0)
		return;
	clear_marks(pub, last, before, chunk_count);
}

/* What is known of those that were there before stays known. */
static void remember(struct member *member, const struct member *before, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (before[i].port != member->port || before[i].life != member->life)
			continue;
		member->is_before = before[i].is_before;
		member->began_before = before[i].began_before;
		member->left_behind = before[i].left_behind;
		member->blocked_ns = before[i].blocked_ns;
		member->blocked_at = before[i].blocked_at;
	}
}

static bool read_begun(const struct publisher *pub, const struct member *member)
{
	/* Pairs with the release in subscriber_add_feed: the cursor is of no ring before this one. */
	return load_acquire(&member->port->begun) >> pub->index & 1;
}

/* Nobody is further than message 1 in a ring that has none. Where all indexes were in use ours was another
 * publisher's, and who has not looked yet says how far he is there. In this order: what he says then is from
 * before he turned the bit over. */
static void note_before(const struct publisher *pub, struct member *member)
{
	uint64_t cursor;

	member->began_before = read_begun(pub, member);
	cursor = load_acquire(&member->port->cursor[pub->index]);
	member->is_before = cursor > 1 && cursor <= SEQUENCE_MAX;
}

/* Is its cursor of our ring, or 0? Else it has not begun. */
static bool is_ours(const struct publisher *pub, struct member *member)
{
	if (floe_unlikely(member->is_before))
		member->is_before = read_begun(pub, member) == member->began_before;
	return !member->is_before;
}

void publisher_set_members(struct publisher *pub, struct member *members, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (pub->ring.next == 1)
			note_before(pub, &members[i]);
		else if (members[i].reliable || members[i].drops)
			remember(&members[i], pub->members, pub->member_count);
	}
	pub->droppers = 0;
	for (uint32_t i = 0; i < count; i++) {
		members[i].drops = members[i].drops && members[i].lane < pub->lanes_max;
		pub->droppers += members[i].drops;
	}
	memcpy(pub->members, members, count * sizeof(*members));
	pub->member_count = count;
	pub->member_changes++;
}

/* Called after every change of what decides it. */
static void look_for_straight(struct publisher *pub)
{
	bool straight = !pub->told && !pub->fenced && !pub->wants_refresh;

	pub->straight_at = straight ? pub->subscribers_seen : MEMBERS_UNSEEN;
}

/*
 * The epoch is read before the members are: who joins in between makes us come again. Every
 * joiner adds to the epoch after its port is laid out and before its first hold.
 */
static int refresh(struct publisher *pub)
{
	uint64_t epoch = load_seq_cst(&pub->hints->subscribers);
	int r;

	if (epoch == pub->subscribers_seen && !pub->wants_refresh)
		return 0;
	r = pub->calls->refresh(pub->user, pub);
	pub->wants_refresh = r < 0;
	if (r >= 0) {
		pub->subscribers_seen = epoch;
		pub->limit = pub->allowed = 0;
	}
	look_for_straight(pub);
	return r < 0 ? r : 0;
}

/* A chunk that is held and not in the ring was the one's before us: it is retired, as he had it. */
static bool mark_elastic(struct publisher *pub, uint64_t chunk)
{
	struct stretch *s = pub->stretch;

	if (s->inherited && stretch_claim(s, chunk) == 1)
		*pub->retired++ = chunk;
	return stretch_mark(s, chunk) == 1;
}

/* What is held of a relay needs no chunk of ours. */
static bool mark_relay(struct publisher *pub, uint64_t n)
{
	if (!pub->relays || n >= pub->relays->max)
		return false;
	pub->relays->relay[n].scan = pub->scan;
	return true;
}

static bool mark_chunk(struct publisher *pub, uint64_t chunk)
{
	uint32_t number;

	if (chunk & SLOT_FOREIGN)
		return mark_relay(pub, chunk & ~SLOT_FOREIGN);
	if (pub->stretch)
		return mark_elastic(pub, chunk);
	if (manager_find(&pub->manager, chunk, &number) != 1)
		return false;
	pub->marked[number] = pub->scan;
	return true;
}

/* Marks the chunk that a hold names, if it is one of ours. What a peer wrote is input: anything
 * that is no chunk of ours is not looked at further. */
static bool mark(struct publisher *pub, uint64_t hold)
{
	return hold >> HOLD_OFFSET_BITS == (uint64_t)pub->index + 1 &&
	       mark_chunk(pub, hold & HOLD_OFFSET_MASK);
}

/* What waits in its lane. This comes before its holds: an entry that it has taken by then is held. */
static bool mark_lane(struct publisher *pub, struct member *member)
{
	const struct lane *lane = &pub->lanes[member->lane];
	uint64_t cursor = is_ours(pub, member) ? load_acquire(&member->port->cursor[pub->index])
					       : 0;
	uint64_t count = lane_count(lane, cursor, pub->lane_depth);
	bool found = false;

	for (uint64_t entry = lane->next - count; entry < lane->next; entry++) {
		uint64_t what = lane_what(lane, pub->lane_depth, entry);

		if (!(what & SLOT_INLINE))
			found |= mark_chunk(pub, what);
	}
	return found;
}

/* How many holds a scan goes through says how often it is worth while. */
static void begin_elastic(struct publisher *pub)
{
	elastic_begin_scan(&pub->stretch->elastic);
	pub->stretch->holds = 0;
	for (uint32_t i = 0; i < pub->member_count; i++)
		pub->stretch->holds += pub->members[i].holds_max;
}

/* Is anything held at all? Where relays are in use yes, for they are never ready: the stacks must not
 * change places. */
static bool scan_holds(struct publisher *pub)
{
	bool found = pub->relays && pub->relays->live;

	pub->scan++;
	if (pub->stretch)
		begin_elastic(pub);
	for (uint32_t i = 0; i < pub->member_count; i++) {
		struct member *member = &pub->members[i];
		const struct port_shared *port = member->port;

		if (member->drops)
			found |= mark_lane(pub, member);
		for (uint32_t h = 0; h < member->holds_max; h++) {
			/* Pairs with the release in subscriber_release: its last read of the payload
			 * comes before our next write. */
			uint64_t hold = load_acquire(&port->hold[h]);

			if (hold != HOLD_NONE)
				found |= mark(pub, hold);
		}
	}
	return found;
}

/* Nobody has it: it waits to be lent again, or goes back to its pool. */
static void give(struct publisher *pub, uint64_t chunk)
{
	uint32_t number;

	if (chunk & SLOT_FOREIGN) {
		relays_give(pub->relays, (uint32_t)(chunk & ~SLOT_FOREIGN));
		return;
	}
	if (pub->stretch) {
		stretch_give(pub->stretch, chunk);
		return;
	}
	if (manager_find(&pub->manager, chunk, &number) != 1)
		return;
	if (manager_pool_of(&pub->manager, number) == 0)
		*++pub->ready = chunk;
	else
		(void)manager_give(&pub->manager, number);
}

/* What is retired is ready: with a single pool, and at most one ready, the two stacks change places. */
static void give_all(struct publisher *pub)
{
	uint64_t *chunk = pub->retired_bottom;

	if (pub->manager.pool_count == 1 && pub->ready <= pub->ready_bottom + 1) {
		uint64_t last = *pub->ready;

		pub->ready = pub->retired - 1;
		pub->retired_bottom = pub->ready_bottom;
		pub->ready_bottom = chunk;
		/* The one that was left stays the next: readers have been told so. */
		if (last != CHUNK_NONE)
			*++pub->ready = last;
	} else {
		while (++chunk < pub->retired)
			give(pub, *chunk);
	}
	pub->retired = pub->retired_bottom + 1;
}

static bool is_marked(const struct publisher *pub, uint64_t chunk)
{
	uint32_t number;

	if (chunk & SLOT_FOREIGN)
		return pub->relays->relay[chunk & ~SLOT_FOREIGN].scan == pub->scan;
	if (pub->stretch)
		return stretch_is_marked(pub->stretch, chunk);
	return manager_find(&pub->manager, chunk, &number) == 1 && pub->marked[number] == pub->scan;
}

static void give_unmarked(struct publisher *pub)
{
	uint64_t *kept = pub->retired_bottom + 1;

	for (uint64_t *chunk = kept; chunk < pub->retired; chunk++) {
		if (is_marked(pub, *chunk))
			*kept++ = *chunk;
		else
			give(pub, *chunk);
	}
	pub->retired = kept;
}

/* Frees what left the ring and is not held. Bounded by chunks + all holds. */
static int reclaim(struct publisher *pub)
{
	int r;

	/* Pairs with the store of a hold in subscriber_take_chunk: either we see the hold, or it sees
	 * that the slot was overwritten. */
	fence_seq_cst();
	r = refresh(pub);
	if (r < 0)
		return r;
	if (scan_holds(pub))
		give_unmarked(pub);
	else
		give_all(pub);
	bump(&pub->ring.segment->reclaims, 1);
	if (pub->stretch)
		stretch_note_look(pub->stretch, pub->retired_bottom, pub->retired);
	return 0;
}

/* A loan that met "would block" and was forgotten; the oldest goes first. */
static struct lent *find_blocked(struct publisher *pub)
{
	struct lent *oldest = NULL;

	for (uint32_t i = 0; i < pub->loans_table; i++) {
		struct lent *lent = &pub->lent[i];

		/* Another ticket than the blocked one's is a later loan in the same place. */
		if (lent->data && lent->ticket == lent->blocked_ticket &&
		    (!oldest || lent->blocked < oldest->blocked))
			oldest = lent;
	}
	return oldest;
}

/* With all that were to be sent in one message with it, for without this one that cannot be sent. */
static void take_back(struct publisher *pub, const struct lent *blocked)
{
	uint64_t message = blocked->blocked;

	for (uint32_t i = 0; i < pub->loans_table; i++) {
		const struct lent *lent = &pub->lent[i];
		struct floe_loan loan = {lent->data, lent->size, lent->ticket};

		if (lent->data && lent->ticket == lent->blocked_ticket && lent->blocked == message)
			publisher_discard(pub, &loan);
	}
}

/* One that is known to be free: 1, 0, or no pool fits */
static int take_free(struct publisher *pub, size_t size, uint64_t *ret_chunk)
{
	struct chunk chunk;
	int r;

	if (size <= pub->manager.pool[0].chunk_size && *pub->ready != CHUNK_NONE) {
		*ret_chunk = *pub->ready--;
		return 1;
	}
	r = manager_take(&pub->manager, size, &chunk);
	if (r == 1)
		*ret_chunk = chunk.offset;
	return r;
}

/* A larger pool's chunk, where the best has none. */
static int spill(struct publisher *pub, size_t size, uint64_t *ret_chunk)
{
	struct chunk chunk;
	int r;

	pub->manager.spill = true;
	r = manager_take(&pub->manager, size, &chunk);
	pub->manager.spill = false;
	if (r < 1)
		return r;
	store_relaxed(&pub->ring.segment->spilled, pub->manager.spilled);
	*ret_chunk = chunk.offset;
	return 1;
}

/* A chunk for this size, after reclaiming if there is none: 1, 0, or what refreshing said */
static int find_chunk(struct publisher *pub, size_t size, uint64_t *ret_chunk)
{
	int r = take_free(pub, size, ret_chunk);

	if (r != 0)
		return r;
	r = reclaim(pub);
	if (r < 0)
		return r;
	r = take_free(pub, size, ret_chunk);
	if (r == 0 && pub->spill)
		r = spill(pub, size, ret_chunk);
	if (r == 0 && pub->shortage) {
		/* Perhaps there is memory again next time. */
		pub->wants_refresh = true;
		look_for_straight(pub);
		return pub->shortage;
	}
	return r;
}

/* The same in an area, where retired chunks are looked at in time: what is large is not waited for
 * until something is missing. 1, 0, or why there is no memory */
static int find_elastic(struct publisher *pub, size_t size, uint64_t *ret_chunk)
{
	struct stretch *s = pub->stretch;
	bool looked = stretch_is_time(s, pub->retired_bottom, pub->retired);
	int r;

	if (!looked)
		stretch_trim(s);
	r = looked ? reclaim(pub) : 0;
	if (r == 0)
		r = elastic_take(&s->elastic, size, ret_chunk);
	if (r == 0 && !looked && pub->retired > pub->retired_bottom + 1) {
		r = reclaim(pub);
		if (r == 0)
			r = elastic_take(&s->elastic, size, ret_chunk);
	}
	if (r == 0) {
		r = elastic_grow(&s->elastic, size);
		if (r == 1)
			r = elastic_take(&s->elastic, size, ret_chunk);
	}
	return r;
}

/* Before an inline loan: what large messages left is not kept for small ones. */
static int look_after(struct publisher *pub)
{
	if (stretch_is_time(pub->stretch, pub->retired_bottom, pub->retired))
		return reclaim(pub);
	stretch_trim(pub->stretch);
	return 0;
}

/* For people, and for the straight path. */
static void note_solid(struct publisher *pub)
{
	store_relaxed(&pub->ring.segment->solid, pub->stretch->elastic.solid);
	pub->straight_max = choose_straight_max(pub);
}

/* In an area a chunk begins with the header. */
static int find_behind(struct publisher *pub, size_t size, uint64_t *ret_chunk)
{
	int r = find_elastic(pub, size + pub->header_room, ret_chunk);

	if (r == 1)
		*ret_chunk += pub->header_room;
	return r;
}

/* 1 with a chunk, or with CHUNK_NONE where the payload travels inline; else why not */
static int find_room(struct publisher *pub, size_t size, uint64_t *ret_chunk)
{
	int r;

	if (!pub->stretch)
		return size > pub->inline_max ? find_chunk(pub, size + pub->header_room, ret_chunk)
					      : 1;
	if (size > pub->inline_max) {
		r = find_behind(pub, size, ret_chunk);
	} else {
		r = look_after(pub);
		r = r < 0 ? r : 1;
	}
	note_solid(pub);
	return r;
}

/* Two, if there are: chunks that were never lent before those that came back. What refreshing said is asked again,
 * and said, by the next call that needs it. */
int publisher_look_ahead(struct publisher *pub)
{
	struct chunk chunk;

	if (pub->stretch)
		return 1;
	while (pub->ready <= pub->ready_bottom + 1) {
		if (!manager_take_from(&pub->manager, 0, &chunk)) {
			(void)reclaim(pub);
			break;
		}
		*++pub->ready = chunk.offset;
	}
	return 1;
}

/* As many loans as now were never out before: the next place is used for the first time. */
static void raise_loans(struct publisher *pub)
{
	*pub->loan = &pub->lent[pub->loans_high++];
	store_relaxed(&pub->ring.segment->loans_high, pub->loans_high);
}

/* So long as there are receipts publishing is slow: there they are erased. */
static void tell(struct publisher *pub, struct lent *lent, const struct loan_place *place)
{
	struct floe_loan_info info = {
		.size = lent->size,
		.since_ns = (uint64_t)os->now_ns(),
		.line = place->line,
		.exact = pub->traced,
	};

	receipt_write(&pub->receipts[lent - pub->lent], lent->ticket, &info, place->file);
	pub->told += !lent->told;
	lent->told = true;
	pub->limit = 0;
	look_for_straight(pub);
}

static void untell(struct publisher *pub, struct lent *lent)
{
	if (!lent->told)
		return;
	receipt_erase(&pub->receipts[lent - pub->lent]);
	lent->told = false;
	/* The last one: what may go straight is found out again. */
	if (--pub->told == 0)
		pub->limit = pub->allowed = 0;
	look_for_straight(pub);
}

/* All that are out and were not told: now it is known that they are missing. */
static void tell_limit(struct publisher *pub)
{
	static const struct loan_place unknown = {0};

	bump(&pub->ring.segment->loans_refused, 1);
	if (pub->limit_told)
		return;
	pub->limit_told = true;
	for (uint32_t i = 0; i < pub->loans_table; i++)
		if (pub->lent[i].data && !pub->lent[i].told)
			tell(pub, &pub->lent[i], &unknown);
	if (pub->calls->tell_limit)
		pub->calls->tell_limit(pub->user, pub);
}

static void tell_full(struct publisher *pub)
{
	if (pub->full_told)
		return;
	pub->full_told = true;
	if (pub->calls->tell_full)
		pub->calls->tell_full(pub->user, pub);
}

static int loan_slow(struct publisher *pub, size_t size, struct floe_loan *ret_loan,
		     const struct loan_place *place)
{
	uint64_t chunk = CHUNK_NONE;
	struct lent *lent;
	int r;

	if (size - 1 >= pub->payload_max)
		return -EINVAL;
	if (publisher_count_loans(pub) == pub->loans_max) {
		lent = pub->keeps_blocked ? NULL : find_blocked(pub);
		if (!lent) {
			tell_limit(pub);
			return -ENOBUFS;
		}
		take_back(pub, lent);
	}
	r = find_room(pub, size, &chunk);
	if (r == -ENOSPC)
		tell_full(pub);
	if (r <= 0)
		return r;
	if (chunk != CHUNK_NONE)
		pub->full_told = false;
	if (!*pub->loan)
		raise_loans(pub);
	lent = *pub->loan;
	publisher_lend(pub, lent, chunk ? (void *)((char *)pub->ring.segment + chunk) : lent->words,
		       chunk, size, ret_loan);
	if (pub->traced)
		tell(pub, lent, place);
	return 1;
}

int publisher_loan_slow(struct publisher *pub, size_t size, struct floe_loan *ret_loan,
			const void *caller)
{
	char text[32] = "";
	struct loan_place place = {.file = text};

	if (pub->traced)
		receipt_place(caller, text, sizeof(text));
	return loan_slow(pub, size, ret_loan, &place);
}

void *publisher_header(struct publisher *pub, const struct floe_loan *loan)
{
	struct lent *lent = pub->header_size ? publisher_find(pub, loan) : NULL;

	if (!lent || !lent->data)
		return NULL;
	return lent->chunk == CHUNK_NONE ? (char *)lent->words + pub->header_inline
					 : (char *)lent->data - pub->header_room;
}

void publisher_trace(struct publisher *pub)
{
	pub->traced = true;
	pub->limit = 0;
	pub->straight_max = choose_straight_max(pub);
}

int publisher_loan_traced(struct publisher *pub, size_t size, struct floe_loan *ret_loan,
			  const struct loan_place *place)
{
	if (!pub->traced)
		publisher_trace(pub);
	return loan_slow(pub, size, ret_loan, place);
}

/* Places that were used and are free, up to the limit; behind them NULL. */
static void list_free(struct publisher *pub)
{
	struct lent **place = pub->loan;

	for (uint32_t i = 0; i < pub->loans_high && place < pub->loans + pub->loans_max; i++)
		if (!pub->lent[i].data)
			*place++ = &pub->lent[i];
	while (place <= pub->loans + pub->loans_table)
		*place++ = NULL;
}

int publisher_limit_loans(struct publisher *pub, size_t loans_max)
{
	if (loans_max == 0 || loans_max > pub->loans_table)
		return -EINVAL;
	if (publisher_count_loans(pub) > loans_max)
		return -EBUSY;
	pub->loans_max = (uint32_t)loans_max;
	pub->limit_told = false;
	list_free(pub);
	/* Its chunks have memory already. Dying before this store: they are there, and whoever adopts has
	 * the limit as it was; after it, as it is. */
	store_relaxed(&pub->ring.segment->loans_limit, loans_max);
	return 0;
}

int publisher_limit_memory(struct publisher *pub, size_t size)
{
	struct elastic *e;
	int r;

	if (!pub->stretch)
		return -EINVAL;
	e = &pub->stretch->elastic;
	/* What is held of the one before us is in use, and not counted before the first look. */
	r = pub->stretch->inherited ? reclaim(pub) : 0;
	if (r < 0)
		return r;
	pub->full_told = false;
	r = elastic_limit(e, size);
	/* What is retired may be held by nobody any more. */
	if (r == -EBUSY && reclaim(pub) == 0)
		r = elastic_limit(e, size);
	note_solid(pub);
	/* Dying before this store: whoever adopts has the limit as it was; after it, as it is. Nothing else
	 * has changed. */
	store_relaxed(&pub->ring.segment->quota_limit, e->limit);
	return r;
}

int publisher_describe_loan(const struct publisher *pub, uint32_t n,
			    struct floe_loan_info *ret_info)
{
	const struct lent *lent = &pub->lent[n];

	if (!lent->data)
		return 0;
	if (!lent->told || !receipt_read(&pub->receipts[n], ret_info))
		*ret_info = (struct floe_loan_info){.size = lent->size};
	return 1;
}

/* Pairs with the membarrier in sleep_once, as in publisher_send; with its addition where there is none. */
static int wake_sleepers(struct publisher *pub)
{
	if (pub->fenced)
		fence_seq_cst();
	return publisher_wake_sleepers(pub);
}

/* Who drops the newest gets the message of `count` parts if there is room for all of them. One that may not or
 * cannot read us gets none, and is not counted. */
static void choose_lanes(struct publisher *pub, uint32_t count)
{
	for (uint32_t i = 0; i < pub->member_count; i++) {
		struct member *member = &pub->members[i];
		uint32_t depth = pub->lane_depth;
		struct lane *lane;
		uint64_t cursor;

		if (!member->drops)
			continue;
		lane = &pub->lanes[member->lane];
		if (member->queue_max && member->queue_max < depth)
			depth = (uint32_t)member->queue_max;
		cursor = is_ours(pub, member) ? load_acquire(&member->port->cursor[pub->index]) : 0;
		member->queues = cursor <= SEQUENCE_MAX &&
				 lane_count(lane, cursor, depth) + count <= depth;
		if (!member->queues && cursor <= SEQUENCE_MAX)
			bump(&lane->shared->dropped, count);
	}
}

/* Before the slot is committed: see lane_put. */
static void fill_lanes(struct publisher *pub, uint32_t index, const struct slot_shared *slot,
		       uint64_t origin)
{
	for (uint32_t i = 0; i < pub->member_count; i++)
		if (pub->members[i].drops && pub->members[i].queues)
			lane_put(&pub->lanes[pub->members[i].lane], pub->lane_depth, index, slot,
				 origin);
}

static void advance_lanes(struct publisher *pub, uint32_t count)
{
	for (uint32_t i = 0; i < pub->member_count; i++)
		if (pub->members[i].drops && pub->members[i].queues)
			lane_advance(&pub->lanes[pub->members[i].lane], count);
}

/* publisher_send, for who has a fence to pay or lanes to fill. */
static int send_slow(struct publisher *pub, struct lent *lent, struct floe_loan *loan,
		     uint64_t time_ns)
{
	uint64_t next = pub->ring.next;
	struct slot_shared *slot = ring_begin(&pub->ring, next);
	uint64_t chunk = lent->chunk;

	if (chunk == CHUNK_NONE)
		publisher_fill_inline(slot, lent, loan->size, time_ns);
	else
		publisher_fill_chunk(pub, slot, chunk, loan->size, time_ns);
	choose_lanes(pub, 1);
	fill_lanes(pub, 0, slot, next);
	publisher_rename(pub, ring_commit(&pub->ring, slot, next), chunk);
	advance_lanes(pub, 1);
	publisher_unlend(pub, lent, loan);
	return wake_sleepers(pub);
}

/* The last of so many messages would be this one. */
static uint64_t last_of(const struct publisher *pub, uint64_t count)
{
	return pub->ring.next + count - 1;
}

/* publisher_may_publish, when nobody came or went since it was last asked */
static bool is_allowed(const struct publisher *pub, uint64_t count)
{
	return last_of(pub, count) <= pub->allowed && !pub->wants_refresh &&
	       load_relaxed(&pub->hints->subscribers) == pub->subscribers_seen;
}

/* What the program wants when it would block: FLOE_BLOCK, FLOE_AGAIN, FLOE_DROP */
static int consult(struct publisher *pub)
{
	int r;

	bump(&pub->ring.segment->would_block, 1);
	if (!pub->calls->would_block)
		return FLOE_BLOCK;
	r = pub->calls->would_block(pub->user);
	/* Whatever else it says, nothing is overwritten that somebody waits for. */
	return r == FLOE_AGAIN || r == FLOE_DROP ? r : FLOE_BLOCK;
}

/* publisher_may_publish, and whoever the program has for the case that it may not. 1; 0; FLOE_DROP */
static int ask(struct publisher *pub, uint64_t count)
{
	int r = is_allowed(pub, count) ? 1 : publisher_may_publish(pub, count);

	if (r != 0)
		return r;
	r = consult(pub);
	return r == FLOE_AGAIN ? publisher_may_publish(pub, count) : r;
}

static int drop(struct publisher *pub, struct floe_loan *loan)
{
	publisher_discard(pub, loan);
	bump(&pub->ring.segment->dropped, 1);
	return 0;
}

/* It may be taken back when all loans are out: see find_blocked. Those of one message have one count. */
static void note_blocked(struct publisher *pub, struct lent *lent, uint64_t message)
{
	pub->blocked_count = message;
	lent->blocked = message;
	lent->blocked_ticket = lent->ticket;
}

int publisher_publish_slow(struct publisher *pub, struct floe_loan *loan)
{
	struct lent *lent = publisher_find(pub, loan);
	int r;

	if (!lent || loan->size - 1 >= lent->size)
		return -EINVAL;
	r = ask(pub, 1);
	if (publisher_find(pub, loan) != lent)
		return -EINVAL; /* the program was asked, and gave it away */
	if (r == FLOE_DROP)
		return drop(pub, loan);
	if (r > 0) {
		uint64_t time_ns = pub->timed ? (uint64_t)os->now_ns() : 0;

		untell(pub, lent);
		return pub->fenced || pub->droppers ? send_slow(pub, lent, loan, time_ns)
						    : publisher_send(pub, lent, loan, time_ns);
	}
	note_blocked(pub, lent, pub->blocked_count + 1);
	return r;
}

void publisher_discard_slow(struct publisher *pub, struct lent *lent, struct floe_loan *loan)
{
	untell(pub, lent);
	if (lent->chunk != CHUNK_NONE)
		give(pub, lent->chunk);
	publisher_unlend(pub, lent, loan);
	bump(&pub->ring.segment->discarded, 1);
}

/*
 * What this subscriber lets us publish up to. One that has not begun with us may want all that
 * there is: he counts as waiting for message 1, until he says otherwise. One that may not or
 * cannot read us is not waited for.
 */
static uint64_t member_limit(const struct publisher *pub, struct member *member)
{
	uint64_t cursor = is_ours(pub, member) ? load_acquire(&member->port->cursor[pub->index])
					       : 0;

	/* A cursor in the future would be a lie that only hurts its author. */
	if (cursor > SEQUENCE_MAX)
		return UINT64_MAX;
	return (cursor ? cursor : 1) + pub->ring.depth - 1;
}

/* Who was left behind is waited for again when it has caught up; so somebody has to look soon. */
static uint64_t limit_left_behind(const struct publisher *pub, struct member *member,
				  uint64_t limit, uint64_t count)
{
	uint64_t last = last_of(pub, count);
	uint64_t soon = pub->ring.next + pub->ring.depth / 4;

	if (soon < last)
		soon = last;
	member->left_behind = limit < last;
	return member->left_behind || limit > soon ? soon : limit;
}

/* Every message takes the slow path. */
static bool is_slow(const struct publisher *pub)
{
	return pub->timed || pub->fenced || pub->traced || pub->told || pub->droppers;
}

/* The reliable subscriber that lags most, or NULL; count: messages that are to be sent. */
static struct member *find_slowest(struct publisher *pub, uint64_t count)
{
	struct member *slowest = NULL;

	pub->allowed = UINT64_MAX;
	for (uint32_t i = 0; i < pub->member_count; i++) {
		struct member *member = &pub->members[i];
		uint64_t limit;

		if (!member->reliable || member->gone)
			continue;
		limit = member_limit(pub, member);
		if (member->left_behind)
			limit = limit_left_behind(pub, member, limit, count);
		if (limit < pub->allowed) {
			pub->allowed = limit;
			slowest = member;
		}
	}
	pub->limit = is_slow(pub) ? 0 : pub->allowed;
	return slowest;
}

/* Drops a dead one from those that must be waited for. Its holds go on counting. */
static bool lift_dead(struct publisher *pub, struct member *member)
{
	int64_t now = os->now_ns();

	if (now - pub->alive_checked_ns < ALIVE_CHECK_NS)
		return false;
	pub->alive_checked_ns = now;
	member->gone = pub->calls->is_alive(pub->user, member) == 0;
	return member->gone;
}

/* Since when is it waited for at this message? */
static int64_t blocked_since(const struct publisher *pub, struct member *member, int64_t now)
{
	if (!member->blocked_ns || member->blocked_at != pub->ring.next) {
		member->blocked_ns = now;
		member->blocked_at = pub->ring.next;
	}
	return member->blocked_ns;
}

/* It was waited for as long as it asked for. */
static bool leave_behind(struct publisher *pub, struct member *member)
{
	int64_t now;

	if (!member->patience_ns)
		return false;
	now = os->now_ns();
	member->left_behind = (uint64_t)(now - blocked_since(pub, member, now)) >=
			      member->patience_ns;
	return member->left_behind;
}

int publisher_may_publish(struct publisher *pub, uint64_t count)
{
	struct member *slowest;
	int r = refresh(pub);

	if (r < 0)
		return r;
	do {
		slowest = find_slowest(pub, count);
		if (last_of(pub, count) <= pub->allowed)
			return 1;
	} while (leave_behind(pub, slowest) || lift_dead(pub, slowest));
	return 0;
}

int publisher_publish_marked_slow(struct publisher *pub, struct floe_loan *loan, uint64_t mark)
{
	struct lent *lent = publisher_find(pub, loan);
	int r;

	if (!lent || loan->size - 1 >= lent->size)
		return -EINVAL;
	r = refresh(pub);
	if (r < 0)
		return r;
	untell(pub, lent);
	r = publisher_send_marked(pub, lent, loan, mark);
	(void)wake_sleepers(pub);
	return r;
}

/* Whoever has come meanwhile is woken without being known. What the slot named before is freed after a look
 * at all holds, as ever. Dying before the slot is committed: the oldest message is lost. After it: it is
 * sent. */
int publisher_publish_words(struct publisher *pub, const void *data, size_t size, uint64_t mark)
{
	struct lent words = {.chunk = CHUNK_NONE};

	memcpy(words.words, data, size);
	publisher_commit_inline(pub, &words,
				SLOT_INLINE | SLOT_MARKED |
					(mark & SLOT_MARK_MASK) << SLOT_MARK_SHIFT | size);
	publisher_rename(pub, ring_advance(&pub->ring, pub->ring.slot, pub->ring.next), CHUNK_NONE);
	bump(&pub->ring.segment->lent, 1);
	return wake_sleepers(pub);
}

/* Dying before the slot is committed: a relay that no slot names, and the oldest message is lost. After
 * it: it is sent, and its hold counts as long as somebody alive can read it here. */
static int send_relay(struct publisher *pub, uint32_t n, size_t size)
{
	uint64_t time_ns = pub->timed ? (uint64_t)os->now_ns() : 0;
	uint64_t next = pub->ring.next;
	struct slot_shared *slot = ring_begin(&pub->ring, next);

	publisher_fill_chunk(pub, slot, SLOT_FOREIGN | n, size, time_ns);
	choose_lanes(pub, 1);
	fill_lanes(pub, 0, slot, next);
	publisher_rename(pub, ring_commit(&pub->ring, slot, next), SLOT_FOREIGN | n);
	advance_lanes(pub, 1);
	bump(&pub->ring.segment->lent, 1);
	return wake_sleepers(pub);
}

/* A free relay, after looking for those that nobody needs: 1, 0, or what refreshing said */
static int find_relay(struct publisher *pub, uint32_t *ret_n)
{
	int r = relays_take(pub->relays, ret_n);

	if (r == 0)
		r = reclaim(pub);
	return r == 0 ? relays_take(pub->relays, ret_n) : r;
}

int publisher_republish(struct publisher *pub, size_t size, const struct relay_plan *plan)
{
	uint32_t n;
	int r;

	if (!pub->relays || size - 1 >= pub->payload_max)
		return -EINVAL;
	r = ask(pub, 1);
	if (r == FLOE_DROP) {
		bump(&pub->ring.segment->dropped, 1);
		return 0;
	}
	if (r == 1)
		r = find_relay(pub, &n);
	if (r <= 0)
		return r;
	relays_fill(pub->relays, n, plan);
	return send_relay(pub, n, size);
}

/* Each of these loans is ours, and none is there twice. */
static bool are_ours(struct publisher *pub, const struct floe_loan *loans, uint32_t count)
{
	uint64_t seen[TICKET_INDEX / 64 + 1] = {0};

	for (uint32_t i = 0; i < count; i++) {
		const struct lent *lent = publisher_find(pub, &loans[i]);
		uint64_t place = loans[i].ticket & TICKET_INDEX;

		if (!lent || loans[i].size - 1 >= lent->size || seen[place / 64] >> place % 64 & 1)
			return false;
		seen[place / 64] |= (uint64_t)1 << place % 64;
	}
	return true;
}

int publisher_loan_parts(struct publisher *pub, size_t size, struct floe_loan *loans,
			 uint32_t count, const void *caller)
{
	size_t needed = size / pub->payload_max + (size % pub->payload_max != 0);

	if (size == 0)
		return -EINVAL;
	if (needed > count || needed > FLOE_PARTS_MAX || needed > pub->ring.depth)
		return -EMSGSIZE;
	for (size_t i = 0; i < needed; i++) {
		size_t left = size - i * pub->payload_max;
		size_t piece = left < pub->payload_max ? left : pub->payload_max;
		int r = pub->traced ? publisher_loan_slow(pub, piece, &loans[i], caller)
				    : publisher_loan(pub, piece, &loans[i]);

		if (r == 1)
			continue;
		while (i-- > 0)
			publisher_discard(pub, &loans[i]);
		return r;
	}
	return (int)needed;
}

static void fill_part(struct publisher *pub, struct slot_shared *slot, const struct lent *lent,
		      size_t size, uint64_t time_ns, struct part part)
{
	uint64_t what = SLOT_PART;

	if (lent->chunk == CHUNK_NONE) {
		publisher_fill_inline(slot, lent, size, time_ns);
		what |= part_mark(part) << SLOT_MARK_SHIFT;
	} else {
		publisher_fill_chunk(pub, slot, lent->chunk, size, time_ns);
		store_relaxed(&slot->word[SLOT_CHUNK_MARK], part_mark(part));
	}
	store_relaxed(&slot->what, what | load_relaxed(&slot->what));
}

/* What the slot of message `sequence` named before has left the ring; now it names this one. */
static void rename_slot(struct publisher *pub, uint64_t sequence, uint64_t chunk)
{
	uint64_t *named = &pub->slot_chunk[sequence % pub->ring.depth];

	if (*named != CHUNK_NONE)
		*pub->retired++ = *named;
	*named = chunk;
}

/* Dying in a later part has lost what its slot had, and sent nothing. */
static void send_part(struct publisher *pub, struct floe_loan *loan, uint64_t time_ns,
		      struct part part)
{
	struct slot_shared *slot = ring_begin_part(&pub->ring, part.index);
	uint64_t sequence = pub->ring.next + part.index;
	struct lent *lent = publisher_find(pub, loan);

	untell(pub, lent);
	fill_part(pub, slot, lent, loan->size, time_ns, part);
	fill_lanes(pub, part.index, slot, sequence);
	if (part.index)
		ring_commit_part(&pub->ring, slot, part.index);
	else
		ring_commit_parts(&pub->ring, slot, part.count);
	rename_slot(pub, sequence, lent->chunk);
	publisher_unlend(pub, lent, loan);
}

/* From the last to the first, by which all are sent. */
static int send_parts(struct publisher *pub, struct floe_loan *loans, uint32_t count)
{
	uint64_t time_ns = pub->timed ? (uint64_t)os->now_ns() : 0;

	choose_lanes(pub, count);
	for (uint32_t i = count; i-- > 0;)
		send_part(pub, &loans[i], time_ns, (struct part){.index = i, .count = count});
	advance_lanes(pub, count);
	pub->named = &pub->slot_chunk[pub->ring.next % pub->ring.depth];
	return wake_sleepers(pub);
}

/*
 * Who is reliable and joins is waited for as soon as he is seen, but what was asked before is sent all the
 * same. Of one message he knows; of more he is told here, before any slot changes. false: somebody came
 * or went, perhaps before he could see it. Dying after the store: who joins gets less of what was before,
 * until somebody adopts the ring.
 */
static bool begin_parts(struct publisher *pub, uint32_t count)
{
	/* Pairs with the load in ring_reader_oldest: either it finds this end, or the next load
	 * finds its addition. */
	store_seq_cst(&pub->ring.segment->parts_end, last_of(pub, count));
	return load_seq_cst(&pub->hints->subscribers) == pub->subscribers_seen;
}

/* As ask; with 1 the message is begun. -EINVAL the program was asked, and gave one away. Where somebody
 * comes or goes at each attempt, or only says so, it would block. */
static int ask_for_parts(struct publisher *pub, const struct floe_loan *loans, uint32_t count)
{
	int r;

	for (int i = 0; i < PARTS_ATTEMPTS; i++) {
		store_relaxed(&pub->ring.segment->parts_end, 0);
		r = ask(pub, count);
		if (!are_ours(pub, loans, count))
			return -EINVAL;
		if (r != 1 || begin_parts(pub, count))
			return r;
	}
	store_relaxed(&pub->ring.segment->parts_end, 0);
	r = consult(pub);
	if (!are_ours(pub, loans, count))
		return -EINVAL;
	return r == FLOE_DROP ? FLOE_DROP : 0;
}

int publisher_publish_parts(struct publisher *pub, struct floe_loan *loans, uint32_t count)
{
	uint64_t message = pub->blocked_count + 1;
	int r;

	if (!are_ours(pub, loans, count))
		return -EINVAL;
	if (count > pub->ring.depth)
		return -EMSGSIZE;
	r = ask_for_parts(pub, loans, count);
	if (r == 1)
		return send_parts(pub, loans, count);
	if (r == -EINVAL)
		return r;
	for (uint32_t i = 0; i < count; i++) {
		if (r == FLOE_DROP)
			(void)drop(pub, &loans[i]);
		else
			note_blocked(pub, publisher_find(pub, &loans[i]), message);
	}
	return r == FLOE_DROP ? 0 : r;
}

/* What was allowed when somebody last looked may have become more. */
int publisher_has_room(struct publisher *pub, uint64_t count)
{
	int r;

	if (is_allowed(pub, 1) && pub->allowed - pub->ring.next >= count)
		return 1;
	r = publisher_may_publish(pub, 1);
	return r == 1 ? pub->allowed - pub->ring.next >= count : r;
}

/* One writer, and whole words: dying around it changes nothing, for then nobody wants any of them. */
void publisher_set_unwanted(struct publisher *pub, uint32_t index, bool unwanted)
{
	shared_u64 *word = &pub->ring.segment->unwanted[index / 64];
	uint64_t bit = (uint64_t)1 << index % 64;
	uint64_t value = load_relaxed(word);

	store_release(word, unwanted ? value | bit : value & ~bit);
}

static bool is_anyone_asleep(const struct publisher *pub)
{
	for (uint32_t i = 0; i < pub->member_count; i++)
		if (load_relaxed(&pub->members[i].port->sleeping))
			return true;
	return false;
}

/* Who waits by a descriptor is not woken when a publisher comes, but when it sends: it may have
 * come after he looked around, so that he does not wait on its head. */
static void introduce(struct publisher *pub)
{
	pub->introduced = true;
	(void)add_seq_cst(&pub->hints->firsts, 1);
	(void)os->wake(futex_half(&pub->hints->firsts), INT_MAX);
}

/*
 * Somebody announced that he sleeps, perhaps on our head. He may be anywhere between his last
 * look and futex_wait, where a wake that comes too early is lost. So each announcement wakes
 * twice, at the message where it is seen and at the next one: the head that he expects is that
 * of the first at the latest, so by the second he waits, or will not wait.
 */
int publisher_wake(struct publisher *pub)
{
	/* Pairs with the addition in sleep_once: its sleeping flag is up. */
	uint64_t announced = load_acquire(&pub->hints->sleepers);
	bool known = load_relaxed(&pub->hints->subscribers) == pub->subscribers_seen &&
		     !pub->wants_refresh;

	if (announced == pub->sleepers_woken || (known && !is_anyone_asleep(pub)))
		pub->sleepers_seen = announced;
	pub->sleepers_woken = announced;
	if (known && !is_anyone_asleep(pub))
		return 1;
	if (pub->calls->watch)
		pub->calls->watch(pub->user);
	(void)os->wake(futex_half(&pub->ring.segment->head), INT_MAX);
	if (!pub->introduced)
		introduce(pub);
	bump(&pub->ring.segment->wakes, 1);
	return 1;
}

/* The kernel wakes one of those who sleep on an omen; he wakes the others, and asks at once whether
 * it is true. */
static void note_omen(struct publisher *pub, const struct member *member)
{
	(void)os->wake(omen_futex(member->omen), INT_MAX);
	pub->alive_checked_ns = 0;
	pub->look_ns = LOOK_SOON_NS;
}

/* After an omen often at first, then as always. */
static int64_t choose_look(struct publisher *pub)
{
	int64_t look_ns = pub->look_ns;

	if (!look_ns)
		return LOOK_NS;
	pub->look_ns = look_ns < LOOK_NS / 2 ? 2 * look_ns : 0;
	pub->alive_checked_ns = 0;
	return look_ns;
}

static int wait_any(struct publisher *pub, const struct os_wait *words, unsigned count,
		    int64_t until_ns)
{
	return pub->calls->wait_any ? pub->calls->wait_any(pub->user, words, count, until_ns)
				    : os->wait_any(words, count, until_ns);
}

/*
 * One sleep on the slowest subscriber's cursor, until it lets us publish `last`. The flag is up before the last look, and
 * membarrier stands for the fence that subscribers do not pay: either it sees the flag after
 * storing its cursor, or we see the cursor.
 */
static int sleep_on(struct publisher *pub, struct member *member, uint64_t last, int64_t until_ns)
{
	const shared_u64 *cursor = &member->port->cursor[pub->index];
	uint32_t omen = member->omen ? load_relaxed(member->omen) : 0;
	struct os_wait words[] = {
		{futex_half(cursor), (uint32_t)load_relaxed(cursor)},
		{futex_half(&pub->hints->subscribers), (uint32_t)pub->subscribers_seen},
		{omen_futex(member->omen), omen},
	};
	unsigned count = FLOE_COUNT(words) - !omen_is_watched(omen);
	uint32_t changes = pub->member_changes;
	int r = 0;

	if (pub->calls->watch)
		pub->calls->watch(pub->user);
	pub->asleep++;
	store_seq_cst(&pub->ring.segment->sleeping, 1);
	(void)os->barrier_all();
	if (member_limit(pub, member) < last)
		r = wait_any(pub, words, count, until_ns);
	store_relaxed(&pub->ring.segment->sleeping, --pub->asleep > 0);
	if (changes == pub->member_changes && omen && load_relaxed(member->omen) != omen)
		note_omen(pub, member);
	return r;
}

int publisher_wait(struct publisher *pub, uint64_t count, int64_t deadline_ns)
{
	for (;;) {
		struct member *slowest;
		int64_t until_ns;
		int64_t now;
		uint64_t last = last_of(pub, count);
		int r = last <= pub->allowed ? 1 : publisher_may_publish(pub, count);

		if (r != 0)
			return r;
		slowest = find_slowest(pub, count);
		if (!slowest)
			continue;

		/* A death may wake nobody: look again in time to notice it. */
		now = os->now_ns();
		if (deadline_ns >= 0 && now >= deadline_ns)
			return 0;
		until_ns = now + choose_look(pub);
		if (deadline_ns >= 0 && deadline_ns < until_ns)
			until_ns = deadline_ns;
		r = sleep_on(pub, slowest, last, until_ns);
		if (r == -EINTR)
			return r;
		if (r == -ENOSYS)
			os->sleep_ns(ALIVE_CHECK_NS / 10);
	}
}

static uint32_t count_living(const struct publisher *pub)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < pub->member_count; i++)
		count += pub->calls->is_alive(pub->user, &pub->members[i]) != 0;
	return count;
}

int publisher_wait_for_members(struct publisher *pub, uint32_t count, int64_t deadline_ns)
{
	for (;;) {
		int r = refresh(pub);
		struct os_wait word = {futex_half(&pub->hints->subscribers),
				       (uint32_t)pub->subscribers_seen};

		if (r < 0)
			return r;
		if (count_living(pub) >= count)
			return 1;
		r = wait_any(pub, &word, 1, deadline_ns);
		if (r == -ETIMEDOUT)
			return 0;
		if (r == -EINTR)
			return r;
	}
}

uint32_t publisher_count_free(const struct publisher *pub)
{
	uint32_t free = (uint32_t)(pub->ready - pub->ready_bottom);

	if (pub->stretch)
		return pub->stretch->elastic.plan.chunks_max - pub->stretch->elastic.live;
	for (uint32_t i = 0; i < pub->manager.pool_count; i++)
		free += pub->manager.pool[i].chunk_count - pub->manager.pool[i].used;
	return free;
}

int publisher_check(const struct publisher *pub, const char **ret_wrong)
{
	size_t used = 0, ring = 0, lent = 0, idle = 0, relays = 0;

	for (uint32_t i = 0; i < pub->manager.pool_count; i++)
		used += pub->manager.pool[i].used;
	if (pub->stretch)
		used = pub->stretch->elastic.live;
	for (uint32_t i = 0; i < pub->ring.depth; i++) {
		ring += pub->slot_chunk[i] != CHUNK_NONE;
		relays += (pub->slot_chunk[i] & SLOT_FOREIGN) != 0;
	}
	for (uint64_t *chunk = pub->retired_bottom + 1; chunk < pub->retired; chunk++)
		relays += (*chunk & SLOT_FOREIGN) != 0;
	for (uint32_t i = 0; i < pub->loans_table; i++)
		lent += pub->lent[i].data && pub->lent[i].chunk != CHUNK_NONE;
	idle = (size_t)(pub->ready - pub->ready_bottom) +
	       (size_t)(pub->retired - pub->retired_bottom - 1);

	*ret_wrong = NULL;
	if (used + relays != ring + lent + idle)
		*ret_wrong = "used chunks are not those in the ring, lent, ready and retired";
	else if (pub->relays && (relays != pub->relays->live || !relays_check(pub->relays)))
		*ret_wrong = "relays in use are not those in the ring and retired";
	else if (pub->stretch && elastic_check(&pub->stretch->elastic) < 0)
		*ret_wrong = "the area of chunks is not what it says";
	else if (*pub->ready_bottom != CHUNK_NONE || *pub->retired_bottom != CHUNK_NONE)
		*ret_wrong = "a stack of chunks has lost its bottom";
	else if (load_relaxed(&pub->ring.segment->head) + 1 != pub->ring.next)
		*ret_wrong = "head is not the last published sequence";
	return *ret_wrong ? -EPROTO : 0;
}
