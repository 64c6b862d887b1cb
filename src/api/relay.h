/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_RELAY_H
#define API_RELAY_H

/*
 * Relaying: a publisher sends what a subscriber of another topic holds.
 *
 * The list of subscribers that have handed holds over is the process's: a publisher asks it whether
 * the one whose hold is idle is still there. Any thread.
 */

#include "api/subscription.h"

/* It is closed: what it handed over is nobody's to take back. One that never did is fine. */
void relaying_end(struct subscription *s);

#endif
