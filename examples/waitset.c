/* SPDX-License-Identifier: Apache-2.0 */

/* A topic and a clock in one loop, which a second clock ends. */
#include <floe/waitset.h>
#include <stdio.h>
#include <time.h>

int main(void)
{
	struct floe_waitset *waitset = NULL;
	struct floe_publisher *pub = NULL;
	struct floe_subscriber *sub = NULL;
	struct floe_loan loan;
	struct floe_sample sample;
	struct floe_ready ready;
	struct timespec now;
	int64_t now_ns;
	int topic, tick;

	clock_gettime(CLOCK_MONOTONIC, &now);
	now_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
	if (floe_publisher_open(&pub, "ticks", NULL) < 0 ||
	    floe_subscriber_open(&sub, "ticks", NULL) < 0 || floe_waitset_open(&waitset) < 0)
		return 1;
	topic = floe_waitset_add_subscriber(waitset, sub, NULL);
	tick = floe_waitset_add_timer(waitset, now_ns + 10000000, 0, NULL);
	floe_waitset_add_timer(waitset, now_ns + 1000000000, 0, NULL);
	while (floe_waitset_wait(waitset, -1, &ready, 1) == 1 && (int)ready.id <= tick) {
		if ((int)ready.id == tick && floe_loan(pub, 1, &loan) == 1)
			floe_publish(pub, &loan);
		while ((int)ready.id == topic && floe_take(sub, &sample) == 1)
			puts("tick"), floe_release(sub, &sample);
	}
	floe_waitset_close(waitset);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	return 0;
}
