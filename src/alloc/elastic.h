/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALLOC_ELASTIC_H
#define ALLOC_ELASTIC_H

/*
 * Elastic: chunks of any size in one area, of which only pages in use have memory.
 *
 * Sizes are rounded up to classes: whole parts of a page up to half of it, then pages, four classes
 * from each power of two to the next. Each class has addresses of its own, as many as could ever be
 * needed at once; it is cut into blocks of whole pages, and a block into chunks. Memory comes and
 * goes by blocks. Addresses cost nothing, so nothing has to be joined again: what one class gives
 * back is any other's, page by page, in whatever order it came.
 *
 *	class[i + 1].offset = class[i].offset + class[i].block_count * class[i].block_size
 *	a block with a taken chunk is not empty
 *	solid = sum of block_size of all blocks that are not empty   <= limit <= quota
 *	idle  = the same of those of which nothing is taken
 *	live  = chunks that are taken
 *
 *	=> with live < chunks_max a chunk is to be had as long as the blocks with a taken chunk and one
 *	   more block of its class are not above the limit: no order of sizes makes it run dry
 *
 * The area itself is never touched: it knows offsets, and two calls that put memory behind a range
 * and take it away. Its bookkeeping lies in private memory that the caller supplies as zeros (most of
 * it is never touched) and keeps. One thread at a time. An earlier owner's chunks are claimed; what
 * memory he left elsewhere is punched out by elastic_settle.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define ELASTIC_PAGE ((size_t)4096)
#define ELASTIC_CLASSES_MAX 160
#define ELASTIC_SMALL_MAX 2048
/* Idle memory that stays without a reason, and how long more of it stays with one. */
#define ELASTIC_IDLE_MAX ((size_t)65536)
#define ELASTIC_KEEP_NS 250000000

/* What one area is to be; all of it decides about the classes. */
struct elastic_plan {
	uint64_t offset;     /* of the area: a multiple of ELASTIC_PAGE, not 0 */
	size_t size_max;     /* of the largest chunk */
	size_t quota;        /* bytes of memory, all together; at least one block of the largest.
			      * The limit begins there and never exceeds it */
	uint32_t chunks_max; /* taken at the same time */
};

struct elastic_calls {
	int (*reserve)(void *user, uint64_t offset, size_t size); /* 0, -ENOSPC, -errno */
	int (*punch)(void *user, uint64_t offset, size_t size);
};

enum elastic_state {
	ELASTIC_EMPTY = 0, /* has no memory that counts */
	ELASTIC_SOLID,
	ELASTIC_UNSURE, /* an earlier owner's chunk lies there: perhaps not all of it has memory */
};

struct elastic_block {
	uint64_t taken;  /* a bit for each chunk */
	uint64_t marked; /* by the scan of this number */
	uint32_t scan;
	uint32_t state;
};

struct elastic_class {
	uint64_t offset;
	size_t block_size;
	size_t chunk_size;
	uint32_t block_count;
	uint32_t block_pages;
	uint32_t chunk_step;  /* of a small class its chunk_size, else a page */
	uint32_t chunk_count; /* in a block: at most 64 */
	uint32_t at_hand_low; /* words of at_hand[] below it are 0 */
	uint32_t shut_low;    /* words of shut[] below it are all ones */
	uint32_t filled;      /* blocks that are not empty */
	uint32_t idle;        /* blocks */
	struct elastic_block *block;
	uint64_t *at_hand; /* a bit for each block that is solid and not full */
	uint64_t *shut;    /* a bit for each that is solid or full */
	int64_t used_ns;   /* the last time that something was taken, and the one before */
	int64_t used_before_ns;
};

struct elastic {
	struct elastic_plan plan;
	uint32_t class_count;
	uint32_t live;
	uint32_t scan;
	size_t limit; /* bytes that may have memory now */
	size_t solid;
	size_t idle;
	size_t solid_high;
	int64_t now_ns; /* as the owner said last; starts at 0 */
	const struct elastic_calls *calls;
	void *user;
	uint64_t idle_classes[(ELASTIC_CLASSES_MAX + 63) / 64]; /* which have idle blocks */
	uint64_t begin[ELASTIC_CLASSES_MAX];                    /* class[i].offset */
	uint64_t end;
	struct elastic_class class[ELASTIC_CLASSES_MAX];
};

/* Bytes of addresses that the area takes; SIZE_INVALID: there is no such plan. `offset` does not
 * matter. */
size_t elastic_area_size(const struct elastic_plan *plan);

/* Exact bytes of bookkeeping; SIZE_INVALID as above. */
size_t elastic_memory_size(const struct elastic_plan *plan);

/* Bytes of memory that one chunk of `size` takes at most: that of its block. size: 1 to 2^40 */
size_t elastic_block_size(size_t size);

/* Everything is empty. `memory` reads as zero, aligned to 8. -EINVAL no possible plan; -ENOMEM too
 * little memory. Then nothing is touched. */
int elastic_init(struct elastic *e, void *memory, size_t memory_size,
		 const struct elastic_plan *plan, const struct elastic_calls *calls, void *user);

/*
 * A chunk of `size` bytes or more that needs no new memory.
 *   1; 0 there is none: elastic_grow; -EMSGSIZE larger than size_max
 */
int elastic_take(struct elastic *e, size_t size, uint64_t *ret_offset);

/*
 * Puts memory behind one more block for chunks of `size`; what is idle elsewhere goes for it.
 *   1; 0 chunks_max are taken; -EDQUOT the limit; -ENOSPC and what `reserve` says; -EMSGSIZE
 */
int elastic_grow(struct elastic *e, size_t size);

/* At most so much memory from now on, in whole pages: 0; -EINVAL less than one block of the largest, or
 * above the quota; -EBUSY more is in use, and the limit stays, but nothing is idle any more */
int elastic_limit(struct elastic *e, size_t size);

/* 0; -EINVAL no chunk begins there, or it is not taken. Then nothing is touched. */
int elastic_give(struct elastic *e, uint64_t offset);

/* Takes one particular chunk: how an owner's state is rebuilt. 1; 0 it is taken; -EINVAL */
int elastic_claim(struct elastic *e, uint64_t offset);

/* Bytes of the chunk that begins exactly at `offset`; 0: none does. */
size_t elastic_size_at(const struct elastic *e, uint64_t offset);

/* The same of a chunk that is taken. */
size_t elastic_size_of(const struct elastic *e, uint64_t offset);

/* Marks of a scan: elastic_begin_scan forgets them all. mark: 1; 0 the chunk is not taken; -EINVAL */
void elastic_begin_scan(struct elastic *e);
int elastic_mark(struct elastic *e, uint64_t offset);
bool elastic_is_marked(const struct elastic *e, uint64_t offset);

/*
 * Gives back idle memory beyond ELASTIC_IDLE_MAX of classes of which not two chunks were taken within
 * ELASTIC_KEEP_NS: what was needed once goes at once, what is needed again and again stays.
 */
void elastic_trim(struct elastic *e, int64_t now_ns);

/* Gives back all that is idle. */
void elastic_drain(struct elastic *e);

/* After claiming: takes away the memory of all that is empty. 0, or what `punch` said */
int elastic_settle(struct elastic *e);

/* Verifies the formulas above: 0, or -EPROTO. */
int elastic_check(const struct elastic *e);

#endif
