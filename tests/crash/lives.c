/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The program: lives of either kind, several chains of them side by side, each in a folder of its own.
 * Their deaths are counted here, and written down, so that a run which is stopped can be gone on with.
 */

#include "lives.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "frame/frame.h"
#include "scene.h"

#define WRONG_USAGE 100
#define JOBS 64

static struct {
	const char *label;
	const char *notes; /* how many there were before; NULL: none, and nobody asks later */
	size_t heirs, wounds;
	size_t jobs;
	uint64_t seed;
	bool tap, json;
	const char *mutant; /* must be found */
} option = {.label = "", .jobs = 1};

static size_t reported;

static const struct kind {
	const char *name;
	const char *promise;
	void (*live)(const struct lives *lives);
} kinds[] = {
	{"heirs", "heirs get the ring, and every message comes", heirs_live},
	{"wounds", "all chunks of a pool of 20 are free", wounds_live},
};

/* `here` of them in this run. */
static void report(const struct kind *kind, size_t deaths, size_t here, double seconds)
{
	double rate = (double)here / (seconds + 1e-9);

	if (option.tap)
		printf("ok %zu - %s: %zu deaths\n", ++reported, kind->promise, deaths);
	else if (option.json)
		printf("{\"build\": \"%s\", \"lives\": \"%s\", \"deaths\": %zu, \"earlier\": %zu, "
		       "\"seconds\": %.1f, \"rate\": %.0f, \"passed\": true}\n",
		       option.label, kind->name, deaths, deaths - here, seconds, rate);
	else
		printf("%-44s %8zu deaths, %zu of them now, %.0f/s  pass\n", kind->promise, deaths,
		       here, rate);
	(void)fflush(stdout);
}

/*
 * Notes
 */

static size_t recall(void)
{
	FILE *notes = option.notes ? fopen(option.notes, "re") : NULL;
	size_t count = 0;

	if (notes && fscanf(notes, "%zu", &count) != 1)
		count = 0;
	if (notes)
		(void)fclose(notes);
	return count;
}

/* The old number or the new one is there, whenever we are stopped. */
static void note(size_t count)
{
	char fresh[4096];
	FILE *notes;

	if (!option.notes)
		return;
	(void)snprintf(fresh, sizeof(fresh), "%s.new", option.notes);
	notes = fopen(fresh, "we");
	expect(notes);
	(void)fprintf(notes, "%zu\n", count);
	expect(fclose(notes) == 0 && rename(fresh, option.notes) == 0);
}

/*
 * Players: each plays one chain, and tells of it through a pipe.
 */

static pid_t player[JOBS];
static int tells[2];
static int first_processor;

/* Whom they bore dies with them, and is ours then: nobody lives on in a folder that goes. */
static void end_players(void)
{
	for (size_t i = 0; i < JOBS; i++)
		if (player[i] > 0)
			(void)kill(player[i], SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}

static void tell(size_t deaths)
{
	expect_equal(write(tells[1], &deaths, sizeof(deaths)), sizeof(deaths));
}

static void make_folder(size_t number)
{
	char folder[256];

	expect(snprintf(folder, sizeof(folder), "%s/%zu", getenv("FLOE_DIR"), number) <
	       (int)sizeof(folder));
	expect(mkdir(folder, 0700) == 0 || errno == EEXIST);
	expect_equal(setenv("FLOE_DIR", folder, 1), 0);
}

_Noreturn static void play(const struct kind *kind, size_t number, size_t count)
{
	struct lives lives = {.count = count, .seed = option.seed + number + 1, .lived = tell};

	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	(void)signal(SIGHUP, SIG_DFL);
	close(tells[0]);
	scene_stay_on(first_processor, (unsigned)number);
	make_folder(number);
	kind->live(&lives);
	_exit(0);
}

static void start_player(const struct kind *kind, size_t number, size_t count)
{
	pid_t parent = getpid();

	player[number] = fork();
	expect(player[number] >= 0);
	if (player[number])
		return;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent)
		play(kind, number, count);
	_exit(1);
}

/* What is found wrong ends a player at once; the others come to their end. */
static bool wait_players(void)
{
	bool passed = true;

	for (size_t i = 0; i < option.jobs; i++) {
		int status;

		while (waitpid(player[i], &status, 0) < 0)
			expect_equal(errno, EINTR);
		player[i] = 0;
		passed &= status == 0;
	}
	return passed;
}

/* Until they have all ended. */
static size_t count_deaths(const struct kind *kind, size_t before, size_t count)
{
	struct progress progress;
	size_t deaths, here = 0;

	progress_begin(&progress, option.label, kind->name, "deaths", count);
	progress.silent |= option.tap || option.mutant;
	while (read(tells[0], &deaths, sizeof(deaths)) == sizeof(deaths)) {
		here += deaths;
		note(before + here);
		progress_show(&progress, here, 0);
	}
	progress_end(&progress);
	return here;
}

/* Each takes its part of those that are left. */
static bool live(const struct kind *kind, size_t count)
{
	size_t before = recall(), left = before < count ? count - before : 0, here;
	double begin = scene_now();
	bool passed;

	expect_equal(pipe(tells), 0);
	first_processor = sched_getcpu();
	for (size_t i = 0; i < option.jobs; i++)
		start_player(kind, i, left * (i + 1) / option.jobs - left * i / option.jobs);
	close(tells[1]);
	here = count_deaths(kind, before, left);
	close(tells[0]);
	passed = wait_players() && here == left;
	if (option.mutant)
		return passed;
	if (passed)
		report(kind, before + here, here, scene_now() - begin);
	else
		(void)fprintf(stderr, "FAILED %s %s, after %zu deaths that went well\n",
			      option.label, kind->name, before + here);
	return passed;
}

/*
 * The program
 */

static void print_usage(void)
{
	printf("Usage: crash-lives [OPTIONS]\n"
	       "\n"
	       "Processes are killed one after the other at random moments, and replaced.\n"
	       "\n"
	       "  --heirs N      publishers, each of which adopts the ring of the one before\n"
	       "  --wounds N     publishers that have loans out and hold samples, on 20 chunks\n"
	       "  --jobs N       so many chains of them side by side (1)\n"
	       "  --notes FILE   how many there were is written down there after each thousand of "
	       "a\n"
	       "                 chain; those that it tells of are not played again\n"
	       "  --seed N       repeats the choices of a run, as far as the machine lets it\n"
	       "  --label TEXT   names the build in the report\n"
	       "  --tap, --json  the report for programs; JSON has one object a line\n"
	       "  --mutant NAME  succeeds if something is wrong\n"
	       "\n"
	       "Exit status: 0 all is well, 1 something was wrong, 100 wrong usage.\n");
}

static uint64_t read_number(const char *text)
{
	char *end;
	uint64_t number = strtoull(text, &end, 10);

	if (*text && !*end)
		return number;
	(void)fprintf(stderr, "crash-lives: '%s' is not a number\n", text);
	exit(WRONG_USAGE);
}

static void read_option(int letter)
{
	switch (letter) {
	case 'e':
		option.heirs = read_number(optarg);
		break;
	case 'w':
		option.wounds = read_number(optarg);
		break;
	case 'J':
		option.jobs = read_number(optarg);
		break;
	case 'n':
		option.notes = optarg;
		break;
	case 'S':
		option.seed = read_number(optarg);
		break;
	case 'l':
		option.label = optarg;
		break;
	case 't':
		option.tap = true;
		break;
	case 'm':
		option.mutant = optarg;
		break;
	case 'j':
		option.json = true;
		break;
	case 'h':
		print_usage();
		exit(0);
	default:
		exit(WRONG_USAGE);
	}
}

static void read_options(int argc, char **argv)
{
	static const struct option known[] = {
		{"heirs", required_argument, NULL, 'e'},
		{"wounds", required_argument, NULL, 'w'},
		{"jobs", required_argument, NULL, 'J'},
		{"notes", required_argument, NULL, 'n'},
		{"seed", required_argument, NULL, 'S'},
		{"label", required_argument, NULL, 'l'},
		{"tap", no_argument, NULL, 't'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{"mutant", required_argument, NULL, 'm'},
		{0},
	};
	int letter;

	option.seed = (uint64_t)(scene_now() * 1e6) % 1000000;
	while ((letter = getopt_long(argc, argv, "", known, NULL)) >= 0)
		read_option(letter);
	if (optind == argc && option.heirs + option.wounds && option.jobs && option.jobs <= JOBS &&
	    !(option.notes && option.heirs && option.wounds))
		return;
	(void)fprintf(stderr,
		      "crash-lives: say how many --heirs or --wounds, --notes only for one of "
		      "them, 1 to %d --jobs; --help tells more\n",
		      JOBS);
	exit(WRONG_USAGE);
}

/* In TAP. */
static int end_mutant(bool passed)
{
	printf("%s 1 - the mutant %s is found\n1..1\n", passed ? "not ok" : "ok", option.mutant);
	return passed;
}

int main(int argc, char **argv)
{
	bool passed = true;

	read_options(argc, argv);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	scene_begin(end_players);
	if (option.heirs)
		passed &= live(&kinds[0], option.heirs);
	if (option.wounds)
		passed &= live(&kinds[1], option.wounds);
	scene_end();
	if (option.mutant)
		return end_mutant(passed);
	if (option.tap)
		printf("1..%zu\n", reported);
	return passed ? 0 : 1;
}
