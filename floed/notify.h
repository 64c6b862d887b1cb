/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOED_NOTIFY_H
#define FLOED_NOTIFY_H

/*
 * Notify: tells the service manager what floed is doing, by one datagram to $NOTIFY_SOCKET
 * (sd_notify(3) describes it). Without that variable nothing happens.
 */

#include <stdint.h>

void notify(const char *state);

/* That the configuration is being read again, with the time that Type=notify-reload wants. */
void notify_reloading(void);

/* How often WATCHDOG=1 is expected, halved; 0: not at all (sd_watchdog_enabled(3)). */
int64_t notify_watchdog_ns(void);

#endif
