/* SPDX-License-Identifier: Apache-2.0 */

/*
 * hop: what a message costs, beside what the hardware asks for it.
 *
 * All cases are measured in many short rounds, one after the other, and each case with a floor
 * has it measured right before and right after. So a disturbance meets a case and its floor
 * alike, or shows in the spread.
 */

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "alone.h"
#include "clock.h"
#include "machine.h"
#include "pair.h"
#include "plan.h"
#include "report.h"
#include "session.h"

#define ROUNDS 25u
#define ROUNDS_QUICK 7u
#define ROUNDS_MAX 1000u
#define SLICE_NS (25 * NS_PER_MS)
#define SLICE_QUICK_NS (13 * NS_PER_MS)
#define ONLY_MAX 32

struct options {
	unsigned rounds;
	int64_t slice_ns;
	const char *only[ONLY_MAX];
	size_t only_count;
	const char *json;
	bool check;
	bool cores_given;
	int cores[2];
};

static const char help[] =
	"usage: hop [options]\n"
	"\n"
	"Measures what a message through floe costs, and beside it the floor: what the hardware\n"
	"or the kernel asks for the same without floe.\n"
	"\n"
	"  --quick         about 10 seconds instead of a minute\n"
	"  --rounds N      that many rounds\n"
	"  --only NAME     only cases whose name begins so; may be given again\n"
	"  --cores A,B     the two cores to run on\n"
	"  --json FILE     writes everything there too; - is standard output, without the table\n"
	"  --check         exits with 1 if a target is missed\n"
	"  --list          names the cases\n"
	"  --help          this text\n"
	"\n"
	"Exit: 0 measured, 1 failed, or with --check a target is missed; 100 wrong usage.\n";

_Noreturn static void wrong_usage(const char *sentence, const char *argument)
{
	fprintf(stderr, "hop: %s '%s'; hop --help tells more\n", sentence, argument);
	exit(100);
}

/*
 * Options
 */

static void list_cases(void)
{
	for (size_t i = 0; i < plan_count; i++)
		printf("%-20s %s\n", plan[i].name, plan[i].what);
}

static unsigned parse_rounds(const char *text)
{
	char *end;
	unsigned long rounds = strtoul(text, &end, 10);

	if (*end || end == text || rounds < 1 || rounds > ROUNDS_MAX)
		wrong_usage("not a number of rounds from 1 to 1000:", text);
	return (unsigned)rounds;
}

static void parse_cores(const char *text, struct options *options)
{
	char rest;

	if (sscanf(text, "%d,%d%c", &options->cores[0], &options->cores[1], &rest) != 2 ||
	    options->cores[0] < 0 || options->cores[1] < 0 ||
	    options->cores[0] == options->cores[1])
		wrong_usage("not two different cores such as 0,1:", text);
	options->cores_given = true;
}

static bool begins_with(const char *name, const char *start)
{
	return !strncmp(name, start, strlen(start));
}

static void add_only(struct options *options, const char *name)
{
	size_t i = 0;

	while (i < plan_count && !begins_with(plan[i].name, name))
		i++;
	if (i == plan_count || options->only_count == ONLY_MAX)
		wrong_usage("no case begins with", name);
	options->only[options->only_count++] = name;
}

static void parse_option(int option, struct options *options)
{
	switch (option) {
	case 'q':
		options->rounds = options->rounds ? options->rounds : ROUNDS_QUICK;
		options->slice_ns = SLICE_QUICK_NS;
		break;
	case 'r':
		options->rounds = parse_rounds(optarg);
		break;
	case 'o':
		add_only(options, optarg);
		break;
	case 'c':
		parse_cores(optarg, options);
		break;
	case 'j':
		options->json = optarg;
		break;
	case 'k':
		options->check = true;
		break;
	case 'l':
		list_cases();
		exit(0);
	case 'h':
		fputs(help, stdout);
		exit(0);
	default:
		exit(100); /* getopt has said why */
	}
}

static void parse_options(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{"quick", no_argument, NULL, 'q'},
		{"rounds", required_argument, NULL, 'r'},
		{"only", required_argument, NULL, 'o'},
		{"cores", required_argument, NULL, 'c'},
		{"json", required_argument, NULL, 'j'},
		{"check", no_argument, NULL, 'k'},
		{"list", no_argument, NULL, 'l'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1)
		parse_option(option, options);
	if (optind < argc)
		wrong_usage("not an option:", argv[optind]);
	if (!options->rounds)
		options->rounds = ROUNDS;
}

/*
 * One run
 */

static bool is_selected(const struct options *options, const struct bench_case *c)
{
	for (size_t i = 0; i < options->only_count; i++)
		if (begins_with(c->name, options->only[i]))
			return true;
	return options->only_count == 0;
}

/* How many there are for cases that take one for each of many things; all are open at once. */
static unsigned raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur > UINT_MAX ? UINT_MAX : (unsigned)limit.rlim_cur / 4;
}

static void select_cases(const struct options *options, const struct machine *machine,
			 struct result *results)
{
	unsigned descriptors = raise_descriptors();

	for (size_t i = 0; i < plan_count; i++) {
		if (!is_selected(options, &plan[i]))
			continue;
		results[i].c = &plan[i];
		results[i].instructions = -1;
		if (plan[i].kind->needs_two_cores && machine->cores[1] < 0)
			results[i].left_out = "it needs two cores";
		if (plan[i].kind->descriptors_each * plan[i].subscribers > descriptors)
			results[i].left_out = "a process may have too few descriptors (ulimit -n)";
	}
}

/*
 * states: one for each case of the plan, NULL while it is not open. Besides the selected cases
 * their floors are open.
 */

static void open_case(void **states, size_t index, const struct bench_setup *setup)
{
	if (!states[index])
		states[index] = plan[index].kind->open(&plan[index], setup);
}

static void open_cases(void **states, const struct result *results, const struct bench_setup *setup)
{
	for (size_t i = 0; i < plan_count; i++) {
		if (!results[i].c || results[i].left_out)
			continue;
		if (plan[i].floor)
			open_case(states, plan_find(plan[i].floor), setup);
		open_case(states, i, setup);
	}
}

static void close_cases(void **states)
{
	for (size_t i = 0; i < plan_count; i++)
		if (states[i])
			plan[i].kind->close(states[i]);
}

static double measure(void **states, size_t index, int64_t budget_ns, struct histogram *h)
{
	return plan[index].kind->measure(states[index], budget_ns, h);
}

static bool was_alone(void **states, size_t index)
{
	return plan[index].kind->was_alone && plan[index].kind->was_alone(states[index]);
}

/* The floor is what it was right before and right after, each for half the time. */
static void measure_case(void **states, size_t index, struct result *result, int64_t slice_ns)
{
	static struct histogram unused;
	double before, value, after;
	size_t floor;
	bool alone;

	if (!plan[index].floor) {
		series_add(&result->values, measure(states, index, slice_ns, &result->histogram));
		return;
	}
	floor = plan_find(plan[index].floor);
	before = measure(states, floor, slice_ns / 2, &unused);
	value = measure(states, index, slice_ns, &result->histogram);
	alone = was_alone(states, index);
	after = measure(states, floor, slice_ns / 2, &unused);
	series_add(&result->values, value);
	if (alone)
		series_add(&result->alone, value);
	series_add(&result->floors, (before + after) / 2);
	series_add(&result->ratios, value / ((before + after) / 2));
}

static void show_progress(unsigned round, unsigned rounds, const char *name)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\rround %u of %u: %-24s", round + 1, rounds, name);
}

static void hide_progress(void)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%-48s\r", "");
}

/* Ends the program if a signal asks for it; what is open then goes with the processes. */
static void end_if_interrupted(void)
{
	if (!session_interrupted())
		return;
	hide_progress();
	fail("interrupted");
}

static void measure_rounds(const struct options *options, void **states, struct result *results)
{
	for (unsigned round = 0; round < options->rounds; round++) {
		for (size_t i = 0; i < plan_count; i++) {
			if (!results[i].c || results[i].left_out)
				continue;
			show_progress(round, options->rounds, plan[i].name);
			measure_case(states, i, &results[i], options->slice_ns);
			end_if_interrupted();
		}
	}
	hide_progress();
}

static void count_instructions(void **states, struct result *results)
{
	for (size_t i = 0; i < plan_count; i++) {
		if (!results[i].c || !plan[i].kind->instructions)
			continue;
		results[i].instructions = plan[i].kind->instructions(states[i]);
		end_if_interrupted();
	}
}

static void run(const struct options *options, const struct machine *machine,
		struct result *results)
{
	const struct bench_setup setup = {machine->cores[0], machine->cores[1]};
	void **states = calloc(plan_count, sizeof(void *));

	if (!states)
		fail("out of memory");
	pin(setup.core_here);
	alone_begin();
	open_cases(states, results, &setup);
	measure_rounds(options, states, results);
	count_instructions(states, results);
	close_cases(states);
	free(states);
}

static void write_json(const struct report *report, const char *path)
{
	bool to_stdout = !strcmp(path, "-");
	FILE *out = to_stdout ? stdout : fopen(path, "we");

	if (!out)
		fail("cannot write %s: %s", path, strerror(errno));
	report_json(report, out);
	if (fflush(out) || (!to_stdout && fclose(out)))
		fail("cannot write %s: %s", path, strerror(errno));
}

static void write_reports(const struct report *report, const char *json)
{
	if (!json || strcmp(json, "-") != 0)
		report_text(report, stdout);
	if (json)
		write_json(report, json);
}

static bool is_a_target_missed(const struct result *results)
{
	for (size_t i = 0; i < plan_count; i++)
		if (results[i].c && (result_verdict(&results[i]) == VERDICT_MISSED ||
				     result_instructions_verdict(&results[i]) == VERDICT_MISSED))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	struct options options = {.slice_ns = SLICE_NS};
	struct result *results = calloc(plan_count, sizeof(*results));
	struct disturbance before, during;
	struct machine machine;
	int status;

	if (!results)
		return 1;
	parse_options(argc, argv, &options);
	session_open("hop");
	machine_look(&machine, options.cores_given ? options.cores : NULL);
	select_cases(&options, &machine, results);

	disturbance_look(&before);
	run(&options, &machine, results);
	during = disturbance_since(&before);

	write_reports(&(struct report){&machine, &during, options.rounds, results, plan_count},
		      options.json);
	status = options.check && is_a_target_missed(results) ? 1 : 0;
	free(results);
	return status;
}
