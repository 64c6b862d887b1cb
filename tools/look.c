/* SPDX-License-Identifier: Apache-2.0 */
#include "look.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "frame.h"

/* One of the floe_view_... calls that fill an array. */
typedef int fill_call(struct floe_view *view, const char *topic, void *ret, size_t size,
		      size_t count);

static int fill_nodes(struct floe_view *view, const char *topic, void *ret, size_t size,
		      size_t count)
{
	(void)topic;
	return floe_view_nodes(view, ret, size, count);
}

static int fill_topics(struct floe_view *view, const char *topic, void *ret, size_t size,
		       size_t count)
{
	(void)topic;
	return floe_view_topics(view, ret, size, count);
}

static int fill_publishers(struct floe_view *view, const char *topic, void *ret, size_t size,
			   size_t count)
{
	return floe_view_publishers(view, topic, ret, size, count);
}

static int fill_subscribers(struct floe_view *view, const char *topic, void *ret, size_t size,
			    size_t count)
{
	return floe_view_subscribers(view, topic, ret, size, count);
}

static int fill_seats(struct floe_view *view, const char *topic, void *ret, size_t size,
		      size_t count)
{
	return floe_view_seats(view, topic, ret, size, count);
}

/* Asks again with more room while there are more than fit; others come and go meanwhile. */
static int load(void **ret, size_t *ret_count, fill_call *fill, struct floe_view *view,
		const char *topic, size_t size)
{
	size_t count = 32;

	for (;;) {
		void *array = frame_alloc(count, size);
		int r = fill(view, topic, array, size, count);

		if (r >= 0 && (size_t)r <= count) {
			*ret = array;
			*ret_count = (size_t)r;
			return 0;
		}
		free(array);
		if (r < 0)
			return r;
		count = (size_t)r + 32;
	}
}

static int compare_nodes(const void *a, const void *b)
{
	const struct floe_node_info *left = a;
	const struct floe_node_info *right = b;

	if (left->pid != right->pid)
		return left->pid < right->pid ? -1 : 1;
	return left->id < right->id ? -1 : left->id > right->id;
}

static int compare_topics(const void *a, const void *b)
{
	const struct look_topic *left = a;
	const struct look_topic *right = b;

	return strcmp(left->info.name, right->info.name);
}

int look_nodes(struct look_nodes *ret, struct floe_view *view)
{
	void *array;
	size_t count;
	int r;

	r = load(&array, &count, fill_nodes, view, NULL, sizeof(*ret->nodes));
	if (r < 0)
		return r;

	*ret = (struct look_nodes){.nodes = array, .count = count};
	qsort(ret->nodes, ret->count, sizeof(*ret->nodes), compare_nodes);
	return 0;
}

int look_topics(struct look_topics *ret, struct floe_view *view)
{
	struct floe_topic_info *infos;
	void *array;
	size_t count;
	int r;

	r = load(&array, &count, fill_topics, view, NULL, sizeof(*infos));
	if (r < 0)
		return r;

	infos = array;
	*ret = (struct look_topics){
		.topics = frame_alloc(count, sizeof(*ret->topics)),
		.count = count,
	};
	for (size_t i = 0; i < count; i++)
		ret->topics[i].info = infos[i];
	free(array);
	qsort(ret->topics, ret->count, sizeof(*ret->topics), compare_topics);
	return 0;
}

/* What can be loaded is; whose folder cannot be read has nobody. */
static int load_lenient(void **ret, size_t *ret_count, fill_call *fill, struct floe_view *view,
			const char *topic, size_t size)
{
	int r = load(ret, ret_count, fill, view, topic, size);

	return r == -ENOENT || r == -EPROTO || r == -EACCES ? 0 : r;
}

/* A publisher that went meanwhile has none. */
static void look_at_loans(struct look_topic *topic, struct floe_view *view)
{
	topic->loans = frame_alloc(topic->publishers_count * FLOE_LOANS_MAX + 1,
				   sizeof(*topic->loans));
	for (size_t i = 0; i < topic->publishers_count; i++) {
		struct floe_loan_info info[FLOE_LOANS_MAX];
		uint32_t publisher = topic->publishers[i].index;
		int count = floe_view_loans(view, topic->info.name, publisher, info,
					    sizeof(info[0]), FLOE_LOANS_MAX);

		for (int k = 0; k < count && k < FLOE_LOANS_MAX; k++)
			topic->loans[topic->loans_count++] = (struct look_loan){publisher, info[k]};
	}
}

int look_seats(struct look_topic *topic, struct floe_view *view)
{
	void *seats = NULL;
	int r = load_lenient(&seats, &topic->seats_count, fill_seats, view, topic->info.name,
			     sizeof(*topic->seats));

	free(topic->seats);
	topic->seats = seats;
	return r;
}

static void look_at_attributes(struct look_topic *topic, struct floe_view *view)
{
	topic->attributes = frame_alloc(topic->publishers_count * FLOE_ATTRIBUTES_MAX + 1,
					sizeof(*topic->attributes));
	for (size_t i = 0; i < topic->publishers_count; i++) {
		struct floe_attribute_info info[FLOE_ATTRIBUTES_MAX];
		uint32_t publisher = topic->publishers[i].index;
		int count = topic->publishers[i].attributes
				    ? floe_view_attributes(view, topic->info.name, publisher, info,
							   sizeof(info[0]), FLOE_ATTRIBUTES_MAX)
				    : 0;

		for (int k = 0; k < count && k < FLOE_ATTRIBUTES_MAX; k++)
			topic->attributes[topic->attributes_count++] = (struct look_attribute){
				publisher, info[k]};
	}
}

int look_inside(struct look_topic *topic, struct floe_view *view)
{
	void *publishers = NULL;
	void *subscribers = NULL;
	int r;

	r = load_lenient(&publishers, &topic->publishers_count, fill_publishers, view,
			 topic->info.name, sizeof(*topic->publishers));
	if (r < 0)
		return r;
	topic->publishers = publishers;
	look_at_loans(topic, view);
	look_at_attributes(topic, view);

	r = load_lenient(&subscribers, &topic->subscribers_count, fill_subscribers, view,
			 topic->info.name, sizeof(*topic->subscribers));
	topic->subscribers = subscribers;
	return r < 0 ? r : look_seats(topic, view);
}

struct look_topic *look_find(const struct look_topics *topics, const char *name)
{
	for (size_t i = 0; i < topics->count; i++)
		if (!strcmp(topics->topics[i].info.name, name))
			return &topics->topics[i];
	return NULL;
}

/* The file system of the path, or of the nearest folder above it that exists. */
static int stat_above(char *path, struct statfs *ret)
{
	while (statfs(path, ret) < 0) {
		char *slash = strrchr(path, '/');

		if (errno != ENOENT)
			return -errno;
		if (!slash)
			return statfs(".", ret) < 0 ? -errno : 0;
		if (slash == path)
			return statfs("/", ret) < 0 ? -errno : 0;
		*slash = '\0';
	}
	return 0;
}

int look_space(struct look_space *ret, const char *path)
{
	char *copy = strdup(path);
	struct statfs stat;
	int r;

	if (!copy)
		return -ENOMEM;
	r = stat_above(copy, &stat);
	free(copy);
	if (r < 0)
		return r;

	*ret = (struct look_space){
		.size = (uint64_t)stat.f_blocks * (uint64_t)stat.f_bsize,
		.free = (uint64_t)stat.f_bavail * (uint64_t)stat.f_bsize,
		.is_tmpfs = stat.f_type == TMPFS_MAGIC,
	};
	return 0;
}

void look_topic_end(struct look_topic *topic)
{
	free(topic->publishers);
	free(topic->loans);
	free(topic->attributes);
	free(topic->subscribers);
	free(topic->seats);
	*topic = (struct look_topic){0};
}

void look_nodes_end(struct look_nodes *nodes)
{
	free(nodes->nodes);
	*nodes = (struct look_nodes){0};
}

void look_topics_end(struct look_topics *topics)
{
	for (size_t i = 0; i < topics->count; i++)
		look_topic_end(&topics->topics[i]);
	free(topics->topics);
	*topics = (struct look_topics){0};
}
