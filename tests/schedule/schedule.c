/* SPDX-License-Identifier: Apache-2.0 */
#include "schedule.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "frame/frame.h"
#include "mutants.h"
#include "os/os.h"
#include "stack.h"

#define STACK_SIZE ((size_t)64 << 10)
#define WORLD_SIZE ((size_t)512 << 10)
#define DECISIONS_MAX 4000
#define ACCESSES_MAX 50000 /* in one execution: more is a loop without an end */
#define ADDRESSES 4096
#define KEEPS_MAX 16
#define BEGIN_NS 1000000000

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

enum state {
	STATE_NEW, /* `after` lives */
	STATE_READY,
	STATE_ASLEEP,
	STATE_DONE,
	STATE_DEAD,
};

struct actor {
	struct stack stack;
	enum state state;
	struct play play;
	const struct os_wait *words; /* that can wake it: */
	unsigned count;
	int64_t deadline_ns;
	bool woken;
	int result; /* of the wait */
};

static struct actor actors[ACTORS_MAX];
static unsigned actor_count;
static struct actor *current;
static struct actor *preempted_by;
static struct stack main_stack;
static bool failed;
static bool explaining;
static unsigned accesses;
static unsigned ready; /* a bit for each one who can go on */
static int64_t now_ns;

static unsigned number(const struct actor *actor)
{
	return (unsigned)(actor - actors);
}

struct actor *schedule_actor(void)
{
	return current;
}

unsigned schedule_deaths(void)
{
	return last.bounds.kills - left.kills;
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
static void give_way(void)
{
	struct actor *self = current;

	current = NULL;
	stack_switch(&self->stack, &main_stack);
}

static jmp_buf checking;

static void fail(const char *text)
{
	if (!failed)
		(void)snprintf(outcome.text, sizeof(outcome.text), "%s", text);
	failed = true;
	if (current)
		give_way();
	longjmp(checking, 1);
}

static void enter(void)
{
	struct actor *self = current;

	self->play.play(self->play.user);
	self->state = STATE_DONE;
	give_way();
}

static bool is_ready(const struct actor *actor)
{
	return actor->state == STATE_READY ||
	       (actor->state == STATE_NEW &&
		(!actor->play.after || schedule_is_dead(actor->play.after)));
}

/* After somebody began, slept, was woken, ended. */
static void look_who_is_ready(void)
{
	ready = 0;
	for (unsigned i = 0; i < actor_count; i++)
		ready |= (unsigned)is_ready(&actors[i]) << i;
}

static void die(void)
{
	struct actor *self = current;

	if (explaining)
		(void)printf("%-10s dies\n", self->play.name);
	left.kills--;
	outcome.kills++;
	self->state = STATE_DEAD;
	self->play.died(self->play.user);
	give_way();
}

/* The n-th of a set, from 0. */
static struct actor *find(unsigned set, unsigned n)
{
	for (; n; n--)
		set &= set - 1;
	return &actors[__builtin_ctz(set)];
}

/* Whoever is about to touch a shared word may be interrupted, or killed. */
static void point(void)
{
	bool mortal = left.kills && current->play.died;
	unsigned others = 0, count, answer;

	outcome.points++;
	if (left.preemptions)
		others = ready & ~(1u << number(current));
	count = (unsigned)__builtin_popcount(others);
	answer = decide(1 + count + mortal);
	if (answer == 0)
		return;
	if (answer > count)
		die();
	preempted_by = find(others, answer - 1);
	left.preemptions--;
	give_way();
}

/*
 * Words
 */

struct address {
	const void *address;
	unsigned char readers; /* a bit for each actor */
	unsigned char writers;
	bool shared;
	unsigned char word; /* for memory.h, if it is shared */
};

static struct address addresses[ADDRESSES];
static struct word_name names[ADDRESSES]; /* of the same */
static unsigned word_count;
static bool found_shared; /* the exploration begins anew */

struct word_name (*schedule_name)(const void *address);

static struct address *find_address(const void *address)
{
	size_t i = ((uintptr_t)address >> 2) * 0x9e3779b97f4a7c15u >> 52;

	while (addresses[i].address != address) {
		if (!addresses[i].address) {
			addresses[i].address = address;
			names[i] = schedule_name(address);
			break;
		}
		i = (i + 1) % ADDRESSES;
	}
	return &addresses[i];
}

static const struct word_name *name_of(const struct address *a)
{
	return &names[a - addresses];
}

static void note(struct address *a, bool reads, bool writes)
{
	unsigned char bit = (unsigned char)(1u << number(current));
	unsigned char both;

	a->readers |= reads ? bit : 0;
	a->writers |= writes ? bit : 0;
	both = a->readers | a->writers;
	if (a->shared || !a->writers || !(both & (both - 1)))
		return;
	a->shared = true;
	a->word = (unsigned char)word_count++;
	expect(word_count <= MEMORY_WORDS);
	found_shared = true;
}

static struct address *come_by(const void *word, bool reads, bool writes)
{
	struct address *a = find_address(word);

	if (++accesses > ACCESSES_MAX)
		fail("somebody goes on for ever");
	note(a, reads, writes);
	if (a->shared)
		point();
	return a;
}

static void explain(const char *verb, const struct address *a, uint64_t value, enum order order,
		    struct site site)
{
	static const char *const orders[] = {"plain", "relaxed", "acquire", "release", "seq_cst"};

	if (!explaining)
		return;
	(void)printf("%-10s %-6s %-8s %-18s %16llx  %s:%d%s\n", current->play.name, verb,
		     orders[order], a ? name_of(a)->text : "", (unsigned long long)value,
		     site.function, site.line, a && !a->shared ? "  (its own)" : "");
}

static void look_for_wrong(void)
{
	if (memory_wrong())
		fail(memory_wrong());
}

static uint64_t load(const void *word, unsigned size, enum order order, struct site site)
{
	const struct address *a;
	uint64_t value;

	if (!current)
		return size == 4 ? *(const uint32_t *)word : *(const uint64_t *)word;
	a = come_by(word, true, false);
	if (mutating)
		order = mutant_order(name_of(a), order, site);
	if (mutating && mutant_load(name_of(a), site, &value))
		return value;
	if (a->shared)
		value = memory_load(number(current), a->word, word, size, order);
	else
		value = size == 4 ? *(const uint32_t *)word : *(const uint64_t *)word;
	explain("loads", a, value, order, site);
	look_for_wrong();
	if (mutating)
		mutant_loaded(name_of(a), value);
	return value;
}

uint32_t access_load32(const void *word, enum order order, struct site site)
{
	return (uint32_t)load(word, 4, order, site);
}

uint64_t access_load64(const void *word, enum order order, struct site site)
{
	return load(word, 8, order, site);
}

static void store(void *word, unsigned size, uint64_t value, enum order order, struct site site)
{
	const struct address *a;

	if (current && mutating) {
		a = find_address(word);
		order = mutant_order(name_of(a), order, site);
		if (mutant_store(name_of(a), word, size, value, order, site))
			return;
	}
	a = current ? come_by(word, false, true) : NULL;
	if (a)
		explain("stores", a, value, order, site);
	if (a && a->shared)
		memory_store(number(current), a->word, word, size, value, order);
	else if (size == 4)
		*(uint32_t *)word = (uint32_t)value;
	else
		*(uint64_t *)word = value;
	if (!a)
		return;
	look_for_wrong();
	if (mutating)
		mutant_stored(name_of(a), value);
}

void access_store32(void *word, uint32_t value, enum order order, struct site site)
{
	store(word, 4, value, order, site);
}

void access_store64(void *word, uint64_t value, enum order order, struct site site)
{
	store(word, 8, value, order, site);
}

uint64_t access_add(void *word, uint64_t value, struct site site)
{
	const struct address *a = current ? come_by(word, true, true) : NULL;
	uint64_t before;

	if (a)
		explain("adds", a, value, ORDER_seq_cst, site);
	if (a && a->shared)
		return memory_add(number(current), a->word, word, value);
	before = *(uint64_t *)word;
	*(uint64_t *)word = before + value;
	return before;
}

void access_fence(enum order order, struct site site)
{
	if (!current)
		return;
	if (mutating)
		order = mutant_order(NULL, order, site);
	explain("fence", NULL, 0, order, site);
	if (order != ORDER_relaxed)
		memory_fence(number(current), order);
}

/*
 * System calls
 */

static int sleep_now(int64_t deadline_ns)
{
	struct actor *self = current;

	if (explaining)
		(void)printf("%-10s sleeps\n", self->play.name);
	self->deadline_ns = deadline_ns;
	self->state = STATE_ASLEEP;
	give_way();
	self->count = 0;
	return self->result;
}

/* What the kernel compares with is the low half of a word; its own lock is a fence. */
static uint32_t load_half(const uint32_t *half)
{
	const void *word = (const void *)((uintptr_t)half & ~(uintptr_t)7);
	const struct address *a = come_by(word, true, false);
	uint64_t value = *(const uint64_t *)word;

	memory_fence(number(current), ORDER_seq_cst);
	if (a->shared)
		value = memory_load(number(current), a->word, word, 8, ORDER_relaxed);
	explain("compares", a, value, ORDER_relaxed, (struct site){"futex_wait", 0});
	return (uint32_t)value;
}

/* The kernel compares the words one after the other, and who has been compared can be woken. */
static int play_wait(const struct os_wait *words, unsigned count, int64_t deadline_ns)
{
	struct actor *self = current;

	self->words = words;
	self->woken = false;
	for (self->count = 0; self->count < count && !self->woken;) {
		if (load_half(words[self->count].word) != words[self->count].expected) {
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
	look_who_is_ready();
}

static int play_wake(const uint32_t *word, int count)
{
	int woken = 0;

	if (!current)
		return 0;
	memory_fence(number(current), ORDER_seq_cst);
	point();
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
	enum order order = ORDER_seq_cst;

	if (!current)
		return 0;
	point();
	if (mutating)
		order = mutant_order(NULL, order, (struct site){"barrier_all", 0});
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

static const struct os *play_calls(void)
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

/* Nobody can go on: time passes until the first deadline. */
static bool let_time_pass(void)
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
	actor_count = keep_count = word_count = 0;
	world_used = 0;
	memset(addresses, 0, sizeof(addresses));
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
	look_who_is_ready();
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

		if (!next && !is_anyone(STATE_ASLEEP))
			return;
		if (!next) {
			if (!is_anyone(STATE_DEAD) || !let_time_pass())
				fail("somebody sleeps and nobody will wake him");
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
	accesses = 0;
	failed = false;
	now_ns = BEGIN_NS;
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

static bool is_over(const struct bounds *bounds, double begin)
{
	if (bounds->executions && outcome.executions >= bounds->executions)
		return true;
	if (outcome.executions % 1024 || bounds->seconds <= 0)
		return false;
	return seconds() - begin >= bounds->seconds;
}

/* Every time another word turns out to be shared, all begins anew: that is soon over. */
static void explore(double begin)
{
	do {
		decision_count = 0;
		found_shared = false;
		outcome = (struct outcome){0};
		do {
			execute();
			if (failed && !found_shared) {
				outcome.failed = true;
				return;
			}
			if (found_shared || is_over(&last.bounds, begin))
				break;
			outcome.complete = !turn_back();
		} while (!outcome.complete);
	} while (found_shared);
}

struct outcome schedule_explore(const struct scene *scene, const struct bounds *bounds)
{
	double begin = seconds();

	os = play_calls();
	frame_caught = fail;
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

	os = play_calls();
	frame_caught = fail;
	explaining = true;
	(void)printf("%s, until: %s\n", last.scene->name, outcome.text);
	execute();
	(void)fflush(stdout);
	explaining = false;
	frame_caught = NULL;
	os = &os_real;
	outcome = kept;
}
