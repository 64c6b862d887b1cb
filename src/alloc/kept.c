/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc/kept.h"

#include <errno.h>

/* Runs of other lengths may be in the same list. */
#define LOOKS 4

/* Only runs of pages of the usual size are kept. */
static size_t get_size(const struct span *span)
{
	return (size_t)span->page_count << EXTENT_PAGE_SHIFT;
}

void kept_put(struct kept *kept, struct span *span)
{
	struct span **list = &kept->list[span->page_count % KEPT_LISTS];

	span->next = *list;
	*list = span;
	kept->size += get_size(span);
}

static struct span *take(struct kept *kept, struct span **at)
{
	struct span *span = *at;

	*at = span->next;
	kept->size -= get_size(span);
	return span;
}

struct span *kept_take(struct kept *kept, uint32_t count)
{
	struct span **at = &kept->list[count % KEPT_LISTS];

	for (int i = 0; *at && i < LOOKS; i++, at = &(*at)->next)
		if ((*at)->page_count == count)
			return take(kept, at);
	return NULL;
}

struct span *kept_take_any(struct kept *kept)
{
	for (size_t i = 0; kept->size && i < KEPT_LISTS; i++)
		if (kept->list[i])
			return take(kept, &kept->list[i]);
	return NULL;
}

int kept_check(const struct kept *kept)
{
	size_t size = 0;

	for (size_t i = 0; i < KEPT_LISTS; i++)
		for (const struct span *span = kept->list[i]; span; span = span->next) {
			if (span->page_count % KEPT_LISTS != i)
				return -EPROTO;
			size += get_size(span);
		}
	return size == kept->size ? 0 : -EPROTO;
}
