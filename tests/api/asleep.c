/* SPDX-License-Identifier: Apache-2.0 */
#include "asleep.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

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
