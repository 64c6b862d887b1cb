/* SPDX-License-Identifier: Apache-2.0 */
#include "api/descriptor.h"

#include <errno.h>
#include <stdlib.h>

/* A publisher that sends all the time: readable is right then in any case. */
#define ATTEMPTS 3

int descriptor_open(struct descriptor **ret_descriptor, struct subscriber *sub)
{
	struct descriptor *descriptor = calloc(1, sizeof(*descriptor));
	/* Without barriers publishers may miss that somebody sleeps. */
	bool timed = os->barrier_all() < 0;
	int r;

	if (!descriptor)
		return -ENOMEM;
	r = alarm_open(&descriptor->alarm, timed);
	if (r < 0) {
		free(descriptor);
		return r;
	}
	descriptor_settle(descriptor, sub);
	*ret_descriptor = descriptor;
	return 0;
}

void descriptor_close(struct descriptor *descriptor)
{
	if (!descriptor)
		return;
	alarm_close(&descriptor->alarm);
	free(descriptor);
}

/* One attempt to fall asleep: 1; 0, -errno: look again. */
static int fall_asleep(struct descriptor *descriptor, struct subscriber *sub)
{
	struct os_wait words[OS_WAIT_MAX];
	uint32_t feed_changes = sub->feed_changes;
	unsigned count = subscriber_list_words(sub, words);
	bool anew = !descriptor->told || count != descriptor->alarm.count ||
		    feed_changes != descriptor->feed_changes;

	if (!descriptor->alarm.timed)
		(void)subscriber_announce(sub);
	if (subscriber_has_more(sub) || sub->feed_changes != feed_changes)
		return 0;
	descriptor->feed_changes = feed_changes;
	descriptor->told = true;
	return alarm_set(&descriptor->alarm, words, count, anew);
}

void descriptor_settle(struct descriptor *descriptor, struct subscriber *sub)
{
	bool rings = alarm_rings(&descriptor->alarm);

	/* It waits for all that may come, and nothing came. */
	if (descriptor->told && !rings && sub->feed_changes == descriptor->feed_changes &&
	    !descriptor->alarm.timed)
		return;
	for (unsigned attempt = 0; attempt < ATTEMPTS && !subscriber_has_more(sub); attempt++)
		if (fall_asleep(descriptor, sub) == 1)
			return;
	alarm_ring(&descriptor->alarm);
}
