/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc/manager.h"

#include "base/arith.h"

size_t manager_memory_size(const struct pool_plan *plans, uint32_t count)
{
	size_t size = 0;

	if (count > FLOE_POOLS_MAX)
		return SIZE_INVALID;
	for (uint32_t i = 0; i < count; i++)
		size = size_add(size, pool_memory_size(plans[i].chunk_count_max));
	return size;
}

/* The plans are possible, so that no end wraps. */
static uint64_t get_end(const struct pool_plan *plan)
{
	return plan->offset + (uint64_t)plan->chunk_size * plan->chunk_count_max;
}

static bool overlap(const struct pool_plan *a, const struct pool_plan *b)
{
	return a->offset < get_end(b) && b->offset < get_end(a);
}

/* Whether plans[index] can stand beside those before it. */
static bool is_possible(const struct pool_plan *plans, uint32_t index)
{
	const struct pool_plan *plan = &plans[index];

	if (!pool_is_possible(plan->offset, plan->chunk_size, plan->chunk_count,
			      plan->chunk_count_max))
		return false;
	if (index > 0 && plan->chunk_size <= plans[index - 1].chunk_size)
		return false;
	for (uint32_t i = 0; i < index; i++)
		if (overlap(plan, &plans[i]))
			return false;
	return true;
}

static int check_plans(const struct pool_plan *plans, uint32_t count)
{
	uint32_t numbers = 0;

	if (count > FLOE_POOLS_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < count; i++)
		if (!is_possible(plans, i) ||
		    __builtin_add_overflow(numbers, plans[i].chunk_count_max, &numbers))
			return -EINVAL;
	return 0;
}

int manager_init(struct manager *manager, void *memory, size_t memory_size,
		 const struct pool_plan *plans, uint32_t count)
{
	struct manager made = {.pool_count = count};
	unsigned char *at = memory;
	uint32_t number = 0;
	int r = check_plans(plans, count);

	if (r < 0)
		return r;
	if (memory_size < manager_memory_size(plans, count))
		return -ENOMEM;

	for (uint32_t i = 0; i < count; i++) {
		const struct pool_plan *plan = &plans[i];
		size_t size = pool_memory_size(plan->chunk_count_max);

		r = pool_init(&made.pool[i], at, size, plan->offset, plan->chunk_size,
			      plan->chunk_count, plan->chunk_count_max);
		if (r < 0)
			return r;
		made.first[i] = number;
		number += plan->chunk_count_max;
		at += size;
	}
	*manager = made;
	return 0;
}

int manager_spill(struct manager *manager, uint32_t index, struct chunk *ret_chunk)
{
	if (!manager->spill)
		return 0;
	for (uint32_t i = index + 1; i < manager->pool_count; i++) {
		if (manager_take_from(manager, i, ret_chunk)) {
			manager->spilled++;
			return 1;
		}
	}
	return 0;
}

int manager_misfit(const struct manager *manager)
{
	return manager->pool_count ? -EMSGSIZE : -ENODEV;
}

/* The chunk of this pool that begins at `offset`, or POOL_TAKEN, which is no chunk's index. */
static uint32_t find_in(const struct pool *pool, uint64_t offset)
{
	uint64_t index;

	if (offset < pool->offset || (offset - pool->offset) % pool->chunk_size)
		return POOL_TAKEN;
	index = (offset - pool->offset) / pool->chunk_size;
	return index < pool->chunk_count ? (uint32_t)index : POOL_TAKEN;
}

int manager_find(const struct manager *manager, uint64_t offset, uint32_t *ret_number)
{
	for (uint32_t i = 0; i < manager->pool_count; i++) {
		uint32_t index = find_in(&manager->pool[i], offset);

		if (index != POOL_TAKEN) {
			*ret_number = manager->first[i] + index;
			return 1;
		}
	}
	return 0;
}

int manager_claim(struct manager *manager, uint32_t number)
{
	uint32_t index = manager_pool_of(manager, number);

	return pool_claim(&manager->pool[index], number - manager->first[index]);
}

int manager_grow(struct manager *manager, uint32_t index, uint32_t chunk_count)
{
	if (index >= manager->pool_count)
		return -EINVAL;
	return pool_grow(&manager->pool[index], chunk_count);
}

/* That pool `index` stands right beside the one before it. */
static bool is_in_order(const struct manager *manager, uint32_t index)
{
	const struct pool *pool = &manager->pool[index];

	if (index == 0)
		return manager->first[0] == 0;
	return pool[0].chunk_size > pool[-1].chunk_size &&
	       manager->first[index] == manager->first[index - 1] + pool[-1].chunk_count_max;
}

int manager_check(const struct manager *manager)
{
	if (manager->pool_count > FLOE_POOLS_MAX)
		return -EPROTO;
	for (uint32_t i = 0; i < manager->pool_count; i++)
		if (!is_in_order(manager, i) || pool_check(&manager->pool[i]) < 0)
			return -EPROTO;
	return 0;
}

void manager_deinit(struct manager *manager)
{
	*manager = MANAGER_NULL;
}
