/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc/elastic.h"

#include <errno.h>
#include <string.h>

#include "base/arith.h"

/* Whole parts of a page that are multiples of a cache line, none nearly as large as another. */
static const uint16_t small_sizes[] = {64,  128, 192, 256,  320,  384, 448,
				       512, 640, 768, 1024, 1344, 2048};
#define SMALL_CLASSES ((uint32_t)FLOE_COUNT(small_sizes))

/* For each size in cache lines the class above. */
static const uint8_t small_class[] = {0,  0,  1,  2,  3,  4,  5,  6,  7,  8,  8,
				      9,  9,  10, 10, 10, 10, 11, 11, 11, 11, 11,
				      12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12};
static_assert(FLOE_COUNT(small_class) == ELASTIC_SMALL_MAX / FLOE_CACHELINE + 1,
	      "up to half a page");

/* One to four pages, then four classes for each doubling. */
static uint32_t class_of(size_t size)
{
	size_t pages;
	uint32_t doubling;

	if (size <= ELASTIC_SMALL_MAX)
		return small_class[(size + FLOE_CACHELINE - 1) / FLOE_CACHELINE];
	pages = (size + ELASTIC_PAGE - 1) / ELASTIC_PAGE;
	if (pages <= 4)
		return SMALL_CLASSES + (uint32_t)pages - 1;
	doubling = 63 - (uint32_t)__builtin_clzll(pages - 1);
	return SMALL_CLASSES + 4 + (doubling - 2) * 4 + ((pages - 1) >> (doubling - 2) & 3);
}

static size_t class_size(uint32_t index)
{
	uint32_t large = index - SMALL_CLASSES;

	if (index < SMALL_CLASSES)
		return small_sizes[index];
	if (large < 4)
		return (large + 1) * ELASTIC_PAGE;
	return ((size_t)(large % 4 + 5) << (large / 4 - 1)) * ELASTIC_PAGE;
}

static size_t block_size_of(uint32_t index)
{
	return index < SMALL_CLASSES ? ELASTIC_PAGE : class_size(index);
}

static uint32_t chunks_in_block(uint32_t index)
{
	return index < SMALL_CLASSES ? (uint32_t)(ELASTIC_PAGE / small_sizes[index]) : 1;
}

size_t elastic_block_size(size_t size)
{
	return block_size_of(class_of(size));
}

/* For all chunks that there can be at once, or for all memory that there may be. */
static uint32_t count_blocks(const struct elastic_plan *plan, uint32_t index)
{
	uint32_t chunks = chunks_in_block(index);
	uint64_t needed = ((uint64_t)plan->chunks_max + chunks - 1) / chunks;
	uint64_t paid = plan->quota / block_size_of(index);

	return (uint32_t)(paid < needed ? paid : needed);
}

static size_t count_words(uint32_t blocks)
{
	return ((size_t)blocks + 63) / 64;
}

static bool is_possible(const struct elastic_plan *plan)
{
	return plan->size_max > 0 && plan->size_max <= (size_t)1 << 40 && plan->chunks_max > 0 &&
	       class_of(plan->size_max) < ELASTIC_CLASSES_MAX &&
	       plan->quota >= elastic_block_size(plan->size_max);
}

size_t elastic_area_size(const struct elastic_plan *plan)
{
	size_t size = 0;

	if (!is_possible(plan))
		return SIZE_INVALID;
	for (uint32_t i = 0; i <= class_of(plan->size_max); i++)
		size = size_add(size, size_mul(count_blocks(plan, i), block_size_of(i)));
	return size / ELASTIC_PAGE < UINT32_MAX ? size : SIZE_INVALID;
}

static size_t class_memory_size(uint32_t blocks)
{
	return size_add(size_mul(blocks, sizeof(struct elastic_block)),
			size_mul(count_words(blocks), 2 * sizeof(uint64_t)));
}

size_t elastic_memory_size(const struct elastic_plan *plan)
{
	size_t size = 0;

	if (!is_possible(plan))
		return SIZE_INVALID;
	for (uint32_t i = 0; i <= class_of(plan->size_max); i++)
		size = size_add(size, class_memory_size(count_blocks(plan, i)));
	return size;
}

static void init_class(struct elastic_class *c, uint32_t index, const struct elastic_plan *plan,
		       uint64_t offset, unsigned char *memory)
{
	uint32_t blocks = count_blocks(plan, index);
	size_t words = count_words(blocks);

	*c = (struct elastic_class){
		.offset = offset,
		.block_size = block_size_of(index),
		.chunk_size = class_size(index),
		.block_pages = (uint32_t)(block_size_of(index) / ELASTIC_PAGE),
		.chunk_step = index < SMALL_CLASSES ? small_sizes[index] : (uint32_t)ELASTIC_PAGE,
		.block_count = blocks,
		.chunk_count = chunks_in_block(index),
		.block = (struct elastic_block *)(void *)memory,
		/* Nothing is at hand. */
		.at_hand_low = (uint32_t)words,
		.used_ns = INT64_MIN,
		.used_before_ns = INT64_MIN,
	};
	c->at_hand = (uint64_t *)(void *)(c->block + blocks);
	c->shut = c->at_hand + words;
}

int elastic_init(struct elastic *e, void *memory, size_t memory_size,
		 const struct elastic_plan *plan, const struct elastic_calls *calls, void *user)
{
	size_t needed = elastic_memory_size(plan);
	unsigned char *at = memory;
	uint64_t offset = plan->offset;

	if (needed == SIZE_INVALID || elastic_area_size(plan) == SIZE_INVALID ||
	    offset % ELASTIC_PAGE || offset == 0 || (uintptr_t)memory % sizeof(uint64_t))
		return -EINVAL;
	if (memory_size < needed)
		return -ENOMEM;
	memset(e, 0, sizeof(*e));
	e->plan = *plan;
	e->limit = plan->quota;
	e->calls = calls;
	e->user = user;
	e->class_count = class_of(plan->size_max) + 1;
	for (uint32_t i = 0; i < e->class_count; i++) {
		struct elastic_class *c = &e->class[i];

		e->begin[i] = offset;
		init_class(c, i, plan, offset, at);
		offset += (uint64_t)c->block_count * c->block_size;
		at += class_memory_size(c->block_count);
	}
	e->end = offset;
	return 0;
}

/*
 * Bits of blocks
 */

static void set_bit(uint64_t *words, uint32_t index)
{
	words[index / 64] |= (uint64_t)1 << index % 64;
}

static void clear_bit(uint64_t *words, uint32_t index)
{
	words[index / 64] &= ~((uint64_t)1 << index % 64);
}

/* The bits of all chunks of a block. */
static uint64_t all_of(const struct elastic_class *c)
{
	return ~(uint64_t)0 >> (64 - c->chunk_count);
}

/* What both sets say about a block, from the block itself; and whether it is idle. */
static void sort_in(struct elastic *e, struct elastic_class *c, uint32_t block, bool was_idle)
{
	const struct elastic_block *b = &c->block[block];
	uint32_t index = (uint32_t)(c - e->class);
	bool solid = b->state == ELASTIC_SOLID;
	bool full = b->taken == all_of(c);
	bool is_idle = solid && !b->taken;

	(solid && !full ? set_bit : clear_bit)(c->at_hand, block);
	if (solid && !full && block / 64 < c->at_hand_low)
		c->at_hand_low = block / 64;
	(solid || full ? set_bit : clear_bit)(c->shut, block);
	if (!solid && !full && block / 64 < c->shut_low)
		c->shut_low = block / 64;
	if (is_idle == was_idle)
		return;
	c->idle += is_idle ? 1 : -1u;
	e->idle += is_idle ? c->block_size : -c->block_size;
	(c->idle ? set_bit : clear_bit)(e->idle_classes, index);
}

static bool is_idle(const struct elastic_block *b)
{
	return b->state == ELASTIC_SOLID && !b->taken;
}

/* The first block that is solid and has a free chunk; block_count: none. */
static uint32_t find_at_hand(struct elastic_class *c)
{
	uint32_t words = (uint32_t)count_words(c->block_count);

	while (c->at_hand_low < words && !c->at_hand[c->at_hand_low])
		c->at_hand_low++;
	if (c->at_hand_low == words)
		return c->block_count;
	return c->at_hand_low * 64 + (uint32_t)__builtin_ctzll(c->at_hand[c->at_hand_low]);
}

/* The first block that is not solid and has a free chunk; block_count: none. */
static uint32_t find_open(struct elastic_class *c)
{
	uint32_t words = (uint32_t)count_words(c->block_count);
	uint32_t block;

	while (c->shut_low < words && !~c->shut[c->shut_low])
		c->shut_low++;
	if (c->shut_low == words)
		return c->block_count;
	block = c->shut_low * 64 + (uint32_t)__builtin_ctzll(~c->shut[c->shut_low]);
	return block < c->block_count ? block : c->block_count;
}

/*
 * Chunks
 */

struct spot {
	uint32_t class;
	uint32_t block;
	uint64_t bit;
};

/* The last class that begins there or before. */
static uint32_t find_class(const struct elastic *e, uint64_t offset)
{
	uint32_t index = 0;

	/* Without branches: which class comes next nobody can guess. */
	for (uint32_t rest = e->class_count; rest > 1;) {
		uint32_t half = rest / 2;

		index += e->begin[index + half] <= offset ? half : 0;
		rest -= half;
	}
	return index;
}

/* Where the chunk is that begins exactly here. What is asked for may come from a peer. Pages are
 * counted in 32 bits, which are divided much faster: elastic_area_size sees to it. */
static bool find(const struct elastic *e, uint64_t offset, struct spot *ret_spot)
{
	uint32_t index = find_class(e, offset);
	const struct elastic_class *c = &e->class[index];
	uint64_t from = offset - e->begin[index];
	uint32_t page = (uint32_t)(from / ELASTIC_PAGE);
	uint32_t inside = from % ELASTIC_PAGE;
	uint32_t block = page / c->block_pages;
	uint32_t chunk = inside / c->chunk_step;

	if (from >= e->end || block >= c->block_count || page % c->block_pages ||
	    inside % c->chunk_step || chunk >= c->chunk_count)
		return false;
	ret_spot->class = index;
	ret_spot->block = block;
	ret_spot->bit = (uint64_t)1 << chunk;
	return true;
}

int elastic_take(struct elastic *e, size_t size, uint64_t *ret_offset)
{
	struct elastic_class *c;
	struct elastic_block *b;
	uint32_t block, chunk;
	bool was_idle;

	if (size > e->plan.size_max)
		return -EMSGSIZE;
	c = &e->class[class_of(size)];
	if (e->live == e->plan.chunks_max)
		return 0;
	block = find_at_hand(c);
	if (block == c->block_count)
		return 0;
	b = &c->block[block];
	chunk = (uint32_t)__builtin_ctzll(~b->taken);
	was_idle = !b->taken;
	b->taken |= (uint64_t)1 << chunk;
	if (was_idle || b->taken == all_of(c))
		sort_in(e, c, block, was_idle);
	e->live++;
	c->used_before_ns = c->used_ns;
	c->used_ns = e->now_ns;
	*ret_offset = c->offset + block * c->block_size + chunk * c->chunk_size;
	return 1;
}

/* Memory of a block without chunks goes, and that of empty ones beside it, which whoever looks from
 * outside may have touched since. */
static int punch_around(struct elastic *e, struct elastic_class *c, uint32_t first, uint32_t end)
{
	while (first > 0 && c->block[first - 1].state == ELASTIC_EMPTY && first % 64)
		first--;
	while (end < c->block_count && c->block[end].state == ELASTIC_EMPTY && end % 64)
		end++;
	return e->calls->punch(e->user, c->offset + first * c->block_size,
			       (end - first) * c->block_size);
}

/* Blocks first to end - 1 are idle. */
static void empty(struct elastic *e, struct elastic_class *c, uint32_t first, uint32_t end)
{
	if (punch_around(e, c, first, end) < 0)
		return;
	for (uint32_t i = first; i < end; i++) {
		c->block[i].state = ELASTIC_EMPTY;
		c->filled--;
		e->solid -= c->block_size;
		sort_in(e, c, i, true);
	}
}

static void drain_class(struct elastic *e, struct elastic_class *c)
{
	for (uint32_t i = c->at_hand_low * 64; i < c->block_count && c->idle; i++) {
		uint32_t first = i;

		while (i < c->block_count && is_idle(&c->block[i]))
			i++;
		if (i > first)
			empty(e, c, first, i);
	}
}

/* The next class from `index` on that has something idle; class_count: none. */
static uint32_t next_idle(const struct elastic *e, uint32_t index)
{
	for (; index < e->class_count; index = (index | 63) + 1) {
		uint64_t rest = e->idle_classes[index / 64] >> index % 64;

		if (rest)
			return index + (uint32_t)__builtin_ctzll(rest);
	}
	return e->class_count;
}

void elastic_drain(struct elastic *e)
{
	for (uint32_t i = next_idle(e, 0); i < e->class_count; i = next_idle(e, i + 1))
		drain_class(e, &e->class[i]);
}

void elastic_trim(struct elastic *e, int64_t now_ns)
{
	e->now_ns = now_ns;
	if (e->idle <= ELASTIC_IDLE_MAX)
		return;
	for (uint32_t i = next_idle(e, 0); i < e->class_count; i = next_idle(e, i + 1))
		if (e->class[i].used_before_ns < now_ns - ELASTIC_KEEP_NS)
			drain_class(e, &e->class[i]);
}

static int reserve(struct elastic *e, struct elastic_class *c, uint32_t block)
{
	uint64_t offset = c->offset + block * c->block_size;
	int r = e->calls->reserve(e->user, offset, c->block_size);

	/* The file system may be full of what we have idle. */
	if (r < 0 && e->idle) {
		elastic_drain(e);
		r = e->calls->reserve(e->user, offset, c->block_size);
	}
	return r;
}

/* An earlier owner's chunks are claimed, however much that is. */
static bool is_above(const struct elastic *e, size_t more)
{
	return e->solid > e->limit ? more > 0 : more > e->limit - e->solid;
}

int elastic_limit(struct elastic *e, size_t size)
{
	size &= ~(ELASTIC_PAGE - 1);
	if (size < elastic_block_size(e->plan.size_max) || size > e->plan.quota)
		return -EINVAL;
	if (e->solid > size)
		elastic_drain(e);
	if (e->solid > size)
		return -EBUSY;
	e->limit = size;
	return 0;
}

int elastic_grow(struct elastic *e, size_t size)
{
	struct elastic_class *c;
	struct elastic_block *b;
	uint32_t block;
	size_t more;
	int r;

	if (size > e->plan.size_max)
		return -EMSGSIZE;
	c = &e->class[class_of(size)];
	if (e->live == e->plan.chunks_max)
		return 0;
	block = find_open(c);
	if (block == c->block_count)
		return -EDQUOT;
	b = &c->block[block];
	more = b->state == ELASTIC_EMPTY ? c->block_size : 0;
	if (is_above(e, more))
		elastic_drain(e);
	if (is_above(e, more))
		return -EDQUOT;
	r = reserve(e, c, block);
	if (r < 0)
		return r;
	b->state = ELASTIC_SOLID;
	c->filled += more > 0;
	e->solid += more;
	if (e->solid > e->solid_high)
		e->solid_high = e->solid;
	sort_in(e, c, block, false);
	return 1;
}

/* The last chunk of an earlier owner has left: what memory there is goes. */
static void empty_unsure(struct elastic *e, struct elastic_class *c, uint32_t block)
{
	if (punch_around(e, c, block, block + 1) < 0)
		return;
	c->block[block].state = ELASTIC_EMPTY;
	c->filled--;
	e->solid -= c->block_size;
}

int elastic_give(struct elastic *e, uint64_t offset)
{
	struct elastic_class *c;
	struct elastic_block *b;
	struct spot spot;
	bool was_full;

	if (!find(e, offset, &spot))
		return -EINVAL;
	c = &e->class[spot.class];
	b = &c->block[spot.block];
	if (!(b->taken & spot.bit))
		return -EINVAL;
	was_full = b->taken == all_of(c);
	b->taken &= ~spot.bit;
	e->live--;
	if (!b->taken && b->state == ELASTIC_UNSURE)
		empty_unsure(e, c, spot.block);
	if (was_full || !b->taken)
		sort_in(e, c, spot.block, false);
	return 0;
}

int elastic_claim(struct elastic *e, uint64_t offset)
{
	struct elastic_class *c;
	struct elastic_block *b;
	struct spot spot;
	bool was_idle;

	if (!find(e, offset, &spot))
		return -EINVAL;
	c = &e->class[spot.class];
	b = &c->block[spot.block];
	if (b->taken & spot.bit)
		return 0;
	was_idle = is_idle(b);
	if (b->state == ELASTIC_EMPTY) {
		b->state = ELASTIC_UNSURE;
		c->filled++;
		e->solid += c->block_size;
	}
	b->taken |= spot.bit;
	sort_in(e, c, spot.block, was_idle);
	e->live++;
	return 1;
}

size_t elastic_size_at(const struct elastic *e, uint64_t offset)
{
	struct spot spot;

	return find(e, offset, &spot) ? e->class[spot.class].chunk_size : 0;
}

size_t elastic_size_of(const struct elastic *e, uint64_t offset)
{
	return e->class[find_class(e, offset)].chunk_size;
}

/* A block that was not marked lately may still have the number that comes now: all are forgotten,
 * once in four thousand million scans. */
void elastic_begin_scan(struct elastic *e)
{
	if (++e->scan)
		return;
	for (uint32_t i = 0; i < e->class_count; i++)
		for (uint32_t k = 0; k < e->class[i].block_count; k++)
			e->class[i].block[k].scan = 0;
	e->scan = 1;
}

int elastic_mark(struct elastic *e, uint64_t offset)
{
	struct elastic_block *b;
	struct spot spot;

	if (!find(e, offset, &spot))
		return -EINVAL;
	b = &e->class[spot.class].block[spot.block];
	if (!(b->taken & spot.bit))
		return 0;
	if (b->scan != e->scan)
		b->marked = 0;
	b->scan = e->scan;
	b->marked |= spot.bit;
	return 1;
}

bool elastic_is_marked(const struct elastic *e, uint64_t offset)
{
	struct spot spot;
	const struct elastic_block *b;

	if (!find(e, offset, &spot))
		return false;
	b = &e->class[spot.class].block[spot.block];
	return b->scan == e->scan && b->marked & spot.bit;
}

/* Up to where the next block begins that is not empty. */
static int punch_gap(struct elastic *e, uint64_t from, uint64_t to)
{
	return from < to ? e->calls->punch(e->user, from, to - from) : 0;
}

int elastic_settle(struct elastic *e)
{
	uint64_t from = e->plan.offset;

	for (uint32_t i = 0; i < e->class_count; i++) {
		const struct elastic_class *c = &e->class[i];
		uint32_t left = c->filled;

		for (uint32_t k = 0; left; k++) {
			uint64_t at = c->offset + k * c->block_size;
			int r;

			if (c->block[k].state == ELASTIC_EMPTY)
				continue;
			r = punch_gap(e, from, at);
			if (r < 0)
				return r;
			from = at + c->block_size;
			left--;
		}
	}
	return punch_gap(e, from, e->end);
}

/*
 * Check
 */

static bool has_bit(const uint64_t *words, uint32_t index)
{
	return words[index / 64] >> index % 64 & 1;
}

struct sums {
	size_t solid, idle;
	uint64_t live;
};

static bool is_block_right(const struct elastic_class *c, uint32_t index)
{
	const struct elastic_block *b = &c->block[index];
	uint64_t all = all_of(c);
	bool solid = b->state == ELASTIC_SOLID;

	if (b->state > ELASTIC_UNSURE || b->taken & ~all || (b->taken && b->state == ELASTIC_EMPTY))
		return false;
	if (has_bit(c->at_hand, index) != (solid && b->taken != all) ||
	    has_bit(c->shut, index) != (solid || b->taken == all))
		return false;
	/* What was skipped in searching is not there. */
	if (has_bit(c->at_hand, index) && index / 64 < c->at_hand_low)
		return false;
	return has_bit(c->shut, index) || index / 64 >= c->shut_low;
}

static int check_class(const struct elastic *e, uint32_t index, struct sums *sums)
{
	const struct elastic_class *c = &e->class[index];
	uint32_t idle = 0, filled = 0;

	for (uint32_t i = 0; i < c->block_count; i++) {
		const struct elastic_block *b = &c->block[i];

		if (!is_block_right(c, i))
			return -EPROTO;
		idle += is_idle(b);
		sums->live += (uint64_t)__builtin_popcountll(b->taken);
		filled += b->state != ELASTIC_EMPTY;
	}
	sums->solid += filled * c->block_size;
	sums->idle += idle * c->block_size;
	return idle == c->idle && filled == c->filled &&
			       has_bit(e->idle_classes, index) == (idle > 0)
		       ? 0
		       : -EPROTO;
}

int elastic_check(const struct elastic *e)
{
	uint64_t offset = e->plan.offset;
	struct sums sums = {0};

	if (e->limit > e->plan.quota)
		return -EPROTO;
	for (uint32_t i = 0; i < e->class_count; i++) {
		const struct elastic_class *c = &e->class[i];

		if (c->offset != offset || check_class(e, i, &sums) < 0)
			return -EPROTO;
		offset += (uint64_t)c->block_count * c->block_size;
	}
	return sums.live == e->live && sums.solid == e->solid && sums.idle == e->idle ? 0 : -EPROTO;
}
