/* SPDX-License-Identifier: Apache-2.0 */

/* Beside each picture goes a small header of a type of its own: the picture stays as it is. */

#include <floe/floe.h>
#include <stdio.h>

struct stamp {
	int number;
	double exposure;
};

int main(void)
{
	struct floe_type stamp = {.name = "stamp", .size = sizeof(struct stamp)};
	struct floe_publisher_options sending = {.size = sizeof(sending), .header = &stamp};
	struct floe_subscriber_options wanting = {.size = sizeof(wanting), .header = &stamp};
	struct floe_publisher *pub;
	struct floe_subscriber *sub;
	struct floe_sample sample;
	struct floe_loan loan;

	if (floe_publisher_open(&pub, "pictures", &sending) < 0 ||
	    floe_subscriber_open(&sub, "pictures", &wanting) < 0 ||
	    floe_loan(pub, 1000, &loan) != 1)
		return 1;
	snprintf(loan.data, loan.size, "picture");
	*(struct stamp *)floe_loan_header(pub, &loan) = (struct stamp){7, 0.25};
	floe_publish(pub, &loan);
	if (floe_take(sub, &sample) == 1) {
		const struct stamp *seen = floe_sample_header(sub, &sample, NULL);

		printf("%s %d, %.2f s\n", (const char *)sample.data, seen->number, seen->exposure);
		floe_release(sub, &sample);
	}
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	return 0;
}
