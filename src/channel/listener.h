/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_LISTENER_H
#define CHANNEL_LISTENER_H

/*
 * Listener: the reading side of an event. It has no shared memory: what it has seen is its own, and
 * that it sleeps is one addition to a hint.
 *
 * A *voice* is a notifier as its listener hears it. Everything in its memory is input: counters may
 * be anything, only the number of ids was checked, and copied, when it was attached.
 *
 * One thread at a time.
 */

#include <floe/event.h>

#include "channel/event_layout.h"
#include "channel/hints_layout.h"
#include "channel/omen_layout.h"
#include "memory/region.h"
#include "os/os.h"

struct voice {
	struct region region;
	const struct event_shared *event;
	const shared_u64 *group, *count;
	uint64_t *groups_seen, *counts_seen; /* the caller's memory: event_groups(ids) + ids */
	uint64_t file;
	uint32_t index;
	uint32_t ids;

	uint64_t total_seen;
	uint32_t next; /* where looking goes on */
	bool look;     /* at all counts, whatever the sums say */

	/* Whose it is, as known; what of it was told, and what is still to be told. */
	uint64_t owner;
	uint64_t created, dropped, died;
	uint64_t tell_created, tell_dropped, tell_died;
	uint64_t missed_time; /* the time from which misses were counted, and how many were told */
	uint64_t missed;
	bool is_taken; /* somebody alive has it */
	bool is_present;
	bool is_leaving; /* its name is gone */

	struct region life; /* its owner's node, for the omen */
	const shared_u32 *omen;
	bool omen_told;
};

struct expectation {
	uint32_t id;
	int64_t period_ns;
	int64_t since_ns;
	uint64_t missed;
};

struct listener;

struct listener_calls {
	/* Who is there? Calls listener_add_voice for new ones, marks those that are present. */
	int (*refresh)(void *user, struct listener *listener);
	/* 1; 0 dead; -errno it cannot be told */
	int (*is_alive)(void *user, uint64_t owner);
	/* Finds the omen of the voice's owner anew. */
	void (*look_at_life)(void *user, struct voice *voice);
	void (*detach)(void *user, struct voice *voice);
	void (*watch)(void *user);
};

struct listener {
	struct hints_shared *hints;
	const struct listener_calls *calls;
	void *user;
	uint64_t seats_seen;
	int64_t look_ns;   /* how long a sleep lasts at most */
	int64_t looked_ns; /* when was looked at lives last */
	uint64_t spin_ns;
	uint32_t voice_count, turn;
	uint32_t voice_changes;
	uint32_t expectation_count;
	int untold; /* what could not be said when it was found out */
	bool has_next;
	struct floe_event next; /* found by a look, not yet taken */
	struct expectation expectation[FLOE_EXPECTATIONS_MAX];
	struct voice voice[FLOE_NOTIFIERS_MAX];
};

void listener_init(struct listener *ret, struct hints_shared *hints, uint64_t spin_ns,
		   const struct listener_calls *calls, void *user);
void listener_deinit(struct listener *listener);

/* A voice that was attached. `joining`: it was there before us; what it has said so far is not ours. */
int listener_add_voice(struct listener *listener, const struct voice *voice, bool joining);
struct voice *listener_find_voice(struct listener *listener, uint64_t file);

/* What it says is nothing any more; the next take says -EPROTO. */
void listener_leave_out(struct listener *listener, struct voice *voice);

/* Looks who is there. 0 or -errno */
int listener_refresh(struct listener *listener);

/* As floe_listener_take, floe_listener_wait, floe_listener_expect. */
int listener_take(struct listener *listener, struct floe_event *ret);
int listener_wait(struct listener *listener, int64_t deadline_ns);
int listener_expect(struct listener *listener, uint32_t id, int64_t period_ns);

/* For sleeping elsewhere: the words that a sleeper waits on, OS_WAIT_MAX - 1 at most; until when, at
 * most, CLOCK_MONOTONIC or INT64_MAX; and that somebody is about to sleep, after which he looks once
 * more whether there is something. */
unsigned listener_list_words(const struct listener *listener, struct os_wait *ret_words);
int64_t listener_due_ns(const struct listener *listener);
void listener_announce(struct listener *listener);
bool listener_has_more(struct listener *listener);

#endif
