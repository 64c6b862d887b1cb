/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "os/os.h"
#include "registry/file.h"
#include "registry/node.h"
#include "registry/omen.h"

int peer_attach(struct peer *ret_peer, int fd, const char *path, struct floe_error *error)
{
	struct region region = REGION_NULL;
	struct identity_shared seen;
	int r = file_map(&region, fd, sizeof(struct node_shared), NODE_SIZE_MAX, false, path,
			 error);

	if (r < 0)
		return r;
	copy_once(&seen, region.base, sizeof(seen));
	r = identity_check(seen, NODE_MAGIC, NODE_SIGNATURE, "a node", path, error);
	if (r < 0) {
		region_close(&region);
		return r;
	}
	*ret_peer = (struct peer){.region = region, .file = file_id(fd)};
	return 0;
}

void peer_detach(struct peer *peer)
{
	region_close(&peer->region);
	*peer = PEER_NULL;
}

static const struct node_shared *node_of(const struct peer *peer)
{
	return (const struct node_shared *)(const void *)peer->region.base;
}

uint64_t peer_id(const struct peer *peer)
{
	return node_of(peer)->id;
}

int32_t peer_pid(const struct peer *peer)
{
	return node_of(peer)->pid;
}

uint32_t peer_uid(const struct peer *peer)
{
	return node_of(peer)->uid;
}

uint64_t peer_space(const struct peer *peer)
{
	return node_of(peer)->pid_space;
}

void peer_process(const struct peer *peer, char *ret_name, size_t size)
{
	size_t length = sizeof(node_of(peer)->process) < size ? sizeof(node_of(peer)->process)
							      : size;

	copy_once(ret_name, node_of(peer)->process, length);
	ret_name[length - 1] = 0;
}

const shared_u32 *peer_omen(const struct peer *peer)
{
	return &node_of(peer)->omen;
}

/* A PID is somebody else's as soon as its process is gone; but then our peer is dead in any case. It
 * may lie about its PID, and only hurts itself. */
bool peer_is_ending(const struct peer *peer, const struct node_shared *ours)
{
	struct node_shared seen;

	copy_once(&seen, node_of(peer), offsetof(struct node_shared, process));
	if (seen.pid_space == 0 || seen.pid_space != ours->pid_space || seen.pid <= 0)
		return false;
	return omen_is_bad(load_acquire(peer_omen(peer))) && omen_confirm(seen.pid);
}

/* What says how large a port is, in a checked copy, so that who walks from one to the next stays inside
 * and comes to an end. Nothing else of it: a thread of our own may be laying it out just now. */
static bool measure(const struct peer *peer, uint64_t at, struct port_shared *ret_seen)
{
	const struct port_shared *port = region_at(&peer->region, at, sizeof(*port));

	if (!port)
		return false;
	copy_once(&ret_seen->size, &port->size, sizeof(port->size));
	copy_once(&ret_seen->holds_max, &port->holds_max, sizeof(port->holds_max));
	copy_once(&ret_seen->accord_size, &port->accord_size, sizeof(port->accord_size));
	return ret_seen->holds_max <= FLOE_HOLDS_MAX && ret_seen->accord_size <= ACCORD_SIZE_MAX &&
	       ret_seen->accord_size % FLOE_CACHELINE == 0 &&
	       ret_seen->size == port_size(ret_seen->holds_max) + ret_seen->accord_size &&
	       region_at(&peer->region, at, ret_seen->size);
}

static uint64_t offset_of(const struct peer *peer, const struct port_shared *port)
{
	return (uint64_t)((const unsigned char *)port - peer->region.base);
}

const struct port_shared *peer_next_port(const struct peer *peer, const struct port_shared *port,
					 uint32_t *ret_holds_max)
{
	uint64_t used = load_acquire(&node_of(peer)->used);
	uint64_t at = offsetof(struct node_shared, ports);
	struct port_shared seen;

	if (port) {
		at = offset_of(peer, port);
		if (!measure(peer, at, &seen))
			return NULL;
		at += seen.size;
	}
	/* No file of a decent one is larger; who makes a larger one keeps nobody busy with it. */
	if (at >= used || at >= NODE_SIZE_MAX || !measure(peer, at, &seen))
		return NULL;
	*ret_holds_max = seen.holds_max;
	return (const struct port_shared *)(const void *)(peer->region.base + at);
}

int peer_read_accord(const struct peer *peer, const struct port_shared *port,
		     struct accord_shared *ret_accord)
{
	uint64_t at = offset_of(peer, port);
	struct port_shared seen;

	if (!measure(peer, at, &seen))
		return -EPROTO;
	return accord_read(ret_accord, peer->region.base + at + port_size(seen.holds_max),
			   seen.accord_size);
}

bool port_is(const struct port_shared *port, uint64_t topic_id, uint32_t index)
{
	return load_acquire(&port->state) == PORT_OPEN && port->topic_id == topic_id &&
	       port->index == index;
}

const struct port_shared *peer_find_port(const struct peer *peer, uint64_t topic_id, uint32_t index,
					 uint32_t *ret_holds_max)
{
	const struct port_shared *port = NULL;

	while ((port = peer_next_port(peer, port, ret_holds_max)))
		if (port_is(port, topic_id, index))
			return port;
	return NULL;
}

int peer_is_alive(const struct domain *domain, uint64_t id)
{
	char path[DOMAIN_NAME_MAX];
	int fd;
	int r;

	node_path(domain, id, path);
	fd = file_open(AT_FDCWD, path, O_RDONLY, NULL);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	r = os->is_locked(fd);
	os->close(fd);
	return r;
}
