/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/share.h"

struct share *share_find(struct subscriber *sub, const struct floe_sample *sample)
{
	const struct held *held = subscriber_find_any(sub, sample);

	return held ? &sub->shares[held - sub->held] : NULL;
}

void share_begin(struct share *share, struct floe_sample *sample)
{
	struct subscriber *sub = share->subscriber;

	share->sample = *sample;
	share->sample.ticket = 0;
	share->header = subscriber_header(sub, &sub->held[share - sub->shares],
					  &share->header_size);
	/* Copies of the sample are worth nothing from here on. The feed stays: it is held. */
	sub->held[share - sub->shares].ticket += PLACE_NEXT_USE;
	sample->data = NULL;
	sample->size = 0;
	sample->ticket = 0;
	/* Whoever gets it from this thread gets it by means that order more than this. */
	atomic_store_explicit(&share->owners, 1, memory_order_release);
}

/* Pairs with nothing: who has a reference may give one, and has seen the sample. */
bool share_ref(struct share *share)
{
	uint64_t owners = atomic_load_explicit(&share->owners, memory_order_relaxed);

	do {
		if (!owners)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&share->owners, &owners, owners + 1, memory_order_relaxed, memory_order_relaxed));
	return true;
}

int share_unref(struct share *share)
{
	struct subscriber *sub = share->subscriber;
	uint32_t index = (uint32_t)(share - sub->shares);
	uint64_t owners = atomic_load_explicit(&share->owners, memory_order_relaxed);

	/* Each release pairs with the acquire of the last one: all that others have read comes
	 * before the hold is cleared. */
	do {
		if (!owners)
			return -EINVAL;
	} while (!atomic_compare_exchange_weak_explicit(
		&share->owners, &owners, owners - 1, memory_order_acq_rel, memory_order_relaxed));
	if (owners > 1)
		return 0;
	/* As in subscriber_give_back. The hold is still ours alone: dying before this store pins a
	 * chunk until we are cleaned away, after it nothing. */
	store_release(&sub->port->hold[index], HOLD_NONE);
	/* Pairs with the exchange in subscriber_collect: from here on the hold is the subscriber's. */
	atomic_fetch_or_explicit(&sub->returned[index / 64], (uint64_t)1 << index % 64,
				 memory_order_release);
	return 1;
}
