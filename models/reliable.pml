/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reliable subscribers: the publisher overwrites nothing that a member has not taken. It sleeps on
 * the cursor of one that lags, and goes on when this one takes, leaves or dies.
 *
 * Slots and cursors are stored without fences, so they may be late; who sleeps or joins pays with
 * a membarrier. The publisher may die anywhere and is succeeded; subscribers may die anywhere.
 *
 * Checked: a member never finds its slot overwritten; nobody blocks for ever (an invalid end
 * state); nobody blocks on a subscriber whose death it was told of.
 */

#include "memory.pml"

#ifndef DEPTH
#define DEPTH 2
#endif
#ifndef SUBSCRIBERS
#define SUBSCRIBERS 1
#endif
#ifndef MESSAGES
#define MESSAGES 5
#endif
#ifndef HISTORY
#define HISTORY 0
#endif
#ifndef PUBLISHER_KILLS
#define PUBLISHER_KILLS 1
#endif
#ifndef SUBSCRIBER_KILLS
#define SUBSCRIBER_KILLS 1
#endif

#define NONE 255
#define slot_of(seq) ((seq) % DEPTH)

/* The publisher's shared words; a slot is the sequence that is published there. */
byte slot[DEPTH];
byte head;
bool publisher_sleeping;
mtype = { SLOT, HEAD };
chan stores = [4] of { mtype, byte };

/* The subscribers' and the topic's. */
byte cursor[SUBSCRIBERS];
chan cursor_stores[SUBSCRIBERS] = [1] of { byte };
bool joined[SUBSCRIBERS];
byte epoch;

/* The kernel's: whose cursor the publisher waits on, + 1, and who is dead. */
byte waits_on;
bool dead[SUBSCRIBERS];

byte publisher_kills = PUBLISHER_KILLS;
byte subscriber_kills = SUBSCRIBER_KILLS;

hidden mtype word;
hidden byte value;
hidden byte n;

active proctype memory()
{
end:	do
	:: d_step {
		stores?word, value;
		if
		:: word == SLOT -> slot[slot_of(value)] = value
		:: word == HEAD -> head = value
		fi;
		word = 0;
		value = 0
	}
	:: d_step { cursor_stores[0]?value; cursor[0] = value; value = 0 }
#if SUBSCRIBERS > 1
	:: d_step { cursor_stores[1]?value; cursor[1] = value; value = 0 }
#endif
	od
}

#define publisher_step(action) step(action, publisher_kills, died)

inline read_members()
{
	d_step {
		seen = epoch;
		members = joined[0];
#if SUBSCRIBERS > 1
		members = members | (joined[1] << 1);
#endif
#ifdef FLOOR_AFTER_HEAD
		floor = ((floor == 0 && members != 0) -> next : floor)
#endif
	}
}

/*
 * A member that has not started counts as one that wants the first message: until it has said
 * where it is, only slots that were never used may be filled.
 */
#ifdef WITHOUT_FLOOR
#define floor_of(c) ((c) == 0 -> next : (c))
#elif defined(FLOOR_AFTER_HEAD)
#define floor_of(c) ((c) == 0 -> floor : (c))
#else
#define floor_of(c) ((c) == 0 -> 1 : (c))
#endif
#define is_lagging(j) ((members & bit(j)) && floor_of(cursor[j]) + DEPTH <= next)

/* One load of a cursor at a time; leaves the first that lags in `blocker`, or NONE. */
inline find_blocker()
{
	blocker = 0;
	do
	:: d_step { blocker < SUBSCRIBERS && !is_lagging(blocker) -> blocker++ }
	:: blocker < SUBSCRIBERS && is_lagging(blocker) -> break
	:: blocker == SUBSCRIBERS -> blocker = NONE; break
	od
}

inline barrier()
{
#ifdef PUBLISHER_WITHOUT_MEMBARRIER
	skip
#else
	visible(cursor_stores[0]);
#if SUBSCRIBERS > 1
	visible(cursor_stores[1])
#endif
#endif
}

/* The look at the members does not trust the epoch: who died between leaving its place and adding
 * to the epoch is gone, and nobody will add for it. */
inline look_before_sleeping()
{
#ifdef BLOCKED_TRUSTS_EPOCH
	if
	:: seen != epoch -> read_members()
	:: seen == epoch
	fi;
#else
	read_members();
#endif
	find_blocker()
}

inline clean(who)
{
	if
	:: d_step { joined[who] -> joined[who] = false; epoch++ }
	:: !joined[who]
	fi
}

/* What futex_waitv(2) compares. A cursor does not change when its owner leaves; the epoch does. */
#ifdef WAIT_ON_CURSOR_ALONE
#define unchanged(j) (cursor[j] == expected)
#else
#define unchanged(j) (cursor[j] == expected && epoch == seen)
#endif

inline sleep()
{
	expected = cursor[blocker];
	who = blocker;
	publisher_step(publisher_sleeping = true);
	publisher_step(barrier());
#ifndef PUBLISHER_LOOKS_ONCE
	look_before_sleeping();
#endif
	if
	:: blocker != who || !unchanged(who)
	:: d_step { blocker == who && unchanged(who) ->
		assert(!(told & bit(who)));
		waits_on = who + 1
	};
		if
		:: waits_on == 0
		:: d_step { dead[who] && visible(cursor_stores[who]) -> waits_on = 0; told = told | bit(who) };
			clean(who)
		fi
	fi;
	d_step { expected = 0; who = 0; blocker = NONE };
	publisher_step(publisher_sleeping = false)
}

active proctype publisher()
{
	byte next, members, seen, expected, who, told;
	byte blocker = NONE;
#ifdef FLOOR_AFTER_HEAD
	byte floor;
#endif

adopted:
	skip;
	d_step {
		visible(stores) -> next = 0;
		waits_on = 0;
		told = 0;
		expected = 0;
		who = 0;
		blocker = NONE;
#ifdef FLOOR_AFTER_HEAD
		floor = 0;
#endif
		n = 0;
		do
		:: n < DEPTH -> next = (slot[n] > next -> slot[n] : next); n++
		:: else -> break
		od;
		n = 0;
		next++
	};
	publisher_step(stores!HEAD(next - 1));
	publisher_step(publisher_sleeping = false);
	read_members();
	do
	:: next > MESSAGES -> goto done
	:: next <= MESSAGES ->
		if
		:: seen != epoch -> read_members()
		:: seen == epoch
		fi;
		find_blocker();
		if
		:: blocker != NONE -> sleep()
		:: blocker == NONE ->
			publisher_step(stores!SLOT(next));
			publisher_step(stores!HEAD(next));
			next++
		fi
	od;
died:
	goto adopted;
done:
	skip
}

#define subscriber_step(action) step(action, subscriber_kills, died)

/* No fence between the store of the cursor and this load. */
inline wake_publisher()
{
	if
	:: publisher_sleeping ->
		subscriber_step(d_step {
			visible(cursor_stores[me]) ->
			waits_on = (waits_on == me + 1 -> 0 : waits_on)
		})
	:: !publisher_sleeping
	fi
}

active [SUBSCRIBERS] proctype subscriber()
{
	byte me = _pid - 2; /* after memory and the publisher */
	byte wanted; /* the next sequence */
	bool stays;  /* does not leave before the last message */

	subscriber_step(joined[me] = true);
	subscriber_step(epoch++);
	/* At most the message that is being published now is not yet in head. */
#ifndef JOIN_WITHOUT_MEMBARRIER
	visible(stores);
#endif
	d_step { wanted = head + 1; wanted = (wanted > HISTORY -> wanted - HISTORY : 1) };
	subscriber_step(cursor_stores[me]!wanted);
	wake_publisher();
	if
	:: stays = true
	:: stays = false
	fi;
	do
	:: wanted > MESSAGES -> break
	:: d_step { wanted <= MESSAGES && slot[slot_of(wanted)] >= wanted ->
			assert(slot[slot_of(wanted)] == wanted);
			wanted++ };
		subscriber_step(cursor_stores[me]!wanted);
		wake_publisher()
	:: !stays -> break
	od;
	subscriber_step(joined[me] = false);
	subscriber_step(epoch++);
	subscriber_step(waits_on = 0);
	goto done;
died:
	dead[me] = true;
done:
	skip
}
