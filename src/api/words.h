/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_WORDS_H
#define API_WORDS_H

/*
 * Words: what floe_subscriber_words gives: the words that a subscriber waits for, as futex_waitv(2)
 * and io_uring take them, for a program that waits by itself.
 *
 *   nothing was there when they were listed, and a message comes   =>  one of them changes, and is woken
 *   the subscriber is closed                                       =>  the last of them is woken
 *
 * Private to the process. The subscriber's thread uses it; who waits may be any.
 */

#include <floe/floe.h>

#include "channel/subscriber.h"

struct words {
	struct floe_word list[OS_WAIT_MAX];
	uint32_t closed; /* the last word of the list */
};

/* -ENOMEM */
int words_open(struct words **ret_words);

/* Wakes who waits. NULL is fine. */
void words_close(struct words *words);

/* How many there are; 0: do not wait, there is something; -EOPNOTSUPP publishers may miss that
 * somebody waits */
int words_list(struct words *words, struct subscriber *sub);

#endif
