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
 *   published since its start = received + lost + not yet taken       for each publisher
 */

#include <errno.h>
#include <stdbool.h>

#include "channel/hints_layout.h"
#include "channel/omen_layout.h"
#include "channel/port_layout.h"
#include "channel/ring.h"
#include "memory/region.h"
#include "os/os.h"

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
	bool seen;          /* when the folder was read last */
	uint32_t index;     /* which publisher of the topic */
	uint64_t file;      /* which file it is: its inode */
	shared_u64 nowhere;
	struct region region;  /* its segment, mapped read-only */
	struct region mapping; /* what is to be closed with it; more than the segment, or nothing */
	uint64_t owner;        /* the node of its publisher, when that was looked at last */
	struct region life;    /* that node's file, or nothing */
	const shared_u32 *omen; /* in it, or NULL */
	bool omen_told;         /* it is bad, and we have looked because of that */
};

/* A ticket says which place it is (8 bits), whether that is in use (1 bit), and counts how often
 * it was, so that an old copy is not taken for it. */
#define PLACE_INDEX 0xffu
#define PLACE_IN_USE 0x100u
/* Turned over in the tickets that a subscriber with a descriptor gives, so that their release is slow
 * as well. */
#define TICKET_POLLED ((uint64_t)1 << 63)

/* One cache line, for a process may have many subscribers. */
struct held {
	FLOE_CACHELINE_ALIGNED uint64_t words[SLOT_WORDS]; /* a copy of an inline payload */
	uint64_t ticket;
	struct feed *feed;
};
static_assert(sizeof(struct held) == 64, "found by a shift");

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
	/* Somebody waits by a descriptor (`polled`), and a call of ours has just looked around. */
	void (*settle)(void *user, struct subscriber *sub);
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
	uint32_t holds_max;
	uint32_t held_count;
	struct held **places; /* [holds_max]: from held_count on, those that are free */
	struct held *held;    /* [holds_max] */
	struct port_shared *port;
	uint64_t copied;
	uint64_t publishers_seen; /* SEEN_NONE: look again in any case */
	bool reliable;
	bool fenced; /* membarrier(2) is not to be had */

	bool polled;           /* there is a descriptor: every take and release is slow */
	int untold;            /* what refreshing said between two calls: the next one says it */
	uint32_t feed_changes; /* goes up when feeds or their omens may be others */

	uint64_t depth; /* UINT64_MAX: as far as the ring goes */
	uint64_t spin_ns;
	int64_t look_ns; /* how long one sleep may be */
	const struct subscriber_calls *calls;
	void *user;
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

/* The straight paths below call nothing but, as their last act, one of these. take_slow does all
 * that take can meet; the straight path is for one publisher and no special wishes. */
int subscriber_take_slow(struct subscriber *sub, struct floe_sample *ret);
void subscriber_release_slow(struct subscriber *sub, struct floe_sample *sample);
int subscriber_refresh(struct subscriber *sub);
int subscriber_wake_publisher(struct subscriber *sub, struct feed *feed); /* 1 */

/* 1 ready; 0 deadline; -EINTR */
int subscriber_wait(struct subscriber *sub, int64_t deadline_ns);

/*
 * For who waits elsewhere, in this order: list the words to wait on, with what they say now; tell
 * the publishers that somebody sleeps; look whether there is more. If not, one of the words is
 * woken when there is a message, and hardly ever else. New words are listed again.
 */
unsigned subscriber_list_words(const struct subscriber *sub,
			       struct os_wait *ret_words /* [OS_WAIT_MAX] */);
int subscriber_announce(struct subscriber *sub);  /* -errno: publishers may not see it in time */
bool subscriber_has_more(struct subscriber *sub); /* also when take has to say what is wrong */

/* From here on each release settles, each wait, and each take that finds nothing; not the one that
 * finds something, for who was woken wants it now. */
void subscriber_be_polled(struct subscriber *sub);

floe_inline int subscriber_keep(struct subscriber *sub, struct feed *feed, struct held *held,
				struct floe_sample *ret)
{
	uint64_t ticket = held->ticket | PLACE_IN_USE;

	ret->ticket = ticket;
	ret->sequence = feed->reader.next;
	ret->lost = feed->lost;
	held->ticket = ticket;
	held->feed = feed;
	feed->lost = 0;
	sub->held_count++;
	ring_reader_advance(&feed->reader);

	bump(&sub->port->received, 1);
	/* Pairs with the acquire in the publisher's member_limit. Dying before this store: the
	 * message counts as not taken, a reliable publisher waits until we are cleaned away. */
	store_release(feed->cursor, feed->reader.next);
	if (floe_unlikely(sub->reliable))
		return subscriber_wake_publisher(sub, feed);
	return 1;
}

/* 1, or 0: it was overwritten under our eyes */
floe_inline int subscriber_take_inline(struct subscriber *sub, struct feed *feed, struct held *held,
				       uint64_t what, struct floe_sample *ret)
{
	const struct slot_shared *slot = feed->reader.slot;
	uint64_t size = what & SLOT_SIZE_MASK;

	words_load(held->words, slot->word, SLOT_WORDS);
	if (floe_unlikely(!ring_still(slot, feed->reader.want) || size - 1 >= FLOE_INLINE_MAX))
		return 0;
	ret->data = held->words;
	ret->size = size;
	ret->time_ns = 0;
	if (what & SLOT_TIMED)
		ret->time_ns = held->words[SLOT_WORDS - 1];
	sub->copied += size;
	return 1;
}

/* 1, or 0: it was overwritten under our eyes, or it lies where no memory is known to be */
floe_inline int subscriber_take_chunk(struct subscriber *sub, struct feed *feed, struct held *held,
				      uint64_t offset, struct floe_sample *ret)
{
	const struct slot_shared *slot = feed->reader.slot;
	uint64_t size = load_relaxed(&slot->word[SLOT_CHUNK_SIZE]);
	uint64_t time_ns = load_relaxed(&slot->word[SLOT_CHUNK_TIME]);
	uint64_t next = load_relaxed(&slot->word[SLOT_CHUNK_NEXT]);
	shared_u64 *hold = &sub->port->hold[held->ticket & PLACE_INDEX];

	/* The payload's first line is on its way while the hold becomes visible; an address that is
	 * none does no harm here, and no more when the next is fetched. */
	__builtin_prefetch((const void *)((uintptr_t)feed->base + offset));
	if (floe_unlikely(offset > feed->reserved || size > feed->reserved - offset || size == 0 ||
			  offset % FLOE_CACHELINE))
		return 0;
	feed->coming = (uintptr_t)feed->base + next;

	/* Pairs with the fence in the publisher's reclaim: either it finds this hold, or the next
	 * load finds the slot overwritten. Dying after this store pins a chunk that the publisher
	 * has reserved for us, until we are cleaned away. */
	store_seq_cst(hold, feed->tag | offset);
	/* Pairs with the release fence in ring_begin, as in ring_still: what was read above. */
	fence_acquire();
	if (floe_unlikely(load_seq_cst(&slot->sequence) != feed->reader.want)) {
		store_release(hold, HOLD_NONE);
		return 0;
	}
	ret->data = feed->base + offset;
	ret->size = size;
	ret->time_ns = time_ns;
	return 1;
}

/* The message that is ready in this feed lies in a chunk. */
int subscriber_take_chunk_ready(struct subscriber *sub, struct feed *feed, struct floe_sample *ret);

/* 1; 0 nothing there; -ENOBUFS; -EPROTO; or what refreshing said */
floe_inline int subscriber_take(struct subscriber *sub, struct floe_sample *ret)
{
	struct feed *feed = sub->turn;
	enum ring_state state;
	struct held *held;
	uint64_t what;

	/* Two lines are fetched at once, not one after the other. */
	__builtin_prefetch((const void *)feed->coming);
	if (floe_unlikely(load_relaxed(&sub->hints->publishers) != sub->straight_at))
		return subscriber_take_slow(sub, ret);
	state = ring_look(&feed->reader);
	if (state == RING_EMPTY)
		return 0;
	if (floe_unlikely(state == RING_LAPPED || sub->held_count == sub->holds_max))
		return subscriber_take_slow(sub, ret);

	what = load_relaxed(&feed->reader.slot->what);
	if (!(what & SLOT_INLINE))
		return subscriber_take_chunk_ready(sub, feed, ret);
	held = sub->places[sub->held_count];
	if (floe_unlikely(!subscriber_take_inline(sub, feed, held, what, ret)))
		return subscriber_take_slow(sub, ret);
	return subscriber_keep(sub, feed, held, ret);
}

/* Which held sample this is; NULL: none of ours. */
floe_inline struct held *subscriber_find(struct subscriber *sub, const struct floe_sample *sample)
{
	uint64_t place = sample->ticket & PLACE_INDEX;

	if (floe_unlikely(place >= sub->holds_max || !(sample->ticket & PLACE_IN_USE) ||
			  sub->held[place].ticket != sample->ticket))
		return NULL;
	return &sub->held[place];
}

/* The same for any sample, also of a subscriber with a descriptor. */
struct held *subscriber_find_any(struct subscriber *sub, const struct floe_sample *sample);

floe_inline void subscriber_give_back(struct subscriber *sub, struct held *held,
				      struct floe_sample *sample)
{
	uint32_t count = sub->held_count - 1;

	/* Pairs with the acquire in the publisher's scan_holds: our last read of the payload comes
	 * before its next write. */
	store_release(&sub->port->hold[sample->ticket & PLACE_INDEX], HOLD_NONE);
	held->ticket += PLACE_IN_USE; /* the carry counts the next use */
	sub->held_count = count;
	sub->places[count] = held;
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
