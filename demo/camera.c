/* SPDX-License-Identifier: Apache-2.0 */

/*
 * camera WIDTH HEIGHT FPS: reads raw frames (bgr24) from standard input straight into shared
 * memory and publishes them at an even pace. After the last one it publishes an end mark and
 * stays until SIGTERM, so that everybody can be looked at after they left.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "frame.h"
#include "process.h"
#include "reporter.h"

struct camera {
	struct floe_publisher *publisher;
	struct reporter reporter;
	uint32_t width;
	uint32_t height;
	int64_t period_ns;
	int64_t due_ns; /* when the next frame is to be published */
};

static int open_topics(struct camera *c)
{
	struct floe_error error = {""};
	struct floe_publisher_options options = {
		.size = sizeof(options),
		.depth = VIDEO_DEPTH,
		.loans_max = 1,
		.payload_max = frame_size(c->width, c->height),
		.type = &frame_type,
		.flags = FLOE_TIMESTAMPS,
		.error = &error,
	};
	int r;

	r = reporter_open(&c->reporter, ROLE_CAMERA, &error);
	if (r < 0)
		return process_fail("cannot publish " TOPIC_STATS, r, &error);
	c->reporter.report.fds_before = process_count_fds();

	r = floe_publisher_open(&c->publisher, TOPIC_VIDEO, &options);
	return r < 0 ? process_fail("cannot publish " TOPIC_VIDEO, r, &error) : 0;
}

static int report(struct camera *c, enum report_state state)
{
	struct report *report = &c->reporter.report;
	struct floe_publisher_counts counts;
	int r = floe_publisher_count(c->publisher, &counts, sizeof(counts));

	if (r < 0)
		return r;
	report->messages = counts.published;
	report->last = counts.published;
	return reporter_send(&c->reporter, state);
}

static int report_if_due(struct camera *c, enum report_state state)
{
	return reporter_is_due(&c->reporter) ? report(c, state) : 0;
}

/* 1: one whole frame; 0: the end; <0. */
static int read_pixels(struct camera *c, uint8_t *pixels, size_t size)
{
	size_t done = 0;

	while (done < size && !process_has_to_finish()) {
		ssize_t n = read(STDIN_FILENO, pixels + done, size - done);

		if (n == 0)
			break;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			done += (size_t)n;
	}
	c->reporter.report.bytes_read += done;
	if (done < size && done > 0 && !process_has_to_finish())
		return process_fail("the video ends inside a frame", -EIO, NULL);
	return done == size;
}

/* Sleeps until the frame is due. Whoever came too late does not hurry afterwards: the pace
 * starts anew. */
static void keep_pace(struct camera *c)
{
	int64_t now = now_ns();
	struct timespec due;

	if (c->due_ns + c->period_ns < now)
		c->due_ns = now;
	due.tv_sec = c->due_ns / 1000000000;
	due.tv_nsec = c->due_ns % 1000000000;
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
	c->due_ns += c->period_ns;
}

/* Waits while a reliable subscriber has not taken what would be overwritten. */
static int publish(struct camera *c, struct floe_loan *loan)
{
	int r;

	while ((r = floe_publish(c->publisher, loan)) == 0 && !process_has_to_leave()) {
		c->reporter.report.waits++;
		r = floe_publisher_wait(c->publisher, c->reporter.next_ns);
		if (r >= 0 || r == -EINTR)
			r = report_if_due(c, REPORT_RUNNING);
		if (r < 0)
			break;
	}
	return r;
}

/* 1: a frame was published; 0: there is none any more; <0. */
static int show_frame(struct camera *c)
{
	struct frame_head *head;
	struct floe_loan loan;
	int r;

	r = floe_loan(c->publisher, frame_size(c->width, c->height), &loan);
	if (r <= 0)
		return r < 0 ? r : -ENOBUFS;

	head = loan.data;
	r = read_pixels(c, (uint8_t *)(head + 1), loan.size - sizeof(*head));
	if (r > 0) {
		frame_seal(head, c->reporter.report.frames + 1, c->width, c->height);
		keep_pace(c);
		r = publish(c, &loan);
	}
	if (r > 0)
		c->reporter.report.frames++;
	floe_discard(c->publisher, &loan);
	return r;
}

static int show_end(struct camera *c)
{
	struct floe_loan loan;
	int r;

	r = floe_loan(c->publisher, sizeof(struct frame_head), &loan);
	if (r <= 0)
		return r < 0 ? r : -ENOBUFS;
	frame_seal_end(loan.data, c->reporter.report.frames + 1);
	r = publish(c, &loan);
	floe_discard(c->publisher, &loan);
	return r < 0 ? r : 0;
}

static int show_all(struct camera *c)
{
	int r;

	while ((r = show_frame(c)) > 0) {
		r = report_if_due(c, REPORT_RUNNING);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : show_end(c);
}

static int stay(struct camera *c)
{
	static const struct timespec tick = {.tv_nsec = 50000000};
	int r = report(c, REPORT_ENDED);

	while (r >= 0 && !process_has_to_leave()) {
		nanosleep(&tick, NULL);
		r = report_if_due(c, REPORT_ENDED);
	}
	return r;
}

static int close_topics(struct camera *c)
{
	int r = 0;

	floe_publisher_close(c->publisher);
	c->reporter.report.fds_after = process_count_fds();
	if (c->reporter.publisher)
		r = reporter_send(&c->reporter, REPORT_DONE);
	reporter_close(&c->reporter);
	return r;
}

static bool parse_number(const char *text, uint32_t max, uint32_t *ret)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || value == 0 || value > max)
		return false;
	*ret = (uint32_t)value;
	return true;
}

int main(int argc, char **argv)
{
	struct camera c = {0};
	uint32_t fps;
	int r, closed;

	process_start(role_names[ROLE_CAMERA]);
	if (argc != 4 || !parse_number(argv[1], FRAME_WIDTH_MAX, &c.width) ||
	    !parse_number(argv[2], FRAME_HEIGHT_MAX, &c.height) ||
	    !parse_number(argv[3], 1000, &fps)) {
		fprintf(stderr, "usage: camera WIDTH HEIGHT FPS <raw-bgr24\n");
		return 100;
	}
	c.period_ns = 1000000000 / fps;
	/* Fewer and larger reads; a pipe that stays small works as well. */
	fcntl(STDIN_FILENO, F_SETPIPE_SZ, 1 << 20);

	r = open_topics(&c);
	if (r == 0)
		r = show_all(&c);
	if (r == 0)
		r = stay(&c);
	closed = close_topics(&c);
	if (r >= 0)
		r = closed;
	if (r < 0)
		process_fail("cannot go on", r, NULL);
	return r < 0;
}
