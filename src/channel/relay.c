/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/relay.h"

#include <errno.h>
#include <string.h>

size_t relays_memory_size(uint32_t max)
{
	return max * (sizeof(struct relay) + 2 * sizeof(uint32_t));
}

void relays_init(struct relays *r, void *memory, uint32_t max)
{
	struct relay *relay = memory;

	*r = (struct relays){
		.max = max,
		.free_count = max,
		.relay = relay,
		.free = (uint32_t *)(void *)(relay + max),
		.idle = (uint32_t *)(void *)(relay + max) + max,
	};
	for (uint32_t i = 0; i < max; i++)
		r->free[i] = max - 1 - i;
}

static void live(struct relays *r, uint32_t n)
{
	r->relay[n].live = true;
	r->live++;
}

int relays_take(struct relays *r, uint32_t *ret_n)
{
	if (r->free_count == 0)
		return 0;
	*ret_n = r->free[--r->free_count];
	live(r, *ret_n);
	return 1;
}

static void write_topic(struct relay_shared *shared, const char *topic)
{
	uint64_t words[RELAY_TOPIC_WORDS];

	memcpy(words, topic, sizeof(words));
	words_store(shared->topic, words, RELAY_TOPIC_WORDS);
}

void relays_fill(struct relays *r, uint32_t n, const struct relay_plan *plan)
{
	struct relay_shared *shared = &r->shared[n];

	/* One chain has one source: its name is there already. */
	if (r->relay[n].file != plan->file)
		write_topic(shared, plan->topic);
	r->relay[n].file = plan->file;
	r->relay[n].ticket = plan->ticket;
	store_relaxed(&shared->port, plan->port);
	store_relaxed(&shared->life, plan->life);
	store_relaxed(&shared->offset, plan->offset);
	store_relaxed(&shared->file, plan->file);
	store_relaxed(&shared->index, plan->index);
	/* Dying before this store: nothing. After it: the holder's port stays in its place for a ring
	 * in which no slot says so, until that is adopted or goes. */
	store_release(&shared->holder, plan->holder);
}

static void remove_free(struct relays *r, uint32_t n)
{
	uint32_t i = 0;

	while (r->free[i] != n)
		i++;
	r->free[i] = r->free[--r->free_count];
}

int relays_claim(struct relays *r, uint64_t n)
{
	if (n >= r->max || load_relaxed(&r->shared[n].holder) == 0)
		return -EINVAL;
	if (r->relay[n].live)
		return 0;
	remove_free(r, (uint32_t)n);
	live(r, (uint32_t)n);
	return 1;
}

uint32_t relays_inherit(struct relays *r, uint32_t n)
{
	while (n < r->max && relays_claim(r, n) != 1)
		n++;
	return n;
}

void relays_give(struct relays *r, uint32_t n)
{
	/* Dying before this store: as before the relay was given up. After it the hold remains, until
	 * the port goes. */
	store_release(&r->shared[n].holder, 0);
	r->relay[n].live = false;
	r->live--;
	if (r->relay[n].ticket)
		r->idle[r->idle_count++] = n;
	else
		r->free[r->free_count++] = n;
}

void relays_settle(struct relays *r, uint32_t i)
{
	uint32_t n = r->idle[i];

	r->relay[n].ticket = 0;
	r->idle[i] = r->idle[--r->idle_count];
	r->free[r->free_count++] = n;
}

bool relays_check(const struct relays *r)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < r->max; i++)
		count += r->relay[i].live;
	return count == r->live && r->free_count + r->live + r->idle_count == r->max;
}
