/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* The environment of the whole program, so it is one per process and lives here. */
static struct {
	const char *program;
	char dir[64];
	pid_t owner;
	volatile sig_atomic_t interrupted;
} session;

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
	(void)status;
	(void)kind;
	(void)place;
	remove(path);
	return 0;
}

static void remove_dir(void)
{
	if (getpid() == session.owner)
		nftw(session.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void interrupt(int signal)
{
	session.interrupted = signal;
}

static void catch_signals(void)
{
	/* The second signal ends the program the hard way, should the first not be enough. */
	struct sigaction action = {.sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

void session_open(const char *program)
{
	session.program = program;
	session.owner = getpid();
	snprintf(session.dir, sizeof(session.dir), "/dev/shm/floe-%.32s-XXXXXX", program);
	if (!mkdtemp(session.dir))
		fail("cannot make a folder in /dev/shm: %s", strerror(errno));

	atexit(remove_dir);
	catch_signals();
}

void session_join(const char *program, const char *dir)
{
	session.program = program;
	session.owner = getpid();
	snprintf(session.dir, sizeof(session.dir), "%s", dir);
}

const char *session_dir(void)
{
	return session.dir;
}

bool session_interrupted(void)
{
	return session.interrupted != 0;
}

void session_enter_child(void)
{
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != session.owner) /* it went before the line above */
		_exit(1);
}

void fail(const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "%s: ", session.program);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);

	if (getpid() != session.owner)
		_exit(1);
	exit(1);
}
