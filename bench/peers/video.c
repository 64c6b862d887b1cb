/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A camera and a viewer: 60 frames a second of 1920 x 1080 pixels in YUV 4:2:0. The camera writes
 * every byte of a frame and sleeps until the next is due; the viewer sleeps until there is one and
 * reads every byte. Where there is no room for a frame, it is dropped.
 */

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

#include "sides.h"

#define FRAMES_PER_SECOND 60
#define FRAMES_MAX 3600u

struct video_shared {
	int64_t sent_ns[FRAMES_MAX + 1]; /* by frame; written by the camera before it is sent */
	double cpu_s;                    /* of the viewer's process, when it has ended */
	uint64_t seen;
	uint64_t latency_p50_ns, latency_max_ns;
};

static double cpu_s(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Returns its number. */
static uint64_t view_one(const struct sides *second, struct histogram *h)
{
	const struct video_shared *shared = second->shared;
	struct peer_receiver *from = second->receivers.all[0];
	const void *data = take_patiently(from, true);
	int64_t now = now_ns();
	uint64_t number = payload_read(data, second->task->channel.payload, TOUCH_ALL);

	peer_release(from);
	if (number != PAYLOAD_STOP)
		histogram_add(h, (uint64_t)(now - shared->sent_ns[number]));
	return number;
}

static void serve(void *state)
{
	struct sides *second = state;
	struct video_shared *shared = second->shared;
	static struct histogram h;
	double before_s;

	peer_receiver_meet(second->receivers.all[0]);
	before_s = cpu_s();
	while (view_one(second, &h) != PAYLOAD_STOP)
		;
	shared->cpu_s = cpu_s() - before_s;
	shared->seen = h.count;
	shared->latency_p50_ns = histogram_quantile(&h, 0.5);
	shared->latency_max_ns = h.max;
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
	struct task all = *given;
	struct video_shared *shared;
	struct sides sides;
	double before_s, camera_s, all_s;
	uint64_t frames, lost;

	all.touch = TOUCH_ALL;
	all.channel.sleeps = true;
	sides_open(&sides, &all, sizeof(*shared), serve);
	shared = sides.shared;
	sides_meet(&sides);
	before_s = cpu_s();
	frames = film(sides.senders.all[0], &all, shared);
	send_number(sides.senders.all[0], &all, PAYLOAD_STOP);
	sides_wait(&sides);
	camera_s = cpu_s() - before_s;
	all_s = camera_s + (peer_in_threads ? 0 : shared->cpu_s);
	lost = frames - shared->seen;
	printf("{\"value\": %.3f, \"unit\": \"s\", \"camera\": %.3f, \"viewer\": %.3f, "
	       "\"frames\": %llu, \"lost\": %llu, \"p50\": %llu, \"max\": %llu}\n",
	       all_s, camera_s, shared->cpu_s, (unsigned long long)frames, (unsigned long long)lost,
	       (unsigned long long)shared->latency_p50_ns,
	       (unsigned long long)shared->latency_max_ns);
	sides_close(&sides);
}
