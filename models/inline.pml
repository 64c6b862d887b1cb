/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Payloads inside the slot: the reader copies words that may be overwritten meanwhile, and looks
 * at the sequence again.
 *
 * Memory is weaker here than in the other models: the stores of one message become visible in any
 * order that the publisher's fence and releases allow, and the reader's loads happen in any order
 * that its acquires allow. The publisher may die anywhere and is succeeded. Readers do not disturb
 * each other, so there is one.
 *
 * Checked: a copy that passed the second look is whole and of the message that was wanted;
 * received + lost = published.
 */

#include "memory.pml"

#ifndef DEPTH
#define DEPTH 2
#endif
#ifndef MESSAGES
#define MESSAGES 5
#endif
#ifndef PUBLISHER_KILLS
#define PUBLISHER_KILLS 2
#endif

#define slot_of(seq) ((seq) % DEPTH)

byte sequence[DEPTH];
byte word0[DEPTH];
byte word1[DEPTH];
byte head;

/* Stores of message `storing` that are made and not yet visible. */
#define BUSY 1
#define WORD0 2
#define WORD1 4
#define SEQUENCE 8
#define HEAD 16
byte late;
byte storing;

byte published; /* seen by the checks only */
byte publisher_kills = PUBLISHER_KILLS;
hidden byte n;

/* Which earlier stores each must wait for. */
#ifdef WRITER_WITHOUT_FENCE
#define BEFORE_WORDS 0
#else
#define BEFORE_WORDS BUSY
#endif
#ifdef SEQUENCE_NOT_RELEASED
#define BEFORE_SEQUENCE BUSY
#else
#define BEFORE_SEQUENCE (BUSY | WORD0 | WORD1)
#endif
#define BEFORE_HEAD (BUSY | WORD0 | WORD1 | SEQUENCE)

#define comes_out(store, after) ((late & (store)) && !(late & (after)))

active proctype memory()
{
end:	do
	:: d_step { comes_out(BUSY, 0) ->
		sequence[slot_of(storing)] = 2 * storing - 1;
		late = late & ~BUSY }
	:: d_step { comes_out(WORD0, BEFORE_WORDS) ->
		word0[slot_of(storing)] = storing;
		late = late & ~WORD0 }
	:: d_step { comes_out(WORD1, BEFORE_WORDS) ->
		word1[slot_of(storing)] = storing;
		late = late & ~WORD1 }
	:: d_step { comes_out(SEQUENCE, BEFORE_SEQUENCE) ->
		published++;
		assert(storing == published);
		sequence[slot_of(storing)] = 2 * storing;
		late = late & ~SEQUENCE }
	:: d_step { comes_out(HEAD, BEFORE_HEAD) -> head = storing; late = late & ~HEAD }
	od
}

#define publisher_step(action) step(action, publisher_kills, died)
#define stores(store) late = late | (store)

active proctype publisher()
{
	byte next;

adopted:
	skip;
	d_step {
		late == 0 -> next = 0;
		n = 0;
		do
		:: n < DEPTH -> next = (sequence[n] / 2 > next -> sequence[n] / 2 : next); n++
		:: else -> break
		od;
		n = 0
	};
	publisher_step(head = next);
	next++;
	do
	:: next > MESSAGES -> goto done
	:: d_step { next <= MESSAGES && late == 0 -> storing = next };
#ifndef NO_BUSY_MARKER
		publisher_step(stores(BUSY));
#endif
		publisher_step(stores(WORD0));
		publisher_step(stores(WORD1));
		publisher_step(stores(SEQUENCE));
		publisher_step(stores(HEAD));
		next++
	od;
died:
	goto adopted;
done:
	skip
}

#define READ0 1
#define READ1 2
#define AGAIN 4
#ifdef READER_WITHOUT_FENCE
#define BEFORE_AGAIN 0
#else
#define BEFORE_AGAIN (READ0 | READ1)
#endif
#define not_yet(read, after) (!(done & (read)) && (done & (after)) == (after))

/* As in ring.pml. */
inline jump()
{
	to = (tries == 0 -> head - DEPTH + 1 : (tries == 1 -> head - DEPTH / 2 : head));
	to = (to > cursor -> to : cursor + 1);
	tries = (tries + 1) % 3;
	lost = lost + to - cursor;
	cursor = to;
	to = 0
}

active proctype reader()
{
	byte cursor = 1;
	byte received, lost, tries, to, done, e, copy0, copy1;

	do
	:: d_step { cursor > MESSAGES && published == MESSAGES ->
			assert(received + lost == published) };
		break
	:: d_step { cursor <= MESSAGES && sequence[slot_of(cursor)] > 2 * cursor -> jump() }
	:: cursor <= MESSAGES && sequence[slot_of(cursor)] == 2 * cursor ->
		do
		:: d_step { not_yet(READ0, 0) -> copy0 = word0[slot_of(cursor)]; done = done | READ0 }
		:: d_step { not_yet(READ1, 0) -> copy1 = word1[slot_of(cursor)]; done = done | READ1 }
		:: d_step { not_yet(AGAIN, BEFORE_AGAIN) -> e = sequence[slot_of(cursor)]; done = done | AGAIN }
		:: done == (READ0 | READ1 | AGAIN) -> break
		od;
		if
		:: d_step { e == 2 * cursor ->
			assert(copy0 == cursor && copy1 == cursor);
			received++;
			cursor++;
			tries = 0 }
		:: d_step { e != 2 * cursor -> jump() }
		fi;
		d_step { done = 0; e = 0; copy0 = 0; copy1 = 0 }
	od
}
