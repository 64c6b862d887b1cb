/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Wounds: publishers that also subscribe, with loans out and samples held, on a ring of 20 chunks.
 * Afterwards 20 can be lent.
 */

#include <string.h>

#include "frame/frame.h"
#include "lives.h"
#include "message.h"
#include "nursery.h"
#include "world.h"

#define DEPTH 4
#define CHUNKS 20
#define HOLDS 3
#define WORK_NS 400000

struct wounded {
	struct floe_publisher *pub;
	struct floe_subscriber *sub;
	struct floe_loan loan[CHUNKS];
	struct floe_sample sample[HOLDS];
	size_t loans;
	size_t samples;
	uint64_t published;
};

static struct floe_publisher *open_publisher(void)
{
	static const struct floe_pool pool = {MESSAGE_CHUNK, CHUNKS};
	struct floe_publisher *pub;

	expect_equal(floe_publisher_open(&pub, WORLD_TOPIC,
					 PUBLISHER(.depth = DEPTH, .loans_max = CHUNKS + 1,
						   .pools = &pool, .pools_count = 1)),
		     0);
	return pub;
}

static void lend_one(struct wounded *w)
{
	struct floe_loan *loan = &w->loan[w->loans];

	if (w->loans < CHUNKS / 4 && floe_loan(w->pub, MESSAGE_CHUNK, loan) == 1)
		w->loans++;
}

static void send_one(struct wounded *w)
{
	struct floe_loan *loan;

	if (!w->loans)
		return;
	loan = &w->loan[--w->loans];
	message_write(loan->data, loan->size, MESSAGE_VICTIM, ++w->published);
	expect_equal(floe_publish(w->pub, loan), 1);
}

static void take_one(struct wounded *w)
{
	if (w->samples < HOLDS && floe_take(w->sub, &w->sample[w->samples]) == 1)
		w->samples++;
}

static void release_one(struct wounded *w)
{
	if (!w->samples)
		return;
	(void)message_read(&w->sample[--w->samples]);
	floe_release(w->sub, &w->sample[w->samples]);
}

static void live(void)
{
	static void (*const does[])(struct wounded * w) = {lend_one, send_one, take_one,
							   release_one};
	struct wounded w = {.pub = open_publisher()};

	expect_equal(floe_subscriber_open(&w.sub, WORLD_TOPIC,
					  SUBSCRIBER(.holds_max = HOLDS, .history = DEPTH)),
		     0);
	w.published = message_published(w.pub);
	nursery_works();
	for (;;)
		does[nursery_draw(4)](&w);
}

/* With a ring full of inline messages, and nobody alive who holds anything. */
static size_t count_free(void)
{
	struct floe_publisher *pub = open_publisher();
	size_t count;
	int last;

	for (int i = 0; i < DEPTH; i++)
		expect_equal(message_publish(pub, MESSAGE_INLINE, MESSAGE_VICTIM), 1);
	count = world_count_loans(pub, &last);
	expect_equal(last, 0);
	floe_publisher_close(pub);
	return count;
}

void wounds_live(const struct lives *lives)
{
	struct floe_subscriber *sub;

	nursery_open(live, lives->seed, WORK_NS);
	/* Somebody keeps the ring; it holds nothing and takes nothing. */
	expect_equal(floe_subscriber_open(&sub, WORLD_TOPIC, NULL), 0);
	for (size_t done = 0, batch; done < lives->count; done += batch) {
		batch = lives->count - done < LIVES_BATCH ? lives->count - done : LIVES_BATCH;
		for (size_t i = 0; i < batch; i++)
			nursery_bear();
		expect_equal(count_free(), CHUNKS);
		lives->lived(batch);
	}
	floe_subscriber_close(sub);
	expect_equal(world_count_files(), 0);
	nursery_close();
}
