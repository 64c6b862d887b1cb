/* SPDX-License-Identifier: Apache-2.0 */

/* One sample, read by several threads without a copy. The last one to be done gives it back. */

#include <floe/floe.h>
#include <pthread.h>
#include <stdio.h>

static void *read_it(void *shared)
{
	printf("%s\n", (const char *)floe_shared_sample_get(shared)->data);
	floe_shared_sample_unref(shared);
	return NULL;
}

int main(void)
{
	struct floe_shared_sample *shared;
	struct floe_publisher *pub;
	struct floe_subscriber *sub;
	struct floe_sample sample;
	struct floe_loan loan;
	pthread_t thread[2];

	if (floe_publisher_open(&pub, "greeting", NULL) < 0 ||
	    floe_subscriber_open(&sub, "greeting", NULL) < 0 || floe_loan(pub, 100, &loan) != 1)
		return 1;
	snprintf(loan.data, loan.size, "hello");
	floe_publish(pub, &loan);
	if (floe_take(sub, &sample) != 1 || floe_sample_share(sub, &sample, &shared) < 0)
		return 1;
	for (int i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, read_it, floe_shared_sample_ref(shared));
	floe_shared_sample_unref(shared); /* our own reference */
	floe_subscriber_close(sub);       /* what is shared stays */
	floe_publisher_close(pub);
	return pthread_join(thread[0], NULL) || pthread_join(thread[1], NULL);
}
