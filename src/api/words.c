/* SPDX-License-Identifier: Apache-2.0 */
#include "api/words.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

/* Publishers that come all the time: to look again is right then in any case. */
#define ATTEMPTS 3
/* FUTEX2_SIZE_U32; not private, for others wake it. */
#define WORD_FLAGS 2u

int words_open(struct words **ret_words)
{
	struct words *words = calloc(1, sizeof(*words));

	if (!words)
		return -ENOMEM;
	*ret_words = words;
	return 0;
}

void words_close(struct words *words)
{
	if (!words)
		return;
	words->closed = 1;
	(void)os->wake(&words->closed, INT_MAX);
	free(words);
}

static struct floe_word make_word(const uint32_t *word, uint32_t value)
{
	return (struct floe_word){
		.value = value,
		.address = (uintptr_t)word,
		.flags = WORD_FLAGS,
	};
}

/* The last place is for our own: one omen less. */
static int keep(struct words *words, const struct os_wait *found, unsigned count)
{
	if (count == OS_WAIT_MAX)
		count--;
	for (unsigned i = 0; i < count; i++)
		words->list[i] = make_word(found[i].word, found[i].expected);
	words->list[count++] = make_word(&words->closed, 0);
	return (int)count;
}

/* Nobody sleeps because of this call; as after a sleep of the subscriber's own. */
static int give_up(struct subscriber *sub)
{
	store_relaxed(&sub->port->sleeping, sub->asleep || sub->polled || sub->awaited);
	return -EOPNOTSUPP;
}

/*
 * In the order of subscriber.h. The wait may begin long after the last look: what is sent in between
 * has changed a word, and the kernel does not wait then.
 */
int words_list(struct words *words, struct subscriber *sub)
{
	/* Also when there is something: what woke us may have been one for all. */
	subscriber_note_omens(sub);
	for (unsigned attempt = 0; attempt < ATTEMPTS && !subscriber_has_more(sub); attempt++) {
		struct os_wait found[OS_WAIT_MAX];
		uint32_t feed_changes = sub->feed_changes;
		unsigned count = subscriber_list_words(sub, found);

		if (subscriber_announce(sub) < 0)
			return give_up(sub);
		sub->awaited = true;
		if (!subscriber_has_more(sub) && sub->feed_changes == feed_changes)
			return keep(words, found, count);
	}
	return 0;
}
