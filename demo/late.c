/* SPDX-License-Identifier: Apache-2.0 */

/*
 * late: joins while the video runs and starts with frames from before its time.
 */

#include <floe/inspect.h>

#include "process.h"
#include "viewer.h"

/* Sequence of the newest frame, as somebody sees it who only looks. */
static int find_newest(struct floe_view *view, uint64_t *ret_sequence)
{
	struct floe_publisher_info info[FLOE_PUBLISHERS_MAX];
	int count;

	count = floe_view_publishers(view, TOPIC_VIDEO, info, sizeof(info[0]), FLOE_PUBLISHERS_MAX);
	for (int i = 0; i < count; i++)
		if (info[i].state == FLOE_STATE_ALIVE)
			*ret_sequence = info[i].sequence;
	return count < 0 ? count : 0;
}

/* The newest frame may change while we join, so it is read before and after. */
static int join(struct viewer *v, struct floe_view *view)
{
	uint64_t before = 0;
	uint64_t after = 0;
	int r;

	r = find_newest(view, &before);
	if (r < 0)
		return process_fail("cannot look at " TOPIC_VIDEO, r, NULL);
	r = viewer_open(v, ROLE_LATE,
			(struct floe_subscriber_options){
				.history = VIDEO_HISTORY,
			});
	if (r < 0)
		return r;
	r = find_newest(view, &after);
	if (r < 0)
		return process_fail("cannot look at " TOPIC_VIDEO, r, NULL);

	v->reporter.report.newest_before = before;
	v->reporter.report.newest_after = after;
	v->latency_from = after;
	return 0;
}

int main(void)
{
	static struct viewer viewer;
	struct floe_error error = {""};
	struct floe_view *view;
	struct floe_sample sample;
	int r;

	process_start(role_names[ROLE_LATE]);
	r = floe_view_open(&view, NULL, NULL, &error);
	if (r < 0) {
		process_fail("cannot look at the domain", r, &error);
		return 1;
	}
	r = join(&viewer, view);
	floe_view_close(view);
	if (r < 0)
		return 1;

	while ((r = viewer_next(&viewer, &sample)) > 0)
		viewer_release(&viewer, &sample);
	return viewer_close(&viewer, r);
}
