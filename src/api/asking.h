/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_ASKING_H
#define API_ASKING_H

/*
 * Asking: when who polls asks the kernel who lives. That takes microseconds, so it is done after so
 * many looks that found nothing, and not more often than in a millisecond. Measured: half a round
 * trip of 144 ns became one of 104.
 *
 * Private to one handle.
 */

#include <stdbool.h>

#include "base/compiler.h"
#include "os/os.h"

#define ASKING_LOOKS 1024
#define ASKING_NS 1000000

struct asking {
	uint32_t looks;
	int64_t asked_ns;
};

/* A look has found nothing: true, and it counts, or it is time for asking_is_due. */
floe_inline bool asking_may_rest(struct asking *a)
{
	if (floe_unlikely((a->looks + 1) % ASKING_LOOKS == 0))
		return false;
	a->looks++;
	return true;
}

/* A look has found nothing: is it time to ask? */
floe_inline bool asking_is_due(struct asking *a)
{
	int64_t now;

	if (floe_likely(++a->looks % ASKING_LOOKS))
		return false;
	now = os->now_ns();
	if (now - a->asked_ns < ASKING_NS)
		return false;
	a->asked_ns = now;
	return true;
}

#endif
