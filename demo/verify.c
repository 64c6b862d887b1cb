/* SPDX-License-Identifier: Apache-2.0 */

/*
 * verify: looks at every byte of every frame. It asked for the reliable policy, so the camera
 * waits for it: not one frame may be missing, and each must have its number and its checksum.
 */

#include "viewer.h"

static bool is_right(const struct frame_head *head, uint64_t number)
{
	return head->number == number &&
	       head->checksum == frame_checksum(frame_pixels(head), head->pixels_size);
}

int main(void)
{
	static struct viewer viewer;
	struct report *report = &viewer.reporter.report;
	struct floe_sample sample;
	int r;

	r = viewer_open(&viewer, ROLE_VERIFY,
			(struct floe_subscriber_options){
				.policy = FLOE_POLICY_RELIABLE,
				.holds_max = 1,
			});
	if (r < 0)
		return 1;

	while ((r = viewer_next(&viewer, &sample)) > 0) {
		report->wrong += !is_right(sample.data, report->frames);
		viewer_release(&viewer, &sample);
	}
	return viewer_close(&viewer, r);
}
