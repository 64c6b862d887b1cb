/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_SHARE_H
#define CHANNEL_SHARE_H

/*
 * Share: a sample that several owners in several threads of this process have; the last of them
 * gives it back.
 *
 * There is one for each place of a subscriber, in its tables. The subscriber's thread begins it and,
 * when all places are in use, collects those that came back; references are taken and given back by
 * any thread, without a lock. All of it is private to the process but the hold, which the last owner
 * clears: that word is handed over with the sample, and comes back with the place.
 *
 *   owners > 0              <=>   the sample may be read
 *   a bit of returned is set  =>  owners = 0, the hold is clear, the place is not free yet
 */

#include "channel/subscriber.h"

struct share {
	FLOE_CACHELINE_ALIGNED shared_u64 owners;
	struct floe_sample sample; /* its ticket is 0: it cannot be released */
	const void *header;        /* beside its payload; NULL: none */
	size_t header_size;
	struct subscriber *subscriber;
	void *handle; /* whatever the layer above keeps for this place; NULL at first */
};

/* Where the share of this sample would be: NULL: not a sample of this subscriber. */
struct share *share_find(struct subscriber *sub, const struct floe_sample *sample);

/* Takes over what share_find was asked for, and empties it. One owner. */
void share_begin(struct share *share, struct floe_sample *sample);

static inline bool share_is_owned(const struct share *share)
{
	return atomic_load_explicit(&share->owners, memory_order_relaxed) > 0;
}

/* One owner more. false: it has none. */
bool share_ref(struct share *share);

/* One less. 1: it was the last one, and the sample is given back; 0 others have it; -EINVAL it has no
 * owner */
int share_unref(struct share *share);

#endif
