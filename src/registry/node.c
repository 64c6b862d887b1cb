/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/node.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/error.h"
#include "os/os.h"
#include "registry/file.h"
#include "registry/omen.h"
#include "registry/place.h"

#define NODES_MAX OMENS_MAX
#define ATTEMPTS 100

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct node nodes[NODES_MAX];
static size_t nodes_high; /* were ever in use: the others' pages are not touched */

void node_path(const struct domain *domain, uint64_t id, char *ret_path)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "%016" PRIx64, id);
	domain_path(domain, "nodes", name, ret_path);
}

/*
 * After fork the parent's nodes are not the child's. Its descriptors must go at once: a lock
 * lives as long as any descriptor of its open file, and would show a dead parent as alive.
 */
static void forget_parent(void)
{
	omen_forget_parent();
	place_forget_parent();
	for (size_t i = 0; i < nodes_high; i++) {
		if (nodes[i].pid == 0)
			continue;
		os->close(nodes[i].fd);
		guard_remove(nodes[i].region.guard);
		if (nodes[i].region.base)
			(void)os->unmap(nodes[i].region.base, nodes[i].region.size);
		nodes[i] = (struct node){.fd = -1};
	}
	(void)pthread_mutex_init(&lock, NULL);
}

static void watch_forks(void)
{
	(void)pthread_atfork(NULL, NULL, forget_parent);
}

/* A process is called what its first thread is; /proc takes longer to say it. */
static void fill_process_name(char *ret_name, size_t size)
{
	ssize_t r;
	int fd;

	memset(ret_name, 0, size);
	if (os->get_tid() == os->get_pid() && os->get_thread_name(ret_name) == 0)
		return;
	fd = os->open(AT_FDCWD, "/proc/self/comm", O_RDONLY, 0);
	if (fd < 0)
		return;
	r = os->read_at(fd, ret_name, size - 1, 0);
	os->close(fd);
	if (r > 0 && ret_name[r - 1] == '\n')
		ret_name[r - 1] = 0;
}

static void format(struct node *node)
{
	struct node_shared *shared = node->shared;

	shared->identity = identity_make(NODE_MAGIC, NODE_SIGNATURE);
	shared->id = node->id;
	shared->pid = node->pid;
	shared->uid = os->get_uid();
	shared->pid_space = omen_get_space();
	fill_process_name(shared->process, sizeof(shared->process));
	store_release(&shared->used, offsetof(struct node_shared, ports));
}

/*
 * Unnamed, formatted, locked, and only then named. Dying before the name leaves nothing: the
 * kernel frees an unnamed file. Dying after it leaves a complete node whose lock is free.
 */
static int make_file(struct node *node, struct floe_error *error)
{
	char path[DOMAIN_NAME_MAX];
	floe_cleanup(os_close_fdp) int folder = -1;
	struct source source;
	int r;

	domain_path(&node->domain, "nodes", ".", path);
	folder = file_open_dir(AT_FDCWD, path, error);
	if (folder < 0)
		return folder;
	node->fd = file_create(folder, node->domain.read_mode, error);
	if (node->fd < 0)
		return node->fd;
	source = source_file(node->fd);
	r = region_create(&node->region, &source, NODE_SIZE_MAX, sizeof(struct node_shared), error);
	if (r < 0)
		return r;
	node->shared = (struct node_shared *)(void *)node->region.base;
	format(node);

	r = os->try_lock(node->fd, OS_LOCK_EXCLUSIVE);
	if (r <= 0)
		return error_system(error, r ? r : -ENOLCK, "lock", "a new node file");
	node_path(&node->domain, node->id, path);
	r = os->link_fd(node->fd, AT_FDCWD, path);
	return r < 0 && r != -ENOENT ? error_system(error, r, "name", path) : r;
}

static void drop(struct node *node)
{
	region_close(&node->region);
	os_close_fdp(&node->fd);
	node->pid = 0;
}

static unsigned slot_of(const struct node *node)
{
	return (unsigned)(node - nodes);
}

/* Somebody may remove the empty folders between our making them and our first file in them. */
static int open_node(struct node *node, struct floe_error *error)
{
	int r = -ENOENT;

	for (int i = 0; i < ATTEMPTS && r == -ENOENT; i++) {
		r = domain_create(&node->domain, error);
		if (r == -ENOENT)
			continue;
		if (r < 0)
			break;
		node->fd = -1;
		node->region = REGION_NULL;
		node->pid = os->get_pid();
		r = os->get_random(&node->id, sizeof(node->id));
		if (r == 0)
			r = make_file(node, error);
		if (r < 0)
			drop(node);
	}
	if (r < 0)
		domain_remove_empty(&node->domain);
	else
		omen_begin(slot_of(node), node->fd);
	return r;
}

static struct node *find(const struct domain *domain)
{
	for (size_t i = 0; i < nodes_high; i++)
		if (nodes[i].pid && !strcmp(nodes[i].domain.path, domain->path))
			return &nodes[i];
	return NULL;
}

static struct node *find_free(void)
{
	for (size_t i = 0; i < nodes_high; i++)
		if (nodes[i].pid == 0)
			return &nodes[i];
	return nodes_high < NODES_MAX ? &nodes[nodes_high++] : NULL;
}

static int get(struct node **ret_node, const struct domain *domain, struct floe_error *error)
{
	struct node *node = find(domain);
	int r;

	if (!node) {
		node = find_free();
		if (!node)
			return error_set(error, -EMFILE, "this process is in %d domains already",
					 NODES_MAX);
		node->domain = *domain;
		node->users = 0;
		node->abandoned = 0;
		(void)pthread_mutex_init(&node->cleaning, NULL);
		node->fenced = os->barrier_register() < 0;
		r = open_node(node, error);
		if (r < 0)
			return r;
	}
	node->users++;
	*ret_node = node;
	return 0;
}

int node_get(struct node **ret_node, const char *dir, const char *domain, struct floe_error *error)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct domain wanted;
	int r = domain_init(&wanted, dir, domain, error);

	if (r < 0)
		return r;
	/* Before anybody has the lock: a child could not tell who has it. */
	(void)pthread_once(&once, watch_forks);
	(void)pthread_mutex_lock(&lock);
	r = get(ret_node, &wanted, error);
	(void)pthread_mutex_unlock(&lock);
	return r;
}

/* The name goes before the lock: whoever sees the name sees a lock, or a dead owner. With ports that
 * are needed it stays, for whoever cleans up after the dead. */
static void close_node(struct node *node)
{
	char path[DOMAIN_NAME_MAX];

	node_path(&node->domain, node->id, path);
	if (!node->abandoned)
		(void)os->unlink(AT_FDCWD, path);
	omen_end(slot_of(node));
	drop(node);
	domain_remove_empty(&node->domain);
}

void node_watch(const struct node *node)
{
	omen_watch(slot_of(node));
}

void node_put(struct node *node)
{
	if (!node)
		return;
	(void)pthread_mutex_lock(&lock);
	if (--node->users == 0)
		close_node(node);
	(void)pthread_mutex_unlock(&lock);
}

/* A port of a closed subscriber with as many holds and as much room behind them, or NULL. Our own
 * file: what it says is what we wrote. */
static struct port_shared *find_free_port(struct node *node, uint32_t holds_max,
					  uint32_t accord_size)
{
	uint64_t used = load_relaxed(&node->shared->used);
	struct port_shared *port;

	for (uint64_t at = offsetof(struct node_shared, ports); at < used; at += port->size) {
		port = (struct port_shared *)(void *)(node->region.base + at);
		if (load_relaxed(&port->state) == PORT_FREE && port->holds_max == holds_max &&
		    port->accord_size == accord_size)
			return port;
	}
	return NULL;
}

static int append(struct node *node, uint32_t holds_max, uint32_t accord_size,
		  struct port_shared **ret_port, struct floe_error *error)
{
	uint32_t size = port_size(holds_max) + accord_size;
	uint64_t used = load_relaxed(&node->shared->used);
	struct port_shared *port;
	int r;

	if (used + size > NODE_SIZE_MAX)
		return error_set(error, -EMFILE, "this process has too many subscribers");
	r = region_reserve(&node->region, used + size, error);
	if (r < 0)
		return r;
	port = (struct port_shared *)(void *)(node->region.base + used);
	port->size = size;
	port->holds_max = holds_max;
	port->accord_size = accord_size;
	/* Dying before this store: the port is not there. After it: it is, and not open. */
	store_release(&node->shared->used, used + size);
	*ret_port = port;
	return 0;
}

/* All but size, holds_max and accord_size, which others read while they walk the ports; and whoever has a
 * relay of an earlier use looks at its life. */
static floe_cold void clear(struct port_shared *port)
{
	uint64_t life = (load_relaxed(&port->life) / PORT_LIFE + 1) * PORT_LIFE;

	store_release(&port->state, PORT_TAKEN);
	store_relaxed(&port->life, life);
	port->topic_id = 0;
	port->index = 0;
	port->policy = 0;
	port->depth = 0;
	port->patience_ns = 0;
	memset(&port->ring_file, 0, port->size - offsetof(struct port_shared, ring_file));
	store_relaxed(&port->holds_limit, port->holds_max);
}

int node_add_port(struct node *node, uint32_t holds_max, uint32_t accord_size,
		  struct port_shared **ret_port, struct floe_error *error)
{
	struct port_shared *port;
	int r = 0;

	(void)pthread_mutex_lock(&lock);
	port = find_free_port(node, holds_max, accord_size);
	if (!port)
		r = append(node, holds_max, accord_size, &port, error);
	if (r == 0) {
		clear(port);
		*ret_port = port;
	}
	(void)pthread_mutex_unlock(&lock);
	return r;
}

void node_abandon_port(struct node *node, struct port_shared *port)
{
	/* Nobody waits for it any more. */
	for (uint32_t i = 0; i < FLOE_PUBLISHERS_MAX; i++)
		store_release(&port->cursor[i], CURSOR_NEVER);
	(void)pthread_mutex_lock(&lock);
	store_release(&port->life, load_relaxed(&port->life) | PORT_ABANDONED);
	node->abandoned++;
	(void)pthread_mutex_unlock(&lock);
}

bool node_has_abandoned(struct node *node)
{
	bool has;

	(void)pthread_mutex_lock(&lock);
	has = node->abandoned;
	(void)pthread_mutex_unlock(&lock);
	return has;
}

void node_remove_port(struct node *node, struct port_shared *port)
{
	(void)pthread_mutex_lock(&lock);
	if (load_relaxed(&port->life) & PORT_ABANDONED)
		node->abandoned--;
	store_release(&port->state, PORT_FREE);
	(void)pthread_mutex_unlock(&lock);
}

struct region node_region(struct node *node)
{
	struct region region;

	(void)pthread_mutex_lock(&lock);
	region = node->region;
	(void)pthread_mutex_unlock(&lock);
	return region;
}
