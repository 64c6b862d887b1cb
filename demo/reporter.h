/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEMO_REPORTER_H
#define DEMO_REPORTER_H

/*
 * How a process of the demo tells its figures: a few times a second it publishes them on
 * demo.stats. The program fills `report`, the reporter sends copies of it.
 */

#include <floe/floe.h>

#include <stdbool.h>

#include "topics.h"

#define REPORT_PERIOD_NS 200000000

struct reporter {
	struct floe_publisher *publisher;
	struct report report;
	int64_t next_ns;
};

extern const struct floe_type report_type;

int reporter_open(struct reporter *r, enum role role, struct floe_error *reterr);
void reporter_close(struct reporter *r);

/* It is time for a report. */
bool reporter_is_due(const struct reporter *r);

int reporter_send(struct reporter *r, enum report_state state);

#endif
