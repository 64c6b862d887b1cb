/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc/pages.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "alloc/heaps.h"
#include "base/arith.h"
#include "os/os.h"

/* Extents below this size have spans of few pages. */
#define FEW_PAGES_SIZE ((size_t)8 << 20)
#define STEP_MIN ((size_t)1 << 20)
#define STEP_MAX ((size_t)64 << 20)
/* A heap of so many bytes grows by huge pages: one page fault in place of 512. What they have too much
 * would count in a smaller one. */
#define HUGE_FROM ((size_t)8 << 20)
#define HUGE_PAGE ((size_t)2 << 20)
/* One page goes back for each thousand that was freed, times release_rate; not fewer at once. */
#define RATE_UNIT 1000
#define RELEASE_MIN 64
/* Bytes that may lie free beside as many in use, and stay: so many always, and so many at most. */
#define IDLE_MIN ((size_t)16 << 20)
#define IDLE_MAX ((size_t)64 << 20)
/* mincore(2) tells of so many pages at once. */
#define LOOK_PAGES 1024
/* Sizes of pages that memory may have. */
#define BACKINGS 3

/*
 * Growing
 */

/* What a run of this size needs in an extent of its own. */
static size_t size_of_piece(size_t size)
{
	return size_align(size_add(size_add(size, size / 32), (size_t)64 << 10), HEAP_PAGE);
}

static size_t choose_step(const struct heap *heap, size_t needed)
{
	size_t step = heap->obtained / 8;

	if (step < STEP_MIN)
		step = STEP_MIN;
	if (step > STEP_MAX)
		step = STEP_MAX;
	if (heap->limit && (heap->obtained > heap->limit || step > heap->limit - heap->obtained))
		step = 0;
	return step > needed ? step : needed;
}

static bool is_over_limit(const struct heap *heap, size_t size)
{
	return heap->limit &&
	       (heap->obtained >= heap->limit || size > heap->limit - heap->obtained);
}

/* Memory behind the pages `from` .. `from` + count and their spans. */
static int protect_pages(struct extent *e, uint32_t from, uint32_t count)
{
	uintptr_t begin = (uintptr_t)&e->span[from] & ~(HEAP_PAGE - 1);
	uintptr_t end = size_align((uintptr_t)&e->span[from + count], HEAP_PAGE);
	int r = os->protect((unsigned char *)e->memory + (begin - (uintptr_t)e->memory),
			    end - begin, PROT_READ | PROT_WRITE);

	if (r < 0)
		return r;
	return os->protect(e->pages + ((size_t)from << e->shift), (size_t)count << e->shift,
			   PROT_READ | PROT_WRITE);
}

static uintptr_t page_address(const struct extent *e, size_t page)
{
	return (uintptr_t)e->pages + (page << e->shift);
}

/* Bytes until a huge page ends. 0: none is wanted. What is large may never be touched. */
static size_t size_to_huge(const struct heap *heap, const struct extent *e, size_t needed)
{
	uintptr_t begin = page_address(e, e->page_count);
	size_t size = size_align(begin + needed, HUGE_PAGE) - begin;

	if (heap->obtained < HUGE_FROM || needed > HUGE_PAGE / 4 || is_over_limit(heap, size))
		return 0;
	return size;
}

/* Asks for the huge page that ends with page `end`, and takes it. Afterwards the range is as before,
 * or the kernel (khugepaged) would fill again what is given back of it. False: not all of it is from
 * page `from` on, or there is no such thing. */
static bool take_huge_page(struct extent *e, uint32_t from, uint32_t end)
{
	uintptr_t begin = page_address(e, end) - HUGE_PAGE;
	unsigned char *memory = e->memory + (begin - (uintptr_t)e->memory);

	if (begin < page_address(e, from) || os->advise(memory, HUGE_PAGE, MADV_HUGEPAGE) < 0)
		return false;
	*(volatile unsigned char *)memory = 0;
	(void)os->advise(memory, HUGE_PAGE, MADV_NOHUGEPAGE);
	return true;
}

static int extend(struct heap *heap, struct extent *e, size_t size, bool to_huge)
{
	uint32_t count = (uint32_t)(size >> e->shift), from = e->page_count;
	bool touched;
	int r;

	if (size >> e->shift > e->page_count_max - e->page_count)
		return -ENOMEM;
	r = protect_pages(e, from, count);
	if (r < 0)
		return r;
	touched = to_huge && take_huge_page(e, from, from + count);
	if (touched)
		e->huge = true;
	extent_extend(e, count, !touched);
	heap->obtained += size;
	return 0;
}

/* As much address space as can be had: it costs nothing until it is used, but a process may have a
 * limit of it. */
static void *reserve_space(struct heap *heap, size_t least, size_t *ret_size)
{
	size_t size = heap->reserve_next > least ? heap->reserve_next : size_mul(least, 2);
	void *memory;

	for (; size >= least && size != SIZE_INVALID; size /= 2) {
		size = size_align(size, HEAP_PAGE);
		if (os->map(&memory, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			    -1, 0) == 0) {
			heap->reserve_next = size;
			*ret_size = size;
			return memory;
		}
	}
	return NULL;
}

static int add_system(struct heap *heap, size_t needed)
{
	size_t size = 0;
	unsigned char *memory = reserve_space(heap, size_of_piece(needed), &size);
	struct extent_plan plan;
	struct extent *e;
	int r;

	if (!memory)
		return -ENOMEM;
	plan = extent_lay_out(memory, size);
	r = os->protect(memory, size_align(plan.span_offset, HEAP_PAGE), PROT_READ | PROT_WRITE);
	if (r == 0) {
		e = extent_format(memory, size, &plan, 0, true);
		e->kind = EXTENT_SYSTEM;
		e->releasable = true;
		r = pages_add(heap, e);
	}
	if (r < 0)
		(void)os->unmap(memory, size);
	return r;
}

static struct extent *last_extent(const struct heap *heap)
{
	struct extent *e = heap->extents;

	while (e && e->next)
		e = e->next;
	return e;
}

static int extend_or_less(struct heap *heap, struct extent *e, size_t step, size_t needed)
{
	size_t huge = size_to_huge(heap, e, needed);
	int r = extend(heap, e, huge ? huge : step, huge);

	return r < 0 ? extend(heap, e, needed, false) : r;
}

/* The last extent gets more pages; if it is no longer the system's, or has no address space left,
 * there is another one. */
static int grow_system(struct heap *heap, size_t needed)
{
	struct extent *e = last_extent(heap);
	size_t step = choose_step(heap, needed);
	int r;

	if (!e || e->kind != EXTENT_SYSTEM ||
	    needed >> e->shift > e->page_count_max - e->page_count) {
		r = add_system(heap, step);
		if (r < 0)
			return r;
		e = last_extent(heap);
	}
	return extend_or_less(heap, e, step, needed);
}

static int obtain_piece(struct heap *heap, size_t size)
{
	struct extent_plan plan;
	struct extent *e;
	void *memory;
	int r = heap->source.calls->obtain(&heap->source, size, &memory, NULL);

	if (r < 0)
		return r;
	plan = extent_lay_out(memory, size);
	e = extent_format(memory, size, &plan, plan.page_count, false);
	e->kind = EXTENT_SOURCE;
	r = pages_add(heap, e);
	if (r < 0) {
		heap->source.calls->release(&heap->source, memory, size);
		return r;
	}
	heap->obtained += size;
	return 0;
}

static int grow_source(struct heap *heap, size_t needed)
{
	size_t piece = size_of_piece(needed);
	size_t step = choose_step(heap, piece);
	int r;

	if (is_over_limit(heap, piece))
		return -ENOMEM;
	r = obtain_piece(heap, step);
	return r < 0 && step > piece ? obtain_piece(heap, piece) : r;
}

static int grow(struct heap *heap, size_t size)
{
	size_t needed = size_align(size, HEAP_PAGE);

	if (needed == SIZE_INVALID || is_over_limit(heap, needed))
		return -ENOMEM;
	if (heap->source.calls)
		return grow_source(heap, needed);
	return heap->system ? grow_system(heap, needed) : -ENOMEM;
}

/*
 * Extents
 */

/* The caller's memory before what was obtained. */
static void link_extent(struct heap *heap, struct extent *extent)
{
	struct extent **at = &heap->extents;

	while (*at && (*at)->kind <= extent->kind)
		at = &(*at)->next;
	extent->next = *at;
	*at = extent;
}

int pages_add(struct heap *heap, struct extent *extent)
{
	int r = directory_add(&heap->directory, extent);

	if (r < 0)
		return r;
	extent->heap = heap;
	link_extent(heap, extent);
	if (extent->shift != EXTENT_PAGE_SHIFT)
		store_relaxed(&heap->small_pages, load_relaxed(&heap->small_pages) + 1);
	return 0;
}

void pages_remove(struct heap *heap, struct extent *extent)
{
	struct extent **at = &heap->extents;

	while (*at != extent)
		at = &(*at)->next;
	*at = extent->next;
	if (extent->shift != EXTENT_PAGE_SHIFT)
		store_relaxed(&heap->small_pages, load_relaxed(&heap->small_pages) - 1);
	directory_remove(&heap->directory, extent);
}

/*
 * Runs
 */

/* Pages of a class's span in a small extent: so few that many classes have room beside each other,
 * and so many that at most an eighth of them is lost. */
static uint32_t count_few_pages(const struct extent *e, size_t size)
{
	uint32_t count = 1;

	while (((size_t)count << e->shift) % size * 8 > (size_t)count << e->shift ||
	       (size_t)count << e->shift < size)
		count++;
	return count;
}

static uint32_t count_class_pages(const struct extent *e, unsigned class)
{
	if (e->memory_size >= FEW_PAGES_SIZE)
		return size_class[class].span_pages;
	return count_few_pages(e, size_class[class].size);
}

static uint32_t count_pages(const struct extent *e, size_t size)
{
	return (uint32_t)(size_align(size, extent_page_size(e)) >> e->shift);
}

/* Where what is usual does not fit, one object is better than none. */
static struct span *take_for_class(struct extent *e, unsigned class, bool search)
{
	uint32_t usual = count_class_pages(e, class);
	uint32_t least = count_pages(e, size_class[class].size);
	struct span *span = extent_take(e, usual, 1, search);

	return span || least == usual ? span : extent_take(e, least, 1, search);
}

static void free_all_objects(struct extent *e, struct span *span, unsigned class)
{
	size_t count = span_size(e, span) / size_class[class].size;

	if (count > CLASS_OBJECTS_MAX)
		count = CLASS_OBJECTS_MAX;
	span->object_count = span->free_count = (uint16_t)count;
	for (size_t word = 0; word < FLOE_COUNT(span->free); word++) {
		size_t left = count > word * 64 ? count - word * 64 : 0;

		span->free[word] = left >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << left) - 1;
	}
}

static void mark_first(struct extent *e, struct span *span, uint8_t state)
{
	if (state == PAGE_LARGE && e->shift == EXTENT_PAGE_SHIFT)
		state = state_of_run(span->page_count);
	extent_mark_first(e, span, state);
}

static struct span *take_from(struct heap *heap, struct extent *e,
			      const struct pages_request *request)
{
	bool search = !(heap->flags & FLOE_HEAP_BOUNDED);
	struct span *span;

	if (load_relaxed(&e->draining) || request->size >> e->shift > e->free_count)
		return NULL;
	if (request->state < CLASS_COUNT) {
		span = take_for_class(e, request->state, search);
		if (!span)
			return NULL;
		free_all_objects(e, span, request->state);
		extent_mark(e, span, request->state);
		return span;
	}
	span = extent_take(e, count_pages(e, request->size), request->alignment, search);
	if (span)
		mark_first(e, span, request->state);
	return span;
}

static struct span *take_from_any(struct heap *heap, const struct pages_request *request,
				  struct extent **ret_extent)
{
	for (struct extent *e = heap->extents; e; e = e->next) {
		struct span *span = take_from(heap, e, request);

		if (span) {
			*ret_extent = e;
			return span;
		}
	}
	return NULL;
}

static void account(struct heap *heap, const struct extent *e, const struct span *span,
		    uint8_t state, bool taken)
{
	size_t size = span_size(e, span);

	if (state_is_large(state)) {
		heap->large += taken ? size : -size;
		heap->large_count += taken ? 1 : (size_t)-1;
	} else if (state == PAGE_OWN) {
		heap->own += taken ? size : -size;
	}
}

/* What growing must add at least for the request to find room. */
static size_t size_needed(const struct pages_request *request)
{
	size_t size = request->size;

	if (request->state < CLASS_COUNT)
		size = (size_t)size_class[request->state].span_pages << EXTENT_PAGE_SHIFT;
	if (request->alignment > HEAP_PAGE)
		size = size_add(size, request->alignment);
	return size;
}

struct span *pages_take(struct heap *heap, const struct pages_request *request,
			struct extent **ret_extent)
{
	struct span *span;

	lock_take(&heap->page_lock);
	span = take_from_any(heap, request, ret_extent);
	if (!span && grow(heap, size_needed(request)) == 0)
		span = take_from_any(heap, request, ret_extent);
	if (span)
		account(heap, *ret_extent, span, request->state, true);
	lock_give(&heap->page_lock);
	return span;
}

static bool is_over_soft(const struct heap *heap)
{
	return heap->limit_soft && heap->obtained > heap->limit_soft;
}

/* Pages that are due by now. */
static size_t count_due(const struct heap *heap)
{
	if (is_over_soft(heap))
		return SIZE_MAX >> EXTENT_PAGE_SHIFT;
	return heap->release_due > 0 ? (size_t)heap->release_due / RATE_UNIT : 0;
}

bool pages_give(struct heap *heap, struct extent *extent, struct span *span)
{
	size_t first = extent_index(extent, span);
	bool due;

	lock_take(&heap->page_lock);
	account(heap, extent, span, load_relaxed(&extent->state[first]), false);
	heap->release_due += (int64_t)span->page_count * heap->release_rate;
	extent_unmark(extent, span);
	span->clean = 0;
	extent_give(extent, span);
	due = count_due(heap) >= RELEASE_MIN;
	lock_give(&heap->page_lock);
	return due;
}

bool pages_resize(struct heap *heap, struct extent *extent, struct span *span, size_t size)
{
	uint32_t count = (uint32_t)(size_align(size, extent_page_size(extent)) >> extent->shift);
	size_t before;
	bool done;

	lock_take(&heap->page_lock);
	before = span_size(extent, span);
	done = extent_resize(extent, span, count);
	if (done)
		mark_first(extent, span, PAGE_LARGE);
	heap->large += span_size(extent, span) - before;
	lock_give(&heap->page_lock);
	return done;
}

/*
 * Giving back
 */

static size_t system_page(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t count_resident(unsigned char *memory, size_t size)
{
	size_t page = system_page(), count = 0;
	unsigned char present[LOOK_PAGES];

	for (size_t at = 0; at < size; at += LOOK_PAGES * page) {
		size_t length = size - at < LOOK_PAGES * page ? size - at : LOOK_PAGES * page;

		if (os->resident(memory + at, length, present) < 0)
			return 0;
		for (size_t i = 0; i < length / page; i++)
			count += present[i] & 1;
	}
	return count * page;
}

/* Private memory is dropped; of shared memory and huge pages that changes nothing, and what is
 * below must be cut out. */
static int advise_away(unsigned char *memory, size_t size)
{
	int r = os->advise(memory, size, MADV_DONTNEED);

	if (r < 0 || count_resident(memory, size) == 0)
		return r;
	return os->advise(memory, size, MADV_REMOVE);
}

/* What goes back at once: huge pages only whole. */
static size_t backing_size(unsigned backing)
{
	static const size_t sizes[BACKINGS] = {0, (size_t)2 << 20, (size_t)1 << 30};

	return backing ? sizes[backing] : system_page();
}

/* The whole pages of a run. -EINVAL: not these, perhaps they are larger. */
static int drop_pages(const struct extent *e, const struct span *run, size_t page,
		      size_t *ret_released, bool *ret_clean)
{
	uintptr_t end = run->start + span_size(e, run);
	uintptr_t from = size_align(run->start, page);
	uintptr_t to = end & ~(page - 1);
	unsigned char *memory = e->memory + (from - (uintptr_t)e->memory);
	size_t before, after;
	int r;

	if (from >= to)
		return 0;
	before = count_resident(memory, to - from);
	/* Parts of a huge page come back only when the kernel has taken it apart, which it does for
	 * MADV_FREE, not for MADV_DONTNEED. */
	if (e->huge)
		(void)os->advise(memory, to - from, MADV_FREE);
	r = advise_away(memory, to - from);
	after = count_resident(memory, to - from);
	*ret_released = before > after ? before - after : 0;
	*ret_clean = r == 0 && from == run->start && to == end;
	return r;
}

/* Returns the bytes that the kernel took; *ret_clean: nothing of the run is there any more. */
static size_t drop(const struct extent *e, const struct span *run, uint8_t *backing,
		   bool *ret_clean)
{
	size_t released = 0;
	uint8_t before = *backing;

	*ret_clean = false;
	/* The kernel refuses parts of huge pages (MADV_DONTNEED on these: Linux 5.18 and newer). */
	while (drop_pages(e, run, backing_size(*backing), &released, ret_clean) == -EINVAL &&
	       *backing < BACKINGS - 1)
		++*backing;
	/* It was something else, such as mlock(2). */
	if (released == 0)
		*backing = before;
	return released;
}

static void begin_drop(struct heap *heap, struct span *run)
{
	run->next = heap->dropping;
	heap->dropping = run;
}

static void end_drop(struct heap *heap, struct span *run)
{
	struct span **at = &heap->dropping;

	while (*at != run)
		at = &(*at)->next;
	*at = run->next;
}

void pages_return_dropping(struct heap *heap)
{
	struct span *run;

	lock_take(&heap->page_lock);
	while ((run = heap->dropping)) {
		heap->dropping = run->next;
		run->clean = 0;
		extent_give(directory_find(&heap->directory, (void *)run->start), run);
	}
	lock_give(&heap->page_lock);
}

/* The lock is held at both ends. */
static size_t drop_run(struct heap *heap, struct extent *e, struct span *run, bool *ret_clean)
{
	uint8_t backing = e->backing;
	size_t released;

	begin_drop(heap, run);
	lock_give(&heap->page_lock);
	released = drop(e, run, &backing, ret_clean);
	lock_take(&heap->page_lock);
	end_drop(heap, run);
	e->backing = backing;
	run->clean = *ret_clean;
	extent_give(e, run);
	return released;
}

/* Runs hold huge pages and parts of them: each is tried once. */
static size_t release_huge(struct heap *heap, struct extent *e, size_t wanted)
{
	size_t released = 0, at = 0;
	struct span *run;

	while (released < wanted &&
	       (run = extent_take_behind(e, at, backing_size(e->backing) >> e->shift))) {
		bool clean;

		at = extent_index(e, run) + run->page_count;
		released += drop_run(heap, e, run, &clean);
	}
	return released;
}

/* Of one extent. A run that is not clean afterwards would be tried for ever. */
static size_t release_extent(struct heap *heap, struct extent *e, size_t wanted)
{
	size_t released = 0;
	bool clean = true;
	struct span *run;

	while (!e->backing && clean && released < wanted && (run = extent_take_dirty(e)))
		released += drop_run(heap, e, run, &clean);
	if (e->backing && released < wanted)
		released += release_huge(heap, e, wanted - released);
	return released;
}

/* A piece of the source that holds nothing goes back whole. */
static size_t release_pieces(struct heap *heap)
{
	struct extent *next;
	size_t released = 0;

	for (struct extent *e = heap->extents; e; e = next) {
		next = e->next;
		if (e->kind != EXTENT_SOURCE || e->free_count < e->page_count ||
		    !heap->source.theirs || !heap->source.theirs->release)
			continue;
		pages_remove(heap, e);
		store_relaxed(&heap->stamp, heaps_next_number());
		heap->obtained -= e->memory_size;
		released += e->memory_size;
		heap->source.calls->release(&heap->source, e->memory, e->memory_size);
	}
	return released;
}

size_t pages_release(struct heap *heap, size_t wanted)
{
	size_t released = 0;

	lock_take(&heap->page_lock);
	if (heap->source.calls && wanted == SIZE_MAX)
		released = release_pieces(heap);
	for (struct extent *e = heap->extents; e && released < wanted; e = e->next)
		if (e->releasable)
			released += release_extent(heap, e, wanted - released);
	heap->released += released;
	heap->release_due -= (int64_t)(released >> EXTENT_PAGE_SHIFT) * RATE_UNIT;
	/* There is no more, for now. */
	if (released < wanted)
		heap->release_due = 0;
	lock_give(&heap->page_lock);
	return released;
}

/* What lay free since this was asked last, beyond as much as is in use: a program whose use goes up
 * and down would have it again soon, page by page. */
static size_t count_idle(struct heap *heap)
{
	size_t idle = 0, used = 0;

	for (struct extent *e = heap->extents; e; e = e->next) {
		if (e->releasable) {
			idle += (size_t)e->idle_count << e->shift;
			used += (size_t)(e->page_count - e->free_count) << e->shift;
		}
		extent_begin_idle(e);
	}
	if (used > IDLE_MAX)
		used = IDLE_MAX;
	else if (used < IDLE_MIN)
		used = IDLE_MIN;
	return idle > used ? (idle - used) >> EXTENT_PAGE_SHIFT : 0;
}

static size_t choose_due(struct heap *heap)
{
	size_t due = count_due(heap), idle;

	if (is_over_soft(heap) || heap->release_rate == FLOE_RELEASE_RATE_MAX)
		return due;
	idle = count_idle(heap);
	if (idle >= due)
		return due;
	heap->release_due -= (int64_t)(due - idle) * RATE_UNIT;
	return idle;
}

void pages_release_due(struct heap *heap)
{
	size_t due;

	lock_take(&heap->page_lock);
	due = choose_due(heap);
	lock_give(&heap->page_lock);
	if (due)
		(void)pages_release(heap, due << EXTENT_PAGE_SHIFT);
}
