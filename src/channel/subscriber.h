/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_SUBSCRIBER_H
#define CHANNEL_SUBSCRIBER_H

/*
 * Subscriber: takes messages from the rings of all publishers of a topic, in turn.
 *
 * It writes its port and nothing else that others see. All of this struct is private to the
 * process. One thread at a time. It knows no names: which publishers there are is told to it.
 *
 *   samples held = holds_max - free;  inline samples hold a place, but no chunk
 *   published since its start = received + lost + not yet taken       for each publisher
 */

#include <errno.h>
#include <stdbool.h>

#include "channel/hints_layout.h"
#include "channel/port_layout.h"
#include "channel/ring.h"
#include "memory/region.h"

/* A publisher, as a subscriber sees it. */
struct feed {
	struct ring_reader reader;
	struct region region;  /* its segment, mapped read-only */
	struct region mapping; /* what is to be closed with it; more than the segment, or nothing */
	uint64_t lost;         /* since the last sample that was taken */
	uint64_t file;         /* which file it is: its inode */
	uint32_t index;        /* which publisher of the topic */
	uint32_t held;         /* samples of it */
	bool leaving;          /* its file is gone: let go when empty and nothing is held */
	bool broken;           /* it was not what it must be: left alone */
	bool seen;             /* when the folder was read last */
};

struct held {
	uint64_t ticket; /* 0: free */
	struct feed *feed;
	uint32_t serial;
};

struct subscriber;

struct subscriber_calls {
	/* A publisher came or went: subscriber_add_feed, feed->leaving. 0 or -errno */
	int (*refresh)(void *user, struct subscriber *sub);
	/* The publisher's memory has grown: look how far. */
	int (*look_again)(void *user, struct feed *feed);
	/* The feed is let go: whatever keeps its memory mapped. */
	void (*detach)(void *user, struct feed *feed);
};

struct subscriber {
	struct port_shared *port;
	struct hints_shared *hints;
	uint64_t publishers_seen;
	uint64_t depth; /* UINT64_MAX: as far as the ring goes */
	uint32_t turn;  /* feed that is asked first */
	uint32_t feed_count;
	uint32_t leaving_count;
	struct feed *feeds; /* [FLOE_PUBLISHERS_MAX] */

	uint32_t holds_max;
	uint32_t held_count;
	uint32_t *places;      /* free ones, a stack */
	struct held *held;     /* [holds_max] */
	unsigned char *copies; /* [holds_max], a cache line each: inline payloads */

	uint64_t received;
	uint64_t lost;
	uint64_t copied;
	uint64_t spin_ns;
	bool reliable;
	bool fenced; /* membarrier(2) is not to be had */
	bool wants_refresh;

	const struct subscriber_calls *calls;
	void *user;
};

size_t subscriber_memory_size(uint32_t holds_max);

struct subscriber_plan {
	struct port_shared *port; /* laid out and ours */
	struct hints_shared *hints;
	void *memory; /* subscriber_memory_size() bytes, 64-byte aligned */
	uint64_t spin_ns;
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

/* Lets go of feeds that are leaving, empty, and of which nothing is held. */
void subscriber_drop_feeds(struct subscriber *sub);

/* Releases everything and lets go of all feeds; the port is the caller's to close. */
void subscriber_deinit(struct subscriber *sub);

/* What take does beyond the straight path. */
int subscriber_take_other(struct subscriber *sub, struct feed *feed, struct floe_sample *ret);
int subscriber_refresh(struct subscriber *sub);
void subscriber_wake_publisher(struct subscriber *sub, struct feed *feed);

/* 1 ready; 0 deadline; -EINTR */
int subscriber_wait(struct subscriber *sub, int64_t deadline_ns);

floe_inline void subscriber_keep(struct subscriber *sub, struct feed *feed, uint32_t place,
				 struct floe_sample *ret)
{
	struct held *held = &sub->held[place];
	struct port_shared *port = sub->port;

	/* The serial keeps an old copy of a sample from being taken for this one. */
	held->ticket = (uint64_t)++held->serial << 9 | 0x100 | place;
	held->feed = feed;
	feed->held++;
	sub->held_count++;
	sub->received++;
	ret->ticket = held->ticket;
	ret->sequence = feed->reader.next;
	ret->lost = feed->lost;
	feed->lost = 0;
	ring_reader_advance(&feed->reader);

	store_relaxed(&port->received, sub->received);
	store_relaxed(&port->held, sub->held_count);
	/* Pairs with the acquire in the publisher's member_limit. Dying before this store: the
	 * message counts as not taken, a reliable publisher waits until we are cleaned away. */
	if (floe_likely(!feed->leaving))
		store_release(&port->cursor[feed->index], feed->reader.next);
	if (floe_unlikely(sub->reliable))
		subscriber_wake_publisher(sub, feed);
}

/* 1, or 0: it was overwritten under our eyes */
floe_inline int subscriber_take_inline(struct subscriber *sub, struct feed *feed, uint32_t place,
				       uint64_t what, struct floe_sample *ret)
{
	const struct slot_shared *slot = ring_slot(&feed->reader);
	uint64_t *copy = (uint64_t *)(sub->copies + (size_t)place * FLOE_CACHELINE);
	uint64_t size = what & SLOT_SIZE_MASK;

	for (unsigned i = 0; i < SLOT_WORDS; i++)
		copy[i] = load_relaxed(&slot->word[i]);
	if (floe_unlikely(!ring_still(&feed->reader) || size - 1 >= FLOE_INLINE_MAX))
		return 0;
	ret->data = copy;
	ret->size = size;
	ret->time_ns = what & SLOT_TIMED ? copy[SLOT_WORDS - 1] : 0;
	sub->copied += size;
	return 1;
}

/* 1, or 0: it was overwritten under our eyes, or it lies where no memory is known to be */
floe_inline int subscriber_take_chunk(struct subscriber *sub, struct feed *feed, uint32_t place,
				      uint64_t offset, struct floe_sample *ret)
{
	const struct slot_shared *slot = ring_slot(&feed->reader);
	uint64_t size = load_relaxed(&slot->word[SLOT_CHUNK_SIZE]);
	uint64_t time_ns = load_relaxed(&slot->word[SLOT_CHUNK_TIME]);
	const void *data = region_at(&feed->region, offset, size);

	if (floe_unlikely(!data || size == 0 || offset % FLOE_CACHELINE))
		return 0;
	/* The payload's first line is on its way while the hold becomes visible. */
	__builtin_prefetch(data);

	/* Pairs with the fence in the publisher's reclaim: either it finds this hold, or the next
	 * load finds the slot overwritten. Dying after this store pins a chunk that the publisher
	 * has reserved for us, until we are cleaned away. */
	store_seq_cst(&sub->port->hold[place], hold_make(feed->index, offset));
	if (floe_unlikely(load_seq_cst(&slot->sequence) != 2 * feed->reader.next)) {
		store_release(&sub->port->hold[place], HOLD_NONE);
		return 0;
	}
	ret->data = data;
	ret->size = size;
	ret->time_ns = time_ns;
	return 1;
}

/* 1; 0 nothing there; -EPROTO */
floe_inline int subscriber_take_from(struct subscriber *sub, struct feed *feed,
				     struct floe_sample *ret)
{
	enum ring_state state = ring_look(&feed->reader);
	uint32_t place;
	uint64_t what;
	int r;

	if (state == RING_EMPTY)
		return 0;
	if (floe_unlikely(state == RING_LAPPED || sub->depth < feed->reader.depth))
		return subscriber_take_other(sub, feed, ret);

	place = sub->places[sub->holds_max - sub->held_count - 1];
	what = load_relaxed(&ring_slot(&feed->reader)->what);
	r = what & SLOT_INLINE ? subscriber_take_inline(sub, feed, place, what, ret)
			       : subscriber_take_chunk(sub, feed, place, what, ret);
	if (floe_unlikely(!r))
		return subscriber_take_other(sub, feed, ret);
	subscriber_keep(sub, feed, place, ret);
	return 1;
}

/* 1; 0 nothing there; -ENOBUFS; -EPROTO; or what refreshing said */
floe_inline int subscriber_take(struct subscriber *sub, struct floe_sample *ret)
{
	if (floe_unlikely(load_relaxed(&sub->hints->publishers) != sub->publishers_seen ||
			  sub->wants_refresh)) {
		int r = subscriber_refresh(sub);

		if (r < 0)
			return r;
	}
	if (floe_unlikely(sub->held_count == sub->holds_max))
		return -ENOBUFS;

	for (uint32_t n = 0; n < sub->feed_count; n++) {
		struct feed *feed = &sub->feeds[sub->turn];
		int r = feed->broken ? 0 : subscriber_take_from(sub, feed, ret);

		sub->turn = sub->turn + 1 >= sub->feed_count ? 0 : sub->turn + 1;
		if (r)
			return r;
	}
	if (floe_unlikely(sub->leaving_count))
		subscriber_drop_feeds(sub);
	return 0;
}

/* Which held sample this is; NULL: none of ours. */
floe_inline struct held *subscriber_find(struct subscriber *sub, const struct floe_sample *sample)
{
	uint64_t place = sample->ticket & 0xff;

	if (floe_unlikely(place >= sub->holds_max || sample->ticket == 0 ||
			  sub->held[place].ticket != sample->ticket))
		return NULL;
	return &sub->held[place];
}

floe_inline void subscriber_release(struct subscriber *sub, struct floe_sample *sample)
{
	struct held *held = subscriber_find(sub, sample);
	uint32_t place;

	if (floe_unlikely(!held))
		return;
	place = (uint32_t)(held - sub->held);
	/* Pairs with the acquire in the publisher's scan_holds: our last read of the payload comes
	 * before its next write. */
	store_release(&sub->port->hold[place], HOLD_NONE);
	held->ticket = 0;
	held->feed->held--;
	sub->held_count--;
	sub->places[sub->holds_max - sub->held_count - 1] = place;
	store_relaxed(&sub->port->held, sub->held_count);
	*sample = (struct floe_sample){0};
}

#endif
