/* SPDX-License-Identifier: Apache-2.0 */
/* A program as somebody else would write it: one message to itself. */

#include <floe/floe.h>

#include <stdio.h>
#include <string.h>

static int send_one(struct floe_publisher *publisher, const char *text)
{
	struct floe_loan loan;

	if (floe_loan(publisher, strlen(text) + 1, &loan) != 1)
		return -1;
	memcpy(loan.data, text, loan.size);
	return floe_publish(publisher, &loan) == 1 ? 0 : -1;
}

static int print_one(struct floe_subscriber *subscriber)
{
	struct floe_sample sample;

	if (floe_take(subscriber, &sample) != 1)
		return -1;
	puts(sample.data);
	floe_release(subscriber, &sample);
	return 0;
}

int main(void)
{
	struct floe_publisher *publisher = NULL;
	struct floe_subscriber *subscriber = NULL;
	int failed = floe_publisher_open(&publisher, "greeting", NULL) < 0 ||
		     floe_subscriber_open(&subscriber, "greeting", NULL) < 0 ||
		     send_one(publisher, "hello") < 0 || print_one(subscriber) < 0;

	floe_subscriber_close(subscriber);
	floe_publisher_close(publisher);
	return failed;
}
