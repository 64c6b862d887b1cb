/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From before a message is lent and sent to the moment when its receiver, which slept, has it.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../series.h"
#include "sides.h"

/* The processor of a sleeper needs a moment to become idle too; without this the figures are a
 * mixture of two. */
#define SETTLE_NS (50 * NS_PER_US)

struct wake_shared {
	alignas(64) _Atomic int64_t awake_ns; /* written by the second process, 0: asleep */
};

static void serve(void *state)
{
	struct sides *second = state;
	struct wake_shared *shared = second->shared;
	struct peer_receiver *from = second->receivers.all[0];
	uint64_t number;

	peer_receiver_meet(from);
	do {
		const void *data = take_patiently(from, true);
		int64_t awake_ns = now_ns();

		number = payload_read(data, second->task->channel.payload, second->task->touch);
		peer_release(from);
		atomic_store(&shared->awake_ns, awake_ns);
	} while (number != PAYLOAD_STOP);
}

/*
 * The one who wakes
 */

static int open_state(pid_t id)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)id);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail("cannot read %s: %s", path, strerror(errno));
	return fd;
}

static bool is_asleep(int state_fd)
{
	char text[128];
	ssize_t size = pread(state_fd, text, sizeof(text) - 1, 0);
	const char *name_end;

	text[size > 0 ? size : 0] = '\0';
	name_end = strrchr(text, ')');
	return name_end && !strncmp(name_end, ") S", 3);
}

static void wait_until_asleep(int state_fd)
{
	struct patience patience = {0};
	int64_t asleep_ns;

	while (!is_asleep(state_fd))
		look_again(&patience);
	for (asleep_ns = now_ns(); now_ns() - asleep_ns < SETTLE_NS;)
		relax();
}

static int64_t time_wake(struct peer_sender *sender, const struct task *task,
			 struct wake_shared *shared, int state_fd, uint64_t number)
{
	struct patience patience = {0};
	int64_t start_ns, awake_ns;

	wait_until_asleep(state_fd);
	start_ns = now_ns();
	send_number(sender, task, number);
	while (!(awake_ns = atomic_exchange(&shared->awake_ns, 0)))
		look_again(&patience);
	return awake_ns > start_ns ? awake_ns - start_ns : 0;
}

static void measure(struct peer_sender *sender, const struct task *task, struct wake_shared *shared,
		    int state_fd)
{
	static struct series events;
	static struct histogram h;
	uint64_t number = 0;
	int64_t end_ns;

	for (int i = 0; i < 10; i++)
		time_wake(sender, task, shared, state_fd, ++number);
	end_ns = now_ns() + task->budget_ns;
	do {
		int64_t ns = time_wake(sender, task, shared, state_fd, ++number);

		series_add(&events, (double)ns);
		histogram_add(&h, (uint64_t)ns);
	} while (now_ns() < end_ns);
	time_wake(sender, task, shared, state_fd, PAYLOAD_STOP);
	printf("{\"value\": %.0f, \"unit\": \"ns\", \"p99\": %llu, \"max\": %llu, \"events\": "
	       "%llu}\n",
	       series_median(&events), (unsigned long long)histogram_quantile(&h, 0.99),
	       (unsigned long long)h.max, (unsigned long long)h.count);
}

void work_wake(const struct task *given)
{
	struct task sleepy = *given;
	struct sides sides;
	int state_fd;

	sleepy.channel.sleeps = true;
	sides_open(&sides, &sleepy, sizeof(struct wake_shared), serve);
	state_fd = open_state(sides.pair.pid);
	sides_meet(&sides);
	measure(sides.senders.all[0], &sleepy, sides.shared, state_fd);
	sides_wait(&sides);
	sides_close(&sides);
	close(state_fd);
}
