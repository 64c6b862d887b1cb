/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_LISTENING_H
#define API_LISTENING_H

/*
 * Listening: what calls above a listener's own ask of it. The thread that uses it.
 */

#include <floe/event.h>

#include <stdbool.h>

/* Would floe_listener_take say something? Also true of what is no handle, as it then says. */
bool listening_has_more(struct floe_listener *listener);

#endif
