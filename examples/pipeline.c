/* SPDX-License-Identifier: Apache-2.0 */

/* A picture passes a filter: who shows it reads it where the camera wrote it. */

#include <floe/floe.h>
#include <stdio.h>

int main(void)
{
	struct floe_publisher_options relaying = {.size = sizeof(relaying), .relays_max = 24};
	struct floe_subscriber_options many = {.size = sizeof(many), .holds_max = 25};
	struct floe_publisher *camera = NULL, *filter_out = NULL;
	struct floe_subscriber *filter_in = NULL, *screen = NULL;
	struct floe_sample sample;
	struct floe_loan loan;

	if (floe_publisher_open(&camera, "pictures", NULL) < 0 ||
	    floe_subscriber_open(&filter_in, "pictures", &many) < 0 ||
	    floe_publisher_open(&filter_out, "good-pictures", &relaying) < 0 ||
	    floe_subscriber_open(&screen, "good-pictures", NULL) < 0)
		return 1;
	for (int i = 0; i < 4 && floe_loan(camera, 1000, &loan) == 1; i++) {
		snprintf(loan.data, loan.size, "picture %d", i);
		floe_publish(camera, &loan);
	}
	while (floe_take(filter_in, &sample) == 1)
		if (sample.sequence % 2 == 0 || floe_republish(filter_out, filter_in, &sample) != 1)
			floe_release(filter_in, &sample);
	while (floe_take(screen, &sample) == 1) {
		puts(sample.data);
		floe_release(screen, &sample);
	}
	floe_subscriber_close(screen);
	floe_publisher_close(filter_out);
	floe_subscriber_close(filter_in);
	floe_publisher_close(camera);
	return 0;
}
