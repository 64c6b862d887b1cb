/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The supervisor of the demo: starts all processes, shows what they do, and checks at the end
 * that every claim held. See README.md; `run` calls it with a video.
 */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frame.h"
#include "show.h"
#include "summary.h"

#define EXIT_USAGE 100
#define EXIT_SYSTEM 111

/* Fewer, and there is no time to join late and to be killed in the middle. */
#define FRAMES_MIN 100

static volatile sig_atomic_t interrupts;

static const char usage[] =
	"Usage: demo --video FILE --size WIDTHxHEIGHT --frames COUNT [OPTION...]\n"
	"\n"
	"Publishes a video frame by frame through shared memory to four processes, kills one\n"
	"of them in the middle, and checks that nothing was lost, copied or left behind.\n"
	"\n"
	"  --video FILE          what ffmpeg is to decode\n"
	"  --size WIDTHxHEIGHT   of the video, in pixels\n"
	"  --frames COUNT        that the video has\n"
	"  --fps N               publish so many frames a second (default 40, up to 1000)\n"
	"  --seconds N           end after N seconds of video\n"
	"  --loop                begin again at its end, until Ctrl-C or --seconds\n"
	"  --plain               a line a second for each process instead of a screen\n"
	"  --help                this text\n"
	"\n"
	"Exit status: 0 every check holds, 1 one does not, 100 wrong usage, 111 the system\n"
	"refused.\n";

static void note_interrupt(int number)
{
	(void)number;
	interrupts++;
}

static void catch_interrupts(void)
{
	struct sigaction note = {.sa_handler = note_interrupt};

	sigaction(SIGINT, &note, NULL);
	sigaction(SIGTERM, &note, NULL);
	sigaction(SIGHUP, &note, NULL);
}

/* Does not return. */
static void refuse(const char *why, const char *what)
{
	fprintf(stderr, "demo: %s%s\nTry 'demo --help'.\n", why, what);
	exit(EXIT_USAGE);
}

static uint32_t parse_number(const char *text, uint32_t max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || value == 0 || value > max)
		refuse("not a number in range: ", text);
	return (uint32_t)value;
}

static void parse_size(const char *text, struct show_options *ret)
{
	int used = 0;

	if (sscanf(text, "%4ux%4u%n", &ret->width, &ret->height, &used) != 2 || text[used] != '\0')
		refuse("not a size: ", text);
	if (ret->width == 0 || ret->width > FRAME_WIDTH_MAX)
		refuse("the video is too wide: ", text);
	if (ret->height == 0 || ret->height > FRAME_HEIGHT_MAX)
		refuse("the video is too high: ", text);
}

static void parse_options(int argc, char **argv, struct show_options *ret)
{
	static const struct option options[] = {
		{"video", required_argument, NULL, 'v'},
		{"size", required_argument, NULL, 'z'},
		{"frames", required_argument, NULL, 'n'},
		{"fps", required_argument, NULL, 'f'},
		{"seconds", required_argument, NULL, 's'},
		{"loop", no_argument, NULL, 'l'},
		{"plain", no_argument, NULL, 'p'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'v':
			ret->video = optarg;
			break;
		case 'z':
			parse_size(optarg, ret);
			break;
		case 'n':
			ret->frames = parse_number(optarg, UINT32_MAX);
			break;
		case 'f':
			ret->fps = parse_number(optarg, 1000);
			break;
		case 's':
			ret->seconds = parse_number(optarg, 1000000);
			break;
		case 'l':
			ret->loop = true;
			break;
		case 'p':
			ret->plain = true;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		default:
			fputs("Try 'demo --help'.\n", stderr);
			exit(EXIT_USAGE);
		}
	}
	if (optind < argc)
		refuse("too many arguments: ", argv[optind]);
}

static void check_options(const struct show_options *o)
{
	if (!o->video || !o->width || !o->frames)
		refuse("--video, --size and --frames are needed", "");
	if (o->seconds && (uint64_t)o->seconds * o->fps < FRAMES_MIN)
		refuse("too short to show everything: at least 100 frames are needed", "");
	if (!o->loop && o->frames < FRAMES_MIN)
		refuse("the video is too short, at least 100 frames are needed: use --loop", "");
}

/* The other programs lie beside this one. */
static const char *find_programs(void)
{
	static char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	if (!slash)
		return ".";
	*slash = '\0';
	return path;
}

int main(int argc, char **argv)
{
	static struct show show;
	struct show_options options = {.fps = 40, .programs = find_programs()};

	parse_options(argc, argv, &options);
	check_options(&options);
	catch_interrupts();

	if (show_open(&show, &options) < 0) {
		show_close(&show);
		return EXIT_SYSTEM;
	}
	show_run(&show, &interrupts);
	show_close(&show);
	return summary_print(&show) ? EXIT_SUCCESS : EXIT_FAILURE;
}
