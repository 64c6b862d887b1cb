/* SPDX-License-Identifier: Apache-2.0 */
#include "viewer.h"

#include <errno.h>
#include <stdio.h>

#include "process.h"

int viewer_open(struct viewer *v, enum role role, struct floe_subscriber_options options)
{
	struct floe_error error = {""};
	int r;

	*v = (struct viewer){0};
	process_start(role_names[role]);

	r = reporter_open(&v->reporter, role, &error);
	if (r < 0)
		return process_fail("cannot publish " TOPIC_STATS, r, &error);
	v->reporter.report.fds_before = process_count_fds();

	options.size = sizeof(options);
	options.type = &frame_type;
	options.error = &error;
	r = floe_subscriber_open(&v->subscriber, TOPIC_VIDEO, &options);
	if (r < 0)
		return process_fail("cannot join " TOPIC_VIDEO, r, &error);

	return reporter_send(&v->reporter, REPORT_READY);
}

static int report(struct viewer *v)
{
	struct report *report = &v->reporter.report;
	struct floe_subscriber_counts counts;
	int r;

	r = floe_subscriber_count(v->subscriber, &counts, sizeof(counts));
	if (r < 0)
		return r;

	report->messages = counts.received;
	report->lost = counts.lost;
	report->copied = counts.copied;
	report->p50_ns = histogram_quantile(&v->latency, 0.5);
	report->p99_ns = histogram_quantile(&v->latency, 0.99);
	report->p999_ns = histogram_quantile(&v->latency, 0.999);
	return reporter_send(&v->reporter, REPORT_RUNNING);
}

static void account(struct viewer *v, const struct floe_sample *sample)
{
	struct report *report = &v->reporter.report;
	int64_t age_ns = now_ns() - (int64_t)sample->time_ns;

	if (v->messages == 0) {
		report->first = sample->sequence - sample->lost;
		report->started = sample->sequence;
	}
	v->messages++;
	v->lost += sample->lost;
	report->last = sample->sequence;
	if (sample->sequence > v->latency_from && age_ns >= 0)
		histogram_add(&v->latency, (uint64_t)age_ns);
}

/* 1: a frame; 0: the end mark, released already. */
static int admit(struct viewer *v, struct floe_sample *sample)
{
	const struct frame_head *head = frame_open(sample);

	account(v, sample);
	if (!head || frame_is_end(head)) {
		floe_release(v->subscriber, sample);
		return head ? 0 : -EPROTO;
	}
	v->reporter.report.frames++;
	return 1;
}

int viewer_next(struct viewer *v, struct floe_sample *ret)
{
	int r;

	while (!process_has_to_leave()) {
		/* Before the take: what was taken before is complete in the account. */
		if (reporter_is_due(&v->reporter)) {
			r = report(v);
			if (r < 0)
				return r;
		}
		r = floe_take(v->subscriber, ret);
		if (r != 0)
			return r < 0 ? r : admit(v, ret);
		r = floe_wait(v->subscriber, v->reporter.next_ns);
		if (r < 0 && r != -EINTR)
			return r;
	}
	return 0;
}

void viewer_release(struct viewer *v, struct floe_sample *sample)
{
	floe_release(v->subscriber, sample);
}

static int check_account(const struct viewer *v)
{
	const struct report *report = &v->reporter.report;

	if (report->messages == v->messages && report->lost == v->lost)
		return 0;
	fprintf(stderr,
		"floe demo: %s: the library counts %ju received and %ju lost, "
		"the samples say %ju and %ju\n",
		role_names[report->role], (uintmax_t)report->messages, (uintmax_t)report->lost,
		(uintmax_t)v->messages, (uintmax_t)v->lost);
	return 1;
}

int viewer_close(struct viewer *v, int result)
{
	int status = 0;
	int r;

	if (result < 0 && process_fail("cannot read " TOPIC_VIDEO, result, NULL) < 0)
		status = 1;
	if (v->subscriber) {
		r = report(v);
		if (r < 0)
			status = process_fail("cannot report", r, NULL);
		status |= check_account(v);
	}
	floe_subscriber_close(v->subscriber);
	v->subscriber = NULL;

	v->reporter.report.fds_after = process_count_fds();
	if (v->reporter.publisher)
		reporter_send(&v->reporter, REPORT_DONE);
	reporter_close(&v->reporter);
	return status;
}
