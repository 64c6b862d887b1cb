/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Shared samples: what any thread may do with them. Each is behind a handle of its own, so that a
 * child after fork has none. A subscription lives as long as its own handle and all of these.
 */

#include "api/handle.h"
#include "api/subscription.h"
#include "channel/share.h"

static struct share *find(const struct floe_shared_sample *shared)
{
	return handle_find(shared, HANDLE_SHARED);
}

FLOE_PUBLIC const struct floe_sample *floe_shared_sample_get(
	const struct floe_shared_sample *shared)
{
	const struct share *share = find(shared);

	return share && share_is_owned(share) ? &share->sample : NULL;
}

FLOE_PUBLIC const void *floe_shared_sample_header(const struct floe_shared_sample *shared,
						  size_t *ret_size)
{
	const struct share *share = find(shared);
	const void *header = share && share_is_owned(share) ? share->header : NULL;

	if (ret_size)
		*ret_size = header ? share->header_size : 0;
	return header;
}

FLOE_PUBLIC struct floe_shared_sample *floe_shared_sample_ref(struct floe_shared_sample *shared)
{
	struct share *share = find(shared);

	return share && share_ref(share) ? shared : NULL;
}

FLOE_PUBLIC int floe_shared_sample_unref(struct floe_shared_sample *shared)
{
	struct share *share = find(shared);
	int r = share ? share_unref(share) : shared ? -EINVAL : 0;

	if (r == 1)
		subscription_put(share->subscriber->user);
	return r;
}
