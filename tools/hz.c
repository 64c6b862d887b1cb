/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <stdio.h>

#include "measure.h"
#include "text.h"
#include "wait.h"

static const struct frame_option options[] = {
	MEASURE_OPTIONS,
	{0},
};

/* The period is a publisher's own: two of 10 Hz have periods of 0.1 s, not something in between.
 * After a loss there is none to measure. */
static void see(struct measure_topic *topic, const struct floe_sample *sample, int64_t now_ns)
{
	int64_t *last_ns = &topic->last_ns[sample->ticket % FLOE_PUBLISHERS_MAX];
	int64_t time_ns = sample->time_ns ? (int64_t)sample->time_ns : now_ns;

	if (*last_ns && sample->lost == 0)
		stats_add(&topic->stats, (double)(time_ns - *last_ns) / 1e9);
	*last_ns = time_ns;
}

static double rate(const struct measure_topic *topic)
{
	return (double)(topic->messages + topic->lost) / topic->seconds;
}

static struct text seconds_text(double seconds)
{
	return text_duration((int64_t)(seconds * 1e9));
}

static void print(const struct measure_topic *topic)
{
	struct stats_summary period = stats_summarize(&topic->stats);

	printf("%s", text_rate(rate(topic)).text);
	if (period.count)
		printf(", period %s (min %s, max %s, stddev %s, window %zu)",
		       seconds_text(period.mean).text, seconds_text(period.min).text,
		       seconds_text(period.max).text, seconds_text(period.deviation).text,
		       period.count);
}

static void fill(const struct measure_topic *topic, json_t *object)
{
	struct stats_summary period = stats_summarize(&topic->stats);

	(void)json_object_set_new(object, "rate", json_real(rate(topic)));
	(void)json_object_set_new(object, "period_mean", json_real(period.mean));
	(void)json_object_set_new(object, "period_min", json_real(period.min));
	(void)json_object_set_new(object, "period_max", json_real(period.max));
	(void)json_object_set_new(object, "period_stddev", json_real(period.deviation));
}

static int hz_run(struct frame *frame)
{
	static const struct measure measure = {
		.nap_max_ns = WAIT_SECOND / 1000,
		.see = see,
		.print = print,
		.fill = fill,
	};

	return measure_run(frame, &measure);
}

const struct command hz_command = {
	.name = "hz",
	.summary = "measure how often messages are published",
	.operands = "TOPIC...",
	.operands_min = 1,
	.operands_max = SIZE_MAX,
	.options = options,
	.text = "The rate is counted by sequence numbers, so it is right also when messages\n"
		"come too fast to be seen one by one. The period is the time between two\n"
		"messages of the same publisher: by its own clock when the topic has\n"
		"timestamps, else by when they were seen, which is up to 1 ms later.\n",
	.examples = "  floe hz camera\n"
		    "  floe hz camera lidar --interval 5\n"
		    "  floe hz camera --once --json\n",
	.run = hz_run,
};
