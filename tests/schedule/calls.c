/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "actor.h"
#include "mutants.h"

#define BEGIN_NS 1000000000

static int64_t now_ns;

void calls_begin(void)
{
	now_ns = BEGIN_NS;
}

static int sleep_now(int64_t deadline_ns)
{
	struct actor *self = current;

	if (explaining)
		(void)printf("%-10s sleeps\n", self->play.name);
	self->deadline_ns = deadline_ns;
	self->state = STATE_ASLEEP;
	actor_give_way();
	self->count = 0;
	return self->result;
}

/* The kernel compares the words one after the other, and who has been compared can be woken. */
static int play_wait(const struct os_wait *words, unsigned count, int64_t deadline_ns)
{
	struct actor *self = current;

	self->words = words;
	self->woken = false;
	for (self->count = 0; self->count < count && !self->woken;) {
		if (words_load_half(words[self->count].word) != words[self->count].expected) {
			self->count = 0;
			return 0;
		}
		self->count++;
	}
	if (!self->woken)
		return sleep_now(deadline_ns);
	self->count = 0;
	return 0;
}

static void wake_one(struct actor *actor, int result)
{
	if (explaining)
		(void)printf("%-10s is woken\n", actor->play.name);
	if (actor->state == STATE_ASLEEP)
		actor->state = STATE_READY;
	actor->count = 0;
	actor->woken = true;
	actor->result = result;
	actor_look_who_is_ready();
}

static int play_wake(const uint32_t *word, int count)
{
	int woken = 0;

	if (!current)
		return 0;
	memory_fence(number(current), ORDER_seq_cst);
	actor_point();
	for (unsigned i = 0; i < actor_count && woken < count; i++)
		for (unsigned w = 0; w < actors[i].count; w++)
			if (actors[i].words[w].word == word) {
				wake_one(&actors[i], 0);
				woken++;
			}
	return woken;
}

static int play_barrier(void)
{
	static const struct site site = {"", "membarrier", 0};
	enum order order = ORDER_seq_cst;

	if (!current)
		return 0;
	actor_point();
	if (mutating)
		order = mutant_order(ACCESS_FENCE, NULL, order, &site);
	if (order == ORDER_seq_cst)
		memory_barrier(actor_count);
	return 0;
}

static int64_t play_now(void)
{
	return now_ns;
}

static void play_sleep(int64_t ns)
{
	if (current)
		(void)sleep_now(now_ns + ns);
}

void schedule_pass_time(int64_t ns)
{
	now_ns += ns;
}

const struct os *calls_table(void)
{
	static struct os played;

	played = os_real;
	played.wait_any = play_wait;
	played.wake = play_wake;
	played.barrier_all = play_barrier;
	played.now_ns = play_now;
	played.sleep_ns = play_sleep;
	return &played;
}

bool calls_let_time_pass(void)
{
	struct actor *first = NULL;

	for (unsigned i = 0; i < actor_count; i++)
		if (actors[i].state == STATE_ASLEEP && actors[i].deadline_ns >= 0 &&
		    (!first || actors[i].deadline_ns < first->deadline_ns))
			first = &actors[i];
	if (!first)
		return false;
	now_ns = first->deadline_ns;
	wake_one(first, -ETIMEDOUT);
	return true;
}
