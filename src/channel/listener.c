/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/listener.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* As in subscriber.c: where an omen speaks we look often for a while, and where there is none now and
 * then. */
#define LOOK_NS 500000000
#define LOOK_SOON_NS 500000
#define SLICE_NS 100000
#define NEVER INT64_MAX
/* A hint is never this one, unless by malice; then we look once less. */
#define SEEN_NONE UINT64_MAX
#define LIFE_ATTEMPTS 3

void listener_init(struct listener *ret, struct hints_shared *hints, uint64_t spin_ns,
		   const struct listener_calls *calls, void *user)
{
	memset(ret, 0, sizeof(*ret));
	ret->hints = hints;
	ret->calls = calls;
	ret->user = user;
	ret->seats_seen = SEEN_NONE;
	ret->look_ns = LOOK_NS;
	ret->spin_ns = spin_ns;
}

/* The last one moves into the gap. */
static void drop(struct listener *l, struct voice *voice)
{
	l->calls->detach(l->user, voice);
	*voice = l->voice[--l->voice_count];
	l->turn = 0;
	l->voice_changes++;
}

void listener_leave_out(struct listener *l, struct voice *voice)
{
	drop(l, voice);
	l->untold = -EPROTO;
}

void listener_deinit(struct listener *l)
{
	while (l->voice_count)
		drop(l, &l->voice[l->voice_count - 1]);
}

struct voice *listener_find_voice(struct listener *l, uint64_t file)
{
	for (uint32_t i = 0; i < l->voice_count; i++)
		if (l->voice[i].file == file)
			return &l->voice[i];
	return NULL;
}

/*
 * Lives
 */

struct life {
	uint64_t owner, generation, dropped;
	bool is_taken;
};

/* In this order, and with the owner once more at the end: see seat_layout.h. Otherwise one who closes,
 * or a successor, between two loads would look like a death. */
static bool read_life(struct listener *l, const struct seat_shared *seat, struct life *ret)
{
	for (int i = 0; i < LIFE_ATTEMPTS; i++) {
		ret->owner = load_acquire(&seat->owner);
		ret->is_taken = ret->owner && l->calls->is_alive(l->user, ret->owner) != 0;
		fence_acquire();
		ret->generation = load_acquire(&seat->generation);
		ret->dropped = load_acquire(&seat->dropped);
		fence_acquire();
		if (load_acquire(&seat->owner) == ret->owner)
			return true;
	}
	return false;
}

/* Further ones than were told: never fewer, for between two stores of the owner it looks so. */
static uint64_t further(uint64_t now, uint64_t *told)
{
	uint64_t more = now - *told;

	if ((int64_t)more <= 0)
		return 0;
	*told = now;
	return more;
}

static void look_at_life(struct listener *l, struct voice *voice)
{
	uint64_t ended = voice->tell_dropped + voice->tell_died;
	struct life life;

	/* It changes all the time: the next look will tell. */
	if (!read_life(l, &voice->event->seat, &life))
		return;
	if (life.owner != voice->owner || (voice->is_taken && !life.is_taken)) {
		voice->owner = life.owner;
		l->calls->look_at_life(l->user, voice);
		l->voice_changes++;
	}
	voice->is_taken = life.is_taken;
	voice->tell_created += further(life.generation, &voice->created);
	voice->tell_dropped += further(life.dropped, &voice->dropped);
	voice->tell_died += further(seat_count_died(life.generation, life.dropped, life.is_taken),
				    &voice->died);
	if (voice->tell_dropped + voice->tell_died != ended)
		voice->look = true;
}

static void look_at_lives(struct listener *l)
{
	for (uint32_t i = 0; i < l->voice_count; i++)
		look_at_life(l, &l->voice[i]);
	l->looked_ns = os->now_ns();
}

/* One that is bad is told to the others who sleep on it, for the kernel wakes but one. */
static void note_omens(struct listener *l)
{
	for (uint32_t i = 0; i < l->voice_count; i++) {
		struct voice *voice = &l->voice[i];
		bool is_bad = voice->omen && omen_is_bad(load_acquire(voice->omen));

		if (is_bad && !voice->omen_told) {
			(void)os->wake(omen_futex(voice->omen), INT_MAX);
			l->look_ns = LOOK_SOON_NS; /* it may take a moment until it is true */
		}
		voice->omen_told = is_bad;
	}
}

/*
 * Who is there
 */

static void skip_what_was(struct voice *voice)
{
	voice->total_seen = load_acquire(&voice->event->total);
	fence_acquire();
	for (uint32_t g = 0; g < event_groups(voice->ids); g++)
		voice->groups_seen[g] = load_relaxed(&voice->group[g]);
	fence_acquire();
	for (uint32_t i = 0; i < voice->ids; i++)
		voice->counts_seen[i] = load_relaxed(&voice->count[i]);
	/* What came between these loads is seen by the full look. */
	voice->look = true;
}

int listener_add_voice(struct listener *l, const struct voice *voice, bool joining)
{
	struct voice *added;

	if (l->voice_count == FLOE_NOTIFIERS_MAX)
		return -EMFILE;
	added = &l->voice[l->voice_count++];
	*added = *voice;
	added->is_present = true;
	added->look = true;
	if (joining)
		skip_what_was(added);
	look_at_life(l, added);
	if (joining)
		added->tell_created = added->tell_dropped = added->tell_died = 0;
	l->voice_changes++;
	return 0;
}

int listener_refresh(struct listener *l)
{
	/* Read before the seats are: who comes in between makes us look again. */
	uint64_t epoch = load_seq_cst(&l->hints->seats);
	int r;

	for (uint32_t i = 0; i < l->voice_count; i++)
		l->voice[i].is_present = false;
	r = l->calls->refresh(l->user, l);
	if (r >= 0 || r == -EPROTO || r == -EACCES)
		l->seats_seen = epoch;
	for (uint32_t i = 0; i < l->voice_count; i++)
		if (!l->voice[i].is_present && (r >= 0 || r == -EPROTO || r == -EACCES))
			l->voice[i].is_leaving = l->voice[i].look = true;
	look_at_lives(l);
	return r;
}

/*
 * What happened
 */

static void say(struct floe_event *ret, uint32_t kind, const struct voice *voice, uint64_t *count)
{
	*ret = (struct floe_event){
		.kind = kind,
		.notifier = voice ? (int32_t)voice->index : -1,
		.count = *count,
	};
	*count = 0;
}

/* The next id from `voice->next` on that was notified; false: none up to the end. */
static bool find_id(struct voice *voice, struct floe_event *ret)
{
	for (uint32_t i = voice->next; i < voice->ids;) {
		uint32_t group = i / EVENT_GROUP;
		uint64_t sum = load_acquire(&voice->group[group]);
		uint32_t end = (group + 1) * EVENT_GROUP;
		bool is_whole = i % EVENT_GROUP == 0;

		if (is_whole && sum == voice->groups_seen[group] && !voice->look) {
			i = end;
			continue;
		}
		for (end = end < voice->ids ? end : voice->ids; i < end; i++) {
			uint64_t count = load_relaxed(&voice->count[i]);

			if (count == voice->counts_seen[i])
				continue;
			say(ret, FLOE_EVENT_NOTIFIED, voice,
			    &(uint64_t){count - voice->counts_seen[i]});
			ret->id = i;
			voice->counts_seen[i] = count;
			voice->next = i + 1;
			return true;
		}
		/* The sum as it was before all of its counts were read: what came since differs. */
		if (is_whole)
			voice->groups_seen[group] = sum;
	}
	return false;
}

/* Has anything been notified since the last full round? `total` is read before the counts. */
static bool find_notified(struct voice *voice, struct floe_event *ret)
{
	uint64_t total;

	/* Goes on where it stopped first, then once more from the start. */
	if (voice->next) {
		if (find_id(voice, ret))
			return true;
		voice->next = 0;
	}
	total = load_acquire(&voice->event->total);
	if (total == voice->total_seen && !voice->look)
		return false;
	if (find_id(voice, ret))
		return true;
	voice->total_seen = total;
	voice->look = false;
	return false;
}

/* How many periods since `since` are over, that were not told yet. */
static uint64_t count_missed(uint64_t now, uint64_t since, uint64_t period, uint64_t *told)
{
	uint64_t missed = now > since ? (now - since) / period : 0;
	uint64_t more = missed > *told ? missed - *told : 0;

	*told += more;
	return more;
}

static uint64_t promise_of(const struct voice *voice)
{
	uint64_t deadline_ns = load_relaxed(&voice->event->deadline_ns);

	return voice->is_taken && deadline_ns <= INT64_MAX / 2 ? deadline_ns : 0;
}

static bool find_missed(struct voice *voice, struct floe_event *ret)
{
	uint64_t deadline_ns = promise_of(voice);
	uint64_t time_ns = load_relaxed(&voice->event->time_ns);
	uint64_t missed;

	if (!deadline_ns)
		return false;
	if (time_ns != voice->missed_time)
		voice->missed = 0;
	voice->missed_time = time_ns;
	missed = count_missed((uint64_t)os->now_ns(), time_ns, deadline_ns, &voice->missed);
	if (!missed)
		return false;
	say(ret, FLOE_EVENT_MISSED, voice, &missed);
	return true;
}

/* Created first, and an end last: after all that was notified before it. */
static bool find_of(struct voice *voice, struct floe_event *ret)
{
	if (voice->tell_created)
		say(ret, FLOE_EVENT_CREATED, voice, &voice->tell_created);
	else if (find_notified(voice, ret))
		return true;
	else if (voice->tell_dropped)
		say(ret, FLOE_EVENT_DROPPED, voice, &voice->tell_dropped);
	else if (voice->tell_died)
		say(ret, FLOE_EVENT_DIED, voice, &voice->tell_died);
	else
		return find_missed(voice, ret);
	return true;
}

static bool find_expected(struct listener *l, struct floe_event *ret)
{
	uint64_t now = l->expectation_count ? (uint64_t)os->now_ns() : 0;

	for (uint32_t i = 0; i < l->expectation_count; i++) {
		struct expectation *e = &l->expectation[i];
		uint64_t missed = count_missed(now, (uint64_t)e->since_ns, (uint64_t)e->period_ns,
					       &e->missed);

		if (!missed)
			continue;
		say(ret, FLOE_EVENT_MISSED, NULL, &missed);
		ret->id = e->id;
		return true;
	}
	return false;
}

static void note_expected(struct listener *l, uint32_t id)
{
	for (uint32_t i = 0; i < l->expectation_count; i++)
		if (l->expectation[i].id == id) {
			l->expectation[i].since_ns = os->now_ns();
			l->expectation[i].missed = 0;
		}
}

int listener_expect(struct listener *l, uint32_t id, int64_t period_ns)
{
	struct expectation *end = l->expectation + l->expectation_count;
	struct expectation *e = l->expectation;

	while (e < end && e->id != id)
		e++;
	if (period_ns == 0) {
		if (e < end)
			*e = l->expectation[--l->expectation_count];
		return 0;
	}
	if (e == end && l->expectation_count == FLOE_EXPECTATIONS_MAX)
		return -ENOBUFS;
	l->expectation_count += e == end;
	*e = (struct expectation){id, period_ns, os->now_ns(), 0};
	return 0;
}

/* 1; 0 nothing */
static int find(struct listener *l, struct floe_event *ret)
{
	for (uint32_t n = l->voice_count; n; n--) {
		struct voice *voice = &l->voice[l->turn];

		l->turn = l->turn + 1 < l->voice_count ? l->turn + 1 : 0;
		if (find_of(voice, ret))
			return 1;
	}
	return find_expected(l, ret);
}

static bool is_quiet(const struct voice *voice)
{
	return !voice->tell_created && !voice->tell_dropped && !voice->tell_died && !voice->look &&
	       !voice->next;
}

/* Those whose name is gone and who have nothing more to say. */
static void drop_leaving(struct listener *l)
{
	for (uint32_t i = l->voice_count; i-- > 0;)
		if (l->voice[i].is_leaving && is_quiet(&l->voice[i]))
			drop(l, &l->voice[i]);
}

/* Somebody has it whose death no omen will tell. */
static bool is_unwatched(const struct voice *voice)
{
	return voice->is_taken && !(voice->omen && omen_is_watched(load_relaxed(voice->omen)));
}

/* Is there a life that nobody but we ourselves will tell the end of? */
static bool is_anyone_unwatched(const struct listener *l)
{
	for (uint32_t i = 0; i < l->voice_count; i++)
		if (is_unwatched(&l->voice[i]))
			return true;
	return l->look_ns < LOOK_NS;
}

static void look_now_and_then(struct listener *l)
{
	if (!is_anyone_unwatched(l) || os->now_ns() - l->looked_ns < l->look_ns)
		return;
	look_at_lives(l);
	if (l->look_ns < LOOK_NS)
		l->look_ns *= 2;
}

static int look(struct listener *l, struct floe_event *ret)
{
	int r = l->untold;

	l->untold = 0;
	if (r < 0)
		return r;
	note_omens(l);
	if (load_relaxed(&l->hints->seats) != l->seats_seen)
		r = listener_refresh(l);
	else
		look_now_and_then(l);
	if (r == -EPROTO || r == -EACCES)
		return r;
	if (find(l, ret))
		return 1;
	drop_leaving(l);
	return r < 0 ? r : 0;
}

bool listener_has_more(struct listener *l)
{
	int r = l->has_next ? 1 : look(l, &l->next);

	l->has_next |= r == 1;
	if (r < 0)
		l->untold = r;
	return r != 0;
}

int listener_take(struct listener *l, struct floe_event *ret)
{
	int r = 1;

	if (!l->has_next)
		r = look(l, &l->next);
	if (r != 1)
		return r;
	l->has_next = false;
	*ret = l->next;
	if (ret->kind == FLOE_EVENT_NOTIFIED)
		note_expected(l, ret->id);
	return 1;
}

/*
 * Waiting
 */

unsigned listener_list_words(const struct listener *l, struct os_wait *ret_words)
{
	unsigned count = 0;

	ret_words[count++] = (struct os_wait){futex_half(&l->hints->seats),
					      (uint32_t)l->seats_seen};
	for (uint32_t i = 0; i < l->voice_count; i++)
		ret_words[count++] = (struct os_wait){futex_half(&l->voice[i].event->total),
						      (uint32_t)l->voice[i].total_seen};
	for (uint32_t i = 0; i < l->voice_count && count < OS_WAIT_MAX - 1; i++) {
		const shared_u32 *omen = l->voice[i].omen;
		uint32_t value = omen ? load_relaxed(omen) : 0;

		if (omen_is_watched(value))
			ret_words[count++] = (struct os_wait){omen_futex(omen), value};
	}
	return count;
}

static int64_t earlier(int64_t due_ns, uint64_t since_ns, uint64_t period_ns, uint64_t missed)
{
	uint64_t next;

	if (__builtin_mul_overflow(period_ns, missed + 1, &next) ||
	    __builtin_add_overflow(next, since_ns, &next) || next >= (uint64_t)due_ns)
		return due_ns;
	return (int64_t)next;
}

int64_t listener_due_ns(const struct listener *l)
{
	int64_t due_ns = NEVER;

	for (uint32_t i = 0; i < l->voice_count; i++) {
		const struct voice *voice = &l->voice[i];
		uint64_t promise = promise_of(voice);

		if (promise)
			due_ns = earlier(due_ns, voice->missed_time, promise, voice->missed);
	}
	for (uint32_t i = 0; i < l->expectation_count; i++)
		due_ns = earlier(due_ns, (uint64_t)l->expectation[i].since_ns,
				 (uint64_t)l->expectation[i].period_ns, l->expectation[i].missed);
	if (is_anyone_unwatched(l))
		due_ns = earlier(due_ns, (uint64_t)l->looked_ns, (uint64_t)l->look_ns, 0);
	return due_ns;
}

/* Pairs with the store of total in notifier_notify, which is as strong: either it sees this addition,
 * or we see its total, here or when the kernel compares. */
void listener_announce(struct listener *l)
{
	note_omens(l);
	if (l->calls->watch)
		l->calls->watch(l->user);
	(void)add_seq_cst(&l->hints->listeners, 1);
}

static int sleep_once(struct listener *l, int64_t deadline_ns)
{
	struct os_wait words[OS_WAIT_MAX];
	unsigned count = listener_list_words(l, words);
	uint32_t changes = l->voice_changes;
	int64_t until_ns;
	int r;

	listener_announce(l);
	if (listener_has_more(l) || l->voice_changes != changes)
		return 0;
	until_ns = earlier(listener_due_ns(l), (uint64_t)os->now_ns(), LOOK_NS, 0);
	if (deadline_ns >= 0 && deadline_ns < until_ns)
		until_ns = deadline_ns;
	r = os->wait_any(words, count, until_ns);
	if (r == -ENOSYS || r == -EINVAL) {
		os->sleep_ns(SLICE_NS); /* before Linux 5.16, and more than one word */
		r = 0;
	}
	return r;
}

/* Looks until something comes, but not longer than `until_ns`. */
static void spin(struct listener *l, int64_t until_ns)
{
	do {
		for (unsigned i = 0; i < 64; i++) {
			if (load_relaxed(&l->hints->seats) != l->seats_seen)
				return;
			for (uint32_t v = 0; v < l->voice_count; v++)
				if (load_relaxed(&l->voice[v].event->total) !=
				    l->voice[v].total_seen)
					return;
			relax();
		}
	} while (os->now_ns() < until_ns);
}

int listener_wait(struct listener *l, int64_t deadline_ns)
{
	bool spun = l->spin_ns <= 1;

	for (;;) {
		int64_t now_ns;
		int r;

		if (listener_has_more(l))
			return 1;
		now_ns = os->now_ns();
		if (deadline_ns >= 0 && now_ns >= deadline_ns)
			return 0;
		if (!spun) {
			int64_t until_ns = earlier(listener_due_ns(l), (uint64_t)now_ns, l->spin_ns,
						   0);

			spun = true;
			spin(l,
			     deadline_ns >= 0 && deadline_ns < until_ns ? deadline_ns : until_ns);
			continue;
		}
		r = sleep_once(l, deadline_ns);
		if (r == -EINTR)
			return r;
		/* Nobody came for long: one may have died before he said that he is there. */
		if (r == -ETIMEDOUT && os->now_ns() - l->looked_ns >= LOOK_NS)
			l->seats_seen = SEEN_NONE;
	}
}
