/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_SUBSCRIBER_H
#define CHANNEL_SUBSCRIBER_H

/*
 * Subscriber: takes messages from the rings of all publishers of a topic, in turn.
 *
 * It writes its port and nothing else that others see. All of this struct is private to the
 * process. One thread at a time. It knows no names: which publishers there are is told to it.
 *
 *   samples held + free places = holds_max;  inline samples take a place, but hold no chunk
 *   holds_max <= holds_table = holds of the port
 *   shared samples are held, and after their last owner until they are collected
 *   a place is free                =>   its feed is NULL
 *   published since its start = received + lost + not yet taken       for each publisher
 */

#include <errno.h>
#include <stdbool.h>

#include "channel/hints_layout.h"
#include "channel/lane.h"
#include "channel/omen_layout.h"
#include "channel/port_layout.h"
#include "channel/relay_layout.h"
#include "channel/ring.h"
#include "memory/region.h"
#include "os/os.h"

/* Where chunks lie that others than the feed's publisher own, as far as the channel knows it. */
struct origin {
	const unsigned char *base;
	size_t reserved;
	const shared_u64 *life; /* of the port that holds the chunk, see port_layout.h */
};

/* A copy of what a relay says. */
struct relay_seen {
	uint64_t holder, port, life, offset, file, index;
};

/* A publisher, as a subscriber sees it. */
struct feed {
	struct ring_reader reader; /* what every message needs comes first */
	unsigned char *base;       /* of the region */
	uintptr_t coming; /* where the next payload will probably lie; perhaps no address at all */
	size_t reserved;  /* bytes that are known to have memory */
	shared_u64 *cursor; /* in our port; once it is leaving, in `nowhere` */
	uint64_t tag;       /* of the holds on its chunks */
	uint64_t lost;      /* since the last sample that was taken */
	bool keeps_few;     /* the subscriber's depth is less than the ring's */
	bool leaving;       /* its file is gone: dropped when empty and not held */
	bool broken;        /* it was not what it must be: it reads as empty from then on */
	bool lent;          /* it lies in a block of this process */
	bool looked_into;   /* whose owner waits for us; not while it is a subscriber's */
	bool elastic;   /* memory that nobody holds may go at any time, and reads as zeros then */
	bool seen;      /* when the folder was read last */
	uint32_t index; /* which publisher of the topic */
	uint32_t loans_max; /* of it */
	uint64_t file;      /* which file it is: file_get_id */
	uint64_t sender;    /* the client or server behind it, or 0 */
	void *user;         /* whatever the layer above thinks of it */
	shared_u64 nowhere;
	const struct relay_shared *relays; /* [relays_max] */
	uint32_t relays_max;
	uint32_t header_size;   /* beside each payload; 0: none */
	uint32_t header_inline; /* where in a slot's words */
	uint32_t accord_offset;
	uint32_t accord_size;
	size_t lanes_offset;
	uint32_t lanes_max;
	uint32_t lane_depth;
	bool queued; /* its messages come by our lane */
	bool early;  /* not yet: what was sent before the first of them is read in the ring, and the
		      * port's cursor is where the lane begins */
	struct lane_reader lane; /* if queued; its `slots` only while early */
	uint64_t due;            /* not early: what comes next if nothing is dropped */
	uint64_t origin;         /* not early: which message was looked at last, as was read once */
	struct region region;    /* its segment, mapped read-only */
	struct region mapping; /* what is to be closed with it; more than the segment, or nothing */
	uint64_t owner;        /* the node of its publisher, when that was looked at last */
	struct region life;    /* that node's file, or nothing */
	const shared_u32 *omen; /* in it, or NULL */
	bool omen_told;         /* it is bad, and we have looked because of that */
	uint64_t within;        /* the part that goes on with what was taken last; 0: none does */
};

/* A ticket says which place it is (8 bits) and counts how often that was in use, so that an old
 * copy is not taken for it. One bit is always set: no ticket is 0. */
#define PLACE_INDEX 0xffu
#define PLACE_ALWAYS 0x100u
#define PLACE_NEXT_USE 0x200u
/* Turned over in the tickets that a subscriber with a descriptor gives, so that their release is slow
 * as well. */
#define TICKET_POLLED ((uint64_t)1 << 63)

/* One cache line, for a process may have many subscribers. */
struct held {
	FLOE_CACHELINE_ALIGNED uint64_t words[SLOT_WORDS]; /* a copy of an inline payload */
	uint64_t ticket; /* of the sample that is held, or will be next */
	struct feed *feed;
};
static_assert(sizeof(struct held) == 64, "found by a shift");

/* Which part the sample with this ticket is. What has no parts is not noted. */
struct part_taken {
	uint64_t ticket;
	struct part part;
};

struct share;
struct subscriber;

struct subscriber_calls {
	/* A publisher came or went: subscriber_add_feed, feed->leaving. 0 or -errno */
	int (*refresh)(void *user, struct subscriber *sub);
	/* The publisher's memory has grown: look how far. */
	int (*look_again)(void *user, struct feed *feed);
	/* The feed is let go: whatever keeps its memory mapped. */
	void (*detach)(void *user, struct feed *feed);
	/* We are about to sleep: our own omen must be watched. May be NULL. */
	void (*watch)(void *user);
	/* os->wait_any; others may use the subscriber meanwhile. NULL: nobody does. */
	int (*wait_any)(void *user, const struct os_wait *words, unsigned count,
			int64_t deadline_ns);
	/* Somebody waits by a descriptor (`polled`), and a call of ours has just looked around. */
	void (*settle)(void *user, struct subscriber *sub);
	/* After that, when take gave nothing and there is more: who waits for edges needs another one. */
	void (*ring_anew)(void *user);
	/* Where what this relay says is mapped: 1; 0 it is gone; -EPROTO, -EACCES, or what may pass. It
	 * stays mapped while subscriber_uses says so. May be NULL: nobody relays. */
	int (*find_origin)(void *user, struct subscriber *sub, const struct relay_shared *relay,
			   const struct relay_seen *seen, const struct origin **ret_origin);
};

struct subscriber {
	/* What every message needs comes first. */
	struct hints_shared *hints;
	uint64_t straight_at; /* publishers_seen, if there is one feed and nothing special about it,
			       * else SEEN_NONE */
	struct feed *turn;    /* feed that is asked first */
	struct feed *feeds;   /* [FLOE_PUBLISHERS_MAX] */
	uint32_t feed_count;
	uint32_t leaving_count;
	uint32_t holds_mask; /* so that any ticket leads into the table */
	struct held **place; /* the next free one; NULL: none is */
	struct held *held;   /* [holds_mask + 1]; of these holds_table are used */
	struct port_shared *port;
	uint64_t copied;
	uint64_t mark;            /* of the sample that was taken last; 0: it has none */
	uint64_t publishers_seen; /* SEEN_NONE: look again in any case */
	bool reliable;
	bool drops;  /* the newest, where its lane is full */
	bool fenced; /* membarrier(2) is not to be had */

	bool polled;           /* there is a descriptor: every take and release is slow */
	bool ordered;          /* the earliest of all publishers' messages is taken first */
	bool leaves_when_slow; /* who was not waited for is no subscriber any more */
	bool disconnected;     /* that has happened */
	int untold;            /* what refreshing said between two calls: the next one says it */
	uint32_t feed_changes; /* goes up when feeds or their omens may be others */

	uint32_t holds_max;   /* for now */
	uint32_t holds_table; /* places for holds */
	struct held **places; /* [holds_table + 1]: those in use, those that are free, NULL */
	uint64_t depth;       /* UINT64_MAX: as far as the ring goes */
	uint64_t spin_ns;
	int64_t look_ns;    /* how long one sleep may be */
	uint64_t expect_ns; /* something should come in this time, 0: it need not */
	int64_t expected_by_ns;
	uint64_t late;   /* how often nothing came */
	uint32_t asleep; /* threads that wait */
	/* Bit h: hold h is a relay's; its sample is not the program's any more. */
	uint64_t relayed[(FLOE_HOLDS_MAX + 63) / 64];
	uint32_t relayed_count;
	const struct subscriber_calls *calls;
	void *user;

	uint32_t parts_max; /* so many are wanted at once, or none; 0: one after the other */
	bool within;        /* a message was taken in part: its feed is the next to be asked */
	bool awaited;       /* its program waits by itself, or did: it is as if asleep */
	struct part_taken *parts; /* [holds_table] */

	struct share *shares; /* [holds_table], channel/share.h */
	/* A bit for each place whose sample was shared and is held by nobody any more: the one thing
	 * here that other threads write. */
	FLOE_CACHELINE_ALIGNED shared_u64 returned[(FLOE_HOLDS_MAX + 63) / 64];
};

/* The count of publishers' coming and going never gets there. */
#define SEEN_NONE UINT64_MAX

size_t subscriber_memory_size(uint32_t holds_max);

struct subscriber_plan {
	struct port_shared *port; /* laid out and ours */
	struct hints_shared *hints;
	void *memory; /* subscriber_memory_size() bytes, 64-byte aligned */
	uint64_t spin_ns;
	uint64_t serial; /* random: where the tickets begin */
	uint64_t expect_ns;
	uint32_t flags; /* FLOE_ORDERED, FLOE_DISCONNECT_SLOW */
	bool fenced;
	const struct subscriber_calls *calls;
	void *user;
};

void subscriber_init(struct subscriber *sub, const struct subscriber_plan *plan);

/*
 * Begins to read a publisher: `region` is its segment, checked as segment_check does. `joining`:
 * it was there before us, start `history` before its head; else with the oldest that it has.
 * Consumes the region on success. -EMFILE: FLOE_PUBLISHERS_MAX are read already.
 */
int subscriber_add_feed(struct subscriber *sub, const struct feed *feed, bool joining,
			uint64_t history);

struct feed *subscriber_find_feed(struct subscriber *sub, uint64_t file);

/* The publisher's file is gone: what it still has is taken, then the feed is dropped. */
void subscriber_let_go(struct subscriber *sub, struct feed *feed);

/* What it still has, or will have, is not looked at any more; what is held of it stays. */
void subscriber_ignore(struct subscriber *sub, struct feed *feed);

/* Lets go of feeds that are leaving, empty, and of which nothing is held. */
void subscriber_drop_feeds(struct subscriber *sub);

/* Places whose shared samples have come back are free again. */
void subscriber_collect(struct subscriber *sub);

/* Takes nothing any more, and keeps nothing but what is shared: no publisher waits for it. */
void subscriber_retire(struct subscriber *sub);

/* So many samples may be held from now on: 0; -EINVAL 0, or more than the port has holds; -EBUSY more are
 * held. Who calls tells the publishers. */
int subscriber_limit_holds(struct subscriber *sub, size_t holds_max);

/* Never more than so many behind, 0: as far as the ring goes; as the plan's port says at first. */
void subscriber_limit_depth(struct subscriber *sub, uint32_t depth);

/* Releases everything and lets go of all feeds; the port is the caller's to close. */
void subscriber_deinit(struct subscriber *sub);

/* The straight paths below call nothing but, as their last act, one of these. take_slow does all
 * that take can meet; the straight path is for one publisher and no special wishes. */
int subscriber_take_slow(struct subscriber *sub, struct floe_sample *ret);
void subscriber_release_slow(struct subscriber *sub, struct floe_sample *sample);
int subscriber_refresh(struct subscriber *sub);
/* What refreshing said is said by the next take or wait, whatever there is to take. */
void subscriber_tell_later(struct subscriber *sub, int r);
int subscriber_wake_publisher(struct subscriber *sub, struct feed *feed); /* 1 */

/*
 * Takes all parts of the next message, up to `count`, or none: how many; 0 nothing there; -EMSGSIZE
 * there are more than `count` or holds_max; -ENOBUFS so many cannot be held now; both leave it where it
 * is; or what take says. A message that has no parts is one.
 */
int subscriber_take_parts(struct subscriber *sub, struct floe_sample *ret, uint32_t count);

/* Which part a held sample is, of how many: {0, 1} if it has none. */
struct part subscriber_part_of(const struct subscriber *sub, const struct held *held);

/* What the straight path knows of the message that is ready: each of it was looked up once. */
struct ready {
	struct feed *feed;
	struct held *held;
	const struct slot_shared *slot;
	uint64_t want;
	uint64_t what; /* size of an inline payload, or offset of the chunk */
};

/* The message lies in a chunk. */
int subscriber_take_chunk_ready(struct subscriber *sub, struct floe_sample *ret, struct feed *feed,
				struct held *held, const struct slot_shared *slot, uint64_t what);

/* 1 ready; 0 deadline; -EINTR; -ETIME nothing came as soon as it should; what take would say */
int subscriber_wait(struct subscriber *sub, int64_t deadline_ns);

/*
 * For who waits elsewhere, in this order: list the words to wait on, with what they say now; tell
 * the publishers that somebody sleeps; look whether there is more. If not, one of the words is
 * woken when there is a message, and hardly ever else. New words are listed again.
 */
unsigned subscriber_list_words(const struct subscriber *sub,
			       struct os_wait *ret_words /* [OS_WAIT_MAX] */);
/* An omen that is bad is told once: to the others who sleep on it, for the kernel wakes but one, and to
 * ourselves. Announcing does it; also for who was woken and does not sleep again. */
void subscriber_note_omens(struct subscriber *sub);
int subscriber_announce(struct subscriber *sub);  /* -errno: publishers may not see it in time */
bool subscriber_has_more(struct subscriber *sub); /* also when take has to say what is wrong */

/* Is something held that lies there? */
bool subscriber_uses(const struct subscriber *sub, const struct origin *origin);

/* Where a held sample lies that was relayed to us; NULL: with its publisher, or inline. */
const struct origin *subscriber_origin_of(const struct subscriber *sub, const struct held *held);

/* The header beside a held payload, wherever that lies; NULL: there is none. */
const void *subscriber_header(const struct subscriber *sub, const struct held *held,
			      size_t *ret_size);

/* The same by the ticket of its sample; ret_size: NULL, or written if there is one. NULL: none, or it is not
 * held. */
const void *subscriber_header_of(struct subscriber *sub, uint64_t ticket, size_t *ret_size);

/* What a held sample will be known by after subscriber_hand_over. */
static inline uint64_t subscriber_next_ticket(const struct held *held)
{
	return held->ticket + PLACE_NEXT_USE;
}

/* The sample's hold is a relay's from now on: it is no sample any more, and is not released. */
void subscriber_hand_over(struct subscriber *sub, struct held *held, struct floe_sample *sample);

/* The relay with this ticket does not need its hold any more. false: it is none of ours */
bool subscriber_take_back(struct subscriber *sub, uint64_t ticket);

/* From here on each release settles, each wait, and each take that finds nothing; not the one that
 * finds something, for who was woken wants it now. */
void subscriber_be_polled(struct subscriber *sub);

floe_inline uint32_t subscriber_held(const struct subscriber *sub)
{
	return (uint32_t)(sub->place - sub->places);
}

/* What was found is held, and its publisher may go on; who sleeps there is not woken yet. */
floe_inline void subscriber_advance(struct subscriber *sub, const struct ready *ready,
				    struct floe_sample *ret)
{
	struct feed *feed = ready->feed;
	struct held *held = ready->held;
	uint64_t sequence = ready->want / 2;
	uint64_t lost = feed->lost;

	ret->ticket = held->ticket;
	ret->sequence = sequence;
	ret->lost = lost;
	if (floe_unlikely(lost))
		feed->lost = 0;
	held->feed = feed;
	sub->place++;
	ring_reader_advance(&feed->reader, ready->slot, ready->want);

	/* Pairs with the acquire in the publisher's member_limit. Dying before this store: the
	 * message counts as not taken, a reliable publisher waits until we are cleaned away. */
	store_release(feed->cursor, sequence + 1);
}

/* The same for who tells nobody which message it was, nor what was lost before. */
floe_inline void subscriber_pass(struct subscriber *sub, const struct ready *ready)
{
	struct feed *feed = ready->feed;
	uint64_t want = ready->want;

	ready->held->feed = feed;
	sub->place++;
	ring_reader_advance(&feed->reader, ready->slot, want);

	/* As in subscriber_advance. */
	store_release(feed->cursor, (want + 2) / 2);
}

floe_inline int subscriber_keep(struct subscriber *sub, const struct ready *ready,
				struct floe_sample *ret)
{
	subscriber_advance(sub, ready, ret);
	if (floe_unlikely(sub->reliable))
		return subscriber_wake_publisher(sub, ready->feed);
	return 1;
}

/* Without a time. 1, or 0: it was overwritten under our eyes */
floe_inline int subscriber_take_inline(struct subscriber *sub, const struct ready *ready,
				       struct floe_sample *ret)
{
	struct held *held = ready->held;

	words_load(held->words, ready->slot->word, SLOT_WORDS);
	if (floe_unlikely(!ring_still(ready->slot, ready->want)))
		return 0;
	ret->data = held->words;
	ret->size = ready->what;
	ret->time_ns = 0;
	sub->copied += ready->what;
	return 1;
}

/* Without a time. 1, or 0: it was overwritten under our eyes, or it lies where no memory is known
 * to be */
floe_inline int subscriber_take_chunk(struct subscriber *sub, const struct ready *ready,
				      struct floe_sample *ret)
{
	struct feed *feed = ready->feed;
	const struct slot_shared *slot = ready->slot;
	uint64_t offset = ready->what;
	uint64_t size = load_relaxed(&slot->word[SLOT_CHUNK_SIZE]);
	shared_u64 *hold;

	/* The payload's first line is on its way while the hold becomes visible; an address that is
	 * none does no harm here, and no more when the next is fetched. */
	__builtin_prefetch((const void *)((uintptr_t)feed->base + offset));
	if (floe_unlikely(offset > feed->reserved || size - 1 >= feed->reserved - offset ||
			  offset % FLOE_CACHELINE))
		return 0;
	feed->coming = (uintptr_t)feed->base + load_relaxed(&slot->word[SLOT_CHUNK_NEXT]);

	hold = &sub->port->hold[ready->held->ticket & PLACE_INDEX];
	/* Pairs with the fence in the publisher's reclaim: either it finds this hold, or the next
	 * load finds the slot overwritten. Dying after this store pins a chunk that the publisher
	 * has reserved for us, until we are cleaned away. */
	store_seq_cst(hold, feed->tag | offset);
	/* Pairs with the release fence in ring_begin, as in ring_still: what was read above. */
	fence_acquire();
	if (floe_unlikely(load_seq_cst(&slot->sequence) != ready->want)) {
		store_release(hold, HOLD_NONE);
		return 0;
	}
	ret->data = feed->base + offset;
	ret->size = size;
	ret->time_ns = 0;
	return 1;
}

/* 1; 0 nothing there; -ENOBUFS; -EPROTO; or what refreshing said */
floe_inline int subscriber_take(struct subscriber *sub, struct floe_sample *ret)
{
	struct feed *feed = sub->turn;
	struct ready ready = {
		.feed = feed,
		.slot = feed->reader.slot,
		.want = feed->reader.want,
	};
	uint64_t sequence;

	/* Two lines are fetched at once, not one after the other. */
	__builtin_prefetch((const void *)feed->coming);
	if (floe_unlikely(load_relaxed(&sub->hints->publishers) != sub->straight_at))
		return subscriber_take_slow(sub, ret);
	sequence = ring_sequence(ready.slot);
	/* Who polls finds nothing most of the time: that goes straight on. */
	if (floe_likely(sequence < ready.want))
		return 0;
	if (floe_unlikely(sequence != ready.want))
		return subscriber_take_slow(sub, ret);
	ready.held = *sub->place;
	if (floe_unlikely(!ready.held))
		return subscriber_take_slow(sub, ret);

	ready.what = load_relaxed(&ready.slot->what);
	if (!(ready.what & SLOT_INLINE))
		return subscriber_take_chunk_ready(sub, ret, feed, ready.held, ready.slot,
						   ready.what);
	/* What has a time is larger than any size, and any offset. */
	ready.what ^= SLOT_INLINE;
	if (floe_unlikely(ready.what - 1 >= FLOE_INLINE_MAX ||
			  !subscriber_take_inline(sub, &ready, ret)))
		return subscriber_take_slow(sub, ret);
	return subscriber_keep(sub, &ready, ret);
}

/* Would a straight take find nothing? Also false when it has to find out. */
floe_inline bool subscriber_is_empty(const struct subscriber *sub)
{
	const struct ring_reader *reader = &sub->turn->reader;

	__builtin_prefetch((const void *)sub->turn->coming);
	return load_relaxed(&sub->hints->publishers) == sub->straight_at &&
	       ring_sequence(reader->slot) < reader->want;
}

/* Where a sample came from that is known to be held. */
floe_inline struct feed *subscriber_feed_of(const struct subscriber *sub,
					    const struct floe_sample *sample)
{
	return sub->held[sample->ticket & sub->holds_mask].feed;
}

/* Does something lie ready? 1; 0 nothing does; -EAGAIN a take has to find out. Nothing has been taken yet. */
floe_inline int subscriber_peek(struct subscriber *sub, struct ready *ret)
{
	struct feed *feed = sub->turn;
	uint64_t sequence;

	ret->feed = feed;
	ret->slot = feed->reader.slot;
	ret->want = feed->reader.want;
	__builtin_prefetch((const void *)feed->coming);
	if (floe_unlikely(load_relaxed(&sub->hints->publishers) != sub->straight_at))
		return -EAGAIN;
	sequence = ring_sequence(ret->slot);
	if (floe_likely(sequence < ret->want))
		return 0;
	return floe_likely(sequence == ret->want) ? 1 : -EAGAIN;
}

/* After it: what the slot says, and a place for it. false: a take has to find out. */
floe_inline bool subscriber_find_place(const struct subscriber *sub, struct ready *ready)
{
	ready->held = *sub->place;
	ready->what = load_relaxed(&ready->slot->what);
	return floe_likely(ready->held);
}

/* A payload with a mark, inline or in a chunk. */
#define SLOT_IS_MARKED_INLINE (SLOT_INLINE | SLOT_MARKED)
#define SLOT_IS_MARKED_CHUNK SLOT_MARKED
#define SLOT_KIND (SLOT_INLINE | SLOT_FLAGS)

floe_inline uint64_t subscriber_mark_inline(uint64_t what)
{
	return what << (64 - SLOT_MARK_BITS - SLOT_MARK_SHIFT) >> (64 - SLOT_MARK_BITS);
}

floe_inline uint64_t subscriber_mark_chunk(const struct slot_shared *slot)
{
	return load_relaxed(&slot->word[SLOT_CHUNK_MARK]) & SLOT_MARK_MASK;
}

/* Both: 1; 0; -EAGAIN */
floe_inline int subscriber_peek_marked(struct subscriber *sub, struct ready *ret,
				       uint64_t *ret_mark)
{
	int r = subscriber_peek(sub, ret);

	if (r != 1)
		return r;
	if (!subscriber_find_place(sub, ret) || (ret->what & SLOT_FLAGS) != SLOT_MARKED)
		return -EAGAIN;
	*ret_mark = ret->what & SLOT_INLINE ? subscriber_mark_inline(ret->what)
					    : subscriber_mark_chunk(ret->slot);
	return 1;
}

/* It is taken, but for subscriber_advance. 1, or 0: it was overwritten, or is not what it should be */
floe_inline int subscriber_take_peeked(struct subscriber *sub, struct ready *ready,
				       struct floe_sample *ret)
{
	if (ready->what & SLOT_INLINE) {
		ready->what &= SLOT_SIZE_MASK;
		return ready->what - 1 < FLOE_INLINE_MAX && subscriber_take_inline(sub, ready, ret);
	}
	ready->what &= ~SLOT_MARKED;
	return subscriber_take_chunk(sub, ready, ret);
}

/* A take for who hardly gets anything without a mark; and whose it is. */
floe_inline int subscriber_take_marked(struct subscriber *sub, struct floe_sample *ret,
				       uint64_t *ret_mark, struct feed **ret_feed)
{
	struct ready ready;
	int r = subscriber_peek_marked(sub, &ready, ret_mark);

	if (r == 0)
		return 0;
	*ret_feed = ready.feed;
	if (floe_likely(r == 1 && subscriber_take_peeked(sub, &ready, ret)))
		return subscriber_keep(sub, &ready, ret);
	r = subscriber_take_slow(sub, ret);
	*ret_mark = sub->mark;
	if (r == 1)
		*ret_feed = subscriber_feed_of(sub, ret);
	return r;
}

/* Which held sample this is; NULL: none of ours. */
floe_inline struct held *subscriber_find(struct subscriber *sub, const struct floe_sample *sample)
{
	uint64_t ticket = sample->ticket;
	struct held *held = &sub->held[ticket & sub->holds_mask];

	/* A free place has its next ticket already, which nobody has been given. */
	if (floe_unlikely(held->ticket != ticket || !held->feed))
		return NULL;
	return held;
}

/* The same for any sample, also of a subscriber with a descriptor. */
struct held *subscriber_find_any(struct subscriber *sub, const struct floe_sample *sample);

floe_inline void subscriber_give_back(struct subscriber *sub, struct held *held,
				      struct floe_sample *sample)
{
	/* Pairs with the acquire in the publisher's scan_holds: our last read of the payload comes
	 * before its next write. */
	store_release(&sub->port->hold[sample->ticket & PLACE_INDEX], HOLD_NONE);
	held->ticket += PLACE_NEXT_USE;
	held->feed = NULL;
	*--sub->place = held;
	sample->data = NULL;
	sample->size = 0;
	sample->ticket = 0;
}

floe_inline void subscriber_release(struct subscriber *sub, struct floe_sample *sample)
{
	struct held *held = subscriber_find(sub, sample);

	if (floe_unlikely(!held)) {
		subscriber_release_slow(sub, sample);
		return;
	}
	subscriber_give_back(sub, held, sample);
}

#endif
