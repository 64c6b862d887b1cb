/* SPDX-License-Identifier: Apache-2.0 */
#include "reporter.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "process.h"

const struct floe_type report_type = {
	.name = "demo.report",
	.size = sizeof(struct report),
	.alignment = 8,
};

int reporter_open(struct reporter *r, enum role role, struct floe_error *reterr)
{
	struct floe_publisher_options options = {
		.size = sizeof(options),
		.payload_max = sizeof(struct report),
		.type = &report_type,
		.error = reterr,
	};

	*r = (struct reporter){.report = {.role = role, .pid = getpid()}};
	return floe_publisher_open(&r->publisher, TOPIC_STATS, &options);
}

void reporter_close(struct reporter *r)
{
	floe_publisher_close(r->publisher);
	r->publisher = NULL;
}

bool reporter_is_due(const struct reporter *r)
{
	return now_ns() >= r->next_ns;
}

int reporter_send(struct reporter *r, enum report_state state)
{
	struct floe_loan loan;
	int result;

	r->report.state = state;
	r->report.time_ns = now_ns();
	r->next_ns = r->report.time_ns + REPORT_PERIOD_NS;

	result = floe_loan(r->publisher, sizeof(r->report), &loan);
	if (result <= 0)
		return result < 0 ? result : -ENOBUFS;
	memcpy(loan.data, &r->report, sizeof(r->report));
	result = floe_publish(r->publisher, &loan);
	if (result == 0)
		floe_discard(r->publisher, &loan);
	return result < 0 ? result : 0;
}
