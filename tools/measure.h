/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_MEASURE_H
#define TOOLS_MEASURE_H

/*
 * What `hz`, `bw` and `delay` have in common: they look at the messages of several topics without
 * copying them, and report once per interval. What they make of a message and of an interval is
 * their own.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "frame.h"
#include "stats.h"
#include "watch.h"

struct measure_topic {
	struct watch watch;
	struct stats stats; /* of what the command measures, over the last --window messages */
	uint64_t messages;  /* seen in this interval */
	uint64_t lost;      /* overwritten before they were seen, in this interval */
	uint64_t bytes;     /* seen in this interval */
	int64_t began_ns;   /* of this interval */
	double seconds;     /* length of the interval, set for the report */
	uint64_t total;     /* messages seen in all intervals */
	int64_t last_ns[FLOE_PUBLISHERS_MAX]; /* for the command: when each publisher sent last */
};

struct measure {
	int64_t nap_max_ns;
	/* Adds to topic->stats. now_ns: when the message was seen. */
	void (*see)(struct measure_topic *topic, const struct floe_sample *sample, int64_t now_ns);
	/* One line of text, without the topic's name; adds keys to the object. Both are called
	 * only for intervals with messages. */
	void (*print)(const struct measure_topic *topic);
	void (*fill)(const struct measure_topic *topic, json_t *object);
};

struct measure_wish {
	uint64_t window;
	int64_t interval_ns;
	uint64_t count;
	bool once;
};
extern struct measure_wish measure_wish;

/* The options of all three. */
/* clang-format off */
#define MEASURE_OPTIONS \
	OPTION_COUNT("window", 'w', &measure_wish.window, "N", \
		     "messages that the figures are about (default 10000)"), \
	OPTION_SECONDS("interval", 'i', &measure_wish.interval_ns, "SECONDS", \
		       "time between reports (default 1)"), \
	OPTION_COUNT("count", 'n', &measure_wish.count, "N", "end after this many reports"), \
	OPTION_FLAG("once", '1', &measure_wish.once, "the same as --count 1")
/* clang-format on */

/* Returns the exit code: it is the answer "no" when no message came. */
int measure_run(struct frame *frame, const struct measure *measure);

#endif
