/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_OWNER_H
#define REGISTRY_OWNER_H

/*
 * Owner: whose a file in a topic's folder is, a publisher's, a notifier's or a board writer's; read
 * from the file without mapping it.
 */

#include <stdint.h>

/* The node that owns what has this name in a topic's folder; 0: closed. -ENOENT; -EPROTO it is none of
 * these; -errno it cannot be told. */
int owner_read(int dirfd, const char *name, uint64_t *ret_owner);

/* The node that owns this record; -EPROTO: it is none, or the same as above. */
int owner_read_record(int fd, uint64_t *ret_owner);

#endif
