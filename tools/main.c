/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floe: the command line. The first word chooses the sub-command; a word that is none of ours is
 * looked for as the program floe-WORD, as git does.
 */

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "object.h"

static const struct command help_command;
static const struct command version_command;

static const struct command *const commands[] = {
	&pub_command,  &echo_command,    &notify_command, &listen_command, &get_command,
	&set_command,  &call_command,    &ls_command,     &info_command,   &hz_command,
	&bw_command,   &delay_command,   &top_command,    &clean_command,  &doctor_command,
	&help_command, &version_command,
};

/* Programs of their own, floe-NAME: they are linked with libraries that the others do not need, and
 * that would cost every start. */
static const struct {
	const char *name;
	const char *summary;
} externals[] = {
	{"record", "record topics to a file (MCAP)"},
	{"play", "publish what was recorded"},
	{"bag", "show, check or repair a recording"},
};

static bool is_external(const char *name)
{
	for (size_t i = 0; i < FRAME_COUNT_OF(externals); i++)
		if (!strcmp(externals[i].name, name))
			return true;
	return false;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < FRAME_COUNT_OF(commands); i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

/*
 * A word that is no command
 */

#define WORD_MAX 32

static size_t smallest(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/* How many letters to put in, take out or change (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
	size_t row[WORD_MAX + 1];
	size_t length = strlen(b);

	if (strlen(a) > WORD_MAX || length > WORD_MAX)
		return WORD_MAX;
	for (size_t k = 0; k <= length; k++)
		row[k] = k;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t k = 1; k <= length; k++) {
			size_t above = row[k];
			size_t change = diagonal + (a[i - 1] != b[k - 1]);

			row[k] = smallest(above + 1, row[k - 1] + 1, change);
			diagonal = above;
		}
	}
	return row[length];
}

/* Words that people know from elsewhere. */
static const char *translate(const char *name)
{
	static const char *const words[][2] = {
		{"list", "ls"},  {"publish", "pub"},   {"subscribe", "echo"},
		{"sub", "echo"}, {"show", "info"},     {"stat", "info"},
		{"rate", "hz"},  {"latency", "delay"}, {"check", "doctor"},
	};

	for (size_t i = 0; i < FRAME_COUNT_OF(words); i++)
		if (!strcmp(words[i][0], name))
			return words[i][1];
	return NULL;
}

/* NULL: nothing is near. */
static const char *suggest(const char *name)
{
	const char *best = translate(name);
	size_t best_distance = 3;

	for (size_t i = 0; !best && i < FRAME_COUNT_OF(commands); i++)
		if (strlen(name) > 2 && !strncmp(commands[i]->name, name, strlen(name)))
			best = commands[i]->name;
	for (size_t i = 0; !best && i < FRAME_COUNT_OF(externals); i++)
		if (strlen(name) > 2 && !strncmp(externals[i].name, name, strlen(name)))
			best = externals[i].name;
	if (best)
		return best;

	for (size_t i = 0; i < FRAME_COUNT_OF(commands); i++) {
		size_t d = distance(name, commands[i]->name);

		/* A word of two letters is near to every other one. */
		if (d < best_distance && d < strlen(name) && d < strlen(commands[i]->name)) {
			best = commands[i]->name;
			best_distance = d;
		}
	}
	return best;
}

/* The program that lies beside this one: also where nothing is installed. */
static void run_beside(const char *program, const char **argv)
{
	char path[4096];
	ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	if (size <= 0)
		return;
	path[size] = '\0';
	slash = strrchr(path, '/');
	if (!slash || (size_t)(slash + 1 - path) + strlen(program) >= sizeof(path))
		return;
	(void)strcpy(slash + 1, program);
	(void)execv(path, (char *const *)(void *)argv);
}

/* Becomes the program floe-NAME; returns only when there is none. */
static int run_external(const char *name, const char **argv)
{
	const char *near = suggest(name);
	char program[256];

	if (!strchr(name, '/') &&
	    snprintf(program, sizeof(program), "floe-%s", name) < (int)sizeof(program)) {
		argv[0] = program;
		run_beside(program, argv);
		(void)execvp(program, (char *const *)(void *)argv);
		if (errno != ENOENT) {
			(void)fprintf(stderr, "floe: cannot run %s: %s\n", program,
				      strerror(errno));
			return FRAME_FAILED;
		}
	}
	if (is_external(name)) {
		(void)fprintf(stderr, "floe: the program floe-%s is not installed\n", name);
		return FRAME_FAILED;
	}
	(void)fprintf(stderr, "floe: '%s' is no command", name);
	if (near)
		(void)fprintf(stderr, "; did you mean '%s'?\n", near);
	else
		(void)fprintf(stderr, "; 'floe help' lists them\n");
	return FRAME_USAGE;
}

static int run_command(int argc, const char **argv)
{
	const struct command *command = find_command(argv[0]);
	struct frame frame;
	int status;

	if (!command)
		return run_external(argv[0], argv);
	if (frame_begin(&frame, command, argc, argv, &status))
		status = command->run(&frame);
	return frame_end(&frame, status);
}

/*
 * help and version
 */

static struct {
	bool names;
} help_wish;

static const struct frame_option help_options[] = {
	OPTION_FLAG("names", 'n', &help_wish.names, "names of the commands, one per line"),
	{0},
};

/* Those that are about the others come last. */
static void each_command(void (*print)(const struct frame *frame, const char *name,
				       const char *summary),
			 const struct frame *frame)
{
	for (size_t i = 0; i < FRAME_COUNT_OF(commands); i++) {
		for (size_t k = 0; commands[i] == &help_command && k < FRAME_COUNT_OF(externals);
		     k++)
			print(frame, externals[k].name, externals[k].summary);
		print(frame, commands[i]->name, commands[i]->summary);
	}
}

static void print_line(const struct frame *frame, const char *name, const char *summary)
{
	(void)frame;
	printf("  %-8s %s\n", name, summary);
}

static void print_overview(void)
{
	(void)puts("Usage: floe COMMAND [OPTION...] [OPERAND...]\n"
		   "\n"
		   "Look at, and take part in, what programs send each other through floe.\n");
	each_command(print_line, NULL);
	(void)puts(
		"\n"
		"'floe COMMAND --help' says more, with examples. Every command takes --json, --dir and\n"
		"--domain. Exit status: 0 done, 1 it failed or the answer is no, 2 wrong usage.\n"
		"\n"
		"  FLOE_DIR     folder of the domains, default /dev/shm/floe-<uid>\n"
		"  FLOE_DOMAIN  the domain in it, default \"default\"");
}

static void print_name(const struct frame *frame, const char *name, const char *summary)
{
	if (frame->json)
		object_print(json_pack("{s:s, s:s}", "command", name, "summary", summary));
	else
		(void)puts(name);
}

static int help_run(struct frame *frame)
{
	const char *argv[] = {NULL, "--help", NULL};

	if (frame->operands_count > 0) {
		argv[0] = frame->operands[0];
		return run_command(2, argv);
	}
	if (help_wish.names || frame->json)
		each_command(print_name, frame);
	else
		print_overview();
	return FRAME_DONE;
}

static const struct command help_command = {
	.name = "help",
	.summary = "explain a command",
	.operands = "[COMMAND]",
	.operands_max = 1,
	.options = help_options,
	.examples = "  floe help\n"
		    "  floe help pub\n",
	.run = help_run,
};

static const struct frame_option no_options[] = {
	{0},
};

static int version_run(struct frame *frame)
{
	if (frame->json)
		object_print(json_pack("{s:s}", "version", floe_version()));
	else
		printf("floe %s\n", floe_version());
	return FRAME_DONE;
}

static const struct command version_command = {
	.name = "version",
	.summary = "print the version",
	.operands = "",
	.options = no_options,
	.examples = "  floe version\n",
	.run = version_run,
};

int main(int argc, char **argv)
{
	const char **words = (const char **)(void *)(argv + 1);
	const char *overview[] = {"help", NULL};
	const char *version[] = {"version", NULL};

	/* We look at files of others. */
	(void)floe_guard_install();

	if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return run_command(1, overview);
	if (!strcmp(argv[1], "--version"))
		return run_command(1, version);
	if (argv[1][0] == '-') {
		(void)fprintf(stderr, "floe: '%s': options follow the command; see 'floe help'\n",
			      argv[1]);
		return FRAME_USAGE;
	}
	return run_command(argc - 1, words);
}
