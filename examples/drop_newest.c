/* SPDX-License-Identifier: Apache-2.0 */

/* The first of a burst are what counts: a subscriber that keeps what it has. Nobody waits for it. */

#include <floe/floe.h>
#include <stdio.h>

static void publish(struct floe_publisher *pub, int from, int to)
{
	struct floe_loan loan;

	for (int i = from; i <= to && floe_loan(pub, sizeof(i), &loan) == 1; i++) {
		*(int *)loan.data = i;
		(void)floe_publish(pub, &loan);
	}
}

int main(void)
{
	struct floe_publisher_options has = {.size = sizeof(has), .lanes_max = 1, .lane_depth = 3};
	struct floe_subscriber_options wants = {.size = sizeof(wants),
						.policy = FLOE_POLICY_DROP_NEWEST};
	struct floe_publisher *pub = NULL;
	struct floe_subscriber *sub = NULL;

	if (floe_publisher_open(&pub, "sparks", &has) < 0 ||
	    floe_subscriber_open(&sub, "sparks", &wants) < 0)
		return 1;
	publish(pub, 1, 100);
	for (struct floe_sample spark; floe_take(sub, &spark) == 1; floe_release(sub, &spark)) {
		printf("spark %d after %d lost\n", *(const int *)spark.data, (int)spark.lost);
		if (spark.sequence == 3)
			publish(pub, 101, 101);
	}
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	return 0;
}
