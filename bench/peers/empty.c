/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Two programs that open nothing and stay: what the C library takes, the floor of resident memory.
 * Takes and gives the same as the work `stay` of the others, whose options mean nothing here.
 */

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void stay(void)
{
	char unused;

	while (read(0, &unused, 1) > 0)
		;
}

/* Says so when it is there; ends with our standard input, which it has, too. */
static pid_t start_child(char *program)
{
	char *arguments[] = {program, NULL};
	posix_spawn_file_actions_t actions;
	int out[2];
	pid_t pid;
	char said;

	if (pipe(out) < 0)
		exit(1);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	posix_spawn_file_actions_addclose(&actions, out[0]);
	if (posix_spawn(&pid, "/proc/self/exe", &actions, NULL, arguments, environ) != 0)
		exit(1);
	posix_spawn_file_actions_destroy(&actions);
	close(out[1]);
	if (read(out[0], &said, 1) != 1)
		exit(1);
	return pid;
}

int main(int argc, char **argv)
{
	pid_t pids[2];

	if (argc == 1) {
		printf("0\n");
		fflush(stdout);
		stay();
		return 0;
	}
	for (int i = 0; i < 2; i++)
		pids[i] = start_child(argv[0]);
	printf("{\"pids\": [%d, %d]}\n", (int)pids[0], (int)pids[1]);
	fflush(stdout);
	stay();
	for (int i = 0; i < 2; i++)
		waitpid(pids[i], NULL, 0);
	return 0;
}
