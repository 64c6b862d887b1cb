/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/notifier.h"

#include <limits.h>

#include "os/os.h"

void event_format(struct event_shared *event, uint32_t ids)
{
	event->ids = ids;
}

/* Who died between a count and its sums left these behind. They only grow: a sum is never ahead of its
 * counts. */
static void make_sums_right(const struct notifier *notifier)
{
	uint64_t total = 0;

	for (uint32_t g = 0; g < event_groups(notifier->ids); g++) {
		uint64_t sum = 0;

		for (uint32_t i = g * EVENT_GROUP; i < notifier->ids && i / EVENT_GROUP == g; i++)
			sum += load_relaxed(&notifier->count[i]);
		store_release(&notifier->group[g], sum);
		total += sum;
	}
	store_release(&notifier->event->total, total);
}

void notifier_init(struct notifier *ret, struct event_shared *event, uint32_t ids,
		   struct hints_shared *hints, int64_t deadline_ns)
{
	*ret = (struct notifier){
		.event = event,
		.hints = hints,
		.group = event->word,
		.count = event->word + event_groups(ids),
		.listeners_seen = load_relaxed(&hints->listeners) - 1,
		.listeners_woken = load_relaxed(&hints->listeners) - 1,
		.ids = ids,
		.timed = deadline_ns > 0,
	};
	make_sums_right(ret);
	/* In this order: a promise is counted from a time that is there. */
	store_release(&event->time_ns, (uint64_t)os->now_ns());
	store_release(&event->deadline_ns, (uint64_t)deadline_ns);
}

/*
 * As in publisher_wake: who announced himself may be anywhere between his last look and his sleep,
 * where a wake that comes too early is lost. So each announcement wakes twice, at the notification
 * that sees it and at the next one: by then the word differs from what he expects, or he sleeps on it.
 */
int notifier_wake(struct notifier *notifier)
{
	uint64_t announced = load_relaxed(&notifier->hints->listeners);

	if (announced == notifier->listeners_woken)
		notifier->listeners_seen = announced;
	notifier->listeners_woken = announced;
	if (notifier->watch)
		notifier->watch(notifier->user);
	bump(&notifier->event->wakes, 1);
	return os->wake(futex_half(&notifier->event->total), INT_MAX);
}

int notifier_notify(struct notifier *notifier, uint32_t id)
{
	struct event_shared *event = notifier->event;

	if (notifier->timed)
		store_relaxed(&event->time_ns, (uint64_t)os->now_ns());
	/* Dying before this store: not sent. After it: sent, see event_layout.h. */
	bump(&notifier->count[id], 1);
	/* Pairs with the acquire in find_id: who sees a sum sees what it is the sum of. */
	fence_release();
	bump(&notifier->group[id / EVENT_GROUP], 1);
	/* The same for the total, in find_notified; and it pairs with the addition in
	 * listener_announce: either we see that, or the sleeper sees this. */
	fence_release();
	store_seq_cst(&event->total, load_relaxed(&event->total) + 1);
	/* Dying before the wake: who sleeps is told by the omen. */
	if (load_seq_cst(&notifier->hints->listeners) != notifier->listeners_seen)
		return notifier_wake(notifier);
	return 0;
}
