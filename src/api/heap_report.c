/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a heap has to say about itself: counters, a report for people, and one for programs. One
 * table names the counters for both.
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "alloc/account.h"
#include "alloc/sites.h"
#include "api/heap.h"

struct counter {
	const char *name;
	const char *help;
	size_t offset;
	bool bytes;
};

#define COUNTER(name, bytes, help) \
	{ \
#name, help, offsetof(struct floe_heap_counts, name), bytes \
	}

static const struct counter counters[] = {
	COUNTER(allocated, true, "in objects of the program"),
	COUNTER(large, true, "of these in objects above 32 KiB, and in sampled ones"),
	COUNTER(cached_threads, true, "free, in caches of threads"),
	COUNTER(cached_central, true, "free, shared by all threads"),
	COUNTER(free_pages, true, "free pages"),
	COUNTER(tables, true, "what the heap needs itself, and what fits no object"),
	COUNTER(mapped, true, "obtained from system or source"),
	COUNTER(injected, true, "given by the program"),
	COUNTER(released, true, "given back to the system so far"),
	COUNTER(limit, true, "that may be obtained; 0: any"),
	COUNTER(limit_soft, true, "beyond it free pages go back at once; 0: never"),
	COUNTER(objects, false, "objects of the program"),
	COUNTER(blocks, false, "injected blocks"),
	COUNTER(caches, false, "threads with a cache"),
	COUNTER(misfrees, false, "wrong frees"),
	COUNTER(failures, false, "requests that found no memory"),
	COUNTER(free_longest, true, "longest piece of free pages"),
};

FLOE_PUBLIC int floe_heap_count(struct floe_heap *heap, struct floe_heap_counts *ret,
				size_t ret_size)
{
	struct heap *h = heap_find(heap);
	struct floe_heap_counts counts;

	if (!h || !ret)
		return -EINVAL;
	account_count(h, &counts);
	memcpy(ret, &counts, ret_size < sizeof(counts) ? ret_size : sizeof(counts));
	return 0;
}

static uint64_t get(const struct floe_heap_counts *counts, const struct counter *counter)
{
	uint64_t value;

	memcpy(&value, (const char *)counts + counter->offset, sizeof(value));
	return value;
}

static void add_lines(struct text *text, const struct floe_heap_counts *counts)
{
	for (size_t i = 0; i < FLOE_COUNT(counters); i++)
		text_add(text, "%16" PRIu64 " %s  %s\n", get(counts, &counters[i]),
			 counters[i].bytes ? "bytes" : "     ", counters[i].help);
}

static void add_json(struct text *text, const struct floe_heap_counts *counts)
{
	text_add(text, "{");
	for (size_t i = 0; i < FLOE_COUNT(counters); i++)
		text_add(text, "%s\"%s\": %" PRIu64, i ? ", " : "", counters[i].name,
			 get(counts, &counters[i]));
	text_add(text, "}\n");
}

FLOE_PUBLIC ssize_t floe_heap_report(struct floe_heap *heap, uint32_t format, char *ret,
				     size_t size)
{
	struct heap *h = heap_find(heap);
	struct text text = {.buffer = ret, .size = size};
	struct floe_heap_counts counts;

	if (!h || format > FLOE_REPORT_SITES_JSON || (size && !ret))
		return -EINVAL;
	if (size)
		*ret = '\0';
	if (format == FLOE_REPORT_SITES) {
		sites_add_lines(h, &text);
		return (ssize_t)text.length;
	}
	if (format == FLOE_REPORT_SITES_JSON) {
		sites_add_json(h, &text);
		return (ssize_t)text.length;
	}
	account_count(h, &counts);
	if (format == FLOE_REPORT_JSON)
		add_json(&text, &counts);
	else
		add_lines(&text, &counts);
	return (ssize_t)text.length;
}

FLOE_PUBLIC int floe_heap_walk(struct floe_heap *heap,
			       int (*visit)(void *user, void *memory, size_t size), void *user)
{
	struct heap *h = heap_find(heap);

	return h && visit ? account_walk(h, visit, user) : -EINVAL;
}
