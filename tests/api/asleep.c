/* SPDX-License-Identifier: Apache-2.0 */
#include "asleep.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "frame/frame.h"

/* The state in /proc/PID/stat: the character after the parenthesis that ends the name. */
static char state_of(pid_t pid)
{
	char path[64], text[512];
	const char *name_end;
	size_t size;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	expect(file);
	size = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[size] = '\0';
	name_end = strrchr(text, ')');
	expect(name_end);
	return name_end[2];
}

void until_asleep(pid_t pid)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	for (int looks = 0; looks < 5;) {
		nanosleep(&pause, NULL);
		looks = state_of(pid) == 'S' ? looks + 1 : 0;
	}
}

static uint64_t count_switches(pid_t pid)
{
	char path[64];
	char line[128];
	uint64_t count = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "r");
	expect(file != NULL);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, "voluntary_ctxt_switches:", 24))
			count = strtoull(line + 24, NULL, 10);
	(void)fclose(file);
	return count;
}

bool stays_asleep(pid_t pid)
{
	uint64_t before = count_switches(pid);

	usleep(300000);
	return count_switches(pid) == before;
}
