/* SPDX-License-Identifier: Apache-2.0 */
#include "board.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "frame.h"
#include "process.h"

#define RATE_PERIOD_NS 1000000000

static void update_rate(struct post *post)
{
	int64_t ns = post->report.time_ns - post->mark.time_ns;

	if (ns < RATE_PERIOD_NS)
		return;
	post->rate = (double)(post->report.frames - post->mark.frames) * 1e9 / (double)ns;
	post->mark = post->report;
}

void board_hear(struct board *b, const struct floe_sample *sample)
{
	struct report report;
	struct post *post;

	if (sample->size != sizeof(report))
		return;
	memcpy(&report, sample->data, sizeof(report));
	if (report.role >= ROLE_COUNT)
		return;

	post = &b->post[report.role];
	if (!post->heard || post->report.pid != report.pid)
		*post = (struct post){.mark = report, .heard = true};
	post->report = report;
	update_rate(post);
	b->heard_ns = now_ns();
}

void board_hear_motion(struct board *b, const struct floe_sample *sample)
{
	struct motion_message message;

	if (sample->size != sizeof(message))
		return;
	memcpy(&message, sample->data, sizeof(message));
	if (message.boxes_count > MOTION_BOXES_MAX)
		return;

	b->motion = message;
	b->motion_received++;
	b->motion_lost += sample->lost;
	b->motion_last = sample->sequence;
}

static int find_viewers(struct floe_view *view, struct floe_subscriber_info *ret)
{
	int count = floe_view_subscribers(view, TOPIC_VIDEO, ret, sizeof(*ret), BOARD_VIEWERS_MAX);

	return count > BOARD_VIEWERS_MAX ? BOARD_VIEWERS_MAX : count;
}

static uint64_t sum_held(const struct floe_subscriber_info *info, int count, int32_t pid)
{
	uint64_t held = 0;

	for (int i = 0; i < count; i++)
		if (pid == 0 || info[i].pid == pid)
			held += info[i].held;
	return held;
}

int64_t board_count_held(struct floe_view *view, int32_t pid)
{
	struct floe_subscriber_info info[BOARD_VIEWERS_MAX];
	int count = find_viewers(view, info);

	return count < 0 ? count : (int64_t)sum_held(info, count, pid);
}

void board_look(struct board *b, struct floe_view *view)
{
	struct floe_subscriber_info info[BOARD_VIEWERS_MAX];
	int count = find_viewers(view, info);

	for (unsigned i = 0; i < ROLE_COUNT; i++)
		if (b->post[i].heard)
			b->post[i].held = sum_held(info, count, b->post[i].report.pid);
}

void board_tick(struct board *b)
{
	memmove(b->trail, b->trail + 1, sizeof(b->trail) - sizeof(b->trail[0]));
	b->trail[BOARD_TRAIL - 1] = (uint16_t)(b->motion.permille > 1000 ? 1000
									 : b->motion.permille);
}

void board_tell(struct board *b, const char *format, ...)
{
	struct event *event;
	va_list arguments;

	if (b->event_count == BOARD_EVENTS_MAX)
		return;
	event = &b->event[b->event_count++];
	event->time_ns = now_ns() - b->start_ns;
	va_start(arguments, format);
	vsnprintf(event->text, sizeof(event->text), format, arguments);
	va_end(arguments);
}

double board_bytes_per_second(const struct board *b)
{
	double frames = 0;

	for (unsigned i = ROLE_CAMERA + 1; i < ROLE_COUNT; i++)
		if (b->post[i].report.state != REPORT_DONE)
			frames += b->post[i].rate;
	return frames * (double)frame_size(b->width, b->height);
}

uint64_t board_count_copied(const struct board *b)
{
	uint64_t copied = b->killed.copied;

	for (unsigned i = 0; i < ROLE_COUNT; i++)
		copied += b->post[i].report.copied;
	return copied;
}
