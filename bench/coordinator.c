/* SPDX-License-Identifier: Apache-2.0 */

/*
 * coordinator: what floed takes: until it is ready, until a death is cleaned up, and memory; beside
 * each the floor, which is what an empty program takes that is started, is killed, or sleeps.
 */

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <floe/floe.h>
#include <floe/watch.h>

#include "clock.h"
#include "series.h"
#include "session.h"

#define ROUNDS 20u
#define TOPICS 64
#define WAIT_NS (10 * NS_PER_SECOND)
#define SETTLE_NS (5 * NS_PER_MS)

/* Targets; the median counts. */
#define READY_MS 20
#define DEATH_MS 10
#define MEMORY_KIB 2048

/* In KiB, as /proc/PID/status and smaps_rollup have it. */
static const struct {
	const char *word;
	const char *text;
} memory_rows[] = {
	{"VmRSS:", "resident"},
	{"RssAnon:", "  its own"},
	{"RssFile:", "  of its program and the C library"},
	{"RssShmem:", "  of the domain"},
	{"Pss:", "resident, shared pages divided"},
};
#define RESIDENT 0
#define MEMORY_ROWS (sizeof(memory_rows) / sizeof(memory_rows[0]))

static struct {
	const char *program; /* floed */
	pid_t floed;         /* the one that runs; 0: none */
	unsigned rounds;
	bool check;
	int notice;
	char empty[256], laid[256]; /* configurations */
	struct series ready, ready_laid, ready_floor;
	struct series death, death_large, death_floor;
	uint64_t memory[MEMORY_ROWS], memory_floor[MEMORY_ROWS];
} bench = {.rounds = ROUNDS};

static const char help[] =
	"usage: coordinator [options] FLOED\n"
	"\n"
	"Measures how long the program FLOED takes until it says that it is ready, and from the "
	"death\n"
	"of a process until its node is removed, as another process sees it; and its memory.\n"
	"\n"
	"  --rounds N      that many rounds (20)\n"
	"  --check         exits with 1 if a target is missed\n"
	"  --help          this text\n"
	"\n"
	"Exit: 0 measured, 1 failed, or with --check a target is missed; 100 wrong usage.\n";

/*
 * Other programs
 */

static void tell_ready(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *name = getenv("NOTIFY_SOCKET");
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (!name || strlen(name) >= sizeof(address.sun_path))
		_exit(1);
	memcpy(address.sun_path + 1, name + 1, strlen(name + 1));
	(void)sendto(fd, "READY=1", 7, 0, (const struct sockaddr *)&address,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name)));
}

/* "empty": nothing; "victim": somebody in the domain; "large": with a ring of 64 MiB. */
_Noreturn static void be_other(const char *role, const char *dir)
{
	const struct floe_subscriber_options wants = {.size = sizeof(wants), .dir = dir};
	const struct floe_publisher_options has = {
		.size = sizeof(has), .dir = dir, .payload_max = 2 << 20, .depth = 24};
	struct floe_publisher *pub;
	struct floe_subscriber *sub;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (strcmp(role, "victim") == 0 && floe_subscriber_open(&sub, "bench", &wants) < 0)
		_exit(1);
	if (strcmp(role, "large") == 0 && floe_publisher_open(&pub, "bench", &has) < 0)
		_exit(1);
	tell_ready();
	for (;;)
		(void)pause();
}

static pid_t start(const char *program, const char *const *arguments)
{
	extern char **environ;
	pid_t pid;
	int r = posix_spawn(&pid, program, NULL, NULL, (char *const *)arguments, environ);

	if (r)
		fail("cannot start %s: %s", program, strerror(r));
	return pid;
}

static pid_t start_other(const char *role)
{
	const char *arguments[] = {"coordinator", "--be", role, session_dir(), NULL};

	return start("/proc/self/exe", arguments);
}

static void start_floed(const char *config)
{
	const char *arguments[] = {
		"floed", "--log-level=error", "--dir", session_dir(), "--config", config, NULL};

	bench.floed = start(bench.program, arguments);
}

static void open_notice(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct timeval patience = {.tv_sec = WAIT_NS / NS_PER_SECOND};
	socklen_t length = sizeof(address);
	char name[sizeof(address.sun_path) + 1];

	bench.notice = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bench.notice < 0 ||
	    bind(bench.notice, (struct sockaddr *)&address, sizeof(address.sun_family)) < 0 ||
	    getsockname(bench.notice, (struct sockaddr *)&address, &length) < 0 ||
	    setsockopt(bench.notice, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		fail("cannot make a socket: %s", strerror(errno));
	(void)snprintf(name, sizeof(name), "@%.*s",
		       (int)(length - offsetof(struct sockaddr_un, sun_path) - 1),
		       address.sun_path + 1);
	(void)setenv("NOTIFY_SOCKET", name, 1);
}

static void await_ready(void)
{
	char told[256];

	do {
		ssize_t size = recv(bench.notice, told, sizeof(told) - 1, 0);

		if (size < 0)
			fail("nobody is ready: %s", strerror(errno));
		told[size] = 0;
	} while (strncmp(told, "READY=1", 7) != 0);
}

static void end(pid_t pid, int signal_number)
{
	(void)kill(pid, signal_number);
	if (waitpid(pid, NULL, 0) != pid)
		fail("waitpid: %s", strerror(errno));
}

static void end_floed(void)
{
	if (bench.floed)
		end(bench.floed, SIGTERM);
	bench.floed = 0;
}

/*
 * Ready
 */

static double as_ms(int64_t ns)
{
	return (double)ns / (double)NS_PER_MS;
}

static void time_ready(struct series *series, const char *config)
{
	int64_t start_ns = now_ns();

	start_floed(config);
	await_ready();
	series_add(series, as_ms(now_ns() - start_ns));
	end_floed();
}

static void time_start(struct series *series)
{
	int64_t start_ns = now_ns();
	pid_t pid = start_other("empty");

	await_ready();
	series_add(series, as_ms(now_ns() - start_ns));
	end(pid, SIGKILL);
}

static void write_config(char *ret_path, size_t size, const char *name, int topics)
{
	FILE *file;

	(void)snprintf(ret_path, size, "%s/%s", session_dir(), name);
	file = fopen(ret_path, "we");
	for (int i = 0; file && i < topics; i++)
		(void)fprintf(file, "[topic t%d]\npayload = 1K\nreserve = 1\n", i);
	if (!file || fclose(file) != 0)
		fail("cannot write %s: %s", ret_path, strerror(errno));
}

static void measure_ready(void)
{
	for (unsigned i = 0; i < bench.rounds && !session_interrupted(); i++) {
		time_start(&bench.ready_floor);
		time_ready(&bench.ready, bench.empty);
		time_ready(&bench.ready_laid, bench.laid);
	}
}

/*
 * Deaths
 */

static void await_node(struct floe_watch *watch, pid_t pid, uint32_t what)
{
	int64_t deadline_ns = now_ns() + WAIT_NS;
	struct floe_watch_event event;

	for (;;) {
		while (floe_watch_next(watch, &event, sizeof(event)) == 1)
			if (event.pid == pid && event.what == what)
				return;
		if (floe_watch_wait(watch, deadline_ns) != 1)
			fail("process %d did not come or go", (int)pid);
	}
}

static void settle(void)
{
	const struct timespec time = {.tv_nsec = SETTLE_NS};

	(void)nanosleep(&time, NULL);
}

static void time_death(struct series *series, const char *role)
{
	const struct floe_watch_options options = {
		.size = sizeof(options), .kinds = 1u << FLOE_KIND_NODE, .dir = session_dir()};
	pid_t pid = start_other(role);
	struct floe_watch *watch;
	int64_t start_ns;
	int r;

	await_ready();
	settle();
	r = floe_watch_open(&watch, &options);
	if (r < 0)
		fail("cannot watch: %s", strerror(-r));
	await_node(watch, pid, FLOE_WATCH_THERE);
	start_ns = now_ns();
	(void)kill(pid, SIGKILL);
	await_node(watch, pid, FLOE_WATCH_WENT);
	series_add(series, as_ms(now_ns() - start_ns));
	floe_watch_close(watch);
	end(pid, SIGKILL);
}

static void time_end(struct series *series)
{
	pid_t pid = start_other("empty");
	struct pollfd wait = {.events = POLLIN};
	int64_t start_ns;

	await_ready();
	settle();
	wait.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	start_ns = now_ns();
	(void)kill(pid, SIGKILL);
	if (poll(&wait, 1, (int)(WAIT_NS / NS_PER_MS)) != 1)
		fail("the end of process %d was not told", (int)pid);
	series_add(series, as_ms(now_ns() - start_ns));
	(void)close(wait.fd);
	end(pid, SIGKILL);
}

static void read_memory(pid_t pid, const char *file, uint64_t *ret)
{
	char path[64], line[256];
	FILE *in;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	in = fopen(path, "re");
	while (in && fgets(line, sizeof(line), in))
		for (size_t i = 0; i < MEMORY_ROWS; i++)
			if (!strncmp(line, memory_rows[i].word, strlen(memory_rows[i].word)))
				ret[i] = strtoull(line + strlen(memory_rows[i].word), NULL, 10);
	if (in)
		(void)fclose(in);
}

static void measure_deaths(void)
{
	pid_t empty;

	start_floed(bench.empty);
	await_ready();
	for (unsigned i = 0; i < bench.rounds && !session_interrupted(); i++) {
		time_end(&bench.death_floor);
		time_death(&bench.death, "victim");
		time_death(&bench.death_large, "large");
	}
	empty = start_other("empty");
	await_ready();
	read_memory(bench.floed, "status", bench.memory);
	read_memory(bench.floed, "smaps_rollup", bench.memory);
	read_memory(empty, "status", bench.memory_floor);
	read_memory(empty, "smaps_rollup", bench.memory_floor);
	end(empty, SIGKILL);
	end_floed();
}

/*
 * Report
 */

static void print_series(const char *text, const struct series *series)
{
	printf("%-44s %8.2f %8.2f %8.2f\n", text, series_min(series), series_median(series),
	       series_max(series));
}

static bool judge(const char *text, double value, double target, const char *unit)
{
	bool met = value <= target;

	printf("%-44s %8.2f of %g %s: %s\n", text, value, target, unit, met ? "met" : "missed");
	return met;
}

static bool report(void)
{
	bool met;

	printf("%-44s %8s %8s %8s\n", "ms", "least", "median", "most");
	print_series("start to ready", &bench.ready);
	print_series("  with 64 topics and their rings", &bench.ready_laid);
	print_series("  floor: an empty program", &bench.ready_floor);
	print_series("SIGKILL to cleaned up", &bench.death);
	print_series("  with a ring of 64 MiB", &bench.death_large);
	print_series("  floor: SIGKILL to pidfd", &bench.death_floor);
	printf("\n%-44s %8s %8s\n", "KiB", "floed", "empty");
	for (size_t i = 0; i < MEMORY_ROWS; i++)
		printf("%-44s %8llu %8llu\n", memory_rows[i].text,
		       (unsigned long long)bench.memory[i],
		       (unsigned long long)bench.memory_floor[i]);
	(void)putchar('\n');
	met = judge("start to ready", series_median(&bench.ready), READY_MS, "ms");
	met &= judge("SIGKILL to cleaned up", series_median(&bench.death), DEATH_MS, "ms");
	met &= judge("resident", (double)bench.memory[RESIDENT], MEMORY_KIB, "KiB");
	return met;
}

static void parse_options(int argc, char **argv)
{
	static const struct option names[] = {
		{"rounds", required_argument, NULL, 'r'},
		{"check", no_argument, NULL, 'k'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
		if (option == 'h') {
			(void)fputs(help, stdout);
			exit(0);
		}
		if (option == 'r')
			bench.rounds = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'k')
			bench.check = true;
		else
			exit(100); /* getopt has said why */
	}
	if (optind + 1 != argc || bench.rounds < 1 || bench.rounds > SERIES_MAX) {
		(void)fputs("coordinator: FLOED and at most 4096 rounds are expected; "
			    "coordinator --help tells more\n",
			    stderr);
		exit(100);
	}
	bench.program = argv[optind];
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "--be") == 0)
		be_other(argv[2], argv[3]);
	parse_options(argc, argv);
	session_open("coordinator");
	(void)atexit(end_floed);
	open_notice();
	write_config(bench.empty, sizeof(bench.empty), "empty.conf", 0);
	write_config(bench.laid, sizeof(bench.laid), "laid.conf", TOPICS);
	measure_ready();
	measure_deaths();
	if (session_interrupted())
		fail("interrupted");
	return report() || !bench.check ? 0 : 1;
}
