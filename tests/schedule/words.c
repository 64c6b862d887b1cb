/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "actor.h"
#include "frame/frame.h"
#include "mutants.h"

#define ADDRESSES 4096
#define ACCESSES_MAX 50000 /* in one execution: more is a loop without an end */

struct address {
	const void *address;
	unsigned char readers; /* a bit for each actor */
	unsigned char writers;
	bool shared;
	unsigned char word; /* for memory.h, if it is shared */
};

static struct address addresses[ADDRESSES];
static struct word_name names[ADDRESSES]; /* of the same */
static unsigned word_count;
static bool found_shared; /* the exploration begins anew */
static unsigned accesses;

struct word_name (*schedule_name)(const void *address);

static struct address *find_address(const void *address)
{
	size_t i = ((uintptr_t)address >> 2) * 0x9e3779b97f4a7c15u >> 52;

	while (addresses[i].address != address) {
		if (!addresses[i].address) {
			addresses[i].address = address;
			names[i] = schedule_name(address);
			break;
		}
		i = (i + 1) % ADDRESSES;
	}
	return &addresses[i];
}

static const struct word_name *name_of(const struct address *a)
{
	return &names[a - addresses];
}

static void note(struct address *a, bool reads, bool writes)
{
	unsigned char bit = (unsigned char)(1u << number(current));
	unsigned char both;

	a->readers |= reads ? bit : 0;
	a->writers |= writes ? bit : 0;
	both = a->readers | a->writers;
	if (a->shared || !a->writers || !(both & (both - 1)))
		return;
	a->shared = true;
	a->word = (unsigned char)word_count++;
	expect(word_count <= MEMORY_WORDS);
	found_shared = true;
}

static struct address *come_by(const void *word, bool reads, bool writes)
{
	struct address *a = find_address(word);

	if (++accesses > ACCESSES_MAX)
		actor_fail("somebody goes on for ever");
	note(a, reads, writes);
	if (a->shared)
		actor_point();
	return a;
}

static void explain(const char *verb, const struct address *a, uint64_t value, enum order order,
		    const struct site *site)
{
	static const char *const orders[] = {"plain", "relaxed", "acquire", "release", "seq_cst"};

	if (!explaining)
		return;
	(void)printf("%-10s %-6s %-8s %-18s %16llx  %s:%d%s\n", current->play.name, verb,
		     orders[order], a ? name_of(a)->text : "", (unsigned long long)value,
		     site->function, site->line, a && !a->shared ? "  (its own)" : "");
}

static void look_for_wrong(void)
{
	if (memory_wrong())
		actor_fail(memory_wrong());
}

static uint64_t load(const void *word, unsigned size, enum order order, const struct site *site)
{
	const struct address *a;
	uint64_t value;

	if (!current)
		return size == 4 ? *(const uint32_t *)word : *(const uint64_t *)word;
	a = come_by(word, true, false);
	if (mutating)
		order = mutant_order(ACCESS_LOAD, name_of(a), order, site);
	if (mutating && mutant_load(name_of(a), site, &value))
		return value;
	if (a->shared)
		value = memory_load(number(current), a->word, word, size, order);
	else
		value = size == 4 ? *(const uint32_t *)word : *(const uint64_t *)word;
	explain("loads", a, value, order, site);
	look_for_wrong();
	if (mutating)
		mutant_loaded(name_of(a), value);
	return value;
}

uint32_t access_load32(const void *word, enum order order, const struct site *site)
{
	return (uint32_t)load(word, 4, order, site);
}

uint64_t access_load64(const void *word, enum order order, const struct site *site)
{
	return load(word, 8, order, site);
}

static void store(void *word, unsigned size, uint64_t value, enum order order,
		  const struct site *site)
{
	const struct address *a;

	if (current && mutating) {
		a = find_address(word);
		order = mutant_order(ACCESS_STORE, name_of(a), order, site);
		if (mutant_store(name_of(a), word, size, value, order, site))
			return;
	}
	a = current ? come_by(word, false, true) : NULL;
	if (a)
		explain("stores", a, value, order, site);
	if (a && a->shared)
		memory_store(number(current), a->word, word, size, value, order);
	else if (size == 4)
		*(uint32_t *)word = (uint32_t)value;
	else
		*(uint64_t *)word = value;
	if (!a)
		return;
	look_for_wrong();
	if (mutating)
		mutant_stored(name_of(a), value);
}

void access_store32(void *word, uint32_t value, enum order order, const struct site *site)
{
	store(word, 4, value, order, site);
}

void access_store64(void *word, uint64_t value, enum order order, const struct site *site)
{
	store(word, 8, value, order, site);
}

uint64_t access_add(void *word, uint64_t value, const struct site *site)
{
	const struct address *a = current ? come_by(word, true, true) : NULL;
	uint64_t before;

	if (a)
		explain("adds", a, value, ORDER_seq_cst, site);
	if (a && a->shared)
		return memory_add(number(current), a->word, word, value);
	before = *(uint64_t *)word;
	*(uint64_t *)word = before + value;
	return before;
}

void access_fence(enum order order, const struct site *site)
{
	if (!current)
		return;
	if (mutating)
		order = mutant_order(ACCESS_FENCE, NULL, order, site);
	explain("fence", NULL, 0, order, site);
	if (order != ORDER_relaxed)
		memory_fence(number(current), order);
}

uint32_t words_load_half(const uint32_t *half)
{
	static const struct site site = {"", "futex_wait", 0};
	const void *word = (const void *)((uintptr_t)half & ~(uintptr_t)7);
	const struct address *a = come_by(word, true, false);
	uint64_t value = *(const uint64_t *)word;

	memory_fence(number(current), ORDER_seq_cst);
	if (a->shared)
		value = memory_load(number(current), a->word, word, 8, ORDER_relaxed);
	explain("compares", a, value, ORDER_relaxed, &site);
	return (uint32_t)value;
}

void words_begin(void)
{
	memset(addresses, 0, sizeof(addresses));
	word_count = 0;
	found_shared = false;
}

bool words_found_shared(void)
{
	bool found = found_shared;

	accesses = 0;
	found_shared = false;
	return found;
}
