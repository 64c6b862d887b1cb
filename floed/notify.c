/* SPDX-License-Identifier: Apache-2.0 */
#include "notify.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "os/os.h"

void notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	floe_cleanup(os_close_fdp) int fd = -1;
	size_t length = path ? strlen(path) : 0;

	if (length < 2 || length >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, length);
	/* An abstract name is written with an @, but begins with a NUL. */
	if (*path == '@')
		address.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	/* Nobody waits for the answer, and nothing depends on it. */
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
		     (const struct sockaddr *)&address,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
}

/* A number of the environment; 0: there is none, or it is none. */
static int64_t read_number(const char *name)
{
	const char *text = getenv(name);
	char *end;
	long long value = text ? strtoll(text, &end, 10) : 0;

	return text && !*end && value > 0 ? value : 0;
}

int64_t notify_watchdog_ns(void)
{
	int64_t us = read_number("WATCHDOG_USEC");
	int64_t pid = read_number("WATCHDOG_PID");

	if (us > INT64_MAX / 1000 || (pid && pid != os->get_pid()))
		return 0;
	return us * 1000 / 2;
}

void notify_reloading(void)
{
	char state[64];

	(void)snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
		       os->now_ns() / 1000);
	notify(state);
}
