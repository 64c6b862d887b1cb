/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring: publish, loan and reclaim against take and release, with the death of the publisher,
 * its adoption, the death of subscribers and the cleaner that removes them.
 *
 * Checked: a validated chunk is not written until it is released; take returns what was published
 * under that sequence, once; received + lost = published; a loan never fails; no chunk is lost or
 * in two roles; a subscriber that was lapped gets ahead.
 */

#include "memory.pml"

#ifndef DEPTH
#define DEPTH 2
#endif
#ifndef SUBSCRIBERS
#define SUBSCRIBERS 1
#endif
#ifndef HOLDS
#define HOLDS 1
#endif
#ifndef MESSAGES
#define MESSAGES 5
#endif
#ifndef PUBLISHER_KILLS
#define PUBLISHER_KILLS 1
#endif
#ifndef SUBSCRIBER_KILLS
#define SUBSCRIBER_KILLS 1
#endif

#define LOANS 1
#ifdef ONE_CHUNK_TOO_FEW
#define CHUNKS (DEPTH + LOANS + SUBSCRIBERS * HOLDS - 1)
#else
#define CHUNKS (DEPTH + LOANS + SUBSCRIBERS * HOLDS)
#endif
#define ALL_CHUNKS (bit(CHUNKS) - 1)
#define ALL_HOLDS (SUBSCRIBERS * HOLDS)
#define NONE 255
#define slot_of(seq) ((seq) % DEPTH)

/* The publisher's shared words. */
byte sequence[DEPTH];
byte what[DEPTH];
byte head;
byte payload[CHUNKS];
mtype = { PAYLOAD, SEQUENCE, WHAT, HEAD };
chan stores = [4] of { mtype, byte, byte };

/* The subscribers' shared words, and who is joined. */
byte hold[ALL_HOLDS];
chan hold_stores[SUBSCRIBERS] = [1] of { byte, byte };
bool joined[SUBSCRIBERS] = true;
byte epoch;

/* Seen by the checks only. */
byte holding[ALL_HOLDS]; /* chunk + 1 while it is validated and not released */
byte published;          /* messages that became visible */
bool dead[SUBSCRIBERS];
byte publisher_kills = PUBLISHER_KILLS;
byte subscriber_kills = SUBSCRIBER_KILLS;

hidden mtype word;
hidden byte place;
hidden byte value;
hidden byte n;
hidden byte all;

inline check_not_held(chunk)
{
	n = 0;
	do
	:: n < ALL_HOLDS ->
		assert(holding[n] != chunk + 1);
		n++
	:: else -> break
	od
}

active proctype memory()
{
end:	do
	:: d_step {
		stores?word, place, value;
		if
		:: word == PAYLOAD ->
			check_not_held(place);
			payload[place] = value
		:: word == SEQUENCE ->
			if
			:: value % 2 == 0 ->
				published++;
				assert(value == 2 * published)
			:: else
			fi;
			sequence[place] = value
		:: word == WHAT -> what[place] = value
		:: word == HEAD -> head = value
		fi;
		word = 0;
		place = 0;
		value = 0;
		n = 0
	}
	:: d_step { hold_stores[0]?place, value; hold[place] = value; place = 0; value = 0 }
#if SUBSCRIBERS > 1
	:: d_step { hold_stores[1]?place, value; hold[place] = value; place = 0; value = 0 }
#endif
	od
}

#define published_slot(i) (sequence[i] != 0 && sequence[i] % 2 == 0)

/*
 * Private state from the shared words alone. The ring of a first publisher is all zero, so that
 * starting and adopting are the same. A busy slot, 2 s - 1, says that s - 1 was the last message,
 * and with a depth of 1 nothing else says it.
 */
#if defined(ADOPTER_TRUSTS_HEAD) || defined(HEAD_FIRST)
#define counts_for_last(i) false
#elif defined(ADOPTER_SKIPS_BUSY)
#define counts_for_last(i) published_slot(i)
#else
#define counts_for_last(i) true
#endif

inline adopt()
{
	n = 0;
	free = 0;
	retired = ALL_CHUNKS;
	seen = NONE;
#if defined(ADOPTER_TRUSTS_HEAD) || defined(HEAD_FIRST)
	next = head + 1;
#endif
	do
	:: n < DEPTH ->
		names[n] = NONE;
		if
		:: published_slot(n) ->
			names[n] = what[n];
#ifndef ADOPTER_FORGETS_RING
			retired = retired & ~bit(what[n])
#endif
		:: else
		fi;
		if
		:: counts_for_last(n) && sequence[n] / 2 >= next -> next = sequence[n] / 2 + 1
		:: else
		fi;
		n++
	:: else -> break
	od;
	n = 0
}

/* Every chunk has one role: free, retired, lent, or named by one slot. */
inline check_conservation()
{
	n = 0;
	all = free | retired | bit(chunk);
	assert((free & retired) == 0 && ((free | retired) & bit(chunk)) == 0);
	do
	:: n < DEPTH ->
		if
		:: names[n] != NONE ->
			assert((all & bit(names[n])) == 0);
			all = all | bit(names[n])
		:: else
		fi;
		n++
	:: else -> break
	od;
	assert(all == ALL_CHUNKS);
	n = 0;
	all = 0
}

inline reclaim()
{
#ifndef RECLAIM_WITHOUT_FENCE
	visible(stores);
#endif
	if
	:: d_step { seen != epoch -> seen = epoch; members = 0 };
		do
		:: d_step { i < SUBSCRIBERS -> members = members | (joined[i] << i); i++ }
		:: else -> break
		od;
		i = 0
	:: seen == epoch
	fi;
#ifdef RECLAIM_WITHOUT_SCAN
	i = ALL_HOLDS;
#endif
	do
	:: d_step {
		i < ALL_HOLDS ->
		if
		:: (members & bit(i / HOLDS)) && hold[i] -> named = named | bit(hold[i] - 1)
		:: else
		fi;
		i++
	}
	:: d_step {
		i == ALL_HOLDS ->
		free = free | (retired & ~named);
		retired = retired & named;
		named = 0;
		i = 0
	};
		break
	od
}

inline pop_free()
{
	chunk = 0;
	do
	:: free & bit(chunk) -> break
	:: else -> chunk++
	od;
	free = free & ~bit(chunk)
}

/* When is up to the publisher. At every loan, short runs see chunks come back. */
#ifdef RECLAIM_ALWAYS
#define must_reclaim true
#else
#define must_reclaim (free == 0)
#endif

#define publisher_step(action) step(action, publisher_kills, died)

active proctype publisher()
{
	byte next, chunk, free, retired, named, members, seen, i;
	byte names[DEPTH];

	/* The kernel's lock is free when the predecessor is dead, and its stores are visible. */
adopted:
	skip;
	d_step { visible(stores) -> next = 1; chunk = 0; named = 0; members = 0; i = 0; adopt() }
	publisher_step(stores!HEAD(0, next - 1));
	do
	:: next > MESSAGES -> break
	:: else ->
		if
		:: must_reclaim -> reclaim()
		:: !must_reclaim
		fi;
		skip;
		d_step {
			assert(free != 0);
			pop_free();
			check_conservation()
		}
#ifndef SEQUENCE_BEFORE_PAYLOAD
		publisher_step(stores!PAYLOAD(chunk, next));
#endif
#ifdef HEAD_FIRST
		publisher_step(stores!HEAD(0, next));
#endif
		publisher_step(stores!SEQUENCE(slot_of(next), 2 * next - 1));
		publisher_step(stores!WHAT(slot_of(next), chunk));
		publisher_step(stores!SEQUENCE(slot_of(next), 2 * next));
#ifdef SEQUENCE_BEFORE_PAYLOAD
		publisher_step(stores!PAYLOAD(chunk, next));
#endif
#ifndef HEAD_FIRST
		publisher_step(stores!HEAD(0, next));
#endif
		d_step {
			if
			:: names[slot_of(next)] != NONE ->
				retired = retired | bit(names[slot_of(next)])
			:: else
			fi;
			names[slot_of(next)] = chunk;
			chunk = 0;
			next++
		}
	od;
	goto done;
died:
	goto adopted;
done:
	skip
}

#define subscriber_step(action) step(action, subscriber_kills, died)
#define mine(h) (me * HOLDS + (h))

/*
 * Moves on to what may still be there, each time further from the publisher. The head may be
 * behind the slots, or its publisher died before it told head; but the message that was wanted is
 * gone for sure, so one step on is always right.
 */
inline jump()
{
	to = (tries == 0 -> head - DEPTH + 1 : (tries == 1 -> head - DEPTH / 2 : head));
#ifndef JUMP_BY_HEAD_ALONE
	to = (to > cursor -> to : cursor + 1);
#endif
	assert(to > cursor);
	tries = (tries + 1) % 3;
	lost = lost + to - cursor;
	cursor = to;
	to = 0;
	e = 0
}

/* What a take that succeeded leaves behind. */
inline validated()
{
	holding[mine(h)] = chunk + 1;
	held[h] = cursor;
	assert(payload[chunk] == cursor);
	received++;
	cursor++;
	tries = 0;
	chunk = 0;
	e = 0;
	h = 0
}

active [SUBSCRIBERS] proctype subscriber()
{
	byte me = _pid - 2; /* after memory and the publisher */
	byte cursor = 1;
	byte received, lost, e, h, chunk, to, tries;
	byte held[HOLDS]; /* the sequence in each hold, 0: free */

next_call:
	do
	/* Take; an empty slot is waited for. */
	:: d_step { cursor <= MESSAGES && held[0] == 0 && sequence[slot_of(cursor)] >= 2 * cursor ->
			h = 0; e = sequence[slot_of(cursor)] };
		goto looked
#if HOLDS > 1
	:: d_step { cursor <= MESSAGES && held[0] != 0 && held[1] == 0 &&
			sequence[slot_of(cursor)] >= 2 * cursor ->
			h = 1; e = sequence[slot_of(cursor)] };
		goto looked
	:: held[1] != 0 -> h = 1; goto releases
#endif
	:: held[0] != 0 -> h = 0; goto releases
	:: atomic { held[0] != 0 && subscriber_kills > 0 -> subscriber_kills--; goto died }
	:: d_step {
		cursor > MESSAGES && held[0] == 0 && held[HOLDS - 1] == 0 && visible(hold_stores[me]) ->
		assert(published == MESSAGES && received + lost == published);
		assert(hold[mine(0)] == 0 && hold[mine(HOLDS - 1)] == 0)
	};
		goto done
	od;

looked:
	if
	:: e > 2 * cursor -> goto lapped
	:: d_step { e == 2 * cursor -> chunk = what[slot_of(cursor)] }
	fi;
#ifndef HOLD_AFTER_VALIDATION
	subscriber_step(hold_stores[me]!mine(h)(chunk + 1));
#ifndef TAKE_WITHOUT_FENCE
	visible(hold_stores[me]);
#endif
#endif
#ifndef TAKE_WITHOUT_REVALIDATION
	e = sequence[slot_of(cursor)];
#endif
	if
	:: e == 2 * cursor ->
#ifdef HOLD_AFTER_VALIDATION
		subscriber_step(hold_stores[me]!mine(h)(chunk + 1));
		visible(hold_stores[me]);
#endif
		d_step { validated() }
		goto next_call
	:: else
	fi;
	subscriber_step(hold_stores[me]!mine(h)(0));
	d_step { chunk = 0; h = 0 }
lapped:
	skip;
	d_step { jump() }
	goto next_call;

releases:
	skip;
	d_step {
		assert(payload[holding[mine(h)] - 1] == held[h]);
		holding[mine(h)] = 0;
		held[h] = 0
	};
#ifndef RELEASE_FORGETS_HOLD
	subscriber_step(hold_stores[me]!mine(h)(0));
#endif
	h = 0;
	goto next_call;

died:
	dead[me] = 1;
done:
	skip
}

/* Removes the place of a dead subscriber; until then its holds are honoured. Two cleaners at once,
 * and cleaners that die, are in join.pml. */
inline clean(who)
{
	d_step {
		dead[who] && joined[who] ->
		joined[who] = 0;
		holding[who * HOLDS] = 0;
		holding[who * HOLDS + HOLDS - 1] = 0
	};
	epoch++
}

active proctype cleaner()
{
end:	do
	:: clean(0)
#if SUBSCRIBERS > 1
	:: clean(1)
#endif
	od
}
