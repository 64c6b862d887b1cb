/* SPDX-License-Identifier: Apache-2.0 */
#include "actors.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <ucontext.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

#include "bookkeeping.h"
#include "os/os.h"

#define BEGIN_NS 1000000000
#define STACK_SIZE ((size_t)128 << 10)

struct actor {
	ucontext_t context;
	void *stack;
	void (*play)(void *user);
	void *user;
	bool done;
	bool asleep;
	const struct os_wait *words; /* while asleep */
	unsigned count;
	int64_t deadline_ns; /* while asleep; -1: none */
	int woken;           /* what the wait returns */
};

static struct actor actors[ACTORS_MAX];
static unsigned actor_count;
static struct actor *current; /* NULL: the scheduler's own thread of control */
static ucontext_t scheduler;
static uint64_t chance;
static uint32_t patience;   /* accesses in a row, on average */
static uint32_t steps_left; /* 0: chance decides */
static int64_t now_ns;
static struct os played;

uint32_t actors_chance(uint32_t below)
{
	return bookkeeping_random(&chance, below);
}

const void *actors_self(void)
{
	return current;
}

void actor_yield(void)
{
	struct actor *self = current;

	if (!self)
		return;
	current = NULL;
	(void)swapcontext(&self->context, &scheduler);
}

void actors_forget_frames(void)
{
#ifdef __SANITIZE_ADDRESS__
	char here;

	if (current)
		__asan_unpoison_memory_region(current->stack,
					      (size_t)(&here - (char *)current->stack));
#endif
}

static void sleep_now(const struct os_wait *words, unsigned count, int64_t deadline_ns)
{
	current->words = words;
	current->count = count;
	current->deadline_ns = deadline_ns;
	current->asleep = true;
	actor_yield();
}

static int play_wait(const struct os_wait *words, unsigned count, int64_t deadline_ns)
{
	struct actor *self = current;

	for (unsigned i = 0; i < count; i++)
		if (*(const volatile uint32_t *)words[i].word != words[i].expected)
			return 0;
	sleep_now(words, count, deadline_ns);
	return self->woken;
}

static void wake_one(struct actor *actor, int result)
{
	actor->asleep = false;
	actor->woken = result;
}

static int play_wake(const uint32_t *word, int count)
{
	int woken = 0;

	for (unsigned i = 0; i < actor_count && woken < count; i++)
		for (unsigned w = 0; actors[i].asleep && w < actors[i].count; w++)
			if (actors[i].words[w].word == word) {
				wake_one(&actors[i], 0);
				woken++;
			}
	return woken;
}

static int play_barrier(void)
{
	return 0;
}

static int64_t play_now(void)
{
	return now_ns;
}

static void play_sleep(int64_t ns)
{
	sleep_now(NULL, 0, now_ns + ns);
}

void actors_begin(uint64_t seed)
{
	played = os_real;
	played.wait_any = play_wait;
	played.wake = play_wake;
	played.barrier_all = play_barrier;
	played.now_ns = play_now;
	played.sleep_ns = play_sleep;
	os = &played;
	chance = seed * 2 + 1;
	for (int i = 0; i < 8; i++)
		(void)actors_chance(1);
	patience = 1 + actors_chance(12);
	now_ns = BEGIN_NS;
	actor_count = 0;
}

void actors_pass_time(int64_t ns)
{
	now_ns += ns;
}

int64_t actors_time_passed(void)
{
	return now_ns - BEGIN_NS;
}

void actors_end(void)
{
	for (unsigned i = 0; i < actor_count; i++)
		free(actors[i].stack);
	actor_count = 0;
	os = &os_real;
}

static void enter(void)
{
	struct actor *self = current;

	self->play(self->user);
	self->done = true;
	actor_yield();
}

unsigned actor_add(void (*play)(void *user), void *user)
{
	struct actor *actor = &actors[actor_count];

	expect(actor_count < ACTORS_MAX);
	*actor = (struct actor){.play = play, .user = user, .stack = malloc(STACK_SIZE)};
	expect(actor->stack != NULL);
	(void)getcontext(&actor->context);
	actor->context.uc_stack.ss_sp = actor->stack;
	actor->context.uc_stack.ss_size = STACK_SIZE;
	makecontext(&actor->context, enter, 0);
	return actor_count++;
}

/* Nobody can go on: time passes until the first deadline. false: there is none. */
static bool let_time_pass(void)
{
	struct actor *first = NULL;

	for (unsigned i = 0; i < actor_count; i++)
		if (actors[i].asleep && actors[i].deadline_ns >= 0 &&
		    (!first || actors[i].deadline_ns < first->deadline_ns))
			first = &actors[i];
	if (!first)
		return false;
	now_ns = first->deadline_ns;
	wake_one(first, -ETIMEDOUT);
	return true;
}

/* Any of those who are neither done nor asleep; NULL: there is none. */
static struct actor *choose(void)
{
	struct actor *ready[ACTORS_MAX];
	unsigned count = 0;

	for (unsigned i = 0; i < actor_count; i++)
		if (!actors[i].done && !actors[i].asleep)
			ready[count++] = &actors[i];
	return count ? ready[actors_chance(count)] : NULL;
}

static bool are_all_done(void)
{
	for (unsigned i = 0; i < actor_count; i++)
		if (!actors[i].done)
			return false;
	return true;
}

bool actors_run(void)
{
	while (!are_all_done()) {
		struct actor *next = choose();

		if (!next) {
			if (!let_time_pass())
				return false;
			continue;
		}
		current = next;
		(void)swapcontext(&scheduler, &next->context);
	}
	return true;
}

bool actor_run_until(unsigned which, uint32_t accesses)
{
	struct actor *actor = &actors[which];

	if (actor->done)
		return false;
	steps_left = accesses;
	current = actor;
	(void)swapcontext(&scheduler, &actor->context);
	steps_left = 0;
	return !actor->done;
}

void actors_point(void)
{
	if (current && steps_left) {
		if (--steps_left == 0)
			actor_yield();
		return;
	}
	if (current && actors_chance(patience) == 0)
		actor_yield();
}
