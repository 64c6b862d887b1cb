/* SPDX-License-Identifier: Apache-2.0 */
#include "process.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *own_name = "supervisor";
static volatile sig_atomic_t leave;
static volatile sig_atomic_t finish;

static void note_signal(int number)
{
	if (number == SIGTERM)
		leave = 1;
	finish = 1;
}

void process_start(const char *name)
{
	/* Without SA_RESTART: a read or a wait ends, and its caller looks at the flags. */
	struct sigaction note = {.sa_handler = note_signal};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	own_name = name;
	sigaction(SIGTERM, &note, NULL);
	sigaction(SIGUSR1, &note, NULL);
	sigaction(SIGINT, &ignore, NULL);
	(void)floe_guard_install();
}

int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

bool process_has_to_leave(void)
{
	return leave;
}

bool process_has_to_finish(void)
{
	return finish;
}

uint32_t process_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	uint32_t count = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(dir);

	return count - 1; /* without the folder's own */
}

int process_fail(const char *what, int code, const struct floe_error *error)
{
	const char *why = error && error->text[0] ? error->text : strerror(-code);

	fprintf(stderr, "floe demo: %s: %s: %s\n", own_name, what, why);
	return code;
}
