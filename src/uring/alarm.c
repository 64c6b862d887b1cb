/* SPDX-License-Identifier: Apache-2.0 */
#include "uring/alarm.h"

#include <errno.h>
#include <string.h>

#define TIMER_NS 1000000
#define NEVER INT64_MAX

/* A tag is the word's index and its turn. */
#define TAG_TURN 8
#define TAG_CLOCK ALARM_WORDS_MAX

/* What says that the queue is not to be had, rather than that something ran out for now. ENOMEM: an
 * ordinary user's RLIMIT_MEMLOCK. */
static bool is_refusal(int r)
{
	return r == -EPERM || r == -EACCES || r == -ENOSYS || r == -EINVAL || r == -EOPNOTSUPP ||
	       r == -ENOMEM;
}

static int open_timer(struct alarm *alarm)
{
	alarm->timed = true;
	alarm->fd = os->make_timer();
	return alarm->fd < 0 ? alarm->fd : 0;
}

int alarm_open(struct alarm *ret_alarm, bool timed)
{
	int r;

	*ret_alarm = (struct alarm){.fd = -1, .due_ns = NEVER, .queue = QUEUE_NULL};
	ret_alarm->clock.wanted_ns = ret_alarm->clock.set_ns = NEVER;
	if (timed)
		return open_timer(ret_alarm);
	ret_alarm->fd = os->make_event();
	if (ret_alarm->fd < 0)
		return ret_alarm->fd;
	r = queue_open(&ret_alarm->queue, ret_alarm->fd);
	if (r == 0)
		return 0;
	os_close_fdp(&ret_alarm->fd);
	return is_refusal(r) ? open_timer(ret_alarm) : r;
}

void alarm_close(struct alarm *alarm)
{
	queue_close(&alarm->queue);
	os_close_fdp(&alarm->fd);
}

bool alarm_rings(const struct alarm *alarm)
{
	if (alarm->raised)
		return true;
	return alarm->timed ? os->now_ns() >= alarm->due_ns : queue_has_news(&alarm->queue);
}

void alarm_ring(struct alarm *alarm)
{
	if (alarm->raised)
		return;
	if (alarm->timed)
		alarm->raised = os->set_timer(alarm->fd, 1) == 0;
	else
		alarm->raised = os->raise_event(alarm->fd) == 0;
}

void alarm_ring_anew(struct alarm *alarm)
{
	alarm->raised = false;
	alarm_ring(alarm);
}

/* The clock is read before: a timer that has rung is due, also when we stood still in between. */
static int set_timer(struct alarm *alarm)
{
	int64_t now;
	int r;

	if (alarm->due_ns != NEVER && !alarm_rings(alarm))
		return 1;
	now = os->now_ns();
	r = os->set_timer(alarm->fd, TIMER_NS);
	if (r < 0)
		return r;
	alarm->raised = false;
	alarm->due_ns = now + TIMER_NS;
	return 1;
}

/* Everything begins again; what is still to be completed is stale. */
static void forget(struct alarm *alarm)
{
	for (unsigned i = 0; i < ALARM_WORDS_MAX; i++) {
		alarm->words[i].waits = false;
		alarm->words[i].turn++;
	}
	alarm->clock.set_ns = NEVER;
	alarm->clock.turn++;
}

/* The queue belongs to the thread that opened it. When another one comes it gets its own; the old
 * one raises the event once more at most. */
static int move_to_this_thread(struct alarm *alarm)
{
	struct queue queue;
	int r = queue_open(&queue, alarm->fd);

	if (r < 0)
		return r;
	queue_close(&alarm->queue);
	alarm->queue = queue;
	forget(alarm);
	return 0;
}

void alarm_set_clock(struct alarm *alarm, int64_t at_ns)
{
	alarm->clock.wanted_ns = at_ns;
}

/* One that is due earlier stays: it rings for nothing once, and costs less than to be taken back. */
static void prepare_clock(struct alarm *alarm)
{
	if (alarm->clock.set_ns <= alarm->clock.wanted_ns)
		return;
	alarm->clock.set_ns = alarm->clock.wanted_ns;
	alarm->clock.turn++;
	queue_prep_timer(&alarm->queue, alarm->clock.set_ns,
			 (uint64_t)alarm->clock.turn << TAG_TURN | TAG_CLOCK);
}

static void prepare(struct alarm *alarm, const struct os_wait *words)
{
	prepare_clock(alarm);
	for (unsigned i = 0; i < alarm->count; i++) {
		struct alarm_word *word = &alarm->words[i];

		/* Whose expectation changed was woken, or is about to be. */
		if (word->waits && word->word == words[i].word &&
		    word->expected == words[i].expected)
			continue;
		word->waits = true;
		word->word = words[i].word;
		word->expected = words[i].expected;
		word->turn++;
		queue_prep_wait(&alarm->queue, words[i].word, words[i].expected,
				(uint64_t)word->turn << TAG_TURN | i);
	}
}

static int submit(struct alarm *alarm, const struct os_wait *words)
{
	int r;

	prepare(alarm, words);
	r = queue_enter(&alarm->queue);
	if (r != -EEXIST)
		return r;
	r = move_to_this_thread(alarm);
	if (r < 0)
		return r;
	prepare(alarm, words);
	return queue_enter(&alarm->queue);
}

/* A completion: is it of what we wait for now? */
static bool note(struct alarm *alarm, unsigned index, uint32_t turn)
{
	if (index == TAG_CLOCK && turn == alarm->clock.turn)
		alarm->clock.set_ns = NEVER;
	else if (index < ALARM_WORDS_MAX && turn == alarm->words[index].turn)
		alarm->words[index].waits = false;
	else
		return false;
	return true;
}

/* Has any of the words been woken, or is it time? */
static bool reap(struct alarm *alarm)
{
	bool woken = false;
	int32_t result;
	uint64_t tag;

	while (queue_reap(&alarm->queue, &tag, &result))
		woken |= note(alarm, tag % (1u << TAG_TURN), (uint32_t)(tag >> TAG_TURN));
	return woken;
}

static int begin_anew(struct alarm *alarm)
{
	int r = queue_cancel(&alarm->queue);

	forget(alarm);
	/* Of another thread's queue: it ends in a moment. */
	return r == -EEXIST ? 0 : r;
}

/* The news may be late, of a wake that was found already. What comes after this look raises the event after
 * it; what the look finds may have raised what was just cleared. */
static int look_again(struct alarm *alarm)
{
	int r = queue_enter(&alarm->queue);

	if (r == 0 && !reap(alarm))
		return 1;
	alarm_ring(alarm);
	return r;
}

int alarm_set(struct alarm *alarm, const struct os_wait *words, unsigned count, bool anew)
{
	int r = 0;

	if (alarm->timed)
		return set_timer(alarm);
	if (anew)
		r = begin_anew(alarm);
	alarm->count = count;
	if (r == 0)
		r = submit(alarm, words);
	if (r < 0) {
		forget(alarm);
		return r;
	}
	/* What was completed up to here is visible. What comes now sets the queue's flag before it
	 * raises the event: it is found below, or it raises the event after this. */
	r = os->clear_event(alarm->fd);
	if (r < 0)
		return r;
	alarm->raised = false;
	if (reap(alarm))
		return 0;
	return queue_has_news(&alarm->queue) ? look_again(alarm) : 1;
}
