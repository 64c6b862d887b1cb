/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The channel, in every order of its accesses to shared words that small bounds allow, with deaths,
 * on three kinds of memory; and twenty-seven mistakes, each of which must be found by one of these methods.
 *
 * The scenes are in scenes.c and pattern_scenes.c, what must hold in scenes.h, what is left out in README.md.
 */

#include <stdio.h>

#include "base/compiler.h"
#include "frame/frame.h"
#include "mutants.h"
#include "scenes.h"

/* Nothing takes longer than it was told to, but a sanitizer is slow. */
#ifdef __SANITIZE_ADDRESS__
#define PREEMPTIONS 1
#else
#define PREEMPTIONS 2
#endif

static const struct method {
	const char *name;
	struct bounds bounds;
} methods[] = {
	{"one preemption", {.preemptions = 1}},
	{"one death", {.kills = 1}},
	{"one of each", {.preemptions = 1, .kills = 1}},
	{"store buffers", {.model = MODEL_BUFFERED, .preemptions = 1, .stale = 1}},
	{"weak memory", {.model = MODEL_WEAK, .preemptions = 1, .stale = 1}},
};

static void explore_all(const struct bounds *bounds)
{
	struct outcome sum = {0};

	for (unsigned i = 0; i < scene_count; i++) {
		struct outcome outcome = schedule_explore(&scenes[i], bounds);

		if (outcome.failed)
			schedule_explain();
		expect(!outcome.failed);
		expect(outcome.complete);
		sum.executions += outcome.executions;
		sum.points += outcome.points;
		sum.kills += outcome.kills;
		sum.seconds += outcome.seconds;
	}
	(void)printf("%llu executions, %llu points, %llu deaths, %.1f s\n",
		     (unsigned long long)sum.executions, (unsigned long long)sum.points,
		     (unsigned long long)sum.kills, sum.seconds);
}

static void nothing_goes_wrong_when_anybody_is_interrupted_anywhere(void)
{
	explore_all(&(struct bounds){.preemptions = PREEMPTIONS});
}

static void nothing_goes_wrong_when_anybody_dies_anywhere(void)
{
	explore_all(&(struct bounds){.preemptions = 1, .kills = 1});
}

static void nothing_goes_wrong_when_who_repairs_dies_too(void)
{
	explore_all(&(struct bounds){.kills = 3});
}

static void nothing_goes_wrong_when_anybody_stands_still_anywhere(void)
{
	explore_all(&(struct bounds){.preemptions = 1, .stops = 1});
}

static void nothing_goes_wrong_when_stores_are_late(void)
{
	explore_all(&(struct bounds){.model = MODEL_BUFFERED, .preemptions = 1, .stale = 2});
}

static void nothing_goes_wrong_when_the_dead_left_late_stores(void)
{
	explore_all(&(struct bounds){.model = MODEL_BUFFERED, .kills = 1, .stale = 1});
}

static void nothing_goes_wrong_on_weak_memory(void)
{
	explore_all(&(struct bounds){.model = MODEL_WEAK, .preemptions = 1, .stale = 1});
}

static void nothing_goes_wrong_on_weak_memory_with_deaths(void)
{
	explore_all(&(struct bounds){.model = MODEL_WEAK, .kills = 1, .stale = 1});
}

/* The first method, and its scene, that finds it. */
static bool find(const struct method *method)
{
	uint64_t executions = 0;

	for (unsigned i = 0; i < scene_count; i++) {
		struct outcome outcome = schedule_explore(&scenes[i], &method->bounds);

		executions += outcome.executions;
		if (!outcome.failed)
			continue;
		(void)printf("%-28s %-15s %8llu  %s: %s\n", mutant_names[mutant], method->name,
			     (unsigned long long)executions, scenes[i].name, outcome.text);
		return true;
	}
	return false;
}

static void every_mutant_is_found(void)
{
	for (mutant = MUTANT_NONE + 1; mutant < MUTANTS; mutant++) {
		bool found = false;

		for (unsigned i = 0; i < FLOE_COUNT(methods) && !found; i++)
			found = find(&methods[i]);
		if (!found)
			frame_fail(__FILE__, __LINE__, mutant_names[mutant]);
	}
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(nothing_goes_wrong_when_anybody_is_interrupted_anywhere),
		TEST(nothing_goes_wrong_when_anybody_dies_anywhere),
		TEST(nothing_goes_wrong_when_who_repairs_dies_too),
		TEST(nothing_goes_wrong_when_anybody_stands_still_anywhere),
		TEST(nothing_goes_wrong_when_stores_are_late),
		TEST(nothing_goes_wrong_when_the_dead_left_late_stores),
		TEST(nothing_goes_wrong_on_weak_memory),
		TEST(nothing_goes_wrong_on_weak_memory_with_deaths),
		TEST(every_mutant_is_found),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
