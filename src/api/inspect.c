/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The calls of inspect.h. A struct floe_view is a handle; `struct view` is what lies behind it.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/handle.h"
#include "api/view.h"
#include "base/error.h"
#include "base/name.h"
#include "registry/cleanup.h"

FLOE_PUBLIC int floe_view_open(struct floe_view **ret, const char *dir, const char *domain,
			       struct floe_error *error)
{
	struct view *view;
	void *handle;
	int r;

	if (!ret)
		return -EINVAL;
	view = calloc(1, sizeof(*view));
	if (!view)
		return error_set(error, -ENOMEM, "out of memory");
	r = domain_init(&view->domain, dir, domain, error);
	if (r == 0)
		r = handle_open(&handle, HANDLE_VIEW, view);
	if (r < 0) {
		free(view);
		return r;
	}
	*ret = handle;
	return 0;
}

FLOE_PUBLIC void floe_view_close(struct floe_view *view)
{
	free(handle_close(view, HANDLE_VIEW));
}

FLOE_PUBLIC const char *floe_view_path(const struct floe_view *view)
{
	const struct view *v = handle_find(view, HANDLE_VIEW);

	return v ? v->domain.path : NULL;
}

/* Hands the caller's elements over in his size of them. */
static void hand_over(void *ret, size_t size, size_t count, const void *from, size_t size_known,
		      int found)
{
	size_t part = size < size_known ? size : size_known;

	for (size_t i = 0; i < count && i < (size_t)found; i++) {
		unsigned char *to = (unsigned char *)ret + i * size;

		memset(to, 0, size);
		memcpy(to, (const unsigned char *)from + i * size_known, part);
	}
}

static struct view *check(struct floe_view *view, const void *ret, size_t size, size_t count)
{
	if ((!ret && count) || (!size && count))
		return NULL;
	return handle_find(view, HANDLE_VIEW);
}

FLOE_PUBLIC int floe_view_nodes(struct floe_view *view, struct floe_node_info *ret, size_t size,
				size_t count)
{
	struct view *v = check(view, ret, size, count);
	struct floe_node_info *all;
	int r;

	if (!v || count > INT32_MAX)
		return -EINVAL;
	all = calloc(count ? count : 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	r = view_nodes(&v->domain, all, count);
	hand_over(ret, size, count, all, sizeof(*all), r < 0 ? 0 : r);
	free(all);
	return r;
}

struct topics {
	struct view *view;
	void *ret;
	size_t size;
	size_t count;
	int found;
};

static int add_topic(void *user, const char *name)
{
	struct topics *topics = user;
	struct floe_topic_info info;
	int r = view_topic(&topics->view->domain, name, &topics->view->room, &info);

	if (r == -ENOENT)
		return 0;
	if ((size_t)topics->found < topics->count)
		hand_over((unsigned char *)topics->ret + (size_t)topics->found * topics->size,
			  topics->size, 1, &info, sizeof(info), 1);
	topics->found++;
	return 0;
}

FLOE_PUBLIC int floe_view_topics(struct floe_view *view, struct floe_topic_info *ret, size_t size,
				 size_t count)
{
	struct view *v = check(view, ret, size, count);
	struct topics topics = {.view = v, .ret = ret, .size = size, .count = count};
	int r;

	if (!v)
		return -EINVAL;
	r = view_each_topic(&v->domain, add_topic, &topics);
	return r < 0 ? r : topics.found;
}

static int check_topic(const char *topic)
{
	return name_check(topic, "topic name", FLOE_TOPIC_NAME_MAX, NULL);
}

FLOE_PUBLIC int floe_view_publishers(struct floe_view *view, const char *topic,
				     struct floe_publisher_info *ret, size_t size, size_t count)
{
	struct view *v = check(view, ret, size, count);
	int r;

	if (!v || check_topic(topic) < 0)
		return -EINVAL;
	r = view_publishers(&v->domain, topic, v->room.publisher, FLOE_PUBLISHERS_MAX);
	hand_over(ret, size, count, v->room.publisher, sizeof(v->room.publisher[0]), r < 0 ? 0 : r);
	return r;
}

FLOE_PUBLIC int floe_view_loans(struct floe_view *view, const char *topic, uint32_t publisher,
				struct floe_loan_info *ret, size_t size, size_t count)
{
	struct floe_loan_info info[FLOE_LOANS_MAX];
	struct view *v = check(view, ret, size, count);
	int r;

	if (!v || check_topic(topic) < 0 || publisher >= FLOE_PUBLISHERS_MAX)
		return -EINVAL;
	r = view_loans(&v->domain, topic, publisher, info, FLOE_LOANS_MAX);
	hand_over(ret, size, count, info, sizeof(info[0]), r < 0 ? 0 : r);
	return r;
}

FLOE_PUBLIC int floe_view_attributes(struct floe_view *view, const char *topic, uint32_t publisher,
				     struct floe_attribute_info *ret, size_t size, size_t count)
{
	struct floe_attribute_info info[FLOE_ATTRIBUTES_MAX];
	struct view *v = check(view, ret, size, count);
	int r;

	if (!v || check_topic(topic) < 0 || publisher >= FLOE_PUBLISHERS_MAX)
		return -EINVAL;
	r = view_attributes(&v->domain, topic, publisher, info, FLOE_ATTRIBUTES_MAX);
	hand_over(ret, size, count, info, sizeof(info[0]), r < 0 ? 0 : r);
	return r;
}

FLOE_PUBLIC int floe_view_subscribers(struct floe_view *view, const char *topic,
				      struct floe_subscriber_info *ret, size_t size, size_t count)
{
	struct view *v = check(view, ret, size, count);
	int r;

	if (!v || check_topic(topic) < 0)
		return -EINVAL;
	r = view_subscribers(&v->domain, topic, v->room.subscriber, FLOE_SUBSCRIBERS_MAX);
	hand_over(ret, size, count, v->room.subscriber, sizeof(v->room.subscriber[0]),
		  r < 0 ? 0 : r);
	return r;
}

FLOE_PUBLIC int floe_view_seats(struct floe_view *view, const char *topic,
				struct floe_seat_info *ret, size_t size, size_t count)
{
	struct view *v = check(view, ret, size, count);
	int r;

	if (!v || check_topic(topic) < 0)
		return -EINVAL;
	r = view_seats(&v->domain, topic, v->room.seat, FLOE_COUNT(v->room.seat));
	hand_over(ret, size, count, v->room.seat, sizeof(v->room.seat[0]), r < 0 ? 0 : r);
	return r;
}

FLOE_PUBLIC ssize_t floe_view_schema(struct floe_view *view, const char *topic, char *ret,
				     size_t size)
{
	struct view *v = handle_find(view, HANDLE_VIEW);

	if (!v || !ret || !size || check_topic(topic) < 0)
		return -EINVAL;
	return view_schema(&v->domain, topic, ret, size);
}

FLOE_PUBLIC int floe_view_clean(struct floe_view *view, int dry_run,
				void (*tell)(void *user, const char *sentence), void *user)
{
	struct view *v = handle_find(view, HANDLE_VIEW);
	struct cleanup cleanup = {.tell = tell, .user = user, .dry_run = dry_run != 0};
	int r;

	if (!v)
		return -EINVAL;
	r = cleanup_domain(&v->domain, &cleanup);
	return r < 0 ? r : cleanup.count;
}
