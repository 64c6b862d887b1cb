/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc/extent.h"

#include <errno.h>
#include <string.h>

#include "base/arith.h"

/* Up to 32 pages each length has its bin, above there are eight to each doubling: a run in bin b
 * is at least as long as the shortest that belongs there. */
#define EXACT_BINS 32

static unsigned bin_of(uint32_t count)
{
	unsigned log;

	if (count <= EXACT_BINS)
		return count - 1;
	log = 31 - (unsigned)__builtin_clz(count);
	return EXACT_BINS + (log - 5) * 8 + (count >> (log - 3) & 7);
}

/* The first bin where every run has `count` pages or more. */
static unsigned bin_above(uint32_t count)
{
	unsigned bin = bin_of(count);

	if (count <= EXACT_BINS || bin_of(count - 1) != bin)
		return bin;
	return bin + 1;
}

/*
 * Making
 */

static size_t get_state_offset(unsigned bin_count)
{
	return sizeof(struct extent) + bin_count * sizeof(struct span *);
}

/* Where the pages begin if there are `count` of them; false: they do not fit. */
static bool fit(const void *memory, size_t size, uint32_t count, struct extent_plan *plan)
{
	uintptr_t begin = (uintptr_t)memory;
	size_t page_size = (size_t)1 << plan->shift;

	plan->page_count = count;
	plan->bin_count = bin_of(count) + 1;
	plan->state_offset = get_state_offset(plan->bin_count);
	plan->span_offset = size_align(plan->state_offset + 2 * (size_t)count, FLOE_CACHELINE);
	plan->pages_offset = size_align(begin + plan->span_offset + count * sizeof(struct span),
					page_size) -
			     begin;
	return plan->pages_offset <= size && (size - plan->pages_offset) >> plan->shift >= count;
}

struct extent_plan extent_lay_out(const void *memory, size_t size)
{
	struct extent_plan plan = {
		.shift = size < EXTENT_SMALL_SIZE ? EXTENT_SMALL_SHIFT : EXTENT_PAGE_SHIFT,
	};
	size_t count = size / (((size_t)1 << plan.shift) + sizeof(struct span) + 2);

	if (count > EXTENT_PAGES_MAX - 1)
		count = EXTENT_PAGES_MAX - 1;
	while (count > 0 && !fit(memory, size, (uint32_t)count, &plan))
		count--;
	plan.page_count = (uint32_t)count;
	return plan;
}

static void set_state(struct extent *e, size_t page, uint8_t state)
{
	store_relaxed(&e->state[page], state);
}

static uint8_t get_state(const struct extent *e, size_t page)
{
	return load_relaxed(&e->state[page]);
}

struct extent *extent_format(void *memory, size_t size, const struct extent_plan *plan,
			     uint32_t page_count, bool zeroed)
{
	unsigned char *bytes = memory;
	struct extent *e = memory;

	*e = (struct extent){
		.memory = memory,
		.memory_size = size,
		.pages = bytes + plan->pages_offset,
		.state = (shared_u8 *)(bytes + plan->state_offset),
		.lead = bytes + plan->state_offset + plan->page_count,
		.span = (struct span *)(void *)(bytes + plan->span_offset),
		.bin = (struct span **)(void *)(bytes + sizeof(struct extent)),
		.bin_count = plan->bin_count,
		.page_count_max = plan->page_count,
		.shift = plan->shift,
	};
	memset(e->bin, 0, plan->bin_count * sizeof(*e->bin));
	if (!zeroed)
		memset((void *)e->state, PAGE_PLAIN, plan->page_count);
	if (page_count)
		extent_extend(e, page_count, true);
	return e;
}

/*
 * Free runs
 */

static void link_run(struct extent *e, struct span *run)
{
	unsigned bin = bin_of(run->page_count);

	run->prev = NULL;
	run->next = e->bin[bin];
	if (run->next)
		run->next->prev = run;
	e->bin[bin] = run;
	e->bin_used[bin / 64] |= (uint64_t)1 << bin % 64;
}

static void unlink_run(struct extent *e, struct span *run)
{
	unsigned bin = bin_of(run->page_count);

	if (run->next)
		run->next->prev = run->prev;
	if (run->prev)
		run->prev->next = run->next;
	else
		e->bin[bin] = run->next;
	if (!e->bin[bin])
		e->bin_used[bin / 64] &= ~((uint64_t)1 << bin % 64);
}

/* Out of its bin, and its edges are plain. */
static void take_run(struct extent *e, struct span *run)
{
	size_t first = extent_index(e, run);

	unlink_run(e, run);
	set_state(e, first, PAGE_PLAIN);
	set_state(e, first + run->page_count - 1, PAGE_PLAIN);
	e->free_count -= run->page_count;
	e->dirty_count -= run->clean ? 0 : run->page_count;
}

/* The free run that ends with a page. */
static struct span *run_before(const struct extent *e, size_t last)
{
	uintptr_t start = e->span[last].start;

	return &e->span[start & 1 ? start >> 1 : last];
}

/* Takes the free neighbours of the run first..first + count out as well. */
static void join(struct extent *e, size_t *first, uint32_t *count, bool *clean)
{
	if (*first > 0 && get_state(e, *first - 1) == PAGE_FREE) {
		struct span *before = run_before(e, *first - 1);

		take_run(e, before);
		*first = extent_index(e, before);
		*count += before->page_count;
		*clean = *clean && before->clean;
	}
	if (*first + *count < e->page_count && get_state(e, *first + *count) == PAGE_FREE) {
		struct span *behind = &e->span[*first + *count];

		take_run(e, behind);
		*count += behind->page_count;
		*clean = *clean && behind->clean;
	}
}

static void put_run(struct extent *e, size_t first, uint32_t count, bool clean)
{
	struct span *run;

	join(e, &first, &count, &clean);
	run = &e->span[first];
	e->span[first + count - 1].start = 2 * first + 1;
	run->start = (uintptr_t)e->pages + (first << e->shift);
	run->page_count = count & (EXTENT_PAGES_MAX - 1);
	run->clean = clean;
	set_state(e, first, PAGE_FREE);
	set_state(e, first + count - 1, PAGE_FREE);
	link_run(e, run);
	e->free_count += count;
	e->dirty_count += clean ? 0 : count;
}

/* After each step that leaves fewer pages free. */
static void note_idle(struct extent *e)
{
	if (e->dirty_count < e->idle_count)
		e->idle_count = e->dirty_count;
}

void extent_begin_idle(struct extent *extent)
{
	extent->idle_count = extent->dirty_count;
}

void extent_extend(struct extent *extent, uint32_t page_count, bool clean)
{
	uint32_t before = extent->page_count;

	extent->page_count += page_count;
	put_run(extent, before, page_count, clean);
}

/* The first bin from `from` on that is not empty; EXTENT_BINS_MAX: none. */
static unsigned next_bin(const struct extent *e, unsigned from)
{
	for (unsigned word = from / 64; word < FLOE_COUNT(e->bin_used); word++) {
		uint64_t bits = e->bin_used[word];

		if (word == from / 64)
			bits &= ~(uint64_t)0 << from % 64;
		if (bits)
			return word * 64 + (unsigned)__builtin_ctzl(bits);
	}
	return EXTENT_BINS_MAX;
}

static struct span *search_bin(const struct extent *e, unsigned bin, uint32_t count)
{
	struct span *run;

	if (bin >= e->bin_count)
		return NULL;
	for (run = e->bin[bin]; run; run = run->next)
		if (run->page_count >= count)
			return run;
	return NULL;
}

static struct span *find_run(const struct extent *e, uint32_t count, bool search)
{
	unsigned bin;

	if (count > e->free_count)
		return NULL;
	bin = next_bin(e, bin_above(count));
	if (bin < EXTENT_BINS_MAX)
		return e->bin[bin];
	return search ? search_bin(e, bin_of(count), count) : NULL;
}

/* Pages from a run's beginning to the first multiple of `alignment`. */
static uint32_t count_lead(const struct extent *e, const struct span *run, size_t alignment)
{
	uintptr_t aligned = (run->start + alignment - 1) & ~(alignment - 1);

	return (uint32_t)((aligned - run->start) >> e->shift);
}

struct span *extent_take(struct extent *extent, uint32_t count, size_t alignment, bool search)
{
	size_t slack = alignment <= extent_page_size(extent) ? 0 : (alignment >> extent->shift) - 1;
	uint32_t lead, length;
	struct span *run, *taken;
	size_t first;
	bool clean;

	if (count + slack > extent->free_count)
		return NULL;
	run = find_run(extent, (uint32_t)(count + slack), search);
	if (!run)
		return NULL;
	lead = slack ? count_lead(extent, run, alignment) : 0;
	length = run->page_count;
	first = extent_index(extent, run);
	clean = run->clean;

	take_run(extent, run);
	taken = run + lead;
	taken->start = run->start + ((uintptr_t)lead << extent->shift);
	taken->page_count = count & (EXTENT_PAGES_MAX - 1);
	taken->clean = clean;
	if (lead + count < length)
		put_run(extent, first + lead + count, length - lead - count, clean);
	if (lead)
		put_run(extent, first, lead, clean);
	note_idle(extent);
	return taken;
}

void extent_give(struct extent *extent, struct span *span)
{
	put_run(extent, extent_index(extent, span), span->page_count, span->clean);
}

static bool lengthen(struct extent *e, struct span *span, uint32_t count)
{
	size_t behind = extent_index(e, span) + span->page_count;
	uint32_t more = count - span->page_count;
	struct span *run;
	uint32_t length;
	bool clean;

	if (behind >= e->page_count || get_state(e, behind) != PAGE_FREE)
		return false;
	run = &e->span[behind];
	length = run->page_count;
	clean = run->clean;
	if (length < more)
		return false;
	take_run(e, run);
	if (length > more)
		put_run(e, behind + more, length - more, clean);
	note_idle(e);
	span->page_count = count & (EXTENT_PAGES_MAX - 1);
	return true;
}

bool extent_resize(struct extent *extent, struct span *span, uint32_t count)
{
	uint32_t before = span->page_count;

	if (count > before)
		return lengthen(extent, span, count);
	if (count < before) {
		span->page_count = count & (EXTENT_PAGES_MAX - 1);
		put_run(extent, extent_index(extent, span) + count, before - count, false);
	}
	return true;
}

struct span *extent_take_dirty(struct extent *extent)
{
	for (unsigned bin = extent->bin_count; bin-- > 0;) {
		for (struct span *run = extent->bin[bin]; run; run = run->next) {
			if (run->clean)
				continue;
			take_run(extent, run);
			note_idle(extent);
			return run;
		}
	}
	return NULL;
}

struct span *extent_take_behind(struct extent *extent, size_t from, size_t least)
{
	size_t at = 0;

	while (at < extent->page_count) {
		struct span *span = &extent->span[at];

		if (at >= from && get_state(extent, at) == PAGE_FREE && !span->clean &&
		    span->page_count >= least) {
			take_run(extent, span);
			note_idle(extent);
			return span;
		}
		at += span->page_count;
	}
	return NULL;
}

void extent_mark(struct extent *extent, struct span *span, unsigned class)
{
	size_t first = extent_index(extent, span);

	for (size_t i = 0; i < span->page_count; i++) {
		extent->lead[first + i] = (uint8_t)i;
		set_state(extent, first + i, (uint8_t) class);
	}
}

void extent_mark_first(struct extent *extent, struct span *span, uint8_t state)
{
	extent->lead[extent_index(extent, span)] = 0;
	set_state(extent, extent_index(extent, span), state);
}

void extent_unmark(struct extent *extent, struct span *span)
{
	size_t first = extent_index(extent, span);

	if (get_state(extent, first) >= CLASS_COUNT) {
		set_state(extent, first, PAGE_PLAIN);
		return;
	}
	for (size_t i = 0; i < span->page_count; i++)
		set_state(extent, first + i, PAGE_PLAIN);
}

/*
 * Checking
 */

/* A free run is in exactly the bin of its length. */
static bool is_listed(const struct extent *e, const struct span *run)
{
	unsigned bin = bin_of(run->page_count);

	if (!(e->bin_used[bin / 64] >> bin % 64 & 1))
		return false;
	for (const struct span *at = e->bin[bin]; at; at = at->next)
		if (at == run)
			return true;
	return false;
}

static bool is_free_run(const struct extent *e, size_t first)
{
	const struct span *run = &e->span[first];
	size_t last = first + run->page_count - 1;

	if (run->page_count == 0 || last >= e->page_count || get_state(e, last) != PAGE_FREE)
		return false;
	if (last > first && e->span[last].start != 2 * first + 1)
		return false;
	for (size_t i = first + 1; i < last; i++)
		if (get_state(e, i) != PAGE_PLAIN)
			return false;
	if (last + 1 < e->page_count && get_state(e, last + 1) == PAGE_FREE)
		return false;
	return is_listed(e, run);
}

/* Small objects or a large one: what follows the first page says the same as that. */
static bool is_used_run(const struct extent *e, size_t first)
{
	const struct span *span = &e->span[first];
	uint8_t state = get_state(e, first);
	uint8_t inner = state >= CLASS_COUNT ? PAGE_PLAIN : state;

	if (state == PAGE_PLAIN || state >= PAGE_STATES || span->page_count == 0 ||
	    first + span->page_count > e->page_count)
		return false;
	for (size_t i = 1; i < span->page_count; i++) {
		if (get_state(e, first + i) != inner)
			return false;
		if (inner != PAGE_PLAIN && e->lead[first + i] != i)
			return false;
	}
	return e->lead[first] == 0;
}

static size_t count_listed(const struct extent *e)
{
	size_t count = 0;

	for (unsigned bin = 0; bin < e->bin_count; bin++)
		for (const struct span *run = e->bin[bin]; run; run = run->next)
			count++;
	return count;
}

int extent_check(const struct extent *extent)
{
	size_t free_count = 0, dirty_count = 0, runs = 0;

	for (size_t at = 0; at < extent->page_count; at += extent->span[at].page_count) {
		const struct span *span = &extent->span[at];
		bool is_free = get_state(extent, at) == PAGE_FREE;

		if (is_free ? !is_free_run(extent, at) : !is_used_run(extent, at))
			return -EPROTO;
		if (span->start != (uintptr_t)extent->pages + (at << extent->shift))
			return -EPROTO;
		free_count += is_free ? span->page_count : 0;
		dirty_count += is_free && !span->clean ? span->page_count : 0;
		runs += is_free;
	}
	if (dirty_count != extent->dirty_count || extent->idle_count > dirty_count)
		return -EPROTO;
	if (free_count != extent->free_count || runs != count_listed(extent))
		return -EPROTO;
	return 0;
}
