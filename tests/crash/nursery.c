/* SPDX-License-Identifier: Apache-2.0 */
#include "nursery.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "actor.h"
#include "frame/frame.h"

/* How long it takes until a child works is not known beforehand: a first guess. */
#define OPENING_NS 400000

struct life *life;

static void (*live)(void);
static uint64_t drawn;
static int64_t work_ns;
static int64_t born_ns; /* 0: not here */
static bool dies_soon;

/* What the children leave to their mother. */
static struct cradle {
	struct life life;
	int64_t opened_ns; /* how long it took; 0: it did not come so far */
} * cradle;

static int64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000 + t.tv_nsec;
}

uint64_t nursery_draw(uint64_t below)
{
	drawn ^= drawn << 13;
	drawn ^= drawn >> 7;
	drawn ^= drawn << 17;
	return (drawn >> 20) % below;
}

/* A timer may send any signal, and this one asks nobody. */
static void die_within(int64_t ns)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
	uint64_t span = 1 + nursery_draw((uint64_t)ns);
	struct itimerspec when = {.it_value = {.tv_sec = (time_t)(span / 1000000000),
					       .tv_nsec = (long)(span % 1000000000)}};
	timer_t timer;

	expect_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	expect_equal(timer_settime(timer, 0, &when, NULL), 0);
}

/* Half of those who come later than this die before they work: it follows the median, whatever the
 * machine does meanwhile. */
static int64_t opening_ns = OPENING_NS;

static void learn(int64_t took_ns)
{
	if (took_ns && !dies_soon)
		opening_ns += took_ns > opening_ns ? opening_ns / 32 + 1 : -(opening_ns / 32);
}

_Noreturn static void begin(pid_t mother)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	born_ns = now_ns();
	if (dies_soon)
		die_within(opening_ns);
	if (getppid() == mother)
		live();
	_exit(1);
}

void nursery_works(void)
{
	atomic_store(&life->works, 1);
	if (!born_ns)
		return;
	cradle->opened_ns = now_ns() - born_ns;
	if (!dies_soon)
		die_within(work_ns);
}

/* Runs in the nursery. */
static int64_t bear(int command, int64_t argument)
{
	pid_t mother = getpid(), child;
	int status;

	(void)command;
	(void)argument;
	dies_soon = nursery_draw(2) == 0;
	child = fork();
	expect(child >= 0);
	if (child == 0)
		begin(mother);
	while (waitpid(child, &status, 0) < 0)
		expect_equal(errno, EINTR);
	learn(cradle->opened_ns);
	return status;
}

static struct actor nursery = {.name = "nursery", .serve = bear};

void nursery_open(void (*children_live)(void), uint64_t seed, int64_t children_work_ns)
{
	cradle = mmap(NULL, sizeof(*cradle), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	expect(cradle != MAP_FAILED);
	life = &cradle->life;
	live = children_live;
	drawn = seed;
	work_ns = children_work_ns;
	actor_start(&nursery);
}

void nursery_close(void)
{
	actor_kill(&nursery);
	(void)munmap(cradle, sizeof(*cradle));
	cradle = NULL;
	life = NULL;
}

void nursery_expect_killed(int status)
{
	expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

void nursery_bear(void)
{
	int64_t status;

	atomic_store(&life->works, 0);
	cradle->opened_ns = 0;
	expect(actor_tell(&nursery, 0, 0, &status));
	nursery_expect_killed((int)status);
}
