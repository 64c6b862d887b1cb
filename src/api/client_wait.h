/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_CLIENT_WAIT_H
#define API_CLIENT_WAIT_H

/*
 * How a client waits: asleep, or with a descriptor.
 */

#include "api/client.h"

/* Where no omen tells of a death, servers are looked at this often. */
#define CLIENT_LOOK_NS 500000000

/* Is there something that take would say? Also when it has to find out. */
bool client_has_more(struct client *c);

/* Is a server there? */
bool client_has_server(struct client *c);

/* 1; 0 deadline; -EINTR */
int client_wait_until(struct client *c, bool (*is_done)(struct client *c), int64_t deadline_ns);

/* As descriptor_settle, which knows of one subscriber only. */
void client_settle(struct client *c);

#endif
