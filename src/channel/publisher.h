/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_PUBLISHER_H
#define CHANNEL_PUBLISHER_H

/*
 * Publisher: lends chunks, sends them through its ring, and gets them back when no slot and no
 * hold names them any more.
 *
 * All of this struct is private to the process and dies with it; what others see is the segment.
 * One thread at a time. It knows no names: who reads is told to it as a list of members.
 *
 *   chunks = free in the manager + ready + lent + in the ring + retired
 *   ready:   of the first pool, free, the next to be lent; the manager counts them as used
 *   retired: left the ring, perhaps still held, or in a lane; at most sum(holds_max) of them are
 *            held, and lanes_max * lane_depth in lanes
 *   => with chunks >= depth + loans_max + sum(holds_max) + lanes_max * lane_depth a loan never fails
 *
 * A relay counts as a chunk of its own in the ring and among the retired, and never is ready.
 *
 * Chunks are known by where the payload begins; a header lies in front of it.
 *
 * An elastic one has no pools but a stretch, and nothing is ready there: each loan is slow.
 */

#include <stdbool.h>

#include "alloc/manager.h"
#include "channel/hints_layout.h"
#include "channel/lane.h"
#include "channel/omen_layout.h"
#include "channel/port_layout.h"
#include "channel/relay.h"
#include "channel/ring.h"
#include "channel/stretch.h"
#include "os/os.h"

/* Chunks are known by their offset in the segment, where none lies at 0. */
#define CHUNK_NONE ((uint64_t)0)

/* A ticket says which loan it is (8 bits) and counts how often that was out, so that an old copy is
 * not taken for it. One bit is always set: no ticket is 0. */
#define TICKET_INDEX 0xffu
#define TICKET_ALWAYS 0x100u
#define TICKET_NEXT_LOAN 0x200u

struct lent {
	FLOE_CACHELINE_ALIGNED void *data;
	size_t size;             /* that was asked for: no more of it is sent */
	uint64_t ticket;         /* of the loan that is out, or will be next */
	uint64_t chunk;          /* CHUNK_NONE: the payload is in words[] and travels inline */
	uint64_t blocked;        /* when its message last met "would block"; a count, not a time */
	uint64_t blocked_ticket; /* and as which loan */
	bool told;               /* there is a receipt */
	FLOE_CACHELINE_ALIGNED uint64_t words[SLOT_WORDS];
};
static_assert(sizeof(struct lent) == 128, "found by a shift");

/* A subscriber, as its publishers see it. */
struct member {
	const struct port_shared *port;
	const void *node;       /* where the registry keeps what it knows about the process */
	const shared_u32 *omen; /* of the process, or NULL */
	uint32_t holds_max;     /* checked against the mapping when it was added */
	bool reliable;
	bool drops;           /* the newest, when its lane is full */
	bool queues;          /* the message that is being sent */
	bool gone;            /* its process is dead: its holds count until it is cleaned away */
	bool left_behind;     /* it was waited for long enough, and has not caught up since */
	uint64_t patience_ns; /* how long that is, 0: for ever */
	uint32_t lane;        /* of one that drops */
	uint64_t queue_max;   /* at most so many in it, 0: all that there is room for */
	uint64_t life;        /* which use of the port it is */
	bool is_before;       /* its cursor is of the ring before ours */
	bool began_before;    /* as long as its bit says this */
	int64_t blocked_ns;   /* since when it is waited for at `blocked_at`, 0: it is not */
	uint64_t blocked_at;
};

struct publisher;

/* What the layer above does for the publisher when the slow path needs it. */
struct publisher_calls {
	/* Somebody joined or left: publisher_set_members, more chunks, pub->shortage. 0, or -errno
	 * and it is called again next time. */
	int (*refresh)(void *user, struct publisher *pub);
	/* Is this subscriber's process alive? 1, 0, -errno */
	int (*is_alive)(void *user, const struct member *member);
	/* Somebody sleeps: our own omen must be watched. May be NULL. */
	void (*watch)(void *user);
	/* A message would block: FLOE_BLOCK, FLOE_AGAIN, FLOE_DROP. May be NULL. */
	int (*would_block)(void *user);
	/* os->wait_any; others may use the publisher meanwhile. NULL: nobody does. */
	int (*wait_any)(void *user, const struct os_wait *words, unsigned count,
			int64_t deadline_ns);
	/* The loan limit was met for the first time since it was set; receipts have been written. May
	 * be NULL. */
	void (*tell_limit)(void *user, struct publisher *pub);
	/* A loan found the file system full, for the first time since one did not. May be NULL. */
	void (*tell_full)(void *user, struct publisher *pub);
};

/* The count of subscribers' coming and going never gets there. If a hint says so, what has a mark goes
 * straight when it should not: a receipt stays, somebody's hold is not known, or he is woken late; no more
 * than hints that lie cost anyway. */
#define MEMBERS_UNSEEN UINT64_MAX

struct publisher {
	/* What every message needs comes first. */
	struct ring ring;
	uint64_t *named; /* slot_chunk of ring.slot */
	struct hints_shared *hints;
	uint64_t sleepers_seen; /* nothing more to do for these */
	uint64_t subscribers_seen;
	uint64_t limit;      /* may be published on the straight path */
	struct lent *lent;   /* [loans_mask + 1]; of these loans_max are used */
	struct lent **loan;  /* the next to go out; NULL: so many were never out, or may not be */
	size_t straight_max; /* size of a payload that the first pool can take */
	uint32_t loans_mask; /* so that any ticket leads into the table */
	uint32_t inline_max;
	/* Two stacks [1 + chunks], with CHUNK_NONE at the bottom, which change places when nothing
	 * is held; each is known by where its top is. */
	uint64_t *ready;
	uint64_t *retired; /* its top is free to be written */
	uint64_t *ready_bottom;
	uint64_t *retired_bottom;
	/* subscribers_seen, if what has a mark may go straight, else MEMBERS_UNSEEN */
	uint64_t straight_at;

	uint64_t first_end; /* offsets below it are chunks of the first pool, or CHUNK_NONE */
	struct manager manager;
	struct stretch *stretch; /* elastic: instead of pools */
	struct relays *relays;   /* chunks of others; NULL: none are sent */
	struct lane *lanes;      /* [lanes_max] */
	uint32_t lanes_max;
	uint32_t lane_depth;
	uint32_t droppers;            /* members with a lane: then limit stays 0 */
	uint64_t *slot_chunk;         /* [depth]: what each slot names */
	struct lent **loans;          /* [loans_max + 1]: those out, those that were, NULL */
	struct loan_shared *receipts; /* [loans_table] */
	uint32_t told;                /* receipts that are written */
	bool traced; /* each loan gets one. Then straight_max stays 0, and limit too */
	bool limit_told;
	bool full_told;
	uint32_t loans_table; /* places for loans */
	uint32_t loans_max;   /* of them may be used now */
	uint32_t loans_high;
	uint64_t allowed; /* may be published without looking at cursors */
	bool spill;
	bool timed;         /* with timestamps. Then, and if fenced, limit stays 0 */
	bool fenced;        /* membarrier(2) is not to be had: a fence in every publish */
	bool wants_refresh; /* the last one failed */
	bool keeps_blocked; /* a loan that would block stays with who has it, also when all are out */
	bool introduced;    /* who sleeps has been told that we send */
	uint64_t *marked;   /* [chunks]: the scan that found a hold on it */
	uint64_t scan;
	uint64_t sleepers_woken; /* woken once, at least */
	uint64_t blocked_count;
	int shortage;   /* why there are fewer chunks than members may hold: -errno, else 0 */
	uint32_t index; /* which publisher of the topic */
	size_t payload_max;
	uint32_t header_size;   /* beside each payload; 0: none */
	uint32_t header_room;   /* what it takes of its chunk, in front of the payload */
	uint32_t header_inline; /* where it is in the words of what travels inline */

	struct member *members;
	uint32_t member_count;
	uint32_t member_max;
	uint32_t member_changes; /* goes up when members may be others */
	uint32_t asleep;         /* threads that wait */
	int64_t alive_checked_ns;
	int64_t look_ns; /* how long one sleep may be; 0: the usual time */

	const struct publisher_calls *calls;
	void *user;
};

/* Exact bytes of private memory for the tables above; chunk_count_max: of all pools, and of relays. Only as
 * much of it is touched as there are chunks and subscribers. */
size_t publisher_memory_size(uint32_t depth, uint32_t loans_max, uint32_t chunk_count_max,
			     uint32_t member_max);

struct publisher_plan {
	struct segment_shared *segment; /* formatted, ours, or adopted */
	struct hints_shared *hints;
	void *memory; /* publisher_memory_size() bytes, 64-byte aligned */
	size_t memory_size;
	struct manager manager;  /* initialised, everything free */
	struct stretch *stretch; /* the same, instead of it; or NULL */
	struct relays *relays;   /* initialised, all free; NULL: the segment has none */
	struct lane *lanes;      /* [lanes_max], to be filled in; as the segment was made with */
	uint32_t lanes_max;
	uint32_t lane_depth;
	bool spill;           /* when the best pool is exhausted, a larger one does */
	uint32_t loans_limit; /* so many may be out at first, or more, as it was before; 0: all */
	uint64_t quota_limit; /* the same for the memory of a stretch */
	uint32_t member_max;
	bool chunks_only; /* nothing travels inline */
	bool fenced;
	bool keeps_blocked;
	uint32_t header_size; /* as the segment was made with; its pools leave room for it */
	uint32_t header_inline;
	const struct publisher_calls *calls;
	void *user;
};

/*
 * Takes up a segment: a fresh one, or one whose publisher is gone. All private state is rebuilt
 * from the shared words: chunks in published slots are in use, everything else is retired until a
 * scan has looked for holds. -ENOMEM; -EPROTO: the slots name what is no chunk, or
 * the head is not what it was.
 */
int publisher_init(struct publisher *pub, const struct publisher_plan *plan);

/* So many chunks of the last pool have memory by now; not more than its plan said. */
void publisher_grow(struct publisher *pub, uint32_t chunk_count);

/* Replaces the list of subscribers, by at most member_max. */
void publisher_set_members(struct publisher *pub, struct member *members, uint32_t count);

/* From here on each loan gets a receipt: every call is slow. */
void publisher_trace(struct publisher *pub);

/* Where in the program a loan is made; file: NULL: it is not known. */
struct loan_place {
	const char *file;
	uint32_t line;
};
int publisher_loan_traced(struct publisher *pub, size_t size, struct floe_loan *ret_loan,
			  const struct loan_place *place);

/* At most so many out from now on: 0; -EINVAL 0, or more than there are places for; -EBUSY more are out */
int publisher_limit_loans(struct publisher *pub, size_t loans_max);

/* At most so much memory for a stretch, rounded down to pages: 0; -EINVAL there is none, less than one
 * message takes, or more than there are addresses for; -EBUSY more is in use; or what refreshing said */
int publisher_limit_memory(struct publisher *pub, size_t size);

/* What is out now, the n-th of the table: 1; 0 nothing is. */
int publisher_describe_loan(const struct publisher *pub, uint32_t n,
			    struct floe_loan_info *ret_info);

/* The straight paths below call nothing but, as their last act, one of these. */
int publisher_loan_slow(struct publisher *pub, size_t size, struct floe_loan *ret_loan,
			const void *caller);
int publisher_publish_slow(struct publisher *pub, struct floe_loan *loan);
int publisher_may_publish(struct publisher *pub, uint64_t count); /* so many, one after the other */
int publisher_wake(struct publisher *pub);                        /* 1 */
void publisher_discard_slow(struct publisher *pub, struct lent *lent, struct floe_loan *loan);
int publisher_look_ahead(struct publisher *pub); /* 1 */

/* The place of who has this ticket. */
floe_inline struct lent *publisher_lent(const struct publisher *pub, uint64_t ticket)
{
	return &pub->lent[ticket & pub->loans_mask];
}

/* Which of our loans this is; NULL: none. What the caller holds is input. */
floe_inline struct lent *publisher_find(struct publisher *pub, const struct floe_loan *loan)
{
	uint64_t ticket = loan->ticket;
	struct lent *lent = publisher_lent(pub, ticket);

	/* The address tells it from the loan of another publisher. */
	if (floe_unlikely(ticket != lent->ticket || loan->data != lent->data))
		return NULL;
	return lent;
}

floe_inline void publisher_lend(struct publisher *pub, struct lent *lent, void *data,
				uint64_t chunk, size_t size, struct floe_loan *ret_loan)
{
	lent->data = data;
	lent->size = size;
	lent->chunk = chunk;
	pub->loan++;
	bump(&pub->ring.segment->lent, 1);
	ret_loan->data = data;
	ret_loan->size = size;
	ret_loan->ticket = lent->ticket;
}

floe_inline void publisher_unlend(struct publisher *pub, struct lent *lent, struct floe_loan *loan)
{
	lent->ticket += TICKET_NEXT_LOAN;
	lent->data = NULL;
	*--pub->loan = lent;
	loan->data = NULL;
	loan->size = 0;
	loan->ticket = 0;
}

/* The header of a loan that is out; NULL: it is none of ours, or has no header. */
void *publisher_header(struct publisher *pub, const struct floe_loan *loan);

/* NULL: publisher_loan_slow has to see. */
floe_inline struct lent *publisher_loan_straight(struct publisher *pub, size_t size,
						 struct floe_loan *ret_loan)
{
	struct lent *lent = *pub->loan;
	uint64_t chunk;

	if (floe_unlikely(size - 1 >= pub->straight_max || !lent))
		return NULL;
	if (size <= pub->inline_max) {
		publisher_lend(pub, lent, lent->words, CHUNK_NONE, size, ret_loan);
		return lent;
	}
	chunk = *pub->ready;
	if (floe_unlikely(chunk == CHUNK_NONE))
		return NULL;
	pub->ready--;
	publisher_lend(pub, lent, (char *)pub->ring.segment + chunk, chunk, size, ret_loan);
	return lent;
}

/* 1; 0 no chunk is free; -EINVAL, -ENOBUFS, or what refreshing said. A program that is traced without the
 * macro is known by where it called from: the return address of what this is a part of. */
floe_inline int publisher_loan(struct publisher *pub, size_t size, struct floe_loan *ret_loan)
{
	if (floe_unlikely(!publisher_loan_straight(pub, size, ret_loan)))
		return publisher_loan_slow(pub, size, ret_loan, __builtin_return_address(0));
	return 1;
}

/* The same for who was called from inside the library, and is told from where that was. */
floe_inline int publisher_loan_for(struct publisher *pub, size_t size, struct floe_loan *ret_loan,
				   const void *caller)
{
	if (floe_unlikely(!publisher_loan_straight(pub, size, ret_loan)))
		return publisher_loan_slow(pub, size, ret_loan, caller);
	return 1;
}

/* It was not sent; a loan that is not ours stays as it is. */
floe_inline void publisher_discard(struct publisher *pub, struct floe_loan *loan)
{
	struct lent *lent = publisher_find(pub, loan);
	uint64_t chunk;

	if (floe_unlikely(!lent))
		return;
	chunk = lent->chunk;
	if (floe_unlikely(lent->told || chunk >= pub->first_end)) {
		publisher_discard_slow(pub, lent, loan);
		return;
	}
	if (chunk != CHUNK_NONE)
		*++pub->ready = chunk;
	publisher_unlend(pub, lent, loan);
	bump(&pub->ring.segment->discarded, 1);
}

floe_inline void publisher_fill_inline(struct slot_shared *slot, const struct lent *lent,
				       size_t size, uint64_t time_ns)
{
	store_relaxed(&slot->what, SLOT_INLINE | (time_ns ? SLOT_TIMED : 0) | size);
	words_store(slot->word, lent->words, SLOT_WORDS);
	if (time_ns)
		store_relaxed(&slot->word[SLOT_WORDS - 1], time_ns);
}

floe_inline void publisher_fill_chunk(const struct publisher *pub, struct slot_shared *slot,
				      uint64_t chunk, size_t size, uint64_t time_ns)
{
	store_relaxed(&slot->what, chunk | (time_ns ? SLOT_TIMED : 0));
	store_relaxed(&slot->word[SLOT_CHUNK_SIZE], size);
	if (time_ns)
		store_relaxed(&slot->word[SLOT_CHUNK_TIME], time_ns);
	/* Readers fetch it while they wait; measured: a hop of 1.6 instead of 2.0 cache lines. */
	store_relaxed(&slot->word[SLOT_CHUNK_NEXT], *pub->ready);
}

/* The chunk that the slot named before has left the ring; now it names this one. */
floe_inline void publisher_rename(struct publisher *pub, bool wrapped, uint64_t chunk)
{
	uint64_t *named = pub->named;
	uint64_t before = *named;

	*named = chunk;
	if (before != CHUNK_NONE)
		*pub->retired++ = before;
	pub->named = wrapped ? pub->slot_chunk : named + 1;
}

/* Sends a loan that is ours, when nobody must be waited for. */
floe_inline int publisher_send(struct publisher *pub, struct lent *lent, struct floe_loan *loan,
			       uint64_t time_ns)
{
	uint64_t next = pub->ring.next;
	struct slot_shared *slot = ring_begin(&pub->ring, next);
	uint64_t chunk = lent->chunk;

	if (chunk == CHUNK_NONE)
		publisher_fill_inline(slot, lent, loan->size, time_ns);
	else
		publisher_fill_chunk(pub, slot, chunk, loan->size, time_ns);
	/* Only private words behind it: the message is on its way. */
	publisher_rename(pub, ring_commit(&pub->ring, slot, next), chunk);
	publisher_unlend(pub, lent, loan);

	/* Pairs with the membarrier in sleep_once: either we see its addition here, or it sees our
	 * slot. Where there is no membarrier the slow path pays for a fence. */
	if (floe_unlikely(load_relaxed(&pub->hints->sleepers) != pub->sleepers_seen))
		return publisher_wake(pub);
	return 1;
}

/* 1; 0 would block; -EINVAL, or what refreshing said */
floe_inline int publisher_publish(struct publisher *pub, struct floe_loan *loan)
{
	struct lent *lent = publisher_find(pub, loan);

	if (floe_unlikely(!lent || loan->size - 1 >= lent->size || pub->ring.next > pub->limit ||
			  load_relaxed(&pub->hints->subscribers) != pub->subscribers_seen))
		return publisher_publish_slow(pub, loan);
	return publisher_send(pub, lent, loan, 0);
}

int publisher_publish_marked_slow(struct publisher *pub, struct floe_loan *loan, uint64_t mark);

/* The sequence is read twice, for in between registers are short. */
floe_inline void publisher_commit_inline(struct publisher *pub, const struct lent *lent,
					 uint64_t what)
{
	struct slot_shared *slot = ring_begin(&pub->ring, pub->ring.next);

	store_relaxed(&slot->what, what);
	words_store(slot->word, lent->words, SLOT_WORDS);
	ring_send(&pub->ring, slot, pub->ring.next);
}

floe_inline void publisher_commit_chunk(struct publisher *pub, uint64_t chunk, size_t size,
					uint64_t mark)
{
	struct slot_shared *slot = ring_begin(&pub->ring, pub->ring.next);

	store_relaxed(&slot->what, SLOT_MARKED | chunk);
	store_relaxed(&slot->word[SLOT_CHUNK_SIZE], size);
	store_relaxed(&slot->word[SLOT_CHUNK_NEXT], *pub->ready);
	store_relaxed(&slot->word[SLOT_CHUNK_MARK], mark);
	ring_send(&pub->ring, slot, pub->ring.next);
}

/* As publisher_send, but publisher_settle has to follow, and nobody is woken yet. mark: of SLOT_MARK_BITS */
floe_inline void publisher_commit_marked(struct publisher *pub, const struct lent *lent,
					 const struct floe_loan *loan, uint64_t mark)
{
	if (lent->chunk == CHUNK_NONE)
		publisher_commit_inline(pub, lent,
					SLOT_INLINE | SLOT_MARKED | mark << SLOT_MARK_SHIFT |
						loan->size);
	else
		publisher_commit_chunk(pub, lent->chunk, loan->size, mark);
}

/* The message is on its way, and what is left are private words. */
floe_inline void publisher_settle(struct publisher *pub, struct lent *lent, struct floe_loan *loan)
{
	bool wrapped = ring_advance(&pub->ring, pub->ring.slot, pub->ring.next);

	publisher_rename(pub, wrapped, lent->chunk);
	publisher_unlend(pub, lent, loan);
}

/* After publisher_commit_marked, which pairs with the membarrier in sleep_once, as in publisher_send. 1 */
floe_inline int publisher_wake_sleepers(struct publisher *pub)
{
	if (floe_unlikely(load_relaxed(&pub->hints->sleepers) != pub->sleepers_seen))
		return publisher_wake(pub);
	return 1;
}

/*
 * After publisher_settle and publisher_wake_sleepers: the loan after the next would find nothing ready. What has
 * left the ring is looked at now, while the message is on its way, and not when somebody waits for the loan; and
 * so each message says which chunk comes next. 1
 */
floe_inline int publisher_make_ready(struct publisher *pub, const struct lent *lent)
{
	if (floe_unlikely(lent->chunk != CHUNK_NONE && pub->ready <= pub->ready_bottom + 1))
		return publisher_look_ahead(pub);
	return 1;
}

floe_inline int publisher_send_marked(struct publisher *pub, struct lent *lent,
				      struct floe_loan *loan, uint64_t mark)
{
	publisher_commit_marked(pub, lent, loan, mark & SLOT_MARK_MASK);
	publisher_settle(pub, lent, loan);
	(void)publisher_wake_sleepers(pub);
	return publisher_make_ready(pub, lent);
}

/*
 * The next message is sent soon: its slot and its payload's first line come here meanwhile. Who polls for
 * it has both, and would give them away only when they are stored to. Much sooner is no better: he fetches
 * them back.
 */
floe_inline void publisher_expect_loan(const struct publisher *pub)
{
	fetch_to_write(pub->ring.slot);
	fetch_to_write((const char *)pub->ring.segment + *pub->ready);
}

/* The same, if it has been lent already. */
floe_inline void publisher_expect_send(const struct publisher *pub)
{
	if (pub->loan == pub->loans)
		return;
	fetch_to_write(pub->ring.slot);
	fetch_to_write(pub->loan[-1]->data);
}

/* May this loan of ours be sent with a mark, by publisher_commit_marked, and nothing is to be seen to first? */
floe_inline bool publisher_is_straight(const struct publisher *pub, const struct lent *lent,
				       const struct floe_loan *loan)
{
	return loan->size - 1 < lent->size &&
	       load_relaxed(&pub->hints->subscribers) == pub->straight_at;
}

/* publisher_publish, with a number of SLOT_MARK_BITS beside the payload. Nobody is waited for: that
 * there is room is known to the caller. Not for a ring with timestamps. 1; -EINVAL, or what
 * refreshing said */
floe_inline int publisher_publish_marked(struct publisher *pub, struct floe_loan *loan,
					 uint64_t mark)
{
	struct lent *lent = publisher_find(pub, loan);

	if (floe_unlikely(!lent || !publisher_is_straight(pub, lent, loan)))
		return publisher_publish_marked_slow(pub, loan, mark);
	return publisher_send_marked(pub, lent, loan, mark);
}

/* The same of up to FLOE_INLINE_MAX bytes that were not lent. They travel inside the slot, without a header,
 * however the ring was made, so neither a chunk nor a loan is needed, and nobody is looked for. 1 */
int publisher_publish_words(struct publisher *pub, const void *data, size_t size, uint64_t mark);

/*
 * Sends `size` bytes of a chunk that a subscriber of another topic holds; plan->ticket is what that
 * hold is known by from now on. 1: the hold is the relay's, until it is idle; 0 would block, or no relay
 * is free; -EINVAL, or what refreshing said
 */
int publisher_republish(struct publisher *pub, size_t size, const struct relay_plan *plan);

/*
 * Sends loans as one message, whose parts are taken together or not at all; count: 2 to
 * FLOE_PARTS_MAX. 1 and all are empty; 0 would block, and all are as before, or were dropped; -EMSGSIZE
 * the ring is not so deep; -EINVAL one of them is not ours, or there twice; or what refreshing said
 */
int publisher_publish_parts(struct publisher *pub, struct floe_loan *loans, uint32_t count);

/* Lends what so many bytes need, in pieces of payload_max: how many; -EMSGSIZE more than `count`, or than
 * one message can have; or what publisher_loan says, and nothing is lent. */
int publisher_loan_parts(struct publisher *pub, size_t size, struct floe_loan *loans,
			 uint32_t count, const void *caller);

/* Can more than `count` messages be sent before one would block? 1, 0, or what refreshing said */
int publisher_has_room(struct publisher *pub, uint64_t count);

/* Says that the reader need not go on with request `index`, below REQUESTS_MAX, or that it may. */
void publisher_set_unwanted(struct publisher *pub, uint32_t index, bool unwanted);

/* Sleeps until publisher_may_publish `count`, not more than the ring is deep: 1; 0 deadline; -EINTR */
int publisher_wait(struct publisher *pub, uint64_t count, int64_t deadline_ns);

/* Sleeps until `count` subscribers are there: 1; 0 deadline; -EINTR; or what refreshing said */
int publisher_wait_for_members(struct publisher *pub, uint32_t count, int64_t deadline_ns);

static inline uint32_t publisher_count_loans(const struct publisher *pub)
{
	return (uint32_t)(pub->loan - pub->loans);
}

/* Chunks that may be lent without looking for holds. */
uint32_t publisher_count_free(const struct publisher *pub);

/* The formulas of the head comment: 0, or -EPROTO with what is wrong. */
int publisher_check(const struct publisher *pub, const char **ret_wrong);

#endif
