/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A camera and a viewer: 60 frames a second of 1920 x 1080 pixels in YUV 4:2:0. The camera writes
 * every byte of a frame and sleeps until the next is due; the viewer sleeps until there is one and
 * reads every byte. Where there is no room for a frame, it is dropped.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "ends.h"

#define FRAMES_PER_SECOND 60
#define FRAMES_MAX 3600u

struct video_shared {
	int64_t sent_ns[FRAMES_MAX + 1]; /* by frame; written by the camera before it is sent */
	double cpu_s;                    /* of the viewer's process, when it has ended */
	uint64_t seen;
	uint64_t latency_p50_ns, latency_max_ns;
};

struct second {
	const struct task *task;
	struct video_shared *shared;
	struct receivers receivers;
};

static double cpu_s(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void *open_second(void *argument)
{
	struct second *second = malloc(sizeof(*second));

	if (!second)
		fail("out of memory");
	*second = *(struct second *)argument;
	peer_enter("second");
	receivers_open(&second->receivers, &second->task->channel);
	pin(second->task->cores[1]);
	return second;
}

/* Returns its number. */
static uint64_t view_one(struct second *second, struct histogram *h)
{
	struct peer_receiver *from = second->receivers.all[0];
	const void *data = take_patiently(from, true);
	int64_t now = now_ns();
	uint64_t number = payload_read(data, second->task->channel.payload, TOUCH_ALL);

	peer_release(from);
	if (number != PAYLOAD_STOP)
		histogram_add(h, (uint64_t)(now - second->shared->sent_ns[number]));
	return number;
}

static void serve_second(void *state)
{
	struct second *second = state;
	static struct histogram h;
	double before_s;

	peer_receiver_meet(second->receivers.all[0]);
	before_s = cpu_s();
	while (view_one(second, &h) != PAYLOAD_STOP)
		;
	second->shared->cpu_s = cpu_s() - before_s;
	second->shared->seen = h.count;
	second->shared->latency_p50_ns = histogram_quantile(&h, 0.5);
	second->shared->latency_max_ns = h.max;
}

static void close_second(void *state)
{
	struct second *second = state;

	receivers_close(&second->receivers);
	peer_leave();
	free(second);
}

static void sleep_until(int64_t ns)
{
	struct timespec until = {ns / NS_PER_SECOND, ns % NS_PER_SECOND};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

/* A frame that is not gone when the next is due is given up; what lies half on the way cannot be. */
static bool send_frame(struct peer_sender *sender, const struct task *task, uint64_t number,
		       int64_t due_ns)
{
	void *data;

	while (!(data = peer_loan(sender)))
		if (now_ns() > due_ns)
			return false;
	payload_write(data, task->channel.payload, TOUCH_ALL, number);
	send_patiently(sender);
	return true;
}

/* Returns how many frames were due. */
static uint64_t film(struct peer_sender *sender, const struct task *task,
		     struct video_shared *shared)
{
	const int64_t period_ns = NS_PER_SECOND / FRAMES_PER_SECOND;
	uint64_t frames = (uint64_t)(task->budget_ns / period_ns);
	int64_t start_ns = now_ns();

	frames = frames < FRAMES_MAX ? frames : FRAMES_MAX;
	for (uint64_t number = 1; number <= frames; number++) {
		int64_t due_ns = start_ns + (int64_t)number * period_ns;

		sleep_until(due_ns);
		shared->sent_ns[number] = now_ns();
		send_frame(sender, task, number, due_ns + period_ns);
	}
	return frames;
}

void work_video(const struct task *given)
{
	struct task all = *given, *task = &all;
	const struct pair_role role = {open_second, serve_second, close_second, peer_in_threads};
	struct second start = {task, pair_memory(sizeof(struct video_shared)), {0}};
	struct senders senders;
	struct pair pair;
	double before_s, camera_s;
	uint64_t frames;

	all.touch = TOUCH_ALL;
	all.channel.sleeps = true;
	pair_open(&pair, &role, &start, -1);
	peer_enter("first");
	senders_open(&senders, &task->channel);
	pin(task->cores[0]);
	pair_start(&pair);
	senders_meet(&senders);
	before_s = cpu_s();
	frames = film(senders.all[0], task, start.shared);
	send_number(senders.all[0], task, PAYLOAD_STOP);
	pair_wait(&pair);
	camera_s = cpu_s() - before_s;
	pair_close(&pair);
	senders_close(&senders);
	peer_leave();
	printf("{\"value\": %.3f, \"unit\": \"s\", \"camera\": %.3f, \"viewer\": %.3f, "
	       "\"frames\": %llu, \"lost\": %llu, \"p50\": %llu, \"max\": %llu}\n",
	       camera_s + (peer_in_threads ? 0 : start.shared->cpu_s), camera_s,
	       start.shared->cpu_s, (unsigned long long)frames,
	       (unsigned long long)(frames - start.shared->seen),
	       (unsigned long long)start.shared->latency_p50_ns,
	       (unsigned long long)start.shared->latency_max_ns);
	munmap(start.shared, sizeof(*start.shared));
}
