/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/subscriber.h"

#include <limits.h>
#include <string.h>

#include "base/arith.h"
#include "channel/share.h"
#include "os/os.h"

/* Where membarrier(2) is not to be had nobody can be sure to be woken: sleep in slices. */
#define SLICE_NS 1000000
/* A publisher that dies between its slot and its wake wakes nobody. Its omen does, and then we look
 * often for a while, for another thread of it may be the one that publishes; where there is no omen
 * we look now and then. */
#define LOOK_NS 500000000
#define LOOK_SOON_NS 500000
#define TAKE_ATTEMPTS 3
/* Withdrawn relays that one call leaves out: as many as a ring has of them. */
#define STALE_MAX 255

/* What is written at once comes first: a page of feeds is touched when there are so many publishers. */
struct tables {
	size_t shares, parts, places, feeds, end;
};

static struct tables lay_out(uint32_t holds_max)
{
	struct tables t = {0};

	t.shares = count_round_up(holds_max) * sizeof(struct held);
	t.parts = t.shares + holds_max * sizeof(struct share);
	t.places = t.parts + holds_max * sizeof(struct part_taken);
	t.feeds = size_align(t.places + (holds_max + 1) * sizeof(struct held *), FLOE_CACHELINE);
	t.end = t.feeds + FLOE_PUBLISHERS_MAX * sizeof(struct feed);
	return t;
}

size_t subscriber_memory_size(uint32_t holds_max)
{
	return lay_out(holds_max).end;
}

/* A slot that never holds a message. */
static const struct slot_shared never;

/* A feed that is broken, or none: it is empty for ever. */
static void look_at_nothing(struct feed *feed)
{
	feed->reader.slot = &never;
	feed->reader.want = UINT64_MAX;
}

void subscriber_init(struct subscriber *sub, const struct subscriber_plan *plan)
{
	struct port_shared *port = plan->port;
	struct tables t = lay_out(port->holds_max);
	unsigned char *memory = plan->memory;

	memset(memory, 0, t.feeds + sizeof(struct feed));
	*sub = (struct subscriber){
		.port = port,
		.hints = plan->hints,
		.publishers_seen = SEEN_NONE,
		.straight_at = SEEN_NONE,
		.depth = port->depth ? port->depth : UINT64_MAX,
		.turn = (struct feed *)(void *)(memory + t.feeds),
		.feeds = (struct feed *)(void *)(memory + t.feeds),
		.holds_max = (uint32_t)load_relaxed(&port->holds_limit),
		.holds_table = port->holds_max,
		.holds_mask = count_round_up(port->holds_max) - 1,
		.place = (struct held **)(void *)(memory + t.places),
		.places = (struct held **)(void *)(memory + t.places),
		.held = (struct held *)(void *)memory,
		.shares = (struct share *)(void *)(memory + t.shares),
		.parts = (struct part_taken *)(void *)(memory + t.parts),
		.spin_ns = plan->spin_ns,
		.look_ns = LOOK_NS,
		.reliable = port->policy == FLOE_POLICY_RELIABLE,
		.drops = port->policy == FLOE_POLICY_DROP_NEWEST,
		.fenced = plan->fenced,
		.expect_ns = plan->expect_ns,
		.expected_by_ns = plan->expect_ns ? os->now_ns() + (int64_t)plan->expect_ns : 0,
		.ordered = plan->flags & FLOE_ORDERED,
		.leaves_when_slow = plan->flags & FLOE_DISCONNECT_SLOW,
		.calls = plan->calls,
		.user = plan->user,
	};
	/* Tickets of different subscribers differ, so that samples are not mixed up. */
	for (uint32_t i = 0; i < sub->holds_table; i++) {
		sub->held[i].ticket = plan->serial * PLACE_NEXT_USE | PLACE_ALWAYS | i;
		sub->shares[i].subscriber = sub;
	}
	for (uint32_t i = 0; i < sub->holds_max; i++)
		sub->places[i] = &sub->held[i];
	look_at_nothing(&sub->feeds[0]);
}

/* Called after every change of what decides it. A hint may by chance or malice be SEEN_NONE; then
 * take goes the straight way when it should not, so there must always be a feed to look at. */
static void look_for_straight(struct subscriber *sub)
{
	bool straight = sub->feed_count == 1 && !sub->feeds[0].leaving &&
			!sub->feeds[0].keeps_few && !sub->feeds[0].queued && !sub->polled &&
			!sub->disconnected;

	sub->straight_at = straight ? sub->publishers_seen : SEEN_NONE;
	if (sub->feed_count == 0)
		look_at_nothing(&sub->feeds[0]);
}

/*
 * The first message that it takes. Until our cursor can be seen the oldest ones may be overwritten by what is
 * being sent: who must not lose any does not start with them. Who would start in the middle of a message in
 * parts begins with its first, and where that may be gone with the message behind it: nothing of it was lost,
 * for it began before.
 */
static uint64_t choose_start(const struct subscriber *sub, const struct feed *feed,
			     uint64_t history)
{
	const struct ring_reader *reader = &feed->reader;
	uint64_t oldest = sub->reliable ? ring_reader_oldest(reader)
					: ring_reader_start(reader, reader->depth);
	uint64_t start = ring_reader_start(reader, history);
	struct part part;

	if (start < oldest)
		start = oldest;
	part = ring_reader_part(reader, start);
	if (start - part.index < oldest)
		return start + part.count - part.index;
	return start - part.index;
}

/* Who joins begins behind what others had this lane for; before one that came later nobody had it. */
static uint64_t enter_lane(struct subscriber *sub, struct feed *feed, bool joining)
{
	lane_reader_init(&feed->lane, &feed->reader, feed->lanes_offset, lane_of(sub->port->index),
			 feed->lane_depth);
	if (!joining)
		ring_reader_seek(&feed->lane.slots, 1);
	feed->queued = feed->early = true;
	feed->keeps_few = false;
	feed->cursor = &feed->nowhere;
	return ring_reader_next(&feed->lane.slots);
}

/* The word of our port that its publisher looks at. */
static shared_u64 *shared_cursor(struct subscriber *sub, struct feed *feed)
{
	return feed->early && !feed->leaving ? &sub->port->cursor[feed->index] : feed->cursor;
}

int subscriber_add_feed(struct subscriber *sub, const struct feed *feed, bool joining,
			uint64_t history)
{
	struct feed *added;
	uint64_t start, begin;

	if (sub->feed_count == FLOE_PUBLISHERS_MAX)
		return -EMFILE;
	if (sub->drops && lane_of(sub->port->index) >= feed->lanes_max)
		return -EPROTO;
	added = &sub->feeds[sub->feed_count];
	*added = *feed;
	added->base = feed->region.base;
	added->coming = (uintptr_t)feed->region.base;
	added->reserved = feed->region.reserved;
	added->tag = hold_make(feed->index, 0);
	added->cursor = &sub->port->cursor[feed->index];
	added->keeps_few = sub->depth < feed->reader.depth;
	/* A publisher that came after us is read from its first message on: what is no longer there
	 * when we come to look was lost. */
	start = joining ? choose_start(sub, added, history) : 1;
	ring_reader_seek(&added->reader, start);
	begin = sub->drops ? enter_lane(sub, added, joining) : start;
	bump(&sub->port->received, -begin);
	/* Pairs with the acquire in the publisher's read_begun: what the cursor said of the ring before ours is
	 * gone. Dying before the next store: we have not begun, and never will. */
	store_release(&sub->port->begun,
		      load_relaxed(&sub->port->begun) ^ (uint64_t)1 << feed->index);
	/* From here on a reliable subscriber is waited for, and who drops the newest has a queue. */
	store_seq_cst(shared_cursor(sub, added), begin);
	if (sub->reliable)
		(void)subscriber_wake_publisher(sub, added);
	sub->feed_count++;
	look_for_straight(sub);
	return 0;
}

struct feed *subscriber_find_feed(struct subscriber *sub, uint64_t file)
{
	for (uint32_t i = 0; i < sub->feed_count; i++)
		if (sub->feeds[i].file == file)
			return &sub->feeds[i];
	return NULL;
}

/* The feed's cursor says `word` from now on; what it said moves to the sum of what is over. */
static void retire_cursor(struct subscriber *sub, struct feed *feed, uint64_t word)
{
	const struct ring_reader *reader = feed->early ? &feed->lane.slots : &feed->reader;

	store_release(shared_cursor(sub, feed), word);
	if (!feed->leaving && !feed->broken)
		bump(&sub->port->received, ring_reader_next(reader));
}

static int break_off(struct subscriber *sub, struct feed *feed)
{
	/* Who is reliable must not keep it waiting. */
	retire_cursor(sub, feed, CURSOR_NEVER);
	feed->cursor = shared_cursor(sub, feed);
	feed->queued = feed->early = false;
	feed->broken = true;
	look_at_nothing(feed);
	return -EPROTO;
}

void subscriber_ignore(struct subscriber *sub, struct feed *feed)
{
	if (!feed->broken)
		(void)break_off(sub, feed);
}

void subscriber_let_go(struct subscriber *sub, struct feed *feed)
{
	if (feed->leaving)
		return;
	/* The place is clean for the next publisher of this index. */
	retire_cursor(sub, feed, 0);
	feed->cursor = &feed->nowhere;
	feed->leaving = true;
	sub->leaving_count++;
	look_for_straight(sub);
	/* A block of this process is its owner's again: it is not looked at any more. */
	if (feed->lent)
		(void)break_off(sub, feed);
}

/* The last one moves into the gap. */
static void drop(struct subscriber *sub, struct feed *feed)
{
	struct feed *last = &sub->feeds[sub->feed_count - 1];

	sub->calls->detach(sub->user, feed);
	sub->leaving_count -= feed->leaving;
	sub->feed_count--;
	sub->feed_changes++;
	sub->turn = sub->feeds;
	if (feed == last) {
		look_for_straight(sub);
		return;
	}
	*feed = *last;
	look_for_straight(sub);
	if (feed->leaving || feed->early)
		feed->cursor = &feed->nowhere;
	for (uint32_t i = 0; i < sub->holds_table; i++)
		if (sub->held[i].feed == last)
			sub->held[i].feed = feed;
}

/* Messages come by the lane, and by nothing else any more. */
static bool is_by_lane(const struct feed *feed)
{
	return feed->queued && !feed->early;
}

/* Is there something to take? While it is early all that the lane has is in the ring as well. */
static enum ring_state look(const struct feed *feed)
{
	uint64_t origin;

	return is_by_lane(feed) ? lane_look(&feed->lane, &feed->reader, &origin)
				: ring_look(&feed->reader);
}

static void lose(struct subscriber *sub, struct feed *feed, uint64_t count)
{
	feed->lost += count;
	bump(&sub->port->lost, count);
}

/* An empty lane: what was sent by now was dropped, also where nothing comes after it to say so. The head is read
 * before the lane is looked at, for entries come before their message. */
static void note_dropped(struct subscriber *sub, struct feed *feed)
{
	uint64_t head;

	if (!is_by_lane(feed))
		return;
	head = ring_reader_head(&feed->lane.ring);
	if (head < feed->due || head > SEQUENCE_MAX || look(feed) != RING_EMPTY)
		return;
	lose(sub, feed, head + 1 - feed->due);
	feed->due = head + 1;
}

static bool is_held(const struct subscriber *sub, const struct feed *feed)
{
	for (uint32_t i = 0; i < sub->holds_table; i++)
		if (sub->held[i].feed == feed)
			return true;
	return false;
}

void subscriber_collect(struct subscriber *sub)
{
	for (uint32_t i = 0; i < FLOE_COUNT(sub->returned); i++) {
		/* Pairs with the release in share_unref: its store to the hold comes before ours. */
		uint64_t bits = atomic_exchange_explicit(&sub->returned[i], 0,
							 memory_order_acquire);

		for (; bits; bits &= bits - 1) {
			struct held *held = &sub->held[64 * i + (uint32_t)__builtin_ctzll(bits)];

			held->feed = NULL;
			*--sub->place = held;
		}
	}
}

void subscriber_drop_feeds(struct subscriber *sub)
{
	subscriber_collect(sub);
	for (uint32_t i = sub->feed_count; i-- > 0;) {
		struct feed *feed = &sub->feeds[i];

		if (feed->leaving && !is_held(sub, feed) && look(feed) == RING_EMPTY) {
			note_dropped(sub, feed);
			drop(sub, feed);
		}
	}
}

static bool is_relayed(const struct subscriber *sub, uint32_t hold)
{
	return sub->relayed[hold / 64] >> hold % 64 & 1;
}

static void set_relayed(struct subscriber *sub, uint32_t hold, bool relayed)
{
	sub->relayed[hold / 64] ^= (uint64_t)1 << hold % 64;
	sub->relayed_count += relayed ? 1 : -1u;
}

void subscriber_hand_over(struct subscriber *sub, struct held *held, struct floe_sample *sample)
{
	held->ticket = subscriber_next_ticket(held);
	set_relayed(sub, held->ticket & PLACE_INDEX, true);
	*sample = (struct floe_sample){0};
}

bool subscriber_take_back(struct subscriber *sub, uint64_t ticket)
{
	struct floe_sample sample = {.ticket = ticket};
	struct held *held = subscriber_find(sub, &sample);

	if (!held)
		return false;
	set_relayed(sub, ticket & PLACE_INDEX, false);
	subscriber_give_back(sub, held, &sample);
	return true;
}

/* A relayed chunk's place remembers where it is mapped, and its offset there: its words are for inline
 * payloads. */
const struct origin *subscriber_origin_of(const struct subscriber *sub, const struct held *held)
{
	uint64_t hold = load_relaxed(&sub->port->hold[held->ticket & PLACE_INDEX]);

	return hold & SLOT_FOREIGN ? (const struct origin *)(uintptr_t)held->words[0] : NULL;
}

/* In front of the payload. Where that was relayed, its publisher says how large it is, as with all that
 * it says of it: it lies at least where we may read. */
static const void *header_of_chunk(const struct subscriber *sub, const struct held *held,
				   uint64_t offset)
{
	const struct origin *origin = subscriber_origin_of(sub, held);
	const unsigned char *base = origin ? origin->base : held->feed->base;
	size_t reserved = origin ? origin->reserved : held->feed->reserved;
	uint32_t room = segment_header_room(held->feed->header_size);

	if (origin)
		offset = held->words[1];
	return offset < room || offset > reserved ? NULL : base + offset - room;
}

const void *subscriber_header(const struct subscriber *sub, const struct held *held,
			      size_t *ret_size)
{
	uint64_t hold = load_relaxed(&sub->port->hold[held->ticket & PLACE_INDEX]);

	*ret_size = held->feed->header_size;
	if (!held->feed->header_size)
		return NULL;
	if (hold != HOLD_NONE)
		return header_of_chunk(sub, held, hold & HOLD_OFFSET_MASK);
	/* Who says that nothing travels inline may send it so all the same. */
	return held->feed->header_inline
		       ? (const unsigned char *)held->words + held->feed->header_inline
		       : NULL;
}

const void *subscriber_header_of(struct subscriber *sub, uint64_t ticket, size_t *ret_size)
{
	struct floe_sample sample = {.ticket = ticket};
	const struct held *held = subscriber_find_any(sub, &sample);
	size_t size = 0;
	const void *header = held ? subscriber_header(sub, held, &size) : NULL;

	if (header && ret_size)
		*ret_size = size;
	return header;
}

bool subscriber_uses(const struct subscriber *sub, const struct origin *origin)
{
	for (uint32_t i = 0; i < sub->holds_table; i++)
		if (sub->held[i].feed && subscriber_origin_of(sub, &sub->held[i]) == origin)
			return true;
	return false;
}

/* The places that are free, as many as may be used. */
static void list_free(struct subscriber *sub)
{
	struct held **place = sub->place;

	for (uint32_t i = 0; i < sub->holds_table && place < sub->places + sub->holds_max; i++)
		if (!sub->held[i].feed)
			*place++ = &sub->held[i];
	while (place <= sub->places + sub->holds_table)
		*place++ = NULL;
}

/* Publishers look at all holds of the port in any case; the limit says for how many they reserve chunks.
 * Dying after the store: they reserve more, or less, and soon we are cleaned away. */
int subscriber_limit_holds(struct subscriber *sub, size_t holds_max)
{
	if (holds_max == 0 || holds_max > sub->holds_table)
		return -EINVAL;
	subscriber_collect(sub);
	if (subscriber_held(sub) > holds_max)
		return -EBUSY;
	sub->holds_max = (uint32_t)holds_max;
	list_free(sub);
	store_release(&sub->port->holds_limit, holds_max);
	return 0;
}

void subscriber_limit_depth(struct subscriber *sub, uint32_t depth)
{
	sub->depth = depth ? depth : UINT64_MAX;
	for (uint32_t i = 0; i < sub->feed_count; i++)
		sub->feeds[i].keeps_few = !sub->feeds[i].queued &&
					  sub->depth < sub->feeds[i].reader.depth;
	look_for_straight(sub);
}

void subscriber_deinit(struct subscriber *sub)
{
	for (uint32_t i = 0; i < sub->holds_table; i++)
		if (!is_relayed(sub, i))
			store_release(&sub->port->hold[i], HOLD_NONE);
	while (sub->feed_count)
		drop(sub, &sub->feeds[sub->feed_count - 1]);
	sub->place = sub->places;
}

int subscriber_refresh(struct subscriber *sub)
{
	/* Read before the publishers are: who comes in between makes us look again. */
	uint64_t epoch = load_seq_cst(&sub->hints->publishers);
	int r = sub->calls->refresh(sub->user, sub);

	sub->feed_changes++;
	/* One publisher that cannot be read is told of once, and is no reason to look again. */
	if (r >= 0 || r == -EPROTO || r == -EACCES)
		sub->publishers_seen = epoch;
	if (sub->leaving_count)
		subscriber_drop_feeds(sub);
	look_for_straight(sub);
	return r;
}

void subscriber_tell_later(struct subscriber *sub, int r)
{
	sub->untold = r;
	sub->publishers_seen = SEEN_NONE;
	look_for_straight(sub);
}

static void leave_out(struct subscriber *sub, struct feed *feed, uint64_t count)
{
	lose(sub, feed, count);
	if (!feed->leaving && !feed->early)
		bump(&sub->port->received, -count);
	store_release(feed->cursor, ring_reader_next(&feed->reader));
}

/* Keeps at most `depth` messages behind the head, if that is less than the ring's. */
static void skip_old(struct subscriber *sub, struct feed *feed)
{
	struct ring_reader *reader = &feed->reader;
	uint64_t head = ring_reader_head(reader);
	uint64_t next = ring_reader_next(reader);
	uint64_t count;

	if (head > SEQUENCE_MAX || head < next || head - next < sub->depth)
		return;
	count = head - sub->depth + 1;
	/* Of a message in parts that ends there all is kept. */
	count -= ring_reader_part(reader, count).index;
	if (count <= next)
		return;
	count -= next;
	ring_reader_seek(reader, next + count);
	leave_out(sub, feed, count);
}

/* Is the payload where it can be read? The publisher may have grown its memory since we looked.
 * 1; 0 overwritten meanwhile; -EPROTO it is nowhere; or what may pass */
static int find_payload(struct subscriber *sub, struct feed *feed, const struct slot_shared *slot,
			uint64_t want)
{
	uint64_t flags = load_relaxed(&slot->what);
	uint64_t what = flags & ~SLOT_FLAGS;
	uint64_t size = load_relaxed(&slot->word[SLOT_CHUNK_SIZE]);
	int r;

	if (!ring_still(slot, want))
		return 0;
	if (what & SLOT_INLINE)
		return (what & SLOT_SIZE_MASK) - 1 < FLOE_INLINE_MAX ? 1 : -EPROTO;
	if (size == 0)
		return -EPROTO;
	if (what & SLOT_FOREIGN)
		return flags & SLOT_PART ? -EPROTO : 1; /* no part is relayed */
	if (what % FLOE_CACHELINE)
		return -EPROTO;
	if (region_at(&feed->region, what, size))
		return 1;
	r = sub->calls->look_again(sub->user, feed);
	if (r < 0 && r != -EPROTO)
		return r;
	feed->reserved = feed->region.reserved;
	return region_at(&feed->region, what, size) ? 1 : -EPROTO;
}

/* Whoever takes the payload looks after that whether the slot was the same all the while. */
static uint64_t read_time(const struct ready *ready, uint64_t what)
{
	unsigned word = what & SLOT_INLINE ? SLOT_WORDS - 1 : SLOT_CHUNK_TIME;

	return what & SLOT_TIMED ? load_relaxed(&ready->slot->word[word]) : 0;
}

static uint64_t read_mark(const struct ready *ready, uint64_t what)
{
	return what & SLOT_MARKED ? slot_mark(ready->slot, what) : 0;
}

/* All payloads behind this part are found before it is taken: what may pass then loses nothing. What was
 * overwritten is lost, as take_rest will see. 1; -EPROTO; or what may pass */
static int find_rest(struct subscriber *sub, const struct ready *ready, uint32_t left)
{
	const struct ring_reader *reader = &ready->feed->reader;
	int r = 1;

	for (uint32_t i = 1; i < left && r == 1; i++) {
		uint64_t sequence = ready->want / 2 + i;

		r = find_payload(sub, ready->feed, reader->slots + sequence % reader->depth,
				 2 * sequence);
	}
	return r < 0 ? r : 1;
}

/*
 * Is this part for us? 1; 0 overwritten meanwhile; -ESTALE the parts before it were not taken, so it
 * is lost with them; -EPROTO; where all that are left are wanted also -EMSGSIZE, -ENOBUFS they are too
 * many, or what find_rest says
 */
static int admit_part(struct subscriber *sub, const struct ready *ready, struct part part)
{
	uint32_t left = part.count - part.index;

	if (!ring_still(ready->slot, ready->want))
		return 0;
	if (!part_is_sound(part))
		return -EPROTO;
	if (part.index && ready->feed->within != ready->want / 2)
		return -ESTALE;
	if (!sub->parts_max)
		return 1;
	if (left > sub->parts_max || left > sub->holds_max)
		return -EMSGSIZE;
	if (left > sub->holds_max - subscriber_held(sub))
		return -ENOBUFS;
	return find_rest(sub, ready, left);
}

/* By the place that the sample is about to take. */
static void note_part(struct subscriber *sub, const struct ready *ready, struct part part)
{
	bool goes_on = part.index + 1 < part.count;

	sub->parts[ready->held->ticket & PLACE_INDEX] = (struct part_taken){ready->held->ticket,
									    part};
	ready->feed->within = goes_on ? ready->want / 2 + 1 : 0;
	sub->within = goes_on;
}

struct part subscriber_part_of(const struct subscriber *sub, const struct held *held)
{
	const struct part_taken *taken = &sub->parts[held->ticket & PLACE_INDEX];

	return taken->ticket == held->ticket ? taken->part : (struct part){.count = 1};
}

/* The slot's relay, in a copy: 1; 0 overwritten meanwhile; -EPROTO there is none */
static int read_relay(const struct ready *ready, const struct relay_shared **ret_relay,
		      struct relay_seen *ret_seen)
{
	uint64_t n = ready->what & ~SLOT_FOREIGN;
	const struct relay_shared *relay;

	if (n >= ready->feed->relays_max)
		return -EPROTO;
	relay = &ready->feed->relays[n];
	*ret_seen = (struct relay_seen){
		.holder = load_relaxed(&relay->holder),
		.port = load_relaxed(&relay->port),
		.life = load_relaxed(&relay->life),
		.offset = load_relaxed(&relay->offset),
		.file = load_relaxed(&relay->file),
		.index = load_relaxed(&relay->index),
	};
	*ret_relay = relay;
	return ring_still(ready->slot, ready->want);
}

/*
 * Pairs with the fence in the publisher's reclaim, as in subscriber_take_chunk: while the slot is the
 * same the holder's hold is there. And with the store of the withdrawal: either who withdraws the port
 * finds this hold, or we find the port withdrawn. Dying after the store of the hold keeps one relay in
 * use until we are cleaned away. 1; 0 overwritten; -ESTALE withdrawn
 */
static int hold_relay(struct subscriber *sub, const struct ready *ready,
		      const struct origin *origin, uint64_t life)
{
	shared_u64 *hold = &sub->port->hold[ready->held->ticket & PLACE_INDEX];
	int r = 1;

	store_seq_cst(hold, ready->feed->tag | ready->what);
	fence_acquire();
	if (load_seq_cst(&ready->slot->sequence) != ready->want)
		r = 0;
	else if ((load_seq_cst(origin->life) & ~PORT_ABANDONED) != life)
		r = -ESTALE;
	if (r != 1)
		store_release(hold, HOLD_NONE);
	return r;
}

/* The payload is a chunk of another publisher. 1; 0 overwritten; -ESTALE it is not to be had any more;
 * -EPROTO, -EACCES, or what may pass */
static int take_relayed(struct subscriber *sub, const struct ready *ready, struct floe_sample *ret)
{
	uint64_t size = load_relaxed(&ready->slot->word[SLOT_CHUNK_SIZE]);
	const struct relay_shared *relay;
	const struct origin *origin;
	struct relay_seen seen;
	int r = read_relay(ready, &relay, &seen);

	if (r != 1)
		return r;
	if (!sub->calls->find_origin)
		return -EPROTO;
	r = sub->calls->find_origin(sub->user, sub, relay, &seen, &origin);
	/* What it found may be of another relay by now, and nonsense then. */
	if (r != 1)
		return !ring_still(ready->slot, ready->want) ? 0 : r == 0 ? -ESTALE : r;
	r = hold_relay(sub, ready, origin, seen.life);
	if (r != 1)
		return r;
	if (seen.offset % FLOE_CACHELINE || seen.offset > origin->reserved ||
	    size - 1 >= origin->reserved - seen.offset) {
		store_release(&sub->port->hold[ready->held->ticket & PLACE_INDEX], HOLD_NONE);
		return -EPROTO;
	}
	ready->held->words[0] = (uintptr_t)origin;
	ready->held->words[1] = seen.offset;
	ret->data = origin->base + seen.offset;
	ret->size = size;
	return 1;
}

/* What lies between the entry that was looked at and the one before was dropped. */
static void note_origin(struct subscriber *sub, struct feed *feed)
{
	lose(sub, feed, feed->origin - feed->due);
	feed->due = feed->origin + 1;
}

/* What was published by a relay that has been withdrawn is lost, as if it had been overwritten. */
static void skip_one(struct subscriber *sub, struct feed *feed)
{
	if (is_by_lane(feed))
		note_origin(sub, feed);
	ring_reader_seek(&feed->reader, ring_reader_next(&feed->reader) + 1);
	leave_out(sub, feed, 1);
}

/* subscriber_keep, with the sequence that the message has in the ring. */
static int keep(struct subscriber *sub, const struct ready *ready, struct floe_sample *ret)
{
	struct feed *feed = ready->feed;

	if (!is_by_lane(feed))
		return subscriber_keep(sub, ready, ret);
	note_origin(sub, feed);
	subscriber_advance(sub, ready, ret);
	ret->sequence = feed->origin;
	return 1;
}

/* Which message the lane has next, as its publisher says: 1; 0 it is not there; -EPROTO */
static int look_into_lane(struct feed *feed)
{
	enum ring_state state = lane_look(&feed->lane, &feed->reader, &feed->origin);

	if (state == RING_EMPTY)
		return 0;
	return state == RING_READY && feed->origin >= feed->due && feed->origin <= SEQUENCE_MAX
		       ? 1
		       : -EPROTO;
}

static int take_ready(struct subscriber *sub, struct feed *feed, struct floe_sample *ret)
{
	struct ready ready = {
		.feed = feed,
		.held = *sub->place,
		.slot = feed->reader.slot,
		.want = feed->reader.want,
	};
	uint64_t what, time_ns;
	struct part part;
	int r = is_by_lane(feed) ? look_into_lane(feed) : 1;

	if (r == 1)
		r = find_payload(sub, feed, ready.slot, ready.want);
	if (r == -EPROTO)
		return break_off(sub, feed);
	if (r <= 0)
		return r;
	what = load_relaxed(&ready.slot->what);
	part = part_read(ready.slot, what);
	r = what & SLOT_PART ? admit_part(sub, &ready, part) : 1;
	if (r == -EPROTO)
		return break_off(sub, feed);
	if (r <= 0)
		return r;
	time_ns = read_time(&ready, what);
	sub->mark = read_mark(&ready, what);
	ready.what = what & SLOT_INLINE ? what & SLOT_SIZE_MASK : what & ~SLOT_FLAGS;
	if (what & SLOT_INLINE)
		r = subscriber_take_inline(sub, &ready, ret);
	else if (ready.what & SLOT_FOREIGN)
		r = take_relayed(sub, &ready, ret);
	else
		r = subscriber_take_chunk(sub, &ready, ret);
	if (r == -EPROTO || r == -EACCES)
		(void)break_off(sub, feed);
	if (r <= 0)
		return r;
	ret->time_ns = time_ns;
	if (part.count)
		note_part(sub, &ready, part);
	if (feed->leaving || feed->early)
		bump(&sub->port->received, 1); /* its cursor says nothing any more, or not yet */
	return keep(sub, &ready, ret);
}

/* It lost messages that publishers should have waited for: none of them waits any more, those that
 * are still to come included. */
static int disconnect(struct subscriber *sub)
{
	for (uint32_t i = 0; i < sub->feed_count; i++)
		if (!sub->feeds[i].leaving && !sub->feeds[i].broken)
			(void)break_off(sub, &sub->feeds[i]);
	for (uint32_t i = 0; i < FLOE_PUBLISHERS_MAX; i++)
		store_release(&sub->port->cursor[i], CURSOR_NEVER);
	sub->disconnected = true;
	look_for_straight(sub);
	return -ECONNRESET;
}

void subscriber_retire(struct subscriber *sub)
{
	subscriber_collect(sub);
	for (uint32_t i = 0; i < sub->holds_table; i++)
		if (!share_is_owned(&sub->shares[i]) && !is_relayed(sub, i))
			store_release(&sub->port->hold[i], HOLD_NONE);
	(void)disconnect(sub);
}

/* The lane goes on where we are in the ring. */
static void take_lane(struct subscriber *sub, struct feed *feed)
{
	uint64_t next = ring_reader_next(&feed->reader);

	if (feed->within && feed->within == next)
		feed->within = ring_reader_next(&feed->lane.slots);
	feed->due = next;
	feed->reader = feed->lane.slots;
	feed->early = false;
	feed->cursor = feed->leaving ? &feed->nowhere : &sub->port->cursor[feed->index];
}

/* What its publisher put there before it was clear that we have it from the ring. */
static void pass_entry(struct subscriber *sub, struct feed *feed)
{
	struct ring_reader *slots = &feed->lane.slots;

	ring_reader_seek(slots, ring_reader_next(slots) + 1);
	if (!feed->leaving)
		bump(&sub->port->received, -(uint64_t)1);
	store_release(shared_cursor(sub, feed), ring_reader_next(slots));
}

/*
 * While all that we have read lies before the lane's first entry we read the ring. Where what is between was
 * overwritten it is lost, and counted when that entry is taken. 0, or -EPROTO
 */
static int look_for_lane(struct subscriber *sub, struct feed *feed)
{
	uint64_t next = ring_reader_next(&feed->reader);

	for (uint32_t i = 0; i <= feed->lane_depth; i++) {
		uint64_t origin = 0;
		enum ring_state state = lane_look(&feed->lane, &feed->lane.slots, &origin);

		if (state == RING_LAPPED || origin > SEQUENCE_MAX)
			return -EPROTO;
		if (state == RING_EMPTY)
			return 0;
		if (origin == next || (origin > next && ring_look(&feed->reader) == RING_LAPPED)) {
			take_lane(sub, feed);
			return 0;
		}
		if (origin > next)
			return 0;
		pass_entry(sub, feed);
	}
	return 0;
}

/* The oldest that can be expected to last; a message that has come into the lane meanwhile does. */
static int after_lapping(struct subscriber *sub, struct feed *feed, unsigned attempt)
{
	uint64_t next, count;

	if (is_by_lane(feed) || ring_reader_check(&feed->reader) < 0)
		return break_off(sub, feed);
	if (sub->leaves_when_slow)
		return disconnect(sub);
	next = ring_reader_next(&feed->reader);
	count = ring_reader_jump(&feed->reader, attempt);
	if (feed->early) {
		/* The jump may have passed what has come into the lane. */
		ring_reader_seek(&feed->reader, next);
		if (look_for_lane(sub, feed) < 0)
			return break_off(sub, feed);
		if (is_by_lane(feed))
			return 0;
		ring_reader_seek(&feed->reader, next + count);
	}
	leave_out(sub, feed, count);
	return 0;
}

/* 1; 0 nothing there; -EPROTO; -ECONNRESET */
static int take_from(struct subscriber *sub, struct feed *feed, struct floe_sample *ret)
{
	if (feed->broken)
		return 0;
	for (unsigned attempt = 0; attempt < TAKE_ATTEMPTS; attempt++) {
		enum ring_state state;
		int r;

		if (feed->keeps_few)
			skip_old(sub, feed);
		if (feed->early && look_for_lane(sub, feed) < 0)
			return break_off(sub, feed);
		state = look(feed);
		if (state == RING_EMPTY) {
			note_dropped(sub, feed);
			return 0;
		}
		if (state == RING_LAPPED) {
			r = after_lapping(sub, feed, attempt);
			if (r < 0)
				return r;
			/* Where it landed may be empty, or overwritten again. */
			if (look(feed) != RING_READY)
				continue;
		}
		r = take_ready(sub, feed, ret);
		for (unsigned i = 0; r == -ESTALE && i < STALE_MAX; i++) {
			skip_one(sub, feed);
			r = look(feed) == RING_READY ? take_ready(sub, feed, ret) : 0;
		}
		if (r)
			return r == -ESTALE ? 0 : r;
	}
	return 0;
}

static bool is_ready(const struct subscriber *sub)
{
	for (uint32_t i = 0; i < sub->feed_count; i++)
		if (look(&sub->feeds[i]) != RING_EMPTY)
			return true;
	return false;
}

int subscriber_take_chunk_ready(struct subscriber *sub, struct floe_sample *ret, struct feed *feed,
				struct held *held, const struct slot_shared *slot, uint64_t what)
{
	struct ready ready = {feed, held, slot, feed->reader.want, what};

	if (floe_unlikely(!subscriber_take_chunk(sub, &ready, ret)))
		return subscriber_take_slow(sub, ret);
	return subscriber_keep(sub, &ready, ret);
}

/* When it was published; 0: it has no time, or has to be looked at at once. */
static uint64_t peek_time(const struct feed *feed)
{
	const struct slot_shared *slot = feed->reader.slot;
	struct ready ready = {.slot = slot};
	uint64_t time_ns;

	if (look(feed) != RING_READY)
		return 0;
	time_ns = read_time(&ready, load_relaxed(&slot->what));
	return ring_still(slot, feed->reader.want) ? time_ns : 0;
}

/* The publisher whose message comes first: it is the next to be asked. */
static void turn_to_earliest(struct subscriber *sub)
{
	uint64_t earliest = UINT64_MAX;

	for (uint32_t i = 0; i < sub->feed_count; i++) {
		struct feed *feed = &sub->feeds[i];
		uint64_t time_ns;

		if (feed->broken || look(feed) == RING_EMPTY)
			continue;
		time_ns = peek_time(feed);
		if (time_ns < earliest) {
			earliest = time_ns;
			sub->turn = feed;
		}
	}
}

/* The parts of a message come one after the other, whatever others send, also when the rest cannot be
 * taken at once. */
static void turn_to_rest(struct subscriber *sub)
{
	bool found = false;

	for (uint32_t i = 0; i < sub->feed_count; i++) {
		struct feed *feed = &sub->feeds[i];

		if (feed->within && feed->within == ring_reader_next(&feed->reader)) {
			sub->turn = feed;
			found = true;
		}
	}
	sub->within = found;
}

/* What could not be said when it was found out. */
static int tell(struct subscriber *sub)
{
	int r = sub->untold;

	sub->untold = 0;
	return r;
}

static int take_any(struct subscriber *sub, struct floe_sample *ret)
{
	int refreshed = tell(sub);

	if (sub->disconnected)
		return -ECONNRESET;
	if (refreshed < 0)
		return refreshed;
	/* What cannot be read now is told when there is nothing else; what is there is taken. */
	if (load_relaxed(&sub->hints->publishers) != sub->publishers_seen)
		refreshed = subscriber_refresh(sub);
	if (refreshed == -EPROTO || refreshed == -EACCES)
		return refreshed;
	if (!*sub->place)
		subscriber_collect(sub);
	if (!*sub->place)
		return is_ready(sub) ? -ENOBUFS : 0;

	if (sub->within)
		turn_to_rest(sub);
	else if (sub->ordered)
		turn_to_earliest(sub);
	for (uint32_t n = sub->feed_count; n; n--) {
		struct feed *feed = sub->turn;
		int r;

		sub->turn = feed + 1 == sub->feeds + sub->feed_count ? sub->feeds : feed + 1;
		r = take_from(sub, feed, ret);
		/* Whoever takes one after the other next begins with the message that was too long. */
		if (r == -EMSGSIZE)
			sub->turn = feed;
		if (r)
			return r;
	}
	if (sub->leaving_count)
		subscriber_drop_feeds(sub);
	return refreshed < 0 ? refreshed : 0;
}

floe_noinline int subscriber_take_slow(struct subscriber *sub, struct floe_sample *ret)
{
	int r = take_any(sub, ret);

	if (!sub->polled)
		return r;
	if (r == 1) {
		ret->ticket ^= TICKET_POLLED;
		return r;
	}
	sub->calls->settle(sub->user, sub);
	if (r == 0 && is_ready(sub))
		sub->calls->ring_anew(sub->user);
	return r;
}

/* What was taken of a message whose rest is gone is lost with that, whatever is said of it. */
static void give_up(struct subscriber *sub, struct feed *feed, struct floe_sample *samples,
		    uint32_t count)
{
	feed->lost += samples[0].lost + count;
	feed->within = 0;
	sub->within = false;
	bump(&sub->port->lost, count);
	bump(&sub->port->received, -(uint64_t)count);
	while (count-- > 0)
		subscriber_give_back(sub, subscriber_find_any(sub, &samples[count]),
				     &samples[count]);
}

/* The parts behind samples[0], which is part `first`: how many there are with that one; 0 they were
 * overwritten; or what is wrong, and nothing is held */
static int take_rest(struct subscriber *sub, struct feed *feed, struct part first,
		     struct floe_sample *samples)
{
	uint32_t count = first.count - first.index;

	for (uint32_t i = 1; i < count; i++) {
		const struct held *held = *sub->place;
		bool is_there = look(feed) == RING_READY;
		int r = is_there ? take_ready(sub, feed, &samples[i]) : 0;
		struct part part = r == 1 ? subscriber_part_of(sub, held) : first;

		if (r == 1 && (part.index != first.index + i || part.count != first.count)) {
			give_up(sub, feed, samples, i + 1);
			return break_off(sub, feed);
		}
		if (r != 1) {
			give_up(sub, feed, samples, i);
			return r == -ESTALE ? 0 : r;
		}
	}
	return (int)count;
}

static int take_whole(struct subscriber *sub, struct floe_sample *ret, uint32_t count)
{
	for (unsigned attempt = 0; attempt < TAKE_ATTEMPTS; attempt++) {
		struct held *held;
		int r;

		sub->parts_max = count;
		r = subscriber_take(sub, ret);
		sub->parts_max = 0;
		if (r == -ENOBUFS && attempt == 0) {
			subscriber_collect(sub);
			continue;
		}
		if (r != 1)
			return r;
		held = subscriber_find_any(sub, ret);
		r = take_rest(sub, held->feed, subscriber_part_of(sub, held), ret);
		if (r != 0)
			return r;
	}
	return 0;
}

int subscriber_take_parts(struct subscriber *sub, struct floe_sample *ret, uint32_t count)
{
	int r = take_whole(sub, ret, count);

	if (!sub->polled)
		return r;
	for (int i = 1; i < r; i++)
		ret[i].ticket ^= TICKET_POLLED;
	if (r >= 1)
		return r;
	sub->calls->settle(sub->user, sub);
	if (r == 0 && is_ready(sub))
		sub->calls->ring_anew(sub->user);
	return r;
}

struct held *subscriber_find_any(struct subscriber *sub, const struct floe_sample *sample)
{
	struct floe_sample polled = *sample;
	struct held *held = subscriber_find(sub, sample);

	polled.ticket ^= TICKET_POLLED;
	return held || !sub->polled ? held : subscriber_find(sub, &polled);
}

floe_noinline void subscriber_release_slow(struct subscriber *sub, struct floe_sample *sample)
{
	struct held *held = subscriber_find_any(sub, sample);

	if (!held)
		return;
	subscriber_give_back(sub, held, sample);
	sub->calls->settle(sub->user, sub);
}

int subscriber_wake_publisher(struct subscriber *sub, struct feed *feed)
{
	/* Pairs with the membarrier in the publisher's sleep_on. */
	if (sub->fenced)
		fence_seq_cst();
	if (load_relaxed(&feed->reader.segment->sleeping))
		(void)os->wake(futex_half(feed->cursor), INT_MAX);
	return 1;
}

static bool is_changed(const struct subscriber *sub)
{
	return load_relaxed(&sub->hints->publishers) != sub->publishers_seen;
}

/* Looks until something comes, but not longer than `until_ns`. */
static bool spin(const struct subscriber *sub, int64_t until_ns)
{
	do {
		for (unsigned i = 0; i < 64; i++) {
			/* In this order: a publisher that left may have taken its memory along. */
			if (is_changed(sub) || is_ready(sub))
				return true;
			relax();
		}
	} while (os->now_ns() < until_ns);
	return false;
}

/* Those that can still speak, as many as a sleep can take. */
static unsigned list_omens(const struct subscriber *sub, struct os_wait *ret_words, unsigned count)
{
	for (uint32_t i = 0; i < sub->feed_count && count < OS_WAIT_MAX; i++) {
		const shared_u32 *omen = sub->feeds[i].omen;
		uint32_t value = omen ? load_relaxed(omen) : 0;

		if (omen_is_watched(value))
			ret_words[count++] = (struct os_wait){omen_futex(omen), value};
	}
	return count;
}

unsigned subscriber_list_words(const struct subscriber *sub, struct os_wait *ret_words)
{
	unsigned count = 0;

	ret_words[count++] = (struct os_wait){futex_half(&sub->hints->firsts),
					      (uint32_t)load_relaxed(&sub->hints->firsts)};
	for (uint32_t i = 0; i < sub->feed_count; i++)
		if (!sub->feeds[i].broken)
			ret_words[count++] = (struct os_wait){
				futex_half(&sub->feeds[i].reader.segment->head),
				(uint32_t)ring_reader_head(&sub->feeds[i].reader)};
	return list_omens(sub, ret_words, count);
}

void subscriber_note_omens(struct subscriber *sub)
{
	for (uint32_t i = 0; i < sub->feed_count; i++) {
		struct feed *feed = &sub->feeds[i];
		bool is_bad = feed->omen && omen_is_bad(load_acquire(feed->omen));

		if (is_bad && !feed->omen_told) {
			(void)os->wake(omen_futex(feed->omen), INT_MAX);
			sub->look_ns = LOOK_SOON_NS;
		}
		feed->omen_told = is_bad;
	}
}

/*
 * The heads are read before, and the flag is up before the last look. Publishers do not pay for a
 * fence between their slot and their look at `sleepers`: membarrier makes them pass one now
 * (membarrier(2), GLOBAL_EXPEDITED, Linux 4.16). Either they see our addition, or we see their slot.
 */
int subscriber_announce(struct subscriber *sub)
{
	subscriber_note_omens(sub);
	if (sub->calls->watch)
		sub->calls->watch(sub->user);
	store_seq_cst(&sub->port->sleeping, 1);
	(void)add_seq_cst(&sub->hints->sleepers, 1);
	return os->barrier_all();
}

bool subscriber_has_more(struct subscriber *sub)
{
	int r = is_changed(sub) && !sub->disconnected ? subscriber_refresh(sub) : 0;

	if (r == -EPROTO || r == -EACCES)
		sub->untold = r;
	return r < 0 || sub->untold || sub->disconnected || is_ready(sub);
}

void subscriber_be_polled(struct subscriber *sub)
{
	sub->polled = true;
	look_for_straight(sub);
}

static int wait_any(struct subscriber *sub, const struct os_wait *words, unsigned count,
		    int64_t until_ns)
{
	return sub->calls->wait_any ? sub->calls->wait_any(sub->user, words, count, until_ns)
				    : os->wait_any(words, count, until_ns);
}

/* One sleep on the heads of all publishers, or until one comes. */
static int sleep_once(struct subscriber *sub, int64_t until_ns)
{
	struct os_wait words[OS_WAIT_MAX];
	unsigned count = subscriber_list_words(sub, words);
	int64_t look_ns;
	int r = 0;

	words[0] = (struct os_wait){futex_half(&sub->hints->publishers),
				    (uint32_t)sub->publishers_seen};
	sub->asleep++;
	look_ns = subscriber_announce(sub) < 0 ? SLICE_NS : sub->look_ns;
	look_ns += os->now_ns();
	if (until_ns < 0 || until_ns > look_ns)
		until_ns = look_ns;
	if (!is_ready(sub))
		r = wait_any(sub, words, count, until_ns);
	if (r == -ENOSYS || r == -EINVAL) {
		os->sleep_ns(SLICE_NS / 10); /* before Linux 5.16, and more than one word */
		r = 0;
	}
	/* Who waits by a descriptor, by himself, or in another thread, sleeps on. */
	store_relaxed(&sub->port->sleeping, --sub->asleep || sub->polled || sub->awaited);
	if (r == -ETIMEDOUT && sub->look_ns < LOOK_NS)
		sub->look_ns *= 2;
	subscriber_note_omens(sub);
	return r;
}

static int wait_until(struct subscriber *sub, int64_t deadline_ns)
{
	int64_t now = 0;

	for (bool spun = false;;) {
		int r = sub->disconnected ? -ECONNRESET : tell(sub);

		if (r == 0 && is_changed(sub))
			r = subscriber_refresh(sub);
		if (r < 0)
			return r;
		if (is_ready(sub))
			return 1;
		now = os->now_ns();
		if (deadline_ns >= 0 && now >= deadline_ns)
			return 0;
		if (!spun && sub->spin_ns > 1) {
			int64_t until_ns = now + (int64_t)sub->spin_ns;

			spun = true;
			if (deadline_ns >= 0 && deadline_ns < until_ns)
				until_ns = deadline_ns;
			(void)spin(sub, until_ns);
			continue;
		}
		r = sleep_once(sub, deadline_ns);
		if (r == -EINTR)
			return r;
		/* Nobody came for long: a publisher may have died before it said that it is there. */
		if (r == -ETIMEDOUT)
			sub->publishers_seen = SEEN_NONE;
	}
}

/* Not longer than until something should have come. */
static int wait_expecting(struct subscriber *sub, int64_t deadline_ns)
{
	int64_t by_ns = sub->expected_by_ns;
	bool sooner = by_ns && (deadline_ns < 0 || by_ns < deadline_ns);
	int r = wait_until(sub, sooner ? by_ns : deadline_ns);

	if (by_ns && (r == 1 || (sooner && r == 0)))
		sub->expected_by_ns = os->now_ns() + (int64_t)sub->expect_ns;
	if (!sooner || r != 0)
		return r;
	sub->late++;
	return -ETIME;
}

int subscriber_wait(struct subscriber *sub, int64_t deadline_ns)
{
	int r = wait_expecting(sub, deadline_ns);

	if (sub->polled)
		sub->calls->settle(sub->user, sub);
	return r;
}
