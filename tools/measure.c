/* SPDX-License-Identifier: Apache-2.0 */
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>

#include "object.h"
#include "text.h"
#include "wait.h"

/* A window of doubles, 8 bytes each. */
#define WINDOW_MAX (UINT64_C(1) << 24)

/* Between two looks at the clock, so that one busy topic leaves time for the others. */
#define BATCH 1024

struct measure_wish measure_wish = {.window = 10000, .interval_ns = WAIT_SECOND};

/* Whether there was anything, or -errno. */
static int look_at(struct measure_topic *topic, const struct measure *measure)
{
	bool was_there = topic->watch.observer;
	struct floe_sample sample;
	int seen = 0;
	int r;

	while (seen < BATCH && (r = watch_next(&topic->watch, true, &sample)) > 0) {
		topic->messages++;
		topic->lost += sample.lost;
		topic->bytes += sample.size;
		measure->see(topic, &sample, wait_now_ns());
		seen++;
	}
	/* The time before there was a topic is no part of its rate. */
	if (!was_there && topic->watch.observer)
		topic->began_ns = wait_now_ns();
	return seen ? seen : r;
}

static int look_at_all(struct frame *frame, struct measure_topic *topics,
		       const struct measure *measure)
{
	int seen = 0;

	for (size_t i = 0; i < frame->operands_count; i++) {
		int r = look_at(&topics[i], measure);

		if (r < 0) {
			frame_fail(frame, "'%s': %s", topics[i].watch.topic, watch_reason(r));
			return r;
		}
		seen += r;
	}
	return seen;
}

static void report_object(const struct measure_topic *topic, const struct measure *measure)
{
	json_t *object = json_object();

	(void)json_object_set_new(object, "topic", object_text(topic->watch.topic));
	(void)json_object_set_new(object, "exists", json_boolean(topic->watch.observer != NULL));
	(void)json_object_set_new(object, "seconds", json_real(topic->seconds));
	(void)json_object_set_new(object, "messages", object_number(topic->messages));
	(void)json_object_set_new(object, "lost", object_number(topic->lost));
	(void)json_object_set_new(object, "window", object_number(topic->stats.count));
	measure->fill(topic, object);
	object_print(object);
}

static void report_text(const struct measure_topic *topic, const struct measure *measure)
{
	printf("%s: ", text_name(topic->watch.topic).text);
	if (topic->messages > 0)
		measure->print(topic);
	else if (topic->watch.observer)
		printf("no new message");
	else
		printf("there is no such topic");
	if (topic->lost)
		printf(", %llu not seen", (unsigned long long)topic->lost);
	(void)putchar('\n');
}

static void report(struct frame *frame, struct measure_topic *topics, const struct measure *measure)
{
	int64_t now_ns = wait_now_ns();

	for (size_t i = 0; i < frame->operands_count; i++) {
		struct measure_topic *topic = &topics[i];

		topic->seconds = (double)(now_ns - topic->began_ns) / 1e9;
		if (frame->json)
			report_object(topic, measure);
		else
			report_text(topic, measure);
		topic->total += topic->messages;
		topic->messages = topic->lost = topic->bytes = 0;
		topic->began_ns = now_ns;
	}
	(void)fflush(stdout);
}

static int measure_all(struct frame *frame, struct measure_topic *topics,
		       const struct measure *measure)
{
	uint64_t left = measure_wish.once    ? 1
			: measure_wish.count ? measure_wish.count
					     : UINT64_MAX;
	struct wait_pace pace = {.longest_ns = measure->nap_max_ns};
	int64_t report_ns = wait_now_ns() + measure_wish.interval_ns;

	while (left > 0 && !wait_is_stopped() && !ferror(stdout)) {
		int seen = look_at_all(frame, topics, measure);

		if (seen < 0)
			return FRAME_FAILED;
		if (wait_now_ns() >= report_ns) {
			report(frame, topics, measure);
			report_ns += measure_wish.interval_ns;
			left--;
		} else if (seen > 0) {
			wait_pace_reset(&pace);
		} else {
			(void)wait_pace_nap(&pace, report_ns);
		}
	}
	return FRAME_DONE;
}

/* Whose output nobody takes is not asked whether there was any; frame_end knows what is to be said. */
static int conclude(const struct frame *frame, const struct measure_topic *topics)
{
	if (wait_is_stopped() || ferror(stdout))
		return FRAME_DONE;
	for (size_t i = 0; i < frame->operands_count; i++)
		if (topics[i].total + topics[i].messages > 0)
			return FRAME_DONE;
	return frame_fail(frame, "no message came");
}

int measure_run(struct frame *frame, const struct measure *measure)
{
	struct measure_topic *topics;
	int status;

	if (measure_wish.window > WINDOW_MAX)
		return frame_usage(frame, "--window is at most %llu",
				   (unsigned long long)WINDOW_MAX);
	if (measure_wish.interval_ns < WAIT_SECOND / 100)
		return frame_usage(frame, "--interval is at least 0.01");
	if (measure_wish.once && measure_wish.count)
		return frame_usage(frame, "--once and --count exclude each other");
	if (!frame_view(frame))
		return FRAME_FAILED;

	wait_begin(true);
	topics = frame_alloc(frame->operands_count, sizeof(*topics));
	for (size_t i = 0; i < frame->operands_count; i++) {
		watch_init(&topics[i].watch, frame, frame->operands[i], 0);
		stats_open(&topics[i].stats, measure_wish.window);
		topics[i].began_ns = wait_now_ns();
	}
	status = measure_all(frame, topics, measure);
	if (status == FRAME_DONE)
		status = conclude(frame, topics);
	for (size_t i = 0; i < frame->operands_count; i++) {
		watch_end(&topics[i].watch);
		stats_close(&topics[i].stats);
	}
	free(topics);
	return status;
}
