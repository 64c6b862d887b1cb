/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_STRETCH_H
#define CHANNEL_STRETCH_H

/*
 * Stretch: what an elastic publisher has in place of pools. It says when it is time to look for what
 * left the ring and is not held any more, and gives memory back.
 *
 * All of it is private to the process and dies with the publisher, whose one thread uses it. There is
 * no shared word but `solid`, which is for people: a chunk has memory from before it is lent until
 * after nobody holds it, whenever its owner dies. What a dead owner reserved and did not use, the
 * next one takes away, after he has looked at all slots and all holds.
 *
 *   live in the area = lent + in the ring + retired
 *   retired <= chunks_max + what a dead owner's subscribers hold
 */

#include "alloc/elastic.h"

/* Retired chunks after which it is time to look, and their bytes. */
#define STRETCH_CHUNKS 16
#define STRETCH_SIZE ELASTIC_IDLE_MAX

struct stretch {
	uint64_t *retired;       /* a stack with CHUNK_NONE at the bottom, for the publisher */
	bool inherited;          /* holds have not been looked at since it was adopted */
	const uint64_t *counted; /* the sizes of retired chunks below it are known */
	size_t retired_size;
	size_t kept_size; /* of what was held when we last looked */
	size_t kept;
	uint32_t holds;       /* that a look goes through */
	uint32_t patience;    /* loans until it is worth while to ask again for what is held */
	uint32_t header_room; /* a payload begins so much behind its chunk */
	struct elastic elastic;
};

/* Exact bytes, to be aligned to 8 and to read as zero: most of it is never touched. SIZE_INVALID: no
 * such plan. */
size_t stretch_memory_size(const struct elastic_plan *plan);

/* In memory that the caller keeps. -EINVAL, -ENOMEM as elastic_init */
int stretch_init(struct stretch **ret_stretch, void *memory, size_t memory_size,
		 const struct elastic_plan *plan, const struct elastic_calls *calls, void *user);

/* elastic_..., by where the payload begins. */
static inline int stretch_claim(struct stretch *s, uint64_t payload)
{
	return elastic_claim(&s->elastic, payload - s->header_room);
}

static inline int stretch_mark(struct stretch *s, uint64_t payload)
{
	return elastic_mark(&s->elastic, payload - s->header_room);
}

static inline bool stretch_is_marked(const struct stretch *s, uint64_t payload)
{
	return elastic_is_marked(&s->elastic, payload - s->header_room);
}

static inline void stretch_give(struct stretch *s, uint64_t payload)
{
	(void)elastic_give(&s->elastic, payload - s->header_room);
}

/* Before a loan: is it time to look? `bottom`, `top`: of the stack of retired chunks. */
bool stretch_is_time(struct stretch *s, const uint64_t *bottom, const uint64_t *top);

/* A look is over: what is still in the stack is held. Idle memory goes. */
void stretch_note_look(struct stretch *s, const uint64_t *bottom, const uint64_t *top);

/* Between two looks. */
void stretch_trim(struct stretch *s);

/* There is so little memory that inline messages need not care. */
static inline bool stretch_is_calm(const struct stretch *s)
{
	return s->elastic.solid <= ELASTIC_IDLE_MAX && !s->inherited;
}

#endif
