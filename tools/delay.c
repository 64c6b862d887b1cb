/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <stdio.h>
#include <sys/prctl.h>

#include "measure.h"
#include "text.h"
#include "wait.h"

/* Naps longer than this would be most of what is measured. */
#define NAP_NS INT64_C(20000)

static struct {
	bool spin;
} wish;

static const struct frame_option options[] = {
	MEASURE_OPTIONS,
	OPTION_FLAG("spin", 0, &wish.spin,
		    "look all the time instead of every 20 us: takes one core"),
	{0},
};

static const double percents[] = {50, 90, 99, 99.9};
#define PERCENTS_COUNT FRAME_COUNT_OF(percents)

static void see(struct measure_topic *topic, const struct floe_sample *sample, int64_t now_ns)
{
	if (sample->time_ns)
		stats_add(&topic->stats, (double)now_ns - (double)sample->time_ns);
}

static void print(const struct measure_topic *topic)
{
	struct stats_summary delay = stats_summarize(&topic->stats);
	double at[PERCENTS_COUNT];

	if (delay.count == 0) {
		printf("its publishers put no time on messages (FLOE_TIMESTAMPS, 'floe pub --timestamps')");
		return;
	}

	stats_percentiles(&topic->stats, percents, PERCENTS_COUNT, at);
	printf("min %s", text_duration((int64_t)delay.min).text);
	for (size_t i = 0; i < PERCENTS_COUNT; i++)
		printf(", p%g %s", percents[i], text_duration((int64_t)at[i]).text);
	printf(", max %s, window %zu", text_duration((int64_t)delay.max).text, delay.count);
}

static void fill(const struct measure_topic *topic, json_t *object)
{
	static const char *const keys[PERCENTS_COUNT] = {"p50_ns", "p90_ns", "p99_ns", "p99_9_ns"};
	struct stats_summary delay = stats_summarize(&topic->stats);
	double at[PERCENTS_COUNT];

	stats_percentiles(&topic->stats, percents, PERCENTS_COUNT, at);
	(void)json_object_set_new(object, "min_ns", json_integer((json_int_t)delay.min));
	for (size_t i = 0; i < PERCENTS_COUNT; i++)
		(void)json_object_set_new(object, keys[i], json_integer((json_int_t)at[i]));
	(void)json_object_set_new(object, "max_ns", json_integer((json_int_t)delay.max));
	(void)json_object_set_new(object, "mean_ns", json_real(delay.mean));
}

static int delay_run(struct frame *frame)
{
	const struct measure measure = {
		.nap_max_ns = wish.spin ? 0 : NAP_NS,
		.see = see,
		.print = print,
		.fill = fill,
	};

	/* Else the kernel adds up to 50 us to each nap. */
	(void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	return measure_run(frame, &measure);
}

const struct command delay_command = {
	.name = "delay",
	.summary = "measure the time from publishing to seeing",
	.operands = "TOPIC...",
	.operands_min = 1,
	.operands_max = SIZE_MAX,
	.options = options,
	.text = "For topics whose publishers have timestamps. The figures contain the time\n"
		"until this command looked, 20 us on a quiet machine; --spin takes that away.\n"
		"A subscriber that waits is woken instead, and has delays of its own.\n",
	.examples = "  floe delay camera\n"
		    "  floe delay control --spin --interval 10\n"
		    "  floe delay camera --once --json\n",
	.run = delay_run,
};
