/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A clock for a program that is watched (LD_PRELOAD): only sleeping and looking at it make it go on, so that how
 * often the program does either is the same on every machine. At its end it writes "sleeps looks" to the file
 * FLOE_TEST_CLOCK. FLOE_TEST_PROCESSORS says how many there are; FLOE_TEST_PRIORITY, if set, that this user gets
 * no realtime priority.
 */

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)
/* What a look takes. */
#define LOOK_NS 1000

__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *ret);
__attribute__((visibility("default"))) int clock_nanosleep(clockid_t id, int flags,
							   const struct timespec *until,
							   struct timespec *left);
__attribute__((visibility("default"))) int ppoll(struct pollfd *fds, nfds_t count,
						 const struct timespec *left, const sigset_t *mask);
__attribute__((visibility("default"))) int sched_setscheduler(pid_t pid, int policy,
							      const struct sched_param *param);
__attribute__((visibility("default"))) int sched_getaffinity(pid_t pid, size_t size,
							     cpu_set_t *set);

static _Atomic int64_t gone_ns;
static atomic_ulong sleeps;
static atomic_ulong looks;

static int64_t to_ns(const struct timespec *time)
{
	return time->tv_sec * SECOND + time->tv_nsec;
}

static struct timespec from_ns(int64_t ns)
{
	return (struct timespec){ns / SECOND, ns % SECOND};
}

/* Both begin at the same time, and go on alike. */
int clock_gettime(clockid_t id, struct timespec *ret)
{
	(void)id;
	atomic_fetch_add(&looks, 1);
	*ret = from_ns(1000 * SECOND + atomic_fetch_add(&gone_ns, LOOK_NS));
	return 0;
}

static void sleep_until(int64_t ns)
{
	int64_t now = atomic_load(&gone_ns);

	atomic_fetch_add(&sleeps, 1);
	while (now < ns && !atomic_compare_exchange_weak(&gone_ns, &now, ns))
		;
}

int clock_nanosleep(clockid_t id, int flags, const struct timespec *until, struct timespec *left)
{
	(void)id;
	(void)left;
	if (flags != TIMER_ABSTIME)
		return EINVAL;
	sleep_until(to_ns(until) - 1000 * SECOND);
	return 0;
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *left, const sigset_t *mask)
{
	struct timespec none = {0, 0};
	long r = syscall(SYS_ppoll, fds, count, left ? &none : NULL, mask, (size_t)8);

	if (r == 0 && left)
		sleep_until(atomic_load(&gone_ns) + to_ns(left));
	return (int)r;
}

int sched_setscheduler(pid_t pid, int policy, const struct sched_param *param)
{
	(void)pid;
	(void)policy;
	(void)param;
	if (!getenv("FLOE_TEST_PRIORITY"))
		return 0;
	errno = EPERM;
	return -1;
}

int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
	const char *text = getenv("FLOE_TEST_PROCESSORS");
	size_t count = text ? strtoul(text, NULL, 10) : 2;

	(void)pid;
	CPU_ZERO_S(size, set);
	for (size_t i = 0; i < count; i++)
		CPU_SET_S(i, size, set);
	return 0;
}

__attribute__((destructor)) static void tell(void)
{
	const char *path = getenv("FLOE_TEST_CLOCK");
	FILE *file = path ? fopen(path, "we") : NULL;

	if (!file)
		return;
	(void)fprintf(file, "%lu %lu\n", atomic_load(&sleeps), atomic_load(&looks));
	(void)fclose(file);
}
