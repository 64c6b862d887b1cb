/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The long form of the test: larger bounds, one after the other, as long as one likes.
 */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "mutants.h"
#include "scenes.h"

#define EXIT_USAGE 100

static const char usage[] =
	"Usage: schedule-sweep [OPTION...]\n"
	"\n"
	"Runs the channel's sources in all orders of accesses to shared words that bounds allow:\n"
	"p preemptions, k kills, h who halt for ever, s loads that find a stale store. Larger "
	"bounds\n"
	"come later; each line says whether all executions within its bounds were played.\n"
	"\n"
	"  --seconds N     at most for one scene with one set of bounds (60); 0: no limit\n"
	"  --scene TEXT    only scenes whose name contains it\n"
	"  --memory TEXT   only this kind of memory: ordered, buffered, weak\n"
	"  --mutants       instead: how many executions find each mutant, with which bounds\n"
	"  --orders        instead: is each order in the source needed? It is made weaker, and\n"
	"                  somebody must notice\n"
	"  --list          print the scenes and stop\n"
	"  --help          this text\n"
	"\n"
	"Exit status: 0 nothing went wrong, 1 something did, and is shown, 100 wrong usage.\n";

static const char *const models[] = {"ordered", "buffered", "weak"};

static struct {
	double seconds;
	const char *scene;
	const char *memory;
	bool mutants;
	bool orders;
} options = {.seconds = 60, .scene = "", .memory = ""};

/* Smallest first, of each kind of memory. */
static const struct bounds sweeps[] = {
	{.preemptions = 1, .kills = 1},
	{.preemptions = 2},
	{.kills = 3},
	{.preemptions = 1, .stops = 1},
	{.preemptions = 1, .kills = 1, .stops = 1},
	{.preemptions = 1, .kills = 2},
	{.preemptions = 2, .kills = 1},
	{.preemptions = 3},
	{.preemptions = 2, .stops = 1},
	{.preemptions = 2, .kills = 2},
	{.preemptions = 3, .kills = 1},
	{.preemptions = 4},
	{.model = MODEL_BUFFERED, .preemptions = 1, .stale = 2},
	{.model = MODEL_BUFFERED, .preemptions = 1, .kills = 1, .stale = 1},
	{.model = MODEL_BUFFERED, .preemptions = 1, .stops = 1, .stale = 1},
	{.model = MODEL_BUFFERED, .kills = 2, .stale = 2},
	{.model = MODEL_BUFFERED, .preemptions = 2, .stale = 1},
	{.model = MODEL_BUFFERED, .preemptions = 2, .stale = 2},
	{.model = MODEL_BUFFERED, .preemptions = 2, .kills = 1, .stale = 1},
	{.model = MODEL_BUFFERED, .preemptions = 3, .stale = 1},
	{.model = MODEL_WEAK, .preemptions = 1, .stale = 1},
	{.model = MODEL_WEAK, .preemptions = 1, .stale = 2},
	{.model = MODEL_WEAK, .preemptions = 1, .kills = 1, .stale = 1},
	{.model = MODEL_WEAK, .preemptions = 1, .stops = 1, .stale = 1},
	{.model = MODEL_WEAK, .kills = 2, .stale = 2},
	{.model = MODEL_WEAK, .preemptions = 2, .stale = 1},
	{.model = MODEL_WEAK, .preemptions = 1, .stale = 3},
	{.model = MODEL_WEAK, .preemptions = 2, .kills = 1, .stale = 1},
	{.model = MODEL_WEAK, .preemptions = 2, .stale = 2},
};

/*
 * What a line says
 */

static void print_bounds(const struct bounds *bounds)
{
	(void)printf("%-8s p%u k%u h%u s%u", models[bounds->model], bounds->preemptions,
		     bounds->kills, bounds->stops, bounds->stale);
}

/* On a terminal only: a bar that the line overwrites. */
static void show_progress(const struct outcome *outcome, double share)
{
	int full = (int)(share * 20);

	(void)fprintf(stderr, "\r[%.*s%*s] %3.0f %%  %llu executions, %.0f a second ", full,
		      "####################", 20 - full, "", share * 100,
		      (unsigned long long)outcome->executions,
		      (double)outcome->executions / outcome->seconds);
}

static void hide_progress(void)
{
	if (schedule_progress)
		(void)fprintf(stderr, "\r%*s\r", 75, "");
}

static void print_outcome(const struct scene *scene, const struct bounds *bounds,
			  const struct outcome *outcome)
{
	hide_progress();
	print_bounds(bounds);
	(void)printf("  %-21s %11llu %11llu %8.1f %8.0f  %s\n", scene->name,
		     (unsigned long long)outcome->executions, (unsigned long long)outcome->kills,
		     outcome->seconds, (double)outcome->executions / (outcome->seconds + 1e-9),
		     outcome->failed     ? outcome->text
		     : outcome->complete ? "all"
					 : "in part");
}

/*
 * The sweep
 */

static bool is_wanted(const struct scene *scene, const struct bounds *bounds)
{
	return strstr(scene->name, options.scene) && strstr(models[bounds->model], options.memory);
}

/* The sum over all that were played. */
static struct {
	uint64_t executions, points, kills;
	double seconds;
} total;

static bool sweep_one(const struct scene *scene, struct bounds bounds)
{
	struct outcome outcome;

	bounds.seconds = options.seconds;
	outcome = schedule_explore(scene, &bounds);
	print_outcome(scene, &bounds, &outcome);
	total.executions += outcome.executions;
	total.points += outcome.points;
	total.kills += outcome.kills;
	total.seconds += outcome.seconds;
	if (outcome.failed)
		schedule_explain();
	return !outcome.failed;
}

static int sweep(void)
{
	int status = 0;

	(void)printf("%-20s  %-21s %11s %11s %8s %8s  %s\n", "memory and bounds", "scene",
		     "executions", "deaths", "seconds", "a second", "played");
	for (unsigned b = 0; b < FLOE_COUNT(sweeps); b++)
		for (unsigned i = 0; i < scene_count; i++)
			if (is_wanted(&scenes[i], &sweeps[b]) && !sweep_one(&scenes[i], sweeps[b]))
				status = 1;
	(void)printf("%llu executions, %llu points, %llu deaths, %.0f seconds of a core\n",
		     (unsigned long long)total.executions, (unsigned long long)total.points,
		     (unsigned long long)total.kills, total.seconds);
	return status;
}

/*
 * Mutants
 */

static const struct bounds finders[] = {
	{.preemptions = 0},
	{.preemptions = 1},
	{.kills = 1},
	{.preemptions = 1, .kills = 1},
	{.preemptions = 2},
	{.model = MODEL_BUFFERED, .preemptions = 1, .stale = 1},
	{.model = MODEL_WEAK, .preemptions = 1, .stale = 1},
};

/* In the order of the scenes: executions until it is found, 0: it is not. */
static uint64_t find(const struct bounds *bounds, const char **ret_scene)
{
	uint64_t executions = 0;

	for (unsigned i = 0; i < scene_count; i++) {
		struct outcome outcome = schedule_explore(&scenes[i], bounds);

		hide_progress();
		executions += outcome.executions;
		*ret_scene = scenes[i].name;
		if (outcome.failed)
			return executions;
	}
	return 0;
}

static bool print_mutant(void)
{
	bool found = false;

	(void)printf("%-27s", mutant_names[mutant]);
	for (unsigned b = 0; b < FLOE_COUNT(finders); b++) {
		const char *scene;
		uint64_t executions = find(&finders[b], &scene);

		found |= executions != 0;
		if (executions)
			(void)printf(" %20llu", (unsigned long long)executions);
		else
			(void)printf(" %20s", "-");
		(void)fflush(stdout);
	}
	(void)printf("\n");
	return found;
}

static int show_mutants(void)
{
	int status = 0;

	(void)printf("%-27s", "executions until found");
	for (unsigned b = 0; b < FLOE_COUNT(finders); b++) {
		(void)printf(" ");
		print_bounds(&finders[b]);
	}
	(void)printf("\n");
	for (mutant = MUTANT_NONE + 1; mutant < MUTANTS; mutant++)
		if (!print_mutant())
			status = 1;
	mutant = MUTANT_NONE;
	return status;
}

/*
 * Orders
 */

static const struct bounds order_finders[] = {
	{.model = MODEL_WEAK, .preemptions = 1, .stale = 1},
	{.model = MODEL_BUFFERED, .preemptions = 1, .stale = 1},
	{.model = MODEL_WEAK, .preemptions = 1, .kills = 1, .stale = 1},
	{.model = MODEL_WEAK, .preemptions = 1, .stale = 2},
	{.model = MODEL_WEAK, .preemptions = 2, .stale = 1},
};

static bool print_weakening(const struct weakening *weakening)
{
	static const char *const orders[] = {"plain", "relaxed", "acquire", "release", "seq_cst"};
	const char *scene;

	(void)printf("%-27s %4d  %-8s -> %-8s", weakening->site->function, weakening->site->line,
		     orders[weakening->from],
		     weakening->is_fence ? "nothing" : orders[weakening->to]);
	(void)fflush(stdout);
	weakened = *weakening;
	for (unsigned b = 0; b < FLOE_COUNT(order_finders); b++) {
		struct bounds bounds = order_finders[b];
		uint64_t executions;

		bounds.seconds = options.seconds;
		executions = find(&bounds, &scene);
		if (executions == 0)
			continue;
		(void)printf("  ");
		print_bounds(&bounds);
		(void)printf(" %9llu  %s\n", (unsigned long long)executions, scene);
		return true;
	}
	(void)printf("  nobody notices\n");
	return false;
}

static int show_orders(void)
{
	static struct weakenings all;
	unsigned survivors = 0;

	mutant_collect = &all;
	for (unsigned i = 0; i < scene_count; i++)
		(void)schedule_explore(&scenes[i], &(struct bounds){.preemptions = 1, .kills = 1});
	mutant_collect = NULL;
	for (unsigned i = 0; i < all.count; i++)
		survivors += !print_weakening(&all.list[i]);
	weakened = (struct weakening){0};
	(void)printf("%u orders, %u of them are not missed when they are weaker\n", all.count,
		     survivors);
	return 0;
}

static int list(void)
{
	for (unsigned i = 0; i < scene_count; i++)
		(void)puts(scenes[i].name);
	return 0;
}

int main(int argc, char **argv)
{
	enum {
		SECONDS,
		SCENE,
		MEMORY,
		MUTANTS_OPTION,
		ORDERS,
		LIST,
		HELP
	};
	static const struct option long_options[] = {
		{"seconds", required_argument, NULL, SECONDS},
		{"scene", required_argument, NULL, SCENE},
		{"memory", required_argument, NULL, MEMORY},
		{"mutants", no_argument, NULL, MUTANTS_OPTION},
		{"orders", no_argument, NULL, ORDERS},
		{"list", no_argument, NULL, LIST},
		{"help", no_argument, NULL, HELP},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option == SECONDS)
			options.seconds = atof(optarg);
		else if (option == SCENE)
			options.scene = optarg;
		else if (option == MEMORY)
			options.memory = optarg;
		else if (option == MUTANTS_OPTION)
			options.mutants = true;
		else if (option == ORDERS)
			options.orders = true;
		else if (option == LIST)
			return list();
		else if (option == HELP)
			return fputs(usage, stdout) < 0;
		else
			return fputs(usage, stderr), EXIT_USAGE;
	}
	if (optind < argc)
		return fputs(usage, stderr), EXIT_USAGE;
	if (isatty(STDERR_FILENO))
		schedule_progress = show_progress;
	if (options.mutants)
		return show_mutants();
	return options.orders ? show_orders() : sweep();
}
