/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_PEER_H
#define REGISTRY_PEER_H

/*
 * Peer: somebody's node file, looked at from outside: is its process alive, which ports does it
 * have. Mapped read-only; all that it says is input.
 */

#include "channel/accord.h"
#include "memory/region.h"
#include "registry/domain.h"
#include "registry/node_layout.h"

struct peer {
	struct region region;
	uint64_t file; /* which file it is, 0: none */
};

#define PEER_NULL ((struct peer){.region = REGION_NULL})

/* Maps the node file that is open as `fd`. -EPROTO with a sentence when it is none. */
int peer_attach(struct peer *ret_peer, int fd, const char *path, struct floe_error *error);
void peer_detach(struct peer *peer);

/* The node's own words, copied. */
uint64_t peer_id(const struct peer *peer);
int32_t peer_pid(const struct peer *peer);
uint32_t peer_uid(const struct peer *peer);
uint64_t peer_space(const struct peer *peer); /* the PID namespace of peer_pid; 0: unknown */
void peer_process(const struct peer *peer, char *ret_name, size_t size);

/* The word that tells of its end, before it can be proved; lies in the mapping. */
const shared_u32 *peer_omen(const struct peer *peer);

/* The omen is bad and the kernel confirms it: none of its instructions will run again. Its lock may
 * still be held, while its memory is torn down. `ours`: this process's node. */
bool peer_is_ending(const struct peer *peer, const struct node_shared *ours);

/*
 * The next port behind `port`, the first for NULL; NULL: no more. Its size, holds_max and accord_size
 * are checked to fit together and to lie inside the mapping; *ret_holds_max is what was checked.
 */
const struct port_shared *peer_next_port(const struct peer *peer, const struct port_shared *port,
					 uint32_t *ret_holds_max);

/* The open port of that topic and place, or NULL. */
const struct port_shared *peer_find_port(const struct peer *peer, uint64_t topic_id, uint32_t index,
					 uint32_t *ret_holds_max);
bool port_is(const struct port_shared *port, uint64_t topic_id, uint32_t index);

/* What the subscriber of this port wants, in a checked copy. 0, or -EPROTO */
int peer_read_accord(const struct peer *peer, const struct port_shared *port,
		     struct accord_shared *ret_accord);

/* Does the process of this node live? 1; 0 dead, or its file is gone; -errno it cannot be told. */
int peer_is_alive(const struct domain *domain, uint64_t id);

#endif
