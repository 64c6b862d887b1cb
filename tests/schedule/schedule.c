/* SPDX-License-Identifier: Apache-2.0 */
#include "schedule.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "actor.h"
#include "frame/frame.h"
#include "mutants.h"

#define STACK_SIZE ((size_t)64 << 10)
#define WORLD_SIZE ((size_t)512 << 10)
#define DECISIONS_MAX 4000
#define KEEPS_MAX 16

/*
 * Decisions
 */

struct decision {
	unsigned char answer;
	unsigned char count;
};

static struct decision decisions[DECISIONS_MAX];
static unsigned decision_count; /* that are known */
static unsigned decision_next;

static struct outcome outcome;
static struct bounds left; /* of this execution */
static struct {
	const struct scene *scene;
	struct bounds bounds;
} last;

static unsigned decide(unsigned count)
{
	struct decision *decision = &decisions[decision_next];

	if (count == 1)
		return 0;
	if (decision_next == DECISIONS_MAX)
		frame_fail(__FILE__, __LINE__, "the play has too many decisions");
	if (decision_next++ == decision_count) {
		*decision = (struct decision){0, (unsigned char)count};
		decision_count++;
	}
	return decision->answer;
}

/* The last decision that has another answer; false: there is none. */
static bool turn_back(void)
{
	decision_count = decision_next;
	while (decision_count) {
		struct decision *youngest = &decisions[decision_count - 1];

		if (++youngest->answer < youngest->count)
			return true;
		decision_count--;
	}
	return false;
}

/* How far the decisions are through all that could be made. */
static double count_share(void)
{
	double share = 0, part = 1;

	for (unsigned i = 0; i < decision_count; i++) {
		part /= decisions[i].count;
		share += part * decisions[i].answer;
	}
	return share;
}

static unsigned choose_store(unsigned count)
{
	unsigned answer;

	if (left.stale == 0)
		return 0;
	answer = decide(count);
	left.stale -= answer != 0;
	return answer;
}

/*
 * Actors
 */

struct actor actors[ACTORS_MAX];
unsigned actor_count;
struct actor *current;
bool explaining;
static struct actor *preempted_by;
static struct stack main_stack;
static bool failed;
static unsigned ready; /* a bit for each one who can go on */

struct actor *schedule_actor(void)
{
	return current;
}

unsigned schedule_losses(void)
{
	return last.bounds.kills - left.kills + last.bounds.stops - left.stops;
}

bool schedule_is_dead(const struct actor *actor)
{
	return actor->state == STATE_DEAD;
}

struct actor *schedule_add(const struct play *play)
{
	struct actor *actor = &actors[actor_count++];
	void *memory = actor->stack.memory;

	expect(actor_count <= ACTORS_MAX);
	*actor = (struct actor){
		.play = *play,
		.stack.memory = memory ? memory : malloc(STACK_SIZE),
		.stack.size = STACK_SIZE,
	};
	expect(actor->stack.memory != NULL);
	return actor;
}

unsigned schedule_number(void)
{
	return number(current);
}

enum role schedule_role(void)
{
	return current->play.role;
}

/* Back to the loop of run(); on a dead one's stack for ever. */
void actor_give_way(void)
{
	struct actor *self = current;

	current = NULL;
	stack_switch(&self->stack, &main_stack);
}

static jmp_buf checking;

void actor_fail(const char *text)
{
	if (!failed)
		(void)snprintf(outcome.text, sizeof(outcome.text), "%s", text);
	failed = true;
	if (current)
		actor_give_way();
	longjmp(checking, 1);
}

static void enter(void)
{
	struct actor *self = current;

	self->play.play(self->play.user);
	self->state = STATE_DONE;
	actor_give_way();
}

static bool is_ready(const struct actor *actor)
{
	return actor->state == STATE_READY ||
	       (actor->state == STATE_NEW &&
		(!actor->play.after || schedule_is_dead(actor->play.after)));
}

void actor_look_who_is_ready(void)
{
	ready = 0;
	for (unsigned i = 0; i < actor_count; i++)
		ready |= (unsigned)is_ready(&actors[i]) << i;
}

static void end_here(enum state state)
{
	struct actor *self = current;
	bool dies = state == STATE_DEAD;

	if (explaining)
		(void)printf("%-10s %s\n", self->play.name, dies ? "dies" : "is stopped");
	left.kills -= dies;
	left.stops -= !dies;
	outcome.kills += dies;
	self->state = state;
	(dies ? self->play.died : self->play.stopped)(self->play.user);
	actor_give_way();
}

/* The n-th of a set, from 0. */
static struct actor *find(unsigned set, unsigned n)
{
	for (; n; n--)
		set &= set - 1;
	return &actors[__builtin_ctz(set)];
}

void actor_point(void)
{
	bool mortal = left.kills && current->play.died;
	bool stops = left.stops && current->play.stopped;
	unsigned others = 0, count, answer;

	outcome.points++;
	if (left.preemptions)
		others = ready & ~(1u << number(current));
	count = (unsigned)__builtin_popcount(others);
	answer = decide(1 + count + mortal + stops);
	if (answer == 0)
		return;
	if (answer > count)
		end_here(mortal && answer == count + 1 ? STATE_DEAD : STATE_STOPPED);
	preempted_by = find(others, answer - 1);
	left.preemptions--;
	actor_give_way();
}

/*
 * The world
 */

static _Alignas(64) unsigned char world[WORLD_SIZE];
static unsigned char image[WORLD_SIZE];
static size_t world_used;
static size_t world_laid_out;

static struct {
	size_t from, to;
} keeps[KEEPS_MAX];
static unsigned keep_count;

void *schedule_allocate(size_t size)
{
	void *memory = world + world_used;

	world_used += (size + 63) & ~(size_t)63;
	expect(world_used <= sizeof(world));
	memset(memory, 0, size);
	return memory;
}

void schedule_keep(const void *from, const void *to)
{
	expect(keep_count < KEEPS_MAX);
	keeps[keep_count].from = (size_t)((const unsigned char *)from - world);
	keeps[keep_count++].to = (size_t)((const unsigned char *)to - world);
}

static int compare_keeps(const void *a, const void *b)
{
	const size_t *left_one = a, *right_one = b;

	return *left_one < *right_one ? -1 : *left_one > *right_one;
}

static void lay_out(const struct scene *scene)
{
	actor_count = keep_count = 0;
	world_used = 0;
	words_begin();
	scene->begin();
	qsort(keeps, keep_count, sizeof(keeps[0]), compare_keeps);
	world_laid_out = world_used;
	memcpy(image, world, world_used);
}

static void restore(void)
{
	size_t from = 0;

	for (unsigned i = 0; i < keep_count; i++) {
		memcpy(world + from, image + from, keeps[i].from - from);
		from = keeps[i].to;
	}
	memcpy(world + from, image + from, world_laid_out - from);
	world_used = world_laid_out;
}

/*
 * Executions
 */

/* Who goes on when the last one stopped; NULL: nobody can. */
static struct actor *pick(void)
{
	struct actor *next = preempted_by;

	preempted_by = NULL;
	if (next)
		return next;
	actor_look_who_is_ready();
	return ready ? find(ready, decide((unsigned)__builtin_popcount(ready))) : NULL;
}

static bool is_anyone(enum state state)
{
	for (unsigned i = 0; i < actor_count; i++)
		if (actors[i].state == state)
			return true;
	return false;
}

static void begin_actor(struct actor *actor)
{
	stack_begin(&actor->stack, enter);
	actor->state = STATE_READY;
	if (actor->play.after)
		memory_learn(number(actor), number(actor->play.after));
}

static void run(void)
{
	while (!failed) {
		struct actor *next = pick();

		/* Who sleeps may wait for the one who stands still. */
		if (!next && (!is_anyone(STATE_ASLEEP) || is_anyone(STATE_STOPPED)))
			return;
		if (!next) {
			if (!is_anyone(STATE_DEAD) || !calls_let_time_pass())
				actor_fail("somebody sleeps and nobody will wake him");
			continue;
		}
		if (next->state == STATE_NEW)
			begin_actor(next);
		current = next;
		stack_switch(&main_stack, &next->stack);
	}
}

static void execute(void)
{
	restore();
	left = last.bounds;
	decision_next = 0;
	failed = false;
	calls_begin();
	current = preempted_by = NULL;
	for (unsigned i = 0; i < actor_count; i++)
		actors[i].state = STATE_NEW, actors[i].count = 0;
	memory_begin(last.bounds.model, choose_store);
	mutant_begin();
	if (_setjmp(checking) == 0) {
		run();
		if (!failed) {
			memory_settle();
			last.scene->end();
		}
	}
	outcome.executions++;
}

static double seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void (*schedule_progress)(const struct outcome *outcome, double share);

static bool is_over(const struct bounds *bounds, double begin)
{
	if (outcome.executions % 1024)
		return false;
	outcome.seconds = seconds() - begin;
	if (schedule_progress && outcome.executions % 16384 == 0)
		schedule_progress(&outcome, count_share());
	return bounds->seconds > 0 && outcome.seconds >= bounds->seconds;
}

/* Every time another word turns out to be shared, all begins anew: that is soon over. */
static void explore(double begin)
{
	bool anew;

	do {
		decision_count = 0;
		outcome = (struct outcome){0};
		do {
			execute();
			anew = words_found_shared();
			outcome.failed = failed && !anew;
			if (outcome.failed || anew || is_over(&last.bounds, begin))
				break;
			outcome.complete = !turn_back();
		} while (!outcome.complete);
	} while (anew);
}

struct outcome schedule_explore(const struct scene *scene, const struct bounds *bounds)
{
	double begin = seconds();

	os = calls_table();
	frame_caught = actor_fail;
	lay_out(scene);
	last.scene = scene;
	last.bounds = *bounds;
	explore(begin);
	frame_caught = NULL;
	os = &os_real;
	outcome.seconds = seconds() - begin;
	return outcome;
}

void schedule_explain(void)
{
	struct outcome kept = outcome;

	os = calls_table();
	frame_caught = actor_fail;
	explaining = true;
	(void)printf("%s, until: %s\n", last.scene->name, outcome.text);
	execute();
	(void)fflush(stdout);
	explaining = false;
	frame_caught = NULL;
	os = &os_real;
	outcome = kept;
}
