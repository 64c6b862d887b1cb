/* SPDX-License-Identifier: Apache-2.0 */
#include "victim.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frame/frame.h"

/* PTRACE_O_TRACESYSGOOD marks the stops at system calls. */
#define AT_SYSTEM_CALL (SIGTRAP | 0x80)

static int wait_for(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		expect_equal(errno, EINTR);
	return status;
}

static pid_t start(void (*live)(void))
{
	pid_t pid;

	(void)fflush(NULL);
	pid = fork();
	expect(pid >= 0);
	if (pid)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || raise(SIGSTOP) != 0)
		_exit(2);
	live();
	_exit(0);
}

struct tracing {
	pid_t pid;
	int signal_number; /* to hand on */
	bool executed;     /* another program */
};

static void expect_end(const struct tracing *tracing, int status)
{
	expect(WIFEXITED(status));
	expect(WEXITSTATUS(status) <= (tracing->executed ? 1 : 0));
}

/* To its next system call. False: it has ended. */
static bool go_on(struct tracing *tracing)
{
	int status;

	for (;;) {
		expect_equal(ptrace(PTRACE_SYSCALL, tracing->pid, NULL,
				    (void *)(uintptr_t)tracing->signal_number),
			     0);
		status = wait_for(tracing->pid);
		if (!WIFSTOPPED(status))
			break;
		tracing->signal_number = 0;
		if (WSTOPSIG(status) == AT_SYSTEM_CALL)
			return true;
		/* The kernel tells so that a program was executed; all else is a signal. */
		if (WSTOPSIG(status) == SIGTRAP)
			tracing->executed = true;
		else
			tracing->signal_number = WSTOPSIG(status);
	}
	expect_end(tracing, status);
	return false;
}

bool victim_run(void (*live)(void), uint64_t at, void (*meanwhile)(void), uint64_t *ret_points)
{
	struct tracing tracing = {.pid = start(live)};

	*ret_points = 0;
	expect(WIFSTOPPED(wait_for(tracing.pid)));
	expect_equal(ptrace(PTRACE_SETOPTIONS, tracing.pid, NULL,
			    (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)),
		     0);
	while (go_on(&tracing)) {
		if (++*ret_points != at)
			continue;
		if (meanwhile)
			meanwhile();
		expect_equal(kill(tracing.pid, SIGKILL), 0);
		expect(WIFSIGNALED(wait_for(tracing.pid)));
		return true;
	}
	return false;
}
