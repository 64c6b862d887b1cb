/* SPDX-License-Identifier: Apache-2.0 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void use_as(int fd, int standard)
{
	if (fd < 0 && standard != STDERR_FILENO)
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		dup2(fd, standard);
}

static void become(const char *const *argv, const int *stdio, pid_t parent)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	/* It died before the line above. */
	if (getppid() != parent)
		_exit(1);

	for (int i = 0; i < 3; i++)
		use_as(stdio[i], i);
	execvp(argv[0], (char *const *)argv);
	fprintf(stderr, "floe demo: cannot start %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

int child_start(struct child *c, const char *const *argv, const int *stdio)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		become(argv, stdio, parent);
	*c = (struct child){.pid = pid};
	return 0;
}

bool child_reap(struct child *c)
{
	if (c->pid <= 0 || waitpid(c->pid, &c->status, WNOHANG) != c->pid)
		return false;
	c->pid = 0;
	return true;
}

void child_signal(const struct child *c, int number)
{
	if (c->pid > 0)
		kill(c->pid, number);
}

bool child_freeze(struct child *c)
{
	if (c->pid <= 0)
		return false;
	kill(c->pid, SIGSTOP);
	while (waitpid(c->pid, &c->status, WUNTRACED) < 0 && errno == EINTR)
		;
	if (WIFSTOPPED(c->status))
		return true;
	c->pid = 0;
	return false;
}

void child_kill(struct child *c)
{
	if (c->pid <= 0)
		return;
	kill(c->pid, SIGKILL);
	while (waitpid(c->pid, &c->status, 0) < 0 && errno == EINTR)
		;
	c->pid = 0;
}

bool child_has_failed(const struct child *c)
{
	return c->status != 0;
}

const char *child_ending(const struct child *c)
{
	return WIFSIGNALED(c->status) ? "signal" : "status";
}

int child_code(const struct child *c)
{
	return WIFSIGNALED(c->status) ? WTERMSIG(c->status) : WEXITSTATUS(c->status);
}
