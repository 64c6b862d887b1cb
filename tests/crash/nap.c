/* SPDX-License-Identifier: Apache-2.0 */
#include "nap.h"

#include <errno.h>

#include "os/os.h"

static int64_t clock_ns;

static int64_t read_clock(void)
{
	return clock_ns += 1000;
}

static int sleep_over(const struct os_wait *words, unsigned count, int64_t deadline_ns)
{
	(void)words;
	(void)count;
	clock_ns = deadline_ns;
	return -ETIMEDOUT;
}

int nap(int (*wait)(void *user, int64_t deadline_ns), void *user, int64_t after_ns)
{
	const struct os *awake = os;
	struct os asleep = *os;
	int r;

	clock_ns = os->now_ns();
	asleep.now_ns = read_clock;
	asleep.wait_any = sleep_over;
	os = &asleep;
	r = wait(user, clock_ns + after_ns);
	os = awake;
	return r;
}
