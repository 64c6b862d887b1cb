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

static void see(struct measure_topic *topic, const struct floe_sample *sample, int64_t now_ns)
{
	(void)now_ns;
	stats_add(&topic->stats, (double)sample->size);
}

/* What was not seen had a size too: the mean one, as far as we know. */
static double bytes_per_second(const struct measure_topic *topic)
{
	double seen = (double)topic->bytes;
	double scale = topic->messages
			       ? (double)(topic->messages + topic->lost) / (double)topic->messages
			       : 0;

	return seen * scale / topic->seconds;
}

static double rate(const struct measure_topic *topic)
{
	return (double)(topic->messages + topic->lost) / topic->seconds;
}

static void print(const struct measure_topic *topic)
{
	struct stats_summary size = stats_summarize(&topic->stats);

	printf("%s/s, %s, size %s (min %s, max %s, stddev %s, window %zu)",
	       text_bytes((uint64_t)bytes_per_second(topic)).text, text_rate(rate(topic)).text,
	       text_bytes((uint64_t)size.mean).text, text_bytes((uint64_t)size.min).text,
	       text_bytes((uint64_t)size.max).text, text_bytes((uint64_t)size.deviation).text,
	       size.count);
}

static void fill(const struct measure_topic *topic, json_t *object)
{
	struct stats_summary size = stats_summarize(&topic->stats);

	(void)json_object_set_new(object, "bytes_per_second", json_real(bytes_per_second(topic)));
	(void)json_object_set_new(object, "rate", json_real(rate(topic)));
	(void)json_object_set_new(object, "size_mean", json_real(size.mean));
	(void)json_object_set_new(object, "size_min", json_real(size.min));
	(void)json_object_set_new(object, "size_max", json_real(size.max));
	(void)json_object_set_new(object, "size_stddev", json_real(size.deviation));
}

static int bw_run(struct frame *frame)
{
	static const struct measure measure = {
		.nap_max_ns = WAIT_SECOND / 1000,
		.see = see,
		.print = print,
		.fill = fill,
	};

	return measure_run(frame, &measure);
}

const struct command bw_command = {
	.name = "bw",
	.summary = "measure how many bytes are published",
	.operands = "TOPIC...",
	.operands_min = 1,
	.operands_max = SIZE_MAX,
	.options = options,
	.text = "The payloads are not copied to measure them. Messages that were overwritten\n"
		"before they were seen count with the mean size of those that were.\n",
	.examples = "  floe bw camera\n"
		    "  floe bw camera lidar --interval 5\n"
		    "  floe bw camera --once --json\n",
	.run = bw_run,
};
