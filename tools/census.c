/* SPDX-License-Identifier: Apache-2.0 */
#include "census.h"

#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "wait.h"

#define RATE_UNKNOWN (-1.0)

/* A counter that is smaller now belongs to somebody new. */
static double rate(const struct census *census, uint64_t now, uint64_t before)
{
	double seconds = (double)(census->now_ns - census->before_ns) / 1e9;

	return now > before ? (double)(now - before) / seconds : 0;
}

static struct census_row make_row(const struct census *census, const struct look_topic *topic)
{
	struct census_row row = {
		.topic = topic,
		.before = look_find(&census->before, topic->info.name),
		.rate = RATE_UNKNOWN,
	};

	if (row.before)
		row.rate = rate(census, topic->info.published, row.before->info.published);
	for (size_t i = 0; i < topic->subscribers_count; i++) {
		const struct floe_subscriber_info *subscriber = &topic->subscribers[i];

		row.lost += subscriber->lost;
		row.held += subscriber->held;
		if (subscriber->behind > row.behind)
			row.behind = subscriber->behind;
	}
	return row;
}

static void make_rows(struct census *census)
{
	free(census->rows);
	census->rows = frame_alloc(census->now.count, sizeof(*census->rows));
	for (size_t i = 0; i < census->now.count; i++)
		census->rows[i] = make_row(census, &census->now.topics[i]);
	census_sort(census, census->order);
}

int census_take(struct census *census, struct floe_view *view)
{
	int r;

	look_topics_end(&census->before);
	census->before = census->now;
	census->before_ns = census->now_ns;
	census->now = (struct look_topics){0};
	census->now_ns = wait_now_ns();

	r = look_topics(&census->now, view);
	for (size_t i = 0; r >= 0 && i < census->now.count; i++)
		r = look_inside(&census->now.topics[i], view);
	make_rows(census);
	if (r >= 0)
		r = floe_view_nodes(view, NULL, sizeof(struct floe_node_info), 0);
	if (r < 0)
		return r;
	census->nodes_count = (size_t)r;
	return look_space(&census->space, floe_view_path(view));
}

/*
 * Order: largest first, equal ones by name
 */

static double by_rate(const struct census_row *row)
{
	return row->rate;
}

static double by_lost(const struct census_row *row)
{
	return (double)row->lost;
}

static double by_behind(const struct census_row *row)
{
	return (double)row->behind;
}

static double by_memory(const struct census_row *row)
{
	return (double)row->topic->info.memory;
}

/* qsort has no argument for its user. */
static double (*weigh)(const struct census_row *row);

static int compare_rows(const void *a, const void *b)
{
	const struct census_row *left = a;
	const struct census_row *right = b;

	if (weigh && weigh(left) != weigh(right))
		return weigh(left) > weigh(right) ? -1 : 1;
	return strcmp(left->topic->info.name, right->topic->info.name);
}

void census_sort(struct census *census, enum census_order order)
{
	static double (*const weights[CENSUS_ORDERS])(const struct census_row *row) = {
		[CENSUS_BY_RATE] = by_rate,
		[CENSUS_BY_LOST] = by_lost,
		[CENSUS_BY_BEHIND] = by_behind,
		[CENSUS_BY_MEMORY] = by_memory,
	};

	census->order = order;
	weigh = weights[order];
	if (census->now.count > 1)
		qsort(census->rows, census->now.count, sizeof(*census->rows), compare_rows);
}

double census_publisher_rate(const struct census *census, const struct census_row *row,
			     size_t index)
{
	const struct floe_publisher_info *now = &row->topic->publishers[index];

	for (size_t i = 0; row->before && i < row->before->publishers_count; i++) {
		const struct floe_publisher_info *before = &row->before->publishers[i];

		if (before->index == now->index)
			return rate(census, now->sequence, before->sequence);
	}
	return RATE_UNKNOWN;
}

double census_subscriber_rate(const struct census *census, const struct census_row *row,
			      size_t index)
{
	const struct floe_subscriber_info *now = &row->topic->subscribers[index];

	for (size_t i = 0; row->before && i < row->before->subscribers_count; i++) {
		const struct floe_subscriber_info *before = &row->before->subscribers[i];

		if (before->index == now->index)
			return rate(census, now->received, before->received);
	}
	return RATE_UNKNOWN;
}

void census_end(struct census *census)
{
	look_topics_end(&census->now);
	look_topics_end(&census->before);
	free(census->rows);
	*census = (struct census){0};
}
