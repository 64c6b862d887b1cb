/* SPDX-License-Identifier: Apache-2.0 */
#include "anysize.h"

#include <stdlib.h>

#include "batches.h"
#include "payload.h"
#include "session.h"
#include "topic.h"

#define DEPTH 16u
#define SIZES 4096u
#define SIZE_MAX_LOG 18

struct anysize {
	struct floe_publisher *pub;
	void *objects[DEPTH];
	size_t sizes[SIZES]; /* one after the other, over and over */
	uint64_t number;
	struct batches batches;
};

/* The same for everybody. */
static size_t random_size(uint64_t *state)
{
	unsigned log;

	*state = *state * 6364136223846793005u + 1442695040888963407u;
	log = 6 + (unsigned)(*state >> 59) % (SIZE_MAX_LOG - 6);
	return ((size_t)1 << log) + (size_t)(*state >> 20) % ((size_t)1 << log);
}

static void choose_sizes(struct anysize *a, size_t payload)
{
	static const size_t in_turn[] = {200, 2000, 20000, 200000};
	uint64_t state = 1;

	for (unsigned i = 0; i < SIZES; i++)
		a->sizes[i] = payload == ANYSIZE_IN_TURN  ? in_turn[i % 4]
			      : payload == ANYSIZE_RANDOM ? random_size(&state)
							  : payload;
}

static struct anysize *open_anysize(const struct bench_case *c)
{
	struct anysize *a = calloc(1, sizeof(*a));

	if (!a)
		fail("out of memory");
	choose_sizes(a, c->payload);
	return a;
}

static void *open_elastic(const struct bench_case *c, const struct bench_setup *setup)
{
	struct anysize *a = open_anysize(c);

	(void)setup;
	a->pub = topic_publisher(c->name, "any",
				 &(struct floe_publisher_options){
					 .flags = FLOE_ELASTIC,
					 .depth = DEPTH,
					 .payload_max = (size_t)1 << SIZE_MAX_LOG,
				 });
	return a;
}

static void *open_malloc(const struct bench_case *c, const struct bench_setup *setup)
{
	(void)setup;
	return open_anysize(c);
}

static void run_elastic(void *state, uint64_t operations)
{
	struct anysize *a = state;
	struct floe_loan loan;

	for (uint64_t i = 0; i < operations; i++) {
		size_t size = a->sizes[a->number++ % SIZES];

		topic_loan(a->pub, size, &loan);
		payload_write(loan.data, size, TOUCH_FIRST, a->number);
		topic_publish(a->pub, &loan);
	}
}

static void run_malloc(void *state, uint64_t operations)
{
	struct anysize *a = state;

	for (uint64_t i = 0; i < operations; i++) {
		size_t size = a->sizes[a->number++ % SIZES];
		void **object = &a->objects[a->number % DEPTH];

		free(*object);
		*object = malloc(size);
		if (!*object)
			fail("out of memory");
		payload_write(*object, size, TOUCH_FIRST, a->number);
	}
}

static double measure_elastic(void *state, int64_t budget_ns, struct histogram *h)
{
	struct anysize *a = state;

	(void)h;
	return batches_measure(&a->batches, run_elastic, a, budget_ns);
}

static double measure_malloc(void *state, int64_t budget_ns, struct histogram *h)
{
	struct anysize *a = state;

	(void)h;
	return batches_measure(&a->batches, run_malloc, a, budget_ns);
}

static bool was_alone(void *state)
{
	const struct anysize *a = state;

	return batches_were_alone(&a->batches);
}

static void close_anysize(void *state)
{
	struct anysize *a = state;

	floe_publisher_close(a->pub);
	for (unsigned i = 0; i < DEPTH; i++)
		free(a->objects[i]);
	free(a);
}

#define KIND(name) \
	const struct bench_kind anysize_##name = { \
		.title = "messages of any size, and objects from malloc that live as long", \
		.unit = "ns", \
		.open = open_##name, \
		.measure = measure_##name, \
		.was_alone = was_alone, \
		.close = close_anysize, \
	}

KIND(elastic);
KIND(malloc);
