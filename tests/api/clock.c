/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The clock on the wall steps, and nothing is decided by it. The functions below take the place of the C
 * library's in this process, note which clock is read, slept by, or set a timer to, and let each but
 * CLOCK_MONOTONIC step by a day whenever it is looked at.
 */

#include <dlfcn.h>
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>

#include <floe/event.h>
#include <floe/service.h>

#include "frame/sanitized.h"
#include "steps.h"

#define CHUNK 1000
#define DAY ((time_t)86400)
#define MILLISECONDS ((int64_t)1000000)

static unsigned monotonic, others;

#ifndef SANITIZED
static void note(clockid_t clock)
{
	if (clock == CLOCK_MONOTONIC)
		monotonic++;
	else
		others++;
}

/* The C library's own. */
#define FIND(pointer, name) (*(void **)&(pointer) = dlsym(RTLD_NEXT, name))

/* The build hides symbols; these must be seen by the libraries of this process. */
#pragma GCC visibility push(default)

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int (*real)(clockid_t clock, struct timespec * ret);
	int r;

	FIND(real, "clock_gettime");
	r = real(clock, ret);
	note(clock);
	if (clock != CLOCK_MONOTONIC)
		ret->tv_sec += others % 2 ? DAY : -DAY;
	return r;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *span, struct timespec *left)
{
	int (*real)(clockid_t clock, int flags, const struct timespec *span, struct timespec *left);

	FIND(real, "clock_nanosleep");
	note(clock);
	return real(clock, flags, span, left);
}

int timerfd_create(int clock, int flags)
{
	int (*real)(int clock, int flags);

	FIND(real, "timerfd_create");
	note(clock);
	return real(clock, flags);
}

int gettimeofday(struct timeval *ret, void *zone)
{
	(void)zone;
	note(CLOCK_REALTIME);
	*ret = (struct timeval){.tv_sec = others * DAY};
	return 0;
}

time_t time(time_t *ret)
{
	note(CLOCK_REALTIME);
	if (ret)
		*ret = others * DAY;
	return others * DAY;
}

/* Waits on futexes have a clock, too. */
long syscall(long number, ...)
{
	long (*real)(long number, ...);
	long a[6];
	va_list list;

	FIND(real, "syscall");
	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_futex && a[1] & FUTEX_CLOCK_REALTIME)
		note(CLOCK_REALTIME);
	if (number == 449 /* futex_waitv */ && a[3])
		note((clockid_t)a[4]);
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

#pragma GCC visibility pop
#endif

/*
 * What there is to wait for
 */

static int64_t soon(void)
{
	return now_ns() + 2 * MILLISECONDS;
}

static void be_late(void)
{
	struct floe_subscriber *sub = subscriber("late", SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE,
								    .expect_ns = MILLISECONDS,
								    .patience_ns = MILLISECONDS));
	struct floe_publisher *pub = publisher(
		"late", PUBLISHER(.depth = 2, .flags = FLOE_TIMESTAMPS, .payload_max = CHUNK));
	struct floe_sample sample;
	int64_t before = now_ns();

	expect_equal(floe_wait(sub, soon()), -ETIME);
	publish(pub, CHUNK, 1);
	publish(pub, CHUNK, 2);
	while (try_publish(pub, CHUNK, 3) == 0)
		expect(floe_publisher_wait(pub, soon()) >= 0);
	expect_equal(floe_take(sub, &sample), 1);
	expect((int64_t)sample.time_ns >= before && (int64_t)sample.time_ns <= now_ns());
	expect(sample.lost > 0);
	floe_release(sub, &sample);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void be_blocked(void)
{
	struct floe_subscriber *sub = subscriber("full",
						 SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE));
	struct floe_publisher *pub = publisher("full", PUBLISHER(.depth = 1));

	publish(pub, 8, 1);
	expect_equal(floe_publisher_wait(pub, soon()), 0);
	receive(sub, 8, 1);
	expect_equal(floe_wait(sub, soon()), 0);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void poll_for_nothing(void)
{
	struct floe_subscriber *sub = subscriber("poll", NULL);
	struct pollfd entry = {.fd = floe_subscriber_fd(sub), .events = POLLIN};

	expect(entry.fd >= 0);
	expect(poll(&entry, 1, 2) >= 0);
	expect_nothing(sub);
	floe_subscriber_close(sub);
}

static void break_a_promise(void)
{
	struct floe_notifier_options o = {.size = sizeof(o), .ids = 1, .deadline_ns = MILLISECONDS};
	struct floe_notifier *notifier;
	struct floe_listener *listener;
	struct floe_event event;

	expect_equal(floe_notifier_open(&notifier, "promise", &o), 0);
	expect_equal(floe_listener_open(&listener, "promise", NULL), 0);
	expect(floe_notify(notifier, 0) >= 0);
	do {
		expect_equal(floe_listener_wait(listener, -1), 1);
		expect(floe_listener_take(listener, &event) >= 0);
	} while (event.kind != FLOE_EVENT_MISSED);
	floe_listener_close(listener);
	floe_notifier_close(notifier);
}

static void ask_in_vain(void)
{
	struct floe_server *server;
	struct floe_client *client;
	struct floe_response response;
	struct floe_loan loan;

	expect_equal(floe_server_open(&server, "vain", NULL), 0);
	expect_equal(floe_client_open(&client, "vain", NULL), 0);
	expect_equal(floe_client_loan(client, 8, &loan), 1);
	expect_equal(floe_client_send(client, &loan, soon(), NULL), 1);
	expect_equal(floe_client_wait(client, -1), 1);
	expect_equal(floe_client_take(client, &response), 1);
	expect_equal(response.status, -ETIMEDOUT);
	floe_client_close(client);
	floe_server_close(server);
}

static void nothing_is_decided_by_a_clock_that_steps(void)
{
#ifdef SANITIZED
	skip("a sanitizer has these functions itself");
#endif
	be_late();
	be_blocked();
	poll_for_nothing();
	break_a_promise();
	ask_in_vain();
	expect(monotonic > 0);
	expect_equal(others, 0);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(nothing_is_decided_by_a_clock_that_steps),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
