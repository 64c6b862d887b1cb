/* SPDX-License-Identifier: Apache-2.0 */

/* Limits that grow while messages flow: who reads need not open anything again. */

#include <floe/floe.h>
#include <stdio.h>

int main(void)
{
	struct floe_publisher_options lends = {
		.size = sizeof(lends), .loans_max = 1, .loans_ceiling = 8};
	struct floe_subscriber_options keeps = {
		.size = sizeof(keeps), .holds_max = 1, .holds_ceiling = 8};
	struct floe_publisher *pub = NULL;
	struct floe_subscriber *sub = NULL;
	struct floe_sample sample[2];
	struct floe_loan loan[2];

	if (floe_publisher_open(&pub, "frames", &lends) < 0 ||
	    floe_subscriber_open(&sub, "frames", &keeps) < 0)
		return 1;
	printf("%d", floe_loan(pub, 1000, &loan[0]));
	printf(" %d\n", floe_loan(pub, 1000, &loan[1])); /* -ENOBUFS: one is out */
	printf("raised: %d\n", floe_publisher_limit_loans(pub, 2));
	printf("%d\n", floe_loan(pub, 1000, &loan[1]));
	floe_publish_all(pub, loan, 2);
	printf("%d", floe_take(sub, &sample[0]));
	printf(" %d\n", floe_take(sub, &sample[1]));
	printf("raised: %d\n", floe_subscriber_limit_holds(sub, 2));
	printf("%d\n", floe_take(sub, &sample[1]));
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	return 0;
}
