/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_RELAYS_H
#define REGISTRY_RELAYS_H

/*
 * Relays of a ring with a name, seen from the ports that they hold chunks by: is a port of a
 * subscriber that is closed or dead still needed?
 *
 * A node that republishes has a note (PORT_NOTE) for each ring in which it does so. A port is needed
 * while one of these rings has a name and a relay of this port, and its topic is used: somebody alive
 * has it open, or a dead port there is needed itself. If the ring has lost its name it is needed
 * while somebody holds a relay of a ring of that number.
 */

#include "registry/node.h"
#include "registry/peer.h"
#include "registry/topic.h"

/*
 * So many names are looked at, for all that is asked in one call of the program: notes that lead from
 * topic to topic have more ways than anybody could go. A note counts for some names, and so does a long
 * file of a node. A port for which `effort` does not suffice is taken for one that is needed.
 */
#define RELAYS_EFFORT 16384u

/* Is it, as far as can be seen now? `effort`: what is left of it */
bool relays_need(const struct domain *domain, const struct peer *peer,
		 const struct port_shared *port, unsigned *effort);

/*
 * Ends that nobody takes by this port's holds, unless it is needed: 1 nobody does and nobody holds
 * anything by it: it may lose its place; 0 it is needed. `writable`: of the same node, which is ours, or
 * whose lock we have. May be killed anywhere and be called again.
 */
int relays_withdraw(const struct domain *domain, const struct peer *peer,
		    const struct port_shared *port, struct region *writable, unsigned *effort);

/* This node's note for a ring, made if there is none; notes of rings that are gone are used again. */
int relays_note(struct node *node, const struct topic *topic, uint32_t index, uint64_t ring_file);

/* Whose ports a ring's relays name: up to `max` of them, each once. */
uint32_t relays_list_holders(int dir, const char *name, uint64_t *ret_holders, uint32_t max);

#endif
