/* SPDX-License-Identifier: Apache-2.0 */
#include "api/safe.h"

int safe_open(struct safe *safe, void **handle, enum handle_kind kind, enum handle_kind port_kind)
{
	void *port = *handle;
	int r = handle_open(handle, kind, safe);

	if (r < 0) {
		(void)handle_close(port, port_kind);
		return r;
	}
	safe->port = port;
	return 0;
}

struct safe *safe_enter(const void *handle, enum handle_kind kind)
{
	struct safe *safe = handle_find(handle, kind);

	if (safe)
		lock_take(&safe->lock);
	return safe;
}

int safe_leave(struct safe *safe, int r)
{
	lock_give(&safe->lock);
	return r;
}

void *safe_close(void *handle, enum handle_kind kind, enum handle_kind port_kind)
{
	struct safe *safe = handle_close(handle, kind);

	return safe ? handle_close(safe->port, port_kind) : NULL;
}

void safe_let_go(struct safe *safe)
{
	if (safe->port)
		lock_give(&safe->lock);
}

void safe_take_again(struct safe *safe)
{
	if (safe->port)
		lock_take(&safe->lock);
}

int safe_wait_any(struct safe *safe, const struct os_wait *words, unsigned count,
		  int64_t deadline_ns)
{
	int r;

	safe_let_go(safe);
	r = os->wait_any(words, count, deadline_ns);
	safe_take_again(safe);
	return r;
}
