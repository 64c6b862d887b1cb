/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/stretch.h"

#include <errno.h>
#include <floe/floe.h>

#include "base/arith.h"
#include "os/os.h"

/* The stack's places above its bottom. */
static size_t count_places(const struct elastic_plan *plan)
{
	return size_add(plan->chunks_max, (size_t)FLOE_SUBSCRIBERS_MAX * FLOE_HOLDS_MAX);
}

struct tables {
	size_t retired, bookkeeping, end;
};

static struct tables lay_out(const struct elastic_plan *plan)
{
	struct tables t;

	t.retired = sizeof(struct stretch);
	t.bookkeeping = size_add(t.retired,
				 size_mul(size_add(count_places(plan), 1), sizeof(uint64_t)));
	t.end = size_add(t.bookkeeping, elastic_memory_size(plan));
	return t;
}

size_t stretch_memory_size(const struct elastic_plan *plan)
{
	return lay_out(plan).end;
}

int stretch_init(struct stretch **ret_stretch, void *memory, size_t memory_size,
		 const struct elastic_plan *plan, const struct elastic_calls *calls, void *user)
{
	struct tables t = lay_out(plan);
	struct stretch *s = memory;
	unsigned char *bytes = memory;
	int r;

	if (t.end == SIZE_INVALID)
		return -EINVAL;
	if (memory_size < t.end)
		return -ENOMEM;
	r = elastic_init(&s->elastic, bytes + t.bookkeeping, memory_size - t.bookkeeping, plan,
			 calls, user);
	if (r < 0)
		return r;
	s->retired = (uint64_t *)(void *)(bytes + t.retired);
	s->counted = s->retired + 1;
	*ret_stretch = s;
	return 0;
}

static size_t size_of(const struct stretch *s, uint64_t payload)
{
	return elastic_size_of(&s->elastic, payload - s->header_room);
}

bool stretch_is_time(struct stretch *s, const uint64_t *bottom, const uint64_t *top)
{
	size_t count = (size_t)(top - bottom - 1);

	while (s->counted < top)
		s->retired_size += size_of(s, *s->counted++);
	if (s->inherited || count - s->kept >= STRETCH_CHUNKS ||
	    s->retired_size - s->kept_size > STRETCH_SIZE)
		return true;
	/* Something large is held. Asking for it at each loan costs as much as there are holds. */
	if (s->kept_size <= STRETCH_SIZE || s->patience == 0)
		return s->kept_size > STRETCH_SIZE;
	s->patience--;
	return false;
}

void stretch_note_look(struct stretch *s, const uint64_t *bottom, const uint64_t *top)
{
	s->retired_size = 0;
	for (const uint64_t *chunk = bottom + 1; chunk < top; chunk++)
		s->retired_size += size_of(s, *chunk);
	s->counted = top;
	s->kept_size = s->retired_size;
	s->kept = (size_t)(top - bottom - 1);
	s->patience = s->holds / 16;
	/* What cannot be punched now is no harm: its blocks are empty, and punched with their
	 * neighbours later. */
	if (s->inherited)
		(void)elastic_settle(&s->elastic);
	s->inherited = false;
	elastic_trim(&s->elastic, os->now_ns());
}

void stretch_trim(struct stretch *s)
{
	if (s->elastic.idle > ELASTIC_IDLE_MAX)
		elastic_trim(&s->elastic, os->now_ns());
}
