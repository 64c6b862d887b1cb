/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One peer, one work: prints what came out as one line of JSON. bench/peers/run starts this program
 * for each peer and each round; bench/peers/README.md says what the works are.
 */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../machine.h"
#include "ends.h"

static void work_cores(const struct task *task)
{
	printf("%d,%d\n", task->cores[0], task->cores[1]);
}

static const struct {
	const char *name;
	void (*run)(const struct task *task);
	bool pins; /* to the two cores */
} works[] = {
	{"latency", work_latency, true}, {"request", work_request, true},
	{"rate", work_rate, true},       {"publish", work_publish, true},
	{"wake", work_wake, true},       {"video", work_video, true},
	{"memcpy", work_memcpy, true},   {"first", work_first, false},
	{"stay", work_stay, false},      {"alone", work_alone, false},
	{"send", work_send, false},      {"receive", work_receive, false},
	{"cores", work_cores, true},
};

static const char help[] =
	"usage: PEER WORK [options]\n"
	"\n"
	"  --payload N     bytes of a message, a multiple of 8\n"
	"  --touch-all     every byte is written and read, not only the first 8\n"
	"  --depth N       room for that many messages\n"
	"  --senders N\n"
	"  --receivers N\n"
	"  --sleep         who waits sleeps instead of looking again\n"
	"  --budget MS     how long to measure\n"
	"  --count N       messages, where there is no budget\n"
	"  --from N        number before the first of these\n"
	"  --cores A,B     the two cores to run on\n"
	"  --dir DIR       names lead into this folder; without it one is made\n"
	"\n"
	"Works:";

_Noreturn static void wrong_usage(const char *sentence, const char *argument)
{
	fprintf(stderr, "%s '%s'\n%s", sentence, argument, help);
	for (size_t i = 0; i < sizeof(works) / sizeof(*works); i++)
		fprintf(stderr, " %s", works[i].name);
	fputc('\n', stderr);
	exit(100);
}

static uint64_t parse_number(const char *text, uint64_t max)
{
	char *end;
	unsigned long long number = strtoull(text, &end, 10);

	if (*end || end == text || number > max)
		wrong_usage("not a number in range:", text);
	return number;
}

static void parse_option(int option, struct task *task, const char **dir)
{
	switch (option) {
	case 'p':
		task->channel.payload = parse_number(optarg, 1 << 30);
		break;
	case 'a':
		task->touch = TOUCH_ALL;
		break;
	case 'd':
		task->channel.depth = (unsigned)parse_number(optarg, 1 << 16);
		break;
	case 's':
		task->channel.senders = (unsigned)parse_number(optarg, PEER_ENDS_MAX);
		break;
	case 'r':
		task->channel.receivers = (unsigned)parse_number(optarg, PEER_ENDS_MAX);
		break;
	case 'z':
		task->channel.sleeps = true;
		break;
	case 'b':
		task->budget_ns = (int64_t)parse_number(optarg, 3600000) * NS_PER_MS;
		break;
	case 'n':
		task->count = parse_number(optarg, UINT64_MAX);
		break;
	case 'f':
		task->from = parse_number(optarg, UINT64_MAX);
		break;
	case 'c':
		if (sscanf(optarg, "%d,%d", &task->cores[0], &task->cores[1]) != 2)
			wrong_usage("not two cores such as 0,1:", optarg);
		break;
	case 'D':
		*dir = optarg;
		break;
	default:
		wrong_usage("no such option", "");
	}
}

static const char *parse_options(int argc, char **argv, struct task *task)
{
	static const struct option names[] = {
		{"payload", required_argument, NULL, 'p'},
		{"touch-all", no_argument, NULL, 'a'},
		{"depth", required_argument, NULL, 'd'},
		{"senders", required_argument, NULL, 's'},
		{"receivers", required_argument, NULL, 'r'},
		{"sleep", no_argument, NULL, 'z'},
		{"budget", required_argument, NULL, 'b'},
		{"count", required_argument, NULL, 'n'},
		{"from", required_argument, NULL, 'f'},
		{"cores", required_argument, NULL, 'c'},
		{"dir", required_argument, NULL, 'D'},
		{0},
	};
	const char *dir = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
		parse_option(option, task, &dir);
	if (optind != argc - 1)
		wrong_usage("name one work, not", argc > optind ? argv[optind + 1] : "none");
	if (!task->channel.payload || task->channel.payload % 8 || !task->channel.depth)
		wrong_usage("a payload is a multiple of 8, a depth is not 0", "");
	return dir;
}

static void choose_cores(struct task *task)
{
	struct machine machine;

	machine_look(&machine, NULL);
	task->cores[0] = machine.cores[0];
	task->cores[1] = machine.cores[1] < 0 ? machine.cores[0] : machine.cores[1];
}

int main(int argc, char **argv)
{
	struct task task = {
		.program = "/proc/self/exe",
		.channel = {"work", 8, 16, 1, 1},
		.touch = TOUCH_FIRST,
		.cores = {-1, -1},
		.budget_ns = 100 * NS_PER_MS,
		.count = 1,
	};
	const char *dir = parse_options(argc, argv, &task);
	char name[32];

	snprintf(name, sizeof(name), "%.31s",
		 strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0]);
	signal(SIGPIPE, SIG_IGN);
	if (dir)
		session_join(name, dir);
	else
		session_open(name);
	for (size_t i = 0; i < sizeof(works) / sizeof(*works); i++) {
		if (strcmp(works[i].name, argv[optind]) != 0)
			continue;
		if (works[i].pins && task.cores[0] < 0)
			choose_cores(&task);
		works[i].run(&task);
		return 0;
	}
	wrong_usage("no such work:", argv[optind]);
}
