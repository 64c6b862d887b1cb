/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_CENSUS_H
#define TOOLS_CENSUS_H

/*
 * A domain looked at again and again: who is there, and what went on since the look before.
 */

#include <stddef.h>
#include <stdint.h>

#include "look.h"

enum census_order {
	CENSUS_BY_NAME,
	CENSUS_BY_RATE,
	CENSUS_BY_LOST,
	CENSUS_BY_BEHIND,
	CENSUS_BY_MEMORY,
	CENSUS_ORDERS,
};

/* A topic with the sums of its subscribers. Rates are messages per second, negative when there was
 * no look before to compare with. */
struct census_row {
	const struct look_topic *topic;
	const struct look_topic *before; /* NULL: it was not there */
	double rate;
	uint64_t lost;
	uint64_t held;
	uint64_t behind; /* of the slowest */
};

struct census {
	struct look_topics now;
	struct look_topics before;
	int64_t now_ns;
	int64_t before_ns; /* 0: there was no look before */
	size_t nodes_count;
	struct look_space space;
	struct census_row *rows; /* one for each topic of now, in order */
	enum census_order order;
};

/* Looks. 0 or -errno; begin with a zeroed struct. */
int census_take(struct census *census, struct floe_view *view);

void census_sort(struct census *census, enum census_order order);

/* index: into the lists of row->topic */
double census_publisher_rate(const struct census *census, const struct census_row *row,
			     size_t index);
double census_subscriber_rate(const struct census *census, const struct census_row *row,
			      size_t index);

void census_end(struct census *census);

#endif
