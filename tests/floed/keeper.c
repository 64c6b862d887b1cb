/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frame/frame.h"

#define ARGUMENTS_MAX 16

/* An abstract address that nobody else has, from the kernel. */
static int open_notice(char *ret_name, size_t size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t length = sizeof(address.sun_family);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	expect(fd >= 0);
	expect_equal(bind(fd, (struct sockaddr *)&address, length), 0);
	length = sizeof(address);
	expect_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	snprintf(ret_name, size, "@%.*s", (int)(length - sizeof(address.sun_family) - 1),
		 address.sun_path + 1);
	return fd;
}

static void become(const struct keeper *keeper, const char *notice, const char *const *arguments)
{
	const char *program = getenv("FLOED");
	const char *argv[ARGUMENTS_MAX] = {"floed"};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setenv("NOTIFY_SOCKET", notice, 1);
	unsetenv("JOURNAL_STREAM");
	dup2(keeper->log, STDERR_FILENO);
	dup2(keeper->log, STDOUT_FILENO);
	for (size_t i = 0; arguments && arguments[i] && i + 2 < ARGUMENTS_MAX; i++)
		argv[i + 1] = arguments[i];
	execv(program, (char *const *)argv);
	_exit(99);
}

struct keeper keeper_start(const char *const *arguments)
{
	struct keeper keeper;
	char notice[sizeof(struct sockaddr_un)];

	expect(getenv("FLOED") != NULL);
	keeper.log = memfd_create("floed", MFD_CLOEXEC);
	expect(keeper.log >= 0);
	keeper.notice = open_notice(notice, sizeof(notice));
	fflush(stdout);
	keeper.pid = fork();
	expect(keeper.pid >= 0);
	if (keeper.pid == 0)
		become(&keeper, notice, arguments);
	return keeper;
}

static bool has_ended(const struct keeper *keeper)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)keeper->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
	       info.si_pid != 0;
}

static bool try_hear(struct keeper *keeper, char *ret, size_t size)
{
	struct pollfd waits = {.fd = keeper->notice, .events = POLLIN};
	ssize_t length;

	while (poll(&waits, 1, 10) == 0)
		if (has_ended(keeper) && poll(&waits, 1, 0) == 0)
			return false;
	length = recv(keeper->notice, ret, size - 1, 0);
	expect(length > 0);
	ret[length] = 0;
	return true;
}

bool keeper_is_ready(struct keeper *keeper)
{
	char told[256];

	return try_hear(keeper, told, sizeof(told)) && !strncmp(told, "READY=1\n", 8);
}

void keeper_hear(struct keeper *keeper, char *ret, size_t size)
{
	expect(try_hear(keeper, ret, size));
}

struct keeper keeper_start_ready(const char *const *arguments)
{
	struct keeper keeper = keeper_start(arguments);
	bool ready = keeper_is_ready(&keeper);

	if (!ready) {
		char said[4096];

		keeper_read(&keeper, said, sizeof(said));
		printf("%s", said);
	}
	expect(ready);
	return keeper;
}

int keeper_wait(struct keeper *keeper)
{
	int status = 0;

	while (waitpid(keeper->pid, &status, 0) < 0)
		expect_equal(errno, EINTR);
	keeper->pid = 0;
	return status;
}

int keeper_end(struct keeper *keeper, int signal_number)
{
	kill(keeper->pid, signal_number);
	return keeper_wait(keeper);
}

void keeper_read(const struct keeper *keeper, char *ret, size_t size)
{
	ssize_t length = pread(keeper->log, ret, size - 1, 0);

	ret[length < 0 ? 0 : length] = 0;
}

size_t keeper_count_lines(const struct keeper *keeper)
{
	char said[65536];
	size_t count = 0;

	keeper_read(keeper, said, sizeof(said));
	for (const char *at = said; *at; at++)
		count += *at == '\n';
	return count;
}

void keeper_forget(struct keeper *keeper)
{
	close(keeper->log);
	close(keeper->notice);
}

const char *const *keeper_configure(const char *text)
{
	static char path[512];
	static const char *arguments[] = {"--config", path, NULL};
	FILE *file;

	snprintf(path, sizeof(path), "%s.conf", getenv("FLOE_DIR"));
	file = fopen(path, "w");
	expect(file != NULL);
	expect(fputs(text, file) >= 0);
	expect_equal(fclose(file), 0);
	return arguments;
}

void keeper_unconfigure(void)
{
	char path[512];

	snprintf(path, sizeof(path), "%s.conf", getenv("FLOE_DIR"));
	unlink(path);
}
