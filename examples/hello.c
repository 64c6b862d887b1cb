/* SPDX-License-Identifier: Apache-2.0 */

/* One message. Publisher and subscriber are one process here; in two nothing would change. */

#include <floe/floe.h>
#include <stdio.h>

int main(void)
{
	struct floe_publisher *pub = NULL;
	struct floe_subscriber *sub = NULL;
	struct floe_loan loan;
	struct floe_sample sample;

	if (floe_publisher_open(&pub, "greeting", NULL) < 0 ||
	    floe_subscriber_open(&sub, "greeting", NULL) < 0)
		return 1;
	if (floe_loan(pub, 100, &loan) == 1) { /* the memory that subscribers will read */
		snprintf(loan.data, loan.size, "hello");
		floe_publish(pub, &loan);
	}
	if (floe_take(sub, &sample) == 1) { /* the same memory, read-only */
		puts(sample.data);
		floe_release(sub, &sample);
	}

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	return 0;
}
