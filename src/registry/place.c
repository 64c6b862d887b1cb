/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/place.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/error.h"
#include "channel/lane.h"
#include "channel/segment.h"
#include "os/os.h"
#include "registry/file.h"

/* Two threads must not try the same place at once: both their ports lie in the file that would
 * get the name. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Who drops the newest has the last places, which say the lane. */
static uint32_t choose_place(const struct port_shared *port, uint32_t attempt)
{
	return port->policy == FLOE_POLICY_DROP_NEWEST ? lane_of(attempt) : attempt;
}

/* Dying before the name: the port belongs to nobody's topic. After it: a place of a dead node. */
static int claim(struct port_shared *port, const struct node *node, int dir,
		 struct floe_error *error)
{
	for (uint32_t attempt = 0; attempt < FLOE_SUBSCRIBERS_MAX; attempt++) {
		uint32_t i = choose_place(port, attempt);
		char name[PLACE_NAME_MAX];
		int r;

		place_name(name, "sub.", i);
		if (file_id_at(dir, name))
			continue;
		port->index = i;
		store_release(&port->state, PORT_OPEN);
		r = os->link_fd(node->fd, dir, name);
		if (r == 0)
			return 0;
		if (r != -EEXIST)
			return error_system(error, r, "name", name);
	}
	return error_set(error, -EMFILE, "the topic has %d subscribers already",
			 FLOE_SUBSCRIBERS_MAX);
}

/* Behind the holds; the rest of its last line is zero since the port was cleared. */
static void write_accord(struct port_shared *port, const struct accord_shared *accord)
{
	size_t size = accord_size(accord);

	if (size)
		memcpy((char *)port + port_size(port->holds_max), accord,
		       size < sizeof(*accord) ? size : sizeof(*accord));
}

int place_claim(struct port_shared *port, const struct place_options *options,
		const struct node *node, const struct topic *topic, struct floe_error *error)
{
	floe_cleanup(os_close_fdp) int dir = topic_open_dir(topic, error);
	int r;

	if (dir < 0)
		return dir;
	port->topic_id = topic->id;
	port->policy = options->policy;
	port->depth = options->depth;
	port->patience_ns = options->patience_ns;
	memcpy(port->topic, topic->name, strlen(topic->name) + 1);
	type_format(&port->type, options->type);
	write_accord(port, options->accord);
	(void)pthread_mutex_lock(&lock);
	r = claim(port, node, dir, error);
	(void)pthread_mutex_unlock(&lock);
	return r;
}

void place_give_back(struct port_shared *port, struct node *node, const struct topic *topic)
{
	floe_cleanup(os_close_fdp) int dir = topic_open_dir(topic, NULL);
	char name[PLACE_NAME_MAX];

	/* Another thread may claim the same place as soon as its name is gone: this port must not be
	 * found for it. Dying here: cleaning looks at leaving ports too. */
	store_release(&port->state, PORT_LEAVING);
	place_name(name, "sub.", port->index);
	if (dir >= 0 && file_id_at(dir, name) == file_id(node->fd))
		(void)os->unlink(dir, name);
	/* Publishers forget the port before it becomes somebody else's. */
	topic_tell_publishers(topic->hints);
	node_remove_port(node, port);
}

void place_forget_parent(void)
{
	(void)pthread_mutex_init(&lock, NULL);
}
