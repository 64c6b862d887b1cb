/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sleeping subscribers: the publisher pays no fence between its slot and its look at sleep_epoch,
 * so its stores may be late; the sleeper's membarrier makes up for it.
 *
 * Subscribers join at any time. The publisher may die anywhere; then a successor adopts the
 * ring, or with NO_SUCCESSOR nobody does and the sleepers are told of the death.
 *
 * With COMES the publisher comes at any time too, and subscribers wait by a descriptor: on the heads of
 * rings that they know, and on `firsts`, which goes up with the first message of a publisher.
 *
 * Checked: nobody sleeps for ever while a message is there (an invalid end state).
 */

#include "memory.pml"

#ifndef SUBSCRIBERS
#define SUBSCRIBERS 2
#endif
#ifndef MESSAGES
#define MESSAGES 2
#endif
#ifndef PUBLISHER_KILLS
#define PUBLISHER_KILLS 1
#endif
#ifndef SUBSCRIBER_KILLS
#define SUBSCRIBER_KILLS 1
#endif

/* The publisher's shared words. The ring is deep enough for all messages: `slots` is how many of
 * them are published. */
byte slots;
byte head;
mtype = { SLOT, HEAD };
chan stores = [4] of { mtype, byte };

/* The subscribers' and the topic's. */
bool sleeping[SUBSCRIBERS];
bool joined[SUBSCRIBERS];
byte subscribers_epoch;
byte sleep_epoch;

#ifdef COMES
bool publisher_came; /* the epoch of publishers; its ring has its name before */
byte firsts;
bool waits_on_head[SUBSCRIBERS];
#define is_woken_by_head(n) waits_on_head[n]
#define is_late(j) (!knows && publisher_came)
#else
#define is_woken_by_head(n) true
#define is_late(j) false
#define knows true
#endif

/* The kernel's: who waits on head, and whether the publisher's lock is free. */
bool waiting[SUBSCRIBERS];
bool publisher_dead;

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
		:: word == SLOT -> slots = value
		:: word == HEAD -> head = value
		fi;
		word = 0;
		value = 0
	}
	od
}

/* futex(2) FUTEX_WAKE: the kernel passes a full fence before it looks who waits. */
inline wake_all()
{
	d_step {
		visible(stores);
		n = 0;
		do
		:: n < SUBSCRIBERS && is_woken_by_head(n) -> waiting[n] = false; n++
		:: n < SUBSCRIBERS && !is_woken_by_head(n) -> n++
		:: else -> break
		od;
		n = 0
	}
}

inline read_members()
{
	d_step {
		members_seen = subscribers_epoch;
		members = joined[0];
#if SUBSCRIBERS > 1
		members = members | (joined[1] << 1)
#endif
	}
}

#define publisher_step(action) step(action, publisher_kills, died)
#define is_member(j) (members & bit(j))

/* Who sleeps may not know the ring yet, so that its head wakes him not. */
inline introduce()
{
#if defined(COMES) && !defined(NOBODY_IS_INTRODUCED)
	if
	:: !introduced ->
		introduced = true;
		publisher_step(atomic { visible(stores) -> firsts++ });
		publisher_step(d_step {
			n = 0;
			do
			:: n < SUBSCRIBERS -> waiting[n] = false; n++
			:: else -> break
			od;
			n = 0
		})
	:: introduced
	fi
#else
	skip
#endif
}

/*
 * While a flag is up an epoch is remembered only when it has woken twice, at the message where it
 * was seen and at the next one: the sleeper may be anywhere between its last look and
 * futex_wait, where a wake that comes too early is lost. The head that it expects is that of the
 * first of these messages at the latest, so before the second wake it waits or will not wait.
 */
inline wake_sleepers()
{
#ifndef WAKE_KNOWN_MEMBERS_ONLY
	if
	:: members_seen != subscribers_epoch -> read_members()
	:: members_seen == subscribers_epoch
	fi;
#endif
#ifdef EPOCH_REMEMBERED_AT_ONCE
	seen = epoch;
#endif
	do
	:: d_step { i < SUBSCRIBERS && !(is_member(i) && sleeping[i]) -> i++ }
	:: d_step {
		i < SUBSCRIBERS && is_member(i) && sleeping[i] ->
		i = 0;
		if
		:: epoch == woken -> seen = epoch
		:: epoch != woken -> woken = epoch
		fi;
		epoch = 0
	   };
		publisher_step(wake_all());
#ifdef COMES
		introduce();
#endif
		break
	:: d_step { i == SUBSCRIBERS -> i = 0; seen = epoch; epoch = 0 };
		break
	od
}

active proctype publisher()
{
	byte next, seen, woken, epoch, members, members_seen, i;
#ifdef COMES
	bool introduced;

	publisher_step(publisher_came = true);
#endif

adopted:
	skip;
	d_step { visible(stores) -> publisher_dead = false; next = slots + 1; seen = 0; woken = 0; epoch = 0; i = 0 }
	read_members();
	publisher_step(stores!HEAD(next - 1));
#ifndef ADOPTER_WAKES_NOBODY
	publisher_step(wake_all());
#endif
	do
	:: next > MESSAGES -> goto done
	:: next <= MESSAGES ->
#ifdef LOOK_BEFORE_SLOT
		epoch = sleep_epoch;
#endif
		publisher_step(stores!SLOT(next));
		publisher_step(stores!HEAD(next));
		next++;
		/* No fence here. */
#ifndef LOOK_BEFORE_SLOT
		epoch = sleep_epoch;
#endif
		if
#ifndef WAKE_NOBODY
		:: epoch != seen -> wake_sleepers()
#else
		:: d_step { epoch != seen -> seen = epoch; epoch = 0 }
#endif
		:: d_step { epoch == seen -> epoch = 0 }
		fi
	od;

died:
	publisher_dead = true;
#ifndef NO_SUCCESSOR
	goto adopted;
#endif
done:
	skip
}

#define subscriber_step(action) step(action, subscriber_kills, died)

/* One membarrier: there was an instant with nothing late in the publisher's buffer. */
inline barrier()
{
#ifndef SLEEPER_WITHOUT_MEMBARRIER
	visible(stores)
#else
	skip
#endif
}

active [SUBSCRIBERS] proctype subscriber()
{
	byte me = _pid - 2; /* after memory and the publisher */
	byte cursor = 1;
	byte expected;
#ifdef COMES
	byte expected_firsts;
	bool knows;
#endif

	subscriber_step(joined[me] = true);
	subscriber_step(subscribers_epoch++);
	do
	:: cursor > MESSAGES -> goto done
#ifdef COMES
	:: is_late(me) -> knows = true
#endif
	:: cursor <= MESSAGES && knows && slots >= cursor -> cursor++
	:: cursor <= MESSAGES && !is_late(me) && !(knows && slots >= cursor) ->
#if defined(COMES) && !defined(SLEEPER_READS_FIRSTS_LATE)
		expected_firsts = firsts;
#endif
#ifndef SLEEPER_READS_HEAD_LATE
		expected = head;
#endif
		subscriber_step(sleeping[me] = true);
		subscriber_step(sleep_epoch++);
		subscriber_step(barrier());
#ifndef SLEEPER_LOOKS_ONCE
		if
		:: is_late(me) || (knows && slots >= cursor) -> goto awake
		:: !is_late(me) && !(knows && slots >= cursor)
		fi;
#endif
#if defined(COMES) && defined(SLEEPER_READS_FIRSTS_LATE)
		expected_firsts = firsts;
#endif
#ifdef SLEEPER_READS_HEAD_LATE
		expected = head;
#endif
		if
#ifdef COMES
		:: d_step {
			(!knows || head == expected) && firsts == expected_firsts ->
			waiting[me] = true;
			waits_on_head[me] = knows
		   };
#else
		:: d_step { head == expected -> waiting[me] = true };
#endif
			if
			:: !waiting[me]
#if defined(NO_SUCCESSOR) && !defined(DEATH_IS_NOT_TOLD)
			:: publisher_dead && visible(stores) -> goto told
#endif
			fi
#ifdef COMES
		:: (knows && head != expected) || firsts != expected_firsts
#else
		:: head != expected
#endif
		fi;
awake:
		subscriber_step(sleeping[me] = false);
		expected = 0
	od;
#ifdef NO_SUCCESSOR
	/* What was published before the death is there to be taken. */
told:
	do
	:: slots >= cursor -> cursor++
	:: slots < cursor -> goto done
	od;
#endif
died:
	waiting[me] = false;
done:
	skip
}
