/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_DESCRIPTOR_H
#define API_DESCRIPTOR_H

/*
 * Descriptor: what floe_subscriber_fd gives: an alarm on the words that a subscriber waits for.
 *
 *   a message is there                               =>  the descriptor is readable
 *   nothing was there at the last release, or take,
 *   and nobody sent                                  =>  it is not
 *
 * It may be readable once without a message: when a wake comes after what it was for was taken,
 * when the thread ended that called last, when an omen says that a publisher may have died; and
 * with the timer.
 *
 * The subscriber's thread uses it; who polls it may be any.
 */

#include "channel/subscriber.h"
#include "uring/alarm.h"

struct descriptor {
	struct alarm alarm;
	uint32_t feed_changes; /* of the subscriber, when the alarm was set last */
	bool told;             /* the alarm was set at least once */
};

int descriptor_open(struct descriptor **ret_descriptor, struct subscriber *sub);
void descriptor_close(struct descriptor *descriptor); /* NULL is fine */

/* Called whenever the subscriber has looked around. */
void descriptor_settle(struct descriptor *descriptor, struct subscriber *sub);

#endif
