/* SPDX-License-Identifier: Apache-2.0 */

/*
 * heap: programs on the drop-in malloc of floe and on others, by LD_PRELOAD. Each round runs every
 * program on every allocator once, one after the other; the ratio to glibc is taken within the
 * round, so that a machine that changes its speed changes it for all.
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

#define ROUNDS_MAX 99
#define ALLOCATORS 5
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct allocator {
	const char *name;
	const char *library; /* NULL: what the program has anyway */
};

/* The first is what the others are compared with, the second is ours. */
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
	double ratio[ROUNDS_MAX];  /* to the first allocator in the same round */
	double memory[ROUNDS_MAX]; /* MiB, most at once */
};

static struct figure figures[COUNT(programs)][ALLOCATORS];
static bool present[ALLOCATORS];
static int rounds = 3;
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

static void run_round(int round)
{
	for (size_t p = 0; p < COUNT(programs); p++) {
		if (!is_chosen(&programs[p]))
			continue;
		for (size_t a = 0; a < ALLOCATORS; a++) {
			struct figure *f = &figures[p][a];

			if (!present[a])
				continue;
			if (!run(&programs[p], &allocators[a], &f->seconds[round],
				 &f->memory[round])) {
				(void)fprintf(stderr, "heap: %s failed on %s\n", programs[p].name,
					      allocators[a].name);
				exit(1);
			}
			f->ratio[round] = f->seconds[round] / figures[p][0].seconds[round];
		}
	}
}

/*
 * The report
 */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void sort(double *values)
{
	qsort(values, (size_t)rounds, sizeof(*values), compare);
}

static double median(const double *sorted)
{
	return rounds % 2 ? sorted[rounds / 2] : (sorted[rounds / 2 - 1] + sorted[rounds / 2]) / 2;
}

static void sort_all(void)
{
	for (size_t p = 0; p < COUNT(programs); p++)
		for (size_t a = 0; a < ALLOCATORS; a++) {
			sort(figures[p][a].seconds);
			sort(figures[p][a].ratio);
			sort(figures[p][a].memory);
		}
}

static void print_head(const char *what)
{
	printf("\n%-9s", what);
	for (size_t a = 0; a < ALLOCATORS; a++)
		if (present[a])
			printf(" %19s", allocators[a].name);
	printf("\n");
}

static void print_times(void)
{
	print_head("time");
	for (size_t p = 0; p < COUNT(programs); p++) {
		if (!is_chosen(&programs[p]))
			continue;
		printf("%-9s", programs[p].name);
		printf(" %17.3f s", median(figures[p][0].seconds));
		for (size_t a = 1; a < ALLOCATORS; a++) {
			const double *ratio = figures[p][a].ratio;

			if (present[a])
				printf("  %4.2f [%4.2f..%4.2f]", median(ratio), ratio[0],
				       ratio[rounds - 1]);
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
				printf(" %12.1f (%4.2f)", median(figures[p][a].memory),
				       median(figures[p][a].memory) / median(figures[p][0].memory));
		printf("\n");
	}
}

static double time_of(size_t p, size_t a)
{
	return median(figures[p][a].ratio);
}

static double memory_of(size_t p, size_t a)
{
	return median(figures[p][a].memory) / median(figures[p][0].memory);
}

static double mean(size_t a, double (*value)(size_t p, size_t a))
{
	double sum = 0;
	int count = 0;

	for (size_t p = 0; p < COUNT(programs); p++) {
		if (programs[p].micro || !is_chosen(&programs[p]))
			continue;
		sum += log(value(p, a));
		count++;
	}
	return count ? exp(sum / count) : 1;
}

/* The peer with the least value. */
static size_t best(double (*value)(size_t p, size_t a), size_t p)
{
	size_t least = 0;

	for (size_t a = 2; a < ALLOCATORS; a++)
		if (present[a] && (!least || value(p, a) < value(p, least)))
			least = a;
	return least;
}

static double mean_time(size_t p, size_t a)
{
	(void)p;
	return mean(a, time_of);
}

static double mean_memory(size_t p, size_t a)
{
	(void)p;
	return mean(a, memory_of);
}

static void print_means(void)
{
	printf("\ngeometric mean against glibc, without hot\n");
	for (size_t a = 1; a < ALLOCATORS; a++)
		if (present[a])
			printf("  %-9s time %4.2f, peak memory %4.2f\n", allocators[a].name,
			       mean(a, time_of), mean(a, memory_of));
}

/* Returns whether it is missed. */
static bool judge(const char *what, double value, double target, const char *than)
{
	bool met = value <= target;

	printf("  %-42s %5.2f x %-9s at most %4.2f  %s\n", what, value, than, target,
	       met ? "met" : "MISSED");
	return !met;
}

static int print_targets(void)
{
	size_t leanest = best(mean_memory, 0), fastest = best(mean_time, 0), worst = 0, other;
	int missed = 0;
	char text[80];

	if (!fastest) {
		printf("\nno other allocator is installed: nothing to compare with\n");
		return 0;
	}
	printf("\ntargets\n");
	missed += judge("geometric mean of times", mean(1, time_of) / mean(fastest, time_of), 1,
			allocators[fastest].name);
	for (size_t p = 0; p < COUNT(programs); p++)
		if (is_chosen(&programs[p]) && !programs[p].micro &&
		    (!worst || time_of(p, 1) / time_of(p, best(time_of, p)) >
				       time_of(worst, 1) / time_of(worst, best(time_of, worst))))
			worst = p;
	other = best(time_of, worst);
	(void)snprintf(text, sizeof(text), "worst single time (%s)", programs[worst].name);
	missed += judge(text, time_of(worst, 1) / time_of(worst, other), 1.15,
			allocators[other].name);
	missed += judge("geometric mean of peak memory",
			mean(1, memory_of) / mean(leanest, memory_of), 1.1,
			allocators[leanest].name);
	if (is_chosen(&programs[0])) {
		other = best(time_of, 0);
		missed += judge("64 bytes, hot", time_of(0, 1) / time_of(0, other), 1.1,
				allocators[other].name);
	}
	return missed;
}

/*
 * For programs
 */

static void write_values(FILE *file, const char *name, const double *values)
{
	(void)fprintf(file, "\"%s\": [", name);
	for (int i = 0; i < rounds; i++)
		(void)fprintf(file, "%s%.6g", i ? ", " : "", values[i]);
	(void)fprintf(file, "]");
}

static void write_figure(FILE *file, size_t p, size_t a, bool first)
{
	const struct figure *f = &figures[p][a];

	(void)fprintf(file, "%s\n    {\"program\": \"%s\", \"allocator\": \"%s\", ",
		      first ? "" : ",", programs[p].name, allocators[a].name);
	write_values(file, "seconds", f->seconds);
	(void)fprintf(file, ", ");
	write_values(file, "ratio", f->ratio);
	(void)fprintf(file, ", ");
	write_values(file, "peak_mib", f->memory);
	(void)fprintf(file, "}");
}

static void write_allocator(FILE *file, size_t a)
{
	(void)fprintf(file, "%s\n    {\"name\": \"%s\", \"measured\": %s", a ? "," : "",
		      allocators[a].name, present[a] ? "true" : "false");
	if (present[a])
		(void)fprintf(file, ", \"mean_time\": %.4f, \"mean_peak\": %.4f", mean(a, time_of),
			      mean(a, memory_of));
	(void)fprintf(file, "}");
}

/* Everything that was measured, each value sorted. False: it could not be written. */
static bool write_json(void)
{
	FILE *file = fopen(json, "we");
	bool first = true;

	if (!file)
		return false;
	(void)fprintf(file, "{\n  \"rounds\": %d,\n  \"allocators\": [", rounds);
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
		{"rounds", 'r', POPT_ARG_INT, &rounds, 0, "how often each runs, default 3", "N"},
		{"only", 'o', POPT_ARG_STRING, &only, 0, "programs whose name begins so", "NAME"},
		{"json", 'j', POPT_ARG_STRING, &json, 0, "all figures for programs", "FILE"},
		{"check", 0, POPT_ARG_NONE, &check, 0, "exit status 1 when a target is missed",
		 NULL},
		POPT_AUTOHELP POPT_TABLEEND};
	poptContext context = poptGetContext("heap", argc, argv, options, 0);
	int r = poptGetNextOpt(context);

	if (r < -1 || rounds < 1 || rounds > ROUNDS_MAX) {
		(void)fprintf(stderr, "heap: %s\n", r < -1 ? poptStrerror(r) : "1 to 99 rounds");
		exit(100);
	}
	(void)poptFreeContext(context);
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
	for (int round = 0; round < rounds; round++)
		run_round(round);
	sort_all();
	print_times();
	print_memory();
	print_means();
	if (json && !write_json()) {
		perror(json);
		return 1;
	}
	return print_targets() && check ? 1 : 0;
}
