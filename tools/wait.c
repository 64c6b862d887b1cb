/* SPDX-License-Identifier: Apache-2.0 */
#include "wait.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* What it takes to be woken, mostly. */
#define LOOK_NS 60000
/* On an idle machine it was a millisecond at times. So who must not be late looks at the clock for so long, but
 * not longer than three quarters of what is left: who has SCHED_FIFO would be stopped by the kernel at 95 %, for a
 * twentieth of a second. LOOK_NS it looks in any case: when less than 80 us are left that is more, and below 60 it
 * does not sleep. */
#define LOOK_LONG_NS 1000000

#define DOZE_NS 1000000

static volatile sig_atomic_t stopped;
static bool looks_long;
static int stop_fd = -1;
static int reader_fd = -1; /* -1: nobody reads what we print, or it does not matter */

/* The descriptor closes the gap between looking at the flag and going to sleep. */
static void on_signal(int number)
{
	const uint64_t one = 1;
	int saved = errno;

	(void)number;
	stopped = 1;
	if (write(stop_fd, &one, sizeof(one)) < 0)
		stopped = 2;
	errno = saved;
}

void wait_begin(bool for_reader)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

	stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	if (for_reader)
		reader_fd = STDOUT_FILENO;
}

bool wait_is_stopped(void)
{
	return stopped;
}

int64_t wait_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * WAIT_SECOND + now.tv_nsec;
}

/* Nanoseconds from now on; 0 when the deadline has passed. */
static struct timespec time_left(int64_t deadline_ns)
{
	int64_t left = deadline_ns - wait_now_ns();

	if (left < 0)
		left = 0;
	return (struct timespec){.tv_sec = left / WAIT_SECOND, .tv_nsec = left % WAIT_SECOND};
}

static int poll_until(struct pollfd *fds, nfds_t count, int64_t deadline_ns)
{
	struct timespec left;

	if (deadline_ns == WAIT_FOREVER)
		return ppoll(fds, count, NULL, NULL);
	left = time_left(deadline_ns);
	return ppoll(fds, count, &left, NULL);
}

bool wait_until(int64_t deadline_ns)
{
	/* No events asked for: what is left is that the reader went away. */
	struct pollfd fds[] = {
		{.fd = stop_fd, .events = POLLIN},
		{.fd = reader_fd, .events = 0},
	};
	int r;

	do {
		r = poll_until(fds, 2, deadline_ns);
		if (r > 0 && (fds[1].revents & (POLLERR | POLLHUP)))
			stopped = 1;
		if (r > 0 && (fds[1].revents & POLLNVAL))
			fds[1].fd = reader_fd = -1;
	} while (!stopped && r != 0);
	return !stopped;
}

static int count_processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

int wait_be_punctual(bool is_realtime)
{
	const struct sched_param parameters = {.sched_priority = 1};

	(void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	if (!is_realtime)
		return 0;
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &parameters) < 0)
		return -errno;
	/* On the only processor, whom we wait for could not run meanwhile. */
	looks_long = count_processors() > 1;
	return 0;
}

static int64_t find_look(int64_t left_ns)
{
	int64_t most_ns = left_ns - left_ns / 4;

	if (!looks_long || most_ns < LOOK_NS)
		return LOOK_NS;
	return most_ns < LOOK_LONG_NS ? most_ns : LOOK_LONG_NS;
}

bool wait_exactly(int64_t deadline_ns)
{
	int64_t left_ns = deadline_ns - wait_now_ns();
	int64_t look_ns = find_look(left_ns);

	if (left_ns > look_ns && !wait_until(deadline_ns - look_ns))
		return false;
	while (!stopped && wait_now_ns() < deadline_ns)
		;
	return !stopped;
}

bool wait_readable(int fd, int64_t deadline_ns)
{
	struct pollfd fds[] = {
		{.fd = stop_fd, .events = POLLIN},
		{.fd = fd, .events = POLLIN},
		{.fd = reader_fd, .events = 0},
	};
	int r = poll_until(fds, 3, deadline_ns);

	if (r > 0 && (fds[2].revents & (POLLERR | POLLHUP)))
		stopped = 1;
	if (r > 0 && (fds[2].revents & POLLNVAL))
		reader_fd = -1;
	return !stopped;
}

ssize_t wait_read(int fd, void *buffer, size_t size)
{
	ssize_t r;

	do {
		if (!wait_readable(fd, WAIT_FOREVER))
			return 0;
		r = read(fd, buffer, size);
	} while (r < 0 && (errno == EINTR || errno == EAGAIN));
	return r < 0 ? -errno : r;
}

/* So short that a signal in the wrong moment need not end it, which then takes no look at descriptors. */
static bool doze_until(int64_t until_ns)
{
	const struct timespec until = {until_ns / WAIT_SECOND, until_ns % WAIT_SECOND};

	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
	return !stopped;
}

void wait_pace_reset(struct wait_pace *pace)
{
	pace->next_ns = WAIT_PACE_SHORTEST_NS;
}

bool wait_pace_nap(struct wait_pace *pace, int64_t deadline_ns)
{
	int64_t nap_ns = pace->next_ns ? pace->next_ns : WAIT_PACE_SHORTEST_NS;
	int64_t until_ns;

	if (nap_ns > pace->longest_ns)
		nap_ns = pace->longest_ns;
	pace->next_ns = nap_ns * 2;
	until_ns = wait_now_ns() + nap_ns;
	if (until_ns > deadline_ns)
		until_ns = deadline_ns;
	return reader_fd < 0 && nap_ns <= DOZE_NS ? doze_until(until_ns) : wait_until(until_ns);
}
