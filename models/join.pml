/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Membership: subscribers join, leave and die, cleaners remove the dead, and the publisher keeps a
 * private list that it reads again when the epoch differs.
 *
 * One place, INCARNATIONS subscribers that want it one after the other, each with words of its own;
 * two cleaners that may die as well. What ring.pml has is reduced here: one slot that takes one
 * store per message, and only this store is late.
 *
 * Checked: a validated chunk is not written until it is released or its holder is dead and
 * removed; the publisher never reads words that are not laid out; a loan never fails; a place is
 * only taken from the dead.
 */

#include "memory.pml"

#ifndef INCARNATIONS
#define INCARNATIONS 2
#endif
#ifndef MESSAGES
#define MESSAGES 4
#endif
#ifndef CLEANERS
#define CLEANERS 2
#endif
#ifndef SUBSCRIBER_KILLS
#define SUBSCRIBER_KILLS 2
#endif
#ifndef CLEANER_KILLS
#define CLEANER_KILLS 1
#endif

/* A depth of 1, one loan, one place with one hold. */
#define CHUNKS 3
#define ALL_CHUNKS (bit(CHUNKS) - 1)
#define GARBAGE 99 /* in words that nobody laid out yet */
#define NONE 255

/* The publisher's shared words: the slot, whose sequence says also which message the chunk has. */
byte sequence;
byte what;
byte payload[CHUNKS];
chan slot_stores = [1] of { byte, byte };

/* The topic's: the place names the words of its owner (0: free), anybody adds to the epoch. */
byte place;
byte epoch;

/* A subscriber's: subscriber i has words i, 1 and up. */
byte hold[INCARNATIONS + 1] = GARBAGE;

/* The kernel's: the lock on the file of subscriber i, held while it lives. */
mtype = { FREE, OWNED, CLEANED };
mtype lock[INCARNATIONS + 1] = FREE;

/* Seen by the checks only. */
byte holding[CHUNKS]; /* who holds this chunk validated */
bool alive[INCARNATIONS + 1];
byte subscriber_kills = SUBSCRIBER_KILLS;
byte cleaner_kills = CLEANER_KILLS;

hidden byte n;

active proctype memory()
{
end:	do
	:: d_step { slot_stores?what, sequence }
	od
}

/* The epoch is loaded after the fence and before the place: who joins later fails to validate. */
inline look_at_members()
{
#if defined(RECLAIM_WITHOUT_EPOCH)
	if
	:: seen == NONE -> seen = 0; member = place
	:: else
	fi
#elif defined(EPOCH_REMEMBERED_LATE)
	if
	:: seen != epoch -> member = place; seen = epoch
	:: else
	fi
#else
	if
	:: d_step { seen != epoch -> seen = epoch };
		member = place
	:: seen == epoch
	fi
#endif
}

inline reclaim()
{
#ifdef EPOCH_BEFORE_FENCE
	look_at_members();
	visible(slot_stores);
#else
	visible(slot_stores);
	look_at_members();
#endif
	skip;
	d_step {
		free = retired;
		retired = 0;
		if
		:: member ->
			assert(hold[member] != GARBAGE);
			if
			:: hold[member] && (free & bit(hold[member] - 1)) ->
				free = free & ~bit(hold[member] - 1);
				retired = bit(hold[member] - 1)
			:: else
			fi
		:: else
		fi
	}
}

active proctype publisher()
{
	byte next = 1;
	byte free;
	byte retired = ALL_CHUNKS; /* as after an adoption: the first loan looks for holds */
	byte chunk, member;
	byte named = NONE;
	byte seen = NONE;

	do
	:: next > MESSAGES -> break
	:: next <= MESSAGES ->
		if
		:: free == 0 -> reclaim()
		:: free != 0
		fi;
		d_step {
			assert(free != 0);
			do
			:: free & bit(chunk) -> break
			:: else -> chunk++
			od;
			free = free & ~bit(chunk)
		}
		d_step { assert(holding[chunk] == 0); payload[chunk] = next };
		slot_stores!chunk(next);
		d_step {
			if
			:: named != NONE -> retired = retired | bit(named)
			:: else
			fi;
			named = chunk;
			chunk = 0;
			next++
		}
	od
}

#define subscriber_step(action) step(action, subscriber_kills, died)

inline lay_out()
{
	subscriber_step(hold[me] = 0)
}

inline claim()
{
	atomic { place == 0 -> place = me }
}

inline take()
{
	d_step { sequence != 0 -> cursor = sequence; chunk = what };
	subscriber_step(hold[me] = chunk + 1);
	/* The fence between these two is in ring.pml. */
	if
	:: d_step { sequence == cursor -> assert(payload[chunk] == cursor); holding[chunk] = me };
		/* Held; time passes. */
		subscriber_step(d_step { assert(payload[chunk] == cursor); holding[chunk] = 0 })
	:: sequence != cursor
	fi;
	subscriber_step(d_step { hold[me] = 0; cursor = 0; chunk = 0 })
}

proctype subscriber(byte me)
{
	byte cursor, chunk;

	d_step { alive[me] = true; lock[me] = OWNED }
#if defined(EPOCH_BEFORE_LAYOUT)
	claim();
	subscriber_step(epoch++);
	lay_out();
#elif defined(EPOCH_BEFORE_CLAIM)
	lay_out();
	subscriber_step(epoch++);
	claim();
#else
	lay_out();
	claim();
	subscriber_step(epoch++);
#endif
	take();
	subscriber_step(place = 0);
	subscriber_step(epoch++);
died:
	skip;
	d_step { alive[me] = false; lock[me] = FREE; cursor = 0; chunk = 0 }
}

/* Until here the holds of the dead are honoured. */
inline remove(who)
{
	d_step {
		assert(place != 0 && !alive[place]);
		place = 0;
		do
		:: n < CHUNKS ->
			if
			:: holding[n] == who -> holding[n] = 0
			:: else
			fi;
			n++
		:: else -> break
		od;
		n = 0
	}
}

#define cleaner_step(action) step(action, cleaner_kills, died)

active [CLEANERS] proctype cleaner()
{
	byte who;

end:	do
	:: d_step { place != 0 -> who = place };
#ifndef CLEANER_WITHOUT_LOCK
		if
		:: atomic { lock[who] == FREE -> lock[who] = CLEANED }
		:: lock[who] != FREE -> who = 0; goto next
		fi;
#endif
#ifndef CLEANER_WITHOUT_SECOND_LOOK
		if
		:: place != who -> goto unlock
		:: place == who
		fi;
#endif
		cleaner_step(remove(who));
		cleaner_step(epoch++);
unlock:
		lock[who] = FREE;
		who = 0;
next:
		skip
	od;
died:
	if
	:: lock[who] == CLEANED -> lock[who] = FREE
	:: else
	fi
}

init {
	byte i = 1;

	do
	:: i <= INCARNATIONS -> run subscriber(i); i++
	:: else -> break
	od
}
