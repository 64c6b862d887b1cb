/* SPDX-License-Identifier: Apache-2.0 */

/* A message larger than any chunk: its parts are seen together, or not at all. */

#include <floe/floe.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
	struct floe_publisher_options large = {
		.size = sizeof(large), .payload_max = 4096, .loans_max = 8};
	struct floe_subscriber_options many = {.size = sizeof(many), .holds_max = 8};
	struct floe_publisher *pub = NULL;
	struct floe_subscriber *sub = NULL;
	struct floe_sample sample[8];
	struct floe_loan loan[8];
	int count;

	if (floe_publisher_open(&pub, "map", &large) < 0 ||
	    floe_subscriber_open(&sub, "map", &many) < 0)
		return 1;
	count = floe_loan_parts(pub, 10000, loan, 8);
	for (int i = 0; i < count; i++)
		memset(loan[i].data, 'a' + i, loan[i].size);
	if (count < 1 || floe_publish_parts(pub, loan, (size_t)count) != 1)
		return 1;
	count = floe_take_parts(sub, sample, 8); /* where they lie: nothing is put together */
	for (int i = 0; i < count; i++) {
		printf("part %d of %d: %zu times %c\n", i + 1, count, sample[i].size,
		       *(const char *)sample[i].data);
		floe_release(sub, &sample[i]);
	}
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	return 0;
}
