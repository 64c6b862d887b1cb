/* SPDX-License-Identifier: Apache-2.0 */

/*
 * heap: programs on the drop-in malloc of floe and on others, by LD_PRELOAD. Each round runs every
 * program on every allocator once, one after the other; ratios are taken within a round, so that a
 * machine that changes its speed changes it for all. What is not decided after so many rounds gets
 * more of them.
 */

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <popt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../clock.h"
#include "judge.h"

#define ROUNDS 9
#define ROUNDS_MAX 99
#define ROUNDS_MORE 8 /* until the next look at what is decided */
#define SECONDS 600   /* after which no more are begun */
#define ALLOCATORS 5
#define GLIBC 0
#define FLOE 1
#define TIME_MEAN_MAX 1.0
#define TIME_MAX 1.15
#define MEMORY_MEAN_MAX 1.1
#define HOT_MAX 1.1
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct allocator {
	const char *name;
	const char *library; /* NULL: what the program has anyway */
};

/* The first is what the table compares with, the second is ours. */
static struct allocator allocators[ALLOCATORS] = {
	{"glibc", NULL},
	{"floe", NULL},
	{"tcmalloc", "libtcmalloc_minimal.so.4"},
	{"jemalloc", "libjemalloc.so.2"},
	{"mimalloc", "libmimalloc.so.2"},
};

#define PYTHON \
	"d = {str(i): [str(i) * 2, (i, str(i))] for i in range(120000)}\n" \
	"s = ' '.join(sorted(d))\n" \
	"print(len(s.split()), sum(len(v[0]) for v in d.values()))\n"
#define SQL \
	"create table t(a integer primary key, b text); with recursive n(i) as (select 1 union " \
	"all " \
	"select i + 1 from n where i < 60000) insert into t select i, hex(i * 7919) from n; " \
	"create " \
	"index tb on t(b); select count(distinct substr(b, 1, 4)) from t;"

struct program {
	const char *name;
	bool micro; /* one call in a loop: not in the geometric mean */
	const char *argument[8];
};

static struct program programs[] = {
	{"hot", true, {"heap-work", "hot"}},
	{"tree", false, {"heap-work", "tree"}},
	{"random", false, {"heap-work", "random"}},
	{"phases", false, {"heap-work", "phases"}},
	{"grow", false, {"heap-work", "grow"}},
	{"large", false, {"heap-work", "large"}},
	{"random2", false, {"heap-work", "random2"}},
	{"pass", false, {"heap-work", "pass"}},
	{"batches", false, {"heap-work", "batches"}},
	{"server", false, {"heap-work", "server"}},
	{"churn", false, {"heap-work", "churn"}},
	{"scratch", false, {"heap-work", "scratch"}},
	{"python3", false, {"python3", "-c", PYTHON}},
	{"sqlite3", false, {"sqlite3", ":memory:", SQL}},
	{"gcc", false, {"gcc", "-O1", "-D_GNU_SOURCE", "-w", "-S", "-o", "-", NULL /* input */}},
};

struct figure {
	double seconds[ROUNDS_MAX];
	double memory[ROUNDS_MAX]; /* MiB, most at once */
};

static struct figure figures[COUNT(programs)][ALLOCATORS];
static int done[COUNT(programs)]; /* rounds */
static bool present[ALLOCATORS];
static int rounds = ROUNDS;
static int seconds = SECONDS;
static const char *only;
static const char *floe;
static const char *work;
static const char *input;
static int check;
static const char *json;

/*
 * Running
 */

static _Noreturn void become(const struct program *program, const struct allocator *allocator)
{
	char *argument[COUNT(program->argument) + 1] = {NULL};
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (size_t i = 0; i < COUNT(program->argument) && program->argument[i]; i++)
		argument[i] = (char *)(uintptr_t)program->argument[i];
	if (!strcmp(argument[0], "heap-work"))
		argument[0] = (char *)(uintptr_t)work;
	(void)dup2(nothing, STDIN_FILENO);
	(void)dup2(nothing, STDOUT_FILENO);
	(void)dup2(nothing, STDERR_FILENO);
	/* python3 has an allocator of its own for small objects. */
	(void)setenv("PYTHONMALLOC", "malloc", 1);
	if (allocator->library)
		(void)setenv("LD_PRELOAD", allocator->library, 1);
	(void)execvp(argument[0], argument);
	_exit(127);
}

/* False: it did not end as it should. */
static bool run(const struct program *program, const struct allocator *allocator,
		double *ret_seconds, double *ret_memory)
{
	int64_t start = now_ns();
	struct rusage usage;
	int status;
	pid_t child = fork();

	if (child == 0)
		become(program, allocator);
	if (child < 0 || wait4(child, &status, 0, &usage) != child || status != 0)
		return false;
	*ret_seconds = (double)(now_ns() - start) / NS_PER_SECOND;
	*ret_memory = (double)usage.ru_maxrss / 1024;
	return true;
}

/* ld.so only warns of a library that is not there. */
static bool is_there(const struct allocator *allocator)
{
	char command[600];

	if (!allocator->library)
		return true;
	(void)snprintf(command, sizeof(command), "! LD_PRELOAD=%s /bin/true 2>&1 | grep -q .",
		       allocator->library);
	return system(command) == 0;
}

static bool is_chosen(const struct program *program)
{
	return !only || !strncmp(program->name, only, strlen(only));
}

/* Nobody is always first. */
static void run_program(size_t p)
{
	int round = done[p];

	for (size_t i = 0; i < ALLOCATORS; i++) {
		size_t a = (i + (size_t)round) % ALLOCATORS;
		struct figure *f = &figures[p][a];

		if (present[a] &&
		    !run(&programs[p], &allocators[a], &f->seconds[round], &f->memory[round])) {
			(void)fprintf(stderr, "heap: %s failed on %s\n", programs[p].name,
				      allocators[a].name);
			exit(1);
		}
	}
	done[p]++;
}

/*
 * Ratios
 */

typedef double value_call(size_t p, size_t a, int round);

static double time_of(size_t p, size_t a, int round)
{
	return figures[p][a].seconds[round];
}

static double memory_of(size_t p, size_t a, int round)
{
	return figures[p][a].memory[round];
}

/* Of one program, a against b, each within its round. */
static struct interval compare_one(size_t p, size_t a, size_t b, value_call *value)
{
	double ratio[ROUNDS_MAX];

	for (int round = 0; round < done[p]; round++)
		ratio[round] = value(p, a, round) / value(p, b, round);
	return judge_interval(ratio, (size_t)done[p]);
}

static bool is_in_mean(size_t p)
{
	return is_chosen(&programs[p]) && !programs[p].micro;
}

/* The targets are about that of all programs. */
static bool is_mean_judged(void)
{
	return !only;
}

static bool is_there_a_mean(void)
{
	for (size_t p = 0; p < COUNT(programs); p++)
		if (is_in_mean(p))
			return true;
	return false;
}

static double mean_in(int round, size_t a, size_t b, value_call *value)
{
	double sum = 0;
	int count = 0;

	for (size_t p = 0; p < COUNT(programs); p++)
		if (is_in_mean(p)) {
			sum += log(value(p, a, round) / value(p, b, round));
			count++;
		}
	return exp(sum / count);
}

/* The geometric mean of all programs, of each round that all of them had. */
static struct interval compare_means(size_t a, size_t b, value_call *value)
{
	double ratio[ROUNDS_MAX];
	int common = ROUNDS_MAX;

	for (size_t p = 0; p < COUNT(programs); p++)
		if (is_in_mean(p) && done[p] < common)
			common = done[p];
	for (int round = 0; round < common; round++)
		ratio[round] = mean_in(round, a, b, value);
	return judge_interval(ratio, (size_t)common);
}

/*
 * Targets
 */

/* Of the others the one that we do worst against: what holds against it holds against all. */
struct judgement {
	enum verdict verdict;
	struct interval interval;
	size_t other;
};

static void add_other(struct judgement *j, size_t other, struct interval interval, double target)
{
	enum verdict verdict = judge(&interval, target);

	/* MISSED against one is missed; open against one is not met. */
	if (verdict > j->verdict || (verdict == j->verdict && interval.median > j->interval.median))
		*j = (struct judgement){verdict, interval, other};
}

/* glibc is one of the others for times; for memory the target leaves it out. */
static struct judgement judge_program(size_t p, double target)
{
	struct judgement j = {0};

	for (size_t a = 0; a < ALLOCATORS; a++)
		if (a != FLOE && present[a])
			add_other(&j, a, compare_one(p, FLOE, a, time_of), target);
	return j;
}

static struct judgement judge_mean(value_call *value, double target)
{
	struct judgement j = {0};

	for (size_t a = value == memory_of ? FLOE + 1 : 0; a < ALLOCATORS; a++)
		if (a != FLOE && present[a])
			add_other(&j, a, compare_means(FLOE, a, value), target);
	return j;
}

static double target_of(size_t p)
{
	return programs[p].micro ? HOT_MAX : TIME_MAX;
}

/* For a mean each of its programs needs rounds. */
static bool needs_more(size_t p, bool for_means)
{
	if (!is_chosen(&programs[p]) || done[p] >= ROUNDS_MAX)
		return false;
	return judge_program(p, target_of(p)).verdict == VERDICT_OPEN ||
	       (for_means && !programs[p].micro);
}

static bool are_means_open(void)
{
	return is_mean_judged() && (judge_mean(time_of, TIME_MEAN_MAX).verdict == VERDICT_OPEN ||
				    judge_mean(memory_of, MEMORY_MEAN_MAX).verdict == VERDICT_OPEN);
}

/* False: nothing is open, or nothing more can be done about it. */
static bool run_more(int64_t deadline_ns)
{
	bool for_means = are_means_open(), begun = false;

	for (size_t p = 0; p < COUNT(programs); p++) {
		if (!needs_more(p, for_means))
			continue;
		for (int i = 0; i < ROUNDS_MORE && done[p] < ROUNDS_MAX; i++)
			if (now_ns() < deadline_ns) {
				run_program(p);
				begun = true;
			}
	}
	return begun;
}

static void run_all(void)
{
	int64_t deadline_ns = now_ns() + seconds * NS_PER_SECOND;

	for (int round = 0; round < rounds; round++)
		for (size_t p = 0; p < COUNT(programs); p++)
			if (is_chosen(&programs[p]))
				run_program(p);
	while (run_more(deadline_ns))
		;
}

/*
 * The report
 */

static void print_head(const char *what)
{
	printf("\n%-9s", what);
	for (size_t a = 0; a < ALLOCATORS; a++)
		if (present[a])
			printf(" %19s", allocators[a].name);
	printf("\n");
}

static double median_of(size_t p, size_t a, value_call *value)
{
	double values[ROUNDS_MAX];

	for (int round = 0; round < done[p]; round++)
		values[round] = value(p, a, round);
	return judge_interval(values, (size_t)done[p]).median;
}

static void print_times(void)
{
	print_head("time");
	for (size_t p = 0; p < COUNT(programs); p++) {
		if (!is_chosen(&programs[p]))
			continue;
		printf("%-9s %17.3f s", programs[p].name, median_of(p, GLIBC, time_of));
		for (size_t a = 1; a < ALLOCATORS; a++) {
			struct interval i;

			if (!present[a])
				continue;
			i = compare_one(p, a, GLIBC, time_of);
			printf("  %4.2f [%4.2f..%4.2f]", i.median, i.least, i.greatest);
		}
		printf("\n");
	}
}

static void print_memory(void)
{
	print_head("peak MiB");
	for (size_t p = 0; p < COUNT(programs); p++) {
		if (!is_chosen(&programs[p]))
			continue;
		printf("%-9s", programs[p].name);
		for (size_t a = 0; a < ALLOCATORS; a++)
			if (present[a])
				printf(" %12.1f (%4.2f)", median_of(p, a, memory_of),
				       compare_one(p, a, GLIBC, memory_of).median);
		printf("\n");
	}
}

static void print_means(void)
{
	if (!is_there_a_mean())
		return;
	printf("\ngeometric mean against glibc, without hot\n");
	for (size_t a = 1; a < ALLOCATORS; a++)
		if (present[a])
			printf("  %-9s time %4.2f, peak memory %4.2f\n", allocators[a].name,
			       compare_means(a, GLIBC, time_of).median,
			       compare_means(a, GLIBC, memory_of).median);
}

static void print_judgement(const char *what, const struct judgement *j, double target, int count)
{
	printf("  %-26s %5.3f [%5.3f..%5.3f] x %-8s  at most %4.2f  %s, %d rounds\n", what,
	       j->interval.median, j->interval.low, j->interval.high, allocators[j->other].name,
	       target, judge_word(j->verdict), count);
}

static int rounds_of_means(void)
{
	int least = ROUNDS_MAX;

	for (size_t p = 0; p < COUNT(programs); p++)
		if (is_in_mean(p) && done[p] < least)
			least = done[p];
	return least;
}

static void count_verdict(enum verdict verdict, enum verdict *worst)
{
	if (verdict > *worst)
		*worst = verdict;
}

static void print_mean(const char *what, value_call *value, double target, enum verdict *worst)
{
	struct judgement j;

	if (!is_mean_judged())
		return;
	j = judge_mean(value, target);
	print_judgement(what, &j, target, rounds_of_means());
	count_verdict(j.verdict, worst);
}

/* The worst of all that are printed. */
static enum verdict print_targets(void)
{
	enum verdict worst = VERDICT_MET;

	printf("\ntargets: floe against the best of the others, with the interval that has the "
	       "median at 95 %%\n");
	print_mean("geometric mean, time", time_of, TIME_MEAN_MAX, &worst);
	print_mean("geometric mean, memory", memory_of, MEMORY_MEAN_MAX, &worst);
	for (size_t p = 0; p < COUNT(programs); p++) {
		struct judgement j;

		if (!is_chosen(&programs[p]))
			continue;
		j = judge_program(p, target_of(p));
		print_judgement(programs[p].name, &j, target_of(p), done[p]);
		count_verdict(j.verdict, &worst);
	}
	return worst;
}

static bool has_others(void)
{
	for (size_t a = FLOE + 1; a < ALLOCATORS; a++)
		if (present[a])
			return true;
	return false;
}

/*
 * For programs
 */

static void write_values(FILE *file, const char *name, size_t p, size_t a, value_call *value)
{
	(void)fprintf(file, "\"%s\": [", name);
	for (int round = 0; round < done[p]; round++)
		(void)fprintf(file, "%s%.6g", round ? ", " : "", value(p, a, round));
	(void)fprintf(file, "]");
}

static void write_figure(FILE *file, size_t p, size_t a, bool first)
{
	(void)fprintf(file, "%s\n    {\"program\": \"%s\", \"allocator\": \"%s\", ",
		      first ? "" : ",", programs[p].name, allocators[a].name);
	write_values(file, "seconds", p, a, time_of);
	(void)fprintf(file, ", ");
	write_values(file, "peak_mib", p, a, memory_of);
	(void)fprintf(file, "}");
}

static void write_judgement(FILE *file, const char *what, const struct judgement *j, double target)
{
	(void)fprintf(file,
		      "\n    {\"what\": \"%s\", \"ratio\": %.4f, \"against\": \"%s\", "
		      "\"target\": %g, \"verdict\": \"%s\"",
		      what, j->interval.median, allocators[j->other].name, target,
		      judge_word(j->verdict));
	if (isfinite(j->interval.high))
		(void)fprintf(file, ", \"low\": %.4f, \"high\": %.4f", j->interval.low,
			      j->interval.high);
	(void)fprintf(file, "}");
}

static void write_mean(FILE *file, const char *what, value_call *value, double target)
{
	struct judgement j;

	if (!is_mean_judged())
		return;
	j = judge_mean(value, target);
	write_judgement(file, what, &j, target);
	(void)fprintf(file, ",");
}

static void write_targets(FILE *file)
{
	bool first = true;

	write_mean(file, "geometric mean, time", time_of, TIME_MEAN_MAX);
	write_mean(file, "geometric mean, memory", memory_of, MEMORY_MEAN_MAX);
	for (size_t p = 0; p < COUNT(programs); p++) {
		struct judgement j;

		if (!is_chosen(&programs[p]))
			continue;
		j = judge_program(p, target_of(p));
		(void)fprintf(file, "%s", first ? "" : ",");
		write_judgement(file, programs[p].name, &j, target_of(p));
		first = false;
	}
}

static void write_allocator(FILE *file, size_t a)
{
	(void)fprintf(file, "%s\n    {\"name\": \"%s\", \"measured\": %s", a ? "," : "",
		      allocators[a].name, present[a] ? "true" : "false");
	if (present[a] && is_there_a_mean())
		(void)fprintf(file, ", \"mean_time\": %.4f, \"mean_peak\": %.4f",
			      compare_means(a, GLIBC, time_of).median,
			      compare_means(a, GLIBC, memory_of).median);
	(void)fprintf(file, "}");
}

/* Everything that was measured, in the order of the rounds. False: it could not be written. */
static bool write_json(void)
{
	FILE *file = fopen(json, "we");
	bool first = true;

	if (!file)
		return false;
	(void)fprintf(file, "{\n  \"targets\": [");
	if (has_others())
		write_targets(file);
	(void)fprintf(file, "\n  ],\n  \"allocators\": [");
	for (size_t a = 0; a < ALLOCATORS; a++)
		write_allocator(file, a);
	(void)fprintf(file, "\n  ],\n  \"figures\": [");
	for (size_t p = 0; p < COUNT(programs); p++)
		for (size_t a = 0; a < ALLOCATORS; a++)
			if (is_chosen(&programs[p]) && present[a]) {
				write_figure(file, p, a, first);
				first = false;
			}
	(void)fprintf(file, "\n  ]\n}\n");
	return fclose(file) == 0;
}

/*
 * The command line
 */

/* PROGRAM is in build/bench/heap; the library beside it, the input of gcc in the sources. */
static void find_files(const char *program, const char *library, const char *source)
{
	static char path[4096];
	char *slash = strrchr(strcpy(path, program), '/');

	strcpy(slash ? slash + 1 : path, "heap-work");
	work = path;
	floe = library;
	input = source;
	allocators[1].library = floe;
	programs[COUNT(programs) - 1].argument[7] = input;
}

static void read_arguments(int argc, const char **argv)
{
	struct poptOption options[] = {
		{"rounds", 'r', POPT_ARG_INT, &rounds, 0, "how often each runs at least, default 9",
		 "N"},
		{"seconds", 's', POPT_ARG_INT, &seconds, 0,
		 "no more rounds after so long, default 600; 0: none but those", "N"},
		{"only", 'o', POPT_ARG_STRING, &only, 0, "programs whose name begins so", "NAME"},
		{"json", 'j', POPT_ARG_STRING, &json, 0, "all figures for programs", "FILE"},
		{"check", 0, POPT_ARG_NONE, &check, 0,
		 "exit status 1 when a target is missed, 2 when one is not decided", NULL},
		POPT_AUTOHELP POPT_TABLEEND};
	poptContext context = poptGetContext("heap", argc, argv, options, 0);
	int r = poptGetNextOpt(context);

	if (r < -1 || rounds < 1 || rounds > ROUNDS_MAX || seconds < 0) {
		(void)fprintf(stderr, "heap: %s\n",
			      r < -1 ? poptStrerror(r) : "1 to 99 rounds, no negative time");
		exit(100);
	}
	(void)poptFreeContext(context);
}

static int exit_status(enum verdict worst)
{
	if (!check || worst == VERDICT_MET)
		return 0;
	return worst == VERDICT_MISSED ? 1 : 2;
}

int main(int argc, char **argv)
{
	read_arguments(argc, (const char **)argv);
	find_files(argv[0], FLOE_MALLOC, GCC_INPUT);
	for (size_t a = 0; a < ALLOCATORS; a++) {
		present[a] = is_there(&allocators[a]);
		if (!present[a])
			printf("%s is not there: %s\n", allocators[a].name, allocators[a].library);
	}
	run_all();
	print_times();
	print_memory();
	print_means();
	if (json && !write_json()) {
		perror(json);
		return 1;
	}
	if (!has_others()) {
		printf("\nno other allocator is installed: nothing to compare with\n");
		return 0;
	}
	return exit_status(print_targets());
}
