/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_CALLER_H
#define API_CALLER_H

/*
 * Caller: a client, as its server sees it. The calls go over all callers of one server.
 */

#include "api/server.h"

/* For subscription_open: clients came, or have gone. */
void caller_changed(void *user);

/* Does no omen speak, and is nobody gone? No system call. */
floe_inline bool caller_is_quiet(const struct server *s)
{
	for (const struct caller *k = s->callers; k; k = k->next)
		if (k->gone || (k->omen && omen_is_bad(load_relaxed(k->omen))))
			return false;
	return true;
}

/* Who is gone? `ask`: the kernel is asked in any case. */
void caller_look(struct server *s, bool ask);
void caller_look_at(struct server *s, struct caller *k, bool ask);

/* Lets go of those that are gone and need nothing more. */
void caller_bury(struct server *s);

/* A request that cannot be entered at once: its client must be met first, or is gone. 1; 0 it is
 * dropped; -errno it stays where it is */
int caller_meet(struct server *s, struct floe_sample *sample);

/* Would that of the request that waits not stay where it is? */
bool caller_can_be_met(struct server *s);

#endif
