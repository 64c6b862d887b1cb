/* SPDX-License-Identifier: Apache-2.0 */

/*
 * slow: needs 150 ms for a frame while the camera makes one every 25 ms. With a depth of 1 it
 * always gets the newest, is told how many it missed, and delays nobody.
 */

#include <time.h>

#include "viewer.h"

int main(void)
{
	static const struct timespec work = {.tv_nsec = 150000000};
	static struct viewer viewer;
	struct floe_sample sample;
	int r;

	r = viewer_open(&viewer, ROLE_SLOW,
			(struct floe_subscriber_options){
				.depth = 1,
				.holds_max = 1,
			});
	if (r < 0)
		return 1;

	while ((r = viewer_next(&viewer, &sample)) > 0) {
		nanosleep(&work, NULL);
		viewer_release(&viewer, &sample);
	}
	return viewer_close(&viewer, r);
}
