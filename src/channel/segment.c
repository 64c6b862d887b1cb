/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/segment.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/arith.h"
#include "base/error.h"
#include "channel/lane.h"
#include "channel/relay_layout.h"

static size_t schema_size(const struct floe_type *type)
{
	return type && type->schema ? strlen(type->schema) : 0;
}

static size_t pool_end(const struct pool_plan *pool, uint32_t chunk_count)
{
	return size_add(pool->offset, size_mul(chunk_count, pool->chunk_size));
}

size_t segment_size_with(const struct segment_plan *plan, uint32_t chunk_count)
{
	return pool_end(&plan->pool[plan->pool_count - 1], chunk_count);
}

struct elastic_plan segment_elastic(const struct segment_plan *plan)
{
	return (struct elastic_plan){
		.offset = plan->pool[0].offset,
		.size_max = plan->payload_max + segment_header_room(plan->header_size),
		.quota = plan->quota,
		.chunks_max = plan->depth + plan->loans_max + SEGMENT_ELASTIC_HOLDS +
			      plan->lanes_max * plan->lane_depth,
	};
}

/* Chunks of whole pages begin at pages: so they can be written to a disk around the page cache. */
#define PAGE 4096

static size_t pool_begin(const struct segment_plan *plan, const struct pool_plan *pool, size_t end)
{
	size_t alignment = plan->alignment ? plan->alignment : FLOE_CACHELINE;

	return size_align(end, pool->chunk_size % PAGE == 0 ? PAGE : alignment);
}

size_t segment_relays_offset(size_t slots_offset, uint32_t depth, uint32_t loans_max)
{
	size_t end = size_add(slots_offset, size_mul(depth, sizeof(struct slot_shared)));

	return size_add(end, size_mul(loans_max, sizeof(struct loan_shared)));
}

static size_t lanes_begin(size_t relays, uint64_t relays_max)
{
	return size_add(relays, size_mul(relays_max, sizeof(struct relay_shared)));
}

size_t segment_lanes_offset(const struct segment_shared *seen)
{
	return lanes_begin(segment_relays_offset(seen->slots_offset, seen->depth, seen->loans_max),
			   seen->relays_max);
}

static size_t schema_end(size_t schema_size)
{
	return size_align(offsetof(struct segment_shared, schema) + schema_size + 1,
			  FLOE_CACHELINE);
}

size_t segment_accord_offset(const struct segment_shared *seen)
{
	return schema_end(seen->type.schema_size);
}

/* In an area each chunk begins with its header; else the first one's needs room of its own. */
static size_t first_header_room(const struct segment_plan *plan)
{
	return plan->flags & FLOE_ELASTIC ? 0 : segment_header_room(plan->header_size);
}

struct segment_sizes segment_lay_out(struct segment_plan *plan)
{
	struct segment_sizes sizes;
	size_t end;

	sizes.slots_offset = size_add(schema_end(schema_size(plan->type)),
				      accord_size(plan->accord));
	end = segment_relays_offset(sizes.slots_offset, plan->depth, plan->loans_max);
	end = lanes_begin(end, plan->relays_max);
	end = size_add(end, lanes_size(plan->lanes_max, plan->lane_depth));
	end = size_add(end, first_header_room(plan));
	for (uint32_t i = 0; i < plan->pool_count; i++) {
		plan->pool[i].offset = pool_begin(plan, &plan->pool[i], end);
		end = pool_end(&plan->pool[i], plan->pool[i].chunk_count_max);
	}
	sizes.size_max = end;
	sizes.size = segment_size_with(plan, plan->pool[plan->pool_count - 1].chunk_count);
	return sizes;
}

void type_format(struct type_shared *ret_type, const struct floe_type *type)
{
	memset(ret_type, 0, sizeof(*ret_type));
	if (!type || !type->name)
		return;
	ret_type->size = type->size;
	ret_type->alignment = type->alignment;
	ret_type->hash = type->hash;
	ret_type->schema_size = schema_size(type);
	memcpy(ret_type->name, type->name, strlen(type->name) + 1);
}

/* Its last line ends with zeros. */
static void format_accord(struct segment_shared *segment, const struct accord_shared *accord)
{
	size_t size = segment->accord_size;

	memcpy((char *)segment + segment_accord_offset(segment), accord,
	       size < sizeof(*accord) ? size : sizeof(*accord));
}

void segment_format(struct segment_shared *segment, const struct segment_plan *plan,
		    const struct segment_sizes *sizes)
{
	size_t relays = segment_relays_offset(sizes->slots_offset, plan->depth, plan->loans_max);

	memset(segment, 0,
	       lanes_begin(relays, plan->relays_max) +
		       lanes_size(plan->lanes_max, plan->lane_depth));
	segment->identity = identity_make(SEGMENT_MAGIC, SEGMENT_SIGNATURE);
	segment->size = sizes->size_max;
	segment->topic_id = plan->topic_id;
	segment->depth = plan->depth;
	segment->loans_max = plan->loans_max;
	store_relaxed(&segment->loans_limit,
		      plan->loans_limit ? plan->loans_limit : plan->loans_max);
	store_relaxed(&segment->quota_limit, plan->quota_limit ? plan->quota_limit : plan->quota);
	segment->flags = plan->flags;
	segment->pool_count = plan->pool_count;
	segment->payload_max = plan->payload_max;
	segment->quota = plan->quota;
	segment->relays_max = plan->relays_max;
	segment->lanes_max = plan->lanes_max;
	segment->lane_depth = plan->lane_depth;
	segment->header_size = plan->header_size;
	segment->header_inline = plan->header_inline;
	segment->accord_size = (uint32_t)accord_size(plan->accord);
	segment->slots_offset = (uint32_t)sizes->slots_offset;
	segment->index = plan->index;
	segment->sender = plan->sender;
	for (uint32_t i = 0; i < plan->pool_count; i++) {
		segment->pool[i].offset = plan->pool[i].offset;
		segment->pool[i].chunk_size = plan->pool[i].chunk_size;
		store_relaxed(&segment->pool[i].chunk_count, plan->pool[i].chunk_count);
		segment->pool[i].chunk_count_max = plan->pool[i].chunk_count_max;
	}
	type_format(&segment->type, plan->type);
	if (segment->type.schema_size)
		memcpy(segment->schema, plan->type->schema, segment->type.schema_size + 1);
	if (segment->accord_size)
		format_accord(segment, plan->accord);
}

void segment_read_plan(const struct segment_shared *seen, struct segment_plan *ret_plan)
{
	*ret_plan = (struct segment_plan){
		.depth = seen->depth,
		.loans_max = seen->loans_max,
		.flags = seen->flags,
		.index = seen->index,
		.topic_id = seen->topic_id,
		.payload_max = seen->payload_max,
		.quota = seen->quota,
		.relays_max = (uint32_t)seen->relays_max,
		.lanes_max = seen->lanes_max,
		.lane_depth = seen->lane_depth,
		.sender = seen->sender,
		.header_size = seen->header_size,
		.header_inline = seen->header_inline,
		.pool_count = seen->pool_count,
	};
	for (uint32_t i = 0; i < seen->pool_count; i++)
		ret_plan->pool[i] = (struct pool_plan){
			.offset = seen->pool[i].offset,
			.chunk_size = seen->pool[i].chunk_size,
			.chunk_count = (uint32_t)load_relaxed(&seen->pool[i].chunk_count),
			.chunk_count_max = (uint32_t)seen->pool[i].chunk_count_max,
		};
}

static bool is_pool_sane(const struct pool_shared *pool, size_t begin, size_t size)
{
	uint64_t count = load_relaxed(&pool->chunk_count);

	return pool->offset >= begin && pool->offset % FLOE_CACHELINE == 0 && pool->chunk_size &&
	       pool->chunk_size % FLOE_CACHELINE == 0 && pool->chunk_count_max <= UINT32_MAX &&
	       count <= pool->chunk_count_max &&
	       size_add(pool->offset, size_mul(pool->chunk_count_max, pool->chunk_size)) <= size;
}

/* Before the first chunk of pools there is its header. */
static size_t header_begin(const struct segment_shared *seen)
{
	return seen->flags & FLOE_ELASTIC ? 0 : segment_header_room(seen->header_size);
}

static bool is_header_sane(const struct segment_shared *seen)
{
	if (seen->header_size == 0)
		return seen->header_inline == 0;
	return seen->header_size <= FLOE_HEADER_MAX && seen->header_inline % 8 == 0 &&
	       (seen->header_inline == 0 ||
		(seen->header_inline < FLOE_INLINE_MAX &&
		 seen->header_size <= FLOE_INLINE_MAX - seen->header_inline));
}

/* Only after the schema was found to end before the slots. */
static bool is_accord_sane(const struct segment_shared *seen)
{
	return seen->accord_size <= ACCORD_SIZE_MAX && seen->accord_size % FLOE_CACHELINE == 0 &&
	       segment_accord_offset(seen) + seen->accord_size <= seen->slots_offset;
}

/* What is wrong with the geometry; NULL: nothing. */
static const char *find_wrong(const struct segment_shared *seen, size_t reserved)
{
	size_t begin = seen->slots_offset;

	if (seen->depth == 0 || seen->depth > FLOE_DEPTH_MAX)
		return "depth";
	if (seen->loans_max == 0 || seen->loans_max > FLOE_LOANS_MAX)
		return "loans_max";
	if (seen->index >= FLOE_PUBLISHERS_MAX)
		return "index";
	if (seen->payload_max == 0 || seen->payload_max > FLOE_PAYLOAD_MAX)
		return "payload_max";
	if (begin % FLOE_CACHELINE || begin < offsetof(struct segment_shared, schema) ||
	    seen->type.schema_size >= begin - offsetof(struct segment_shared, schema))
		return "place of the slots";
	if (!is_header_sane(seen))
		return "header";
	if (!is_accord_sane(seen))
		return "accord";
	if (seen->relays_max > FLOE_RELAYS_MAX)
		return "relays_max";
	if (seen->lanes_max > FLOE_LANES_MAX || seen->lane_depth > FLOE_DEPTH_MAX ||
	    (seen->lanes_max && !seen->lane_depth))
		return "lanes";
	begin = segment_lanes_offset(seen) + lanes_size(seen->lanes_max, seen->lane_depth);
	if (begin > reserved)
		return "size: it is truncated";
	begin += header_begin(seen);
	if (seen->pool_count == 0 || seen->pool_count > FLOE_POOLS_MAX)
		return "number of pools";
	for (uint32_t i = 0; i < seen->pool_count; i++) {
		if (!is_pool_sane(&seen->pool[i], begin, seen->size))
			return "pools";
		begin = seen->pool[i].offset +
			seen->pool[i].chunk_count_max * seen->pool[i].chunk_size;
	}
	if (!memchr(seen->type.name, 0, sizeof(seen->type.name)))
		return "type";
	return NULL;
}

int segment_check(const struct segment_shared *seen, size_t reserved, const char *path,
		  struct floe_error *error)
{
	const char *wrong;
	int r = identity_check(seen->identity, SEGMENT_MAGIC, SEGMENT_SIGNATURE,
			       "a publisher's ring", path, error);

	if (r < 0)
		return r;
	wrong = find_wrong(seen, reserved);
	if (wrong)
		return error_set(error, -EPROTO, "'%s' is damaged (%s): remove it", path, wrong);
	return 0;
}

/* noun: "type" or "header" */
static int compare(const struct type_shared *ours, const struct type_shared *theirs,
		   const char *noun, const char *topic, const char *who, struct floe_error *error)
{
	if (!ours->name[0] || !theirs->name[0])
		return 0;
	if (strncmp(ours->name, theirs->name, sizeof(ours->name)) != 0)
		return error_set(error, -EPROTOTYPE,
				 "topic '%.60s': the %s here is '%.40s', that of %s is '%.40s'",
				 topic, noun, ours->name, who, theirs->name);
	if (ours->size && theirs->size && ours->size != theirs->size)
		return error_set(error, -EPROTOTYPE,
				 "topic '%.60s': '%.40s' has %" PRIu64 " bytes here, %" PRIu64
				 " at %s",
				 topic, ours->name, ours->size, theirs->size, who);
	if (ours->alignment && theirs->alignment && ours->alignment != theirs->alignment)
		return error_set(error, -EPROTOTYPE,
				 "topic '%.60s': '%.40s' is aligned to %" PRIu64
				 " here, to %" PRIu64 " at %s",
				 topic, ours->name, ours->alignment, theirs->alignment, who);
	if (ours->hash && theirs->hash && ours->hash != theirs->hash)
		return error_set(error, -EPROTOTYPE,
				 "topic '%.60s': the schema of '%.40s' has hash %016" PRIx64
				 " here, %016" PRIx64 " at %s",
				 topic, ours->name, ours->hash, theirs->hash, who);
	return 0;
}

int type_check(const struct type_shared *ours, const struct type_shared *theirs, const char *topic,
	       const char *who, struct floe_error *error)
{
	return compare(ours, theirs, "type", topic, who, error);
}

int header_check(const struct type_shared *ours, const struct type_shared *theirs,
		 const char *topic, const char *who, struct floe_error *error)
{
	return compare(ours, theirs, "header", topic, who, error);
}
