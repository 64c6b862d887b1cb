/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An elastic publisher against a model of its quota. Sizes, and the order of lending, publishing,
 * holding and giving back, are random. The model knows what is lent, in the ring or held, and how
 * floe_publisher(3) says that sizes are rounded up. So it knows of each loan beforehand:
 *
 *   what is in use and this one, rounded up, are not above the quota      it must succeed
 *   what is in use and this one, as they were asked for, are above it     it must say -EDQUOT
 *   between the two                                                       either
 *
 * The first is the promise that no order of sizes makes it run dry. Now and then all is given back,
 * and the file system must say that the memory is back as well.
 *
 * FLOE_TEST_TIDE=SECONDS goes on for so long, and tells every ten seconds how far it is; so does
 * ./run sweep --elastic.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <floe/inspect.h>

#include "api/steps.h"

#define PAGE ((size_t)4096)
#define MIB ((size_t)1 << 20)
#define SECOND ((int64_t)1000000000)
#define QUOTA (3 * MIB)
#define DEPTH 6
#define LOANS 8
#define HOLDS 24
#define STEPS 12000
#define TIDE 4000 /* steps from one ebb to the next */
#define IDLE_MAX 65536

static struct floe_publisher *pub;
static struct floe_subscriber *sub;
static struct floe_loan loan[LOANS];
static struct floe_sample held[HOLDS];
static size_t ring[DEPTH]; /* sizes; message s in s % DEPTH */
static uint64_t published;
static uint64_t state;

static struct {
	uint64_t loans, must, must_not, refused, ebbs;
	size_t used_high;
} seen;

/*
 * The model
 */

struct use {
	size_t asked;
	size_t rounded;
};

/* A page of small chunks counts as long as one of them is in use. */
static size_t round_up(size_t size)
{
	size_t pages = (size + PAGE - 1) / PAGE, step = 1;

	while (step * 8 < pages)
		step *= 2;
	return (pages + step - 1) / step * step * PAGE;
}

static void add(struct use *use, size_t size)
{
	use->asked += size;
	use->rounded += round_up(size);
}

static bool is_held(uint64_t sequence)
{
	for (int i = 0; i < HOLDS; i++)
		if (held[i].data && held[i].sequence == sequence)
			return true;
	return false;
}

static struct use sum_up(void)
{
	uint64_t first = published > DEPTH ? published - DEPTH + 1 : 1;
	struct use use = {0};

	for (int i = 0; i < LOANS; i++)
		if (loan[i].data)
			add(&use, loan[i].size);
	for (int i = 0; i < HOLDS; i++)
		if (held[i].data)
			add(&use, held[i].size);
	for (uint64_t s = first; s <= published; s++)
		if (!is_held(s))
			add(&use, ring[s % DEPTH]);
	return use;
}

/*
 * Payloads: a number in each page and at the end, which only this message has
 */

static void stamp(unsigned char *data, size_t size, uint64_t number)
{
	for (size_t at = 0; at + sizeof(number) <= size; at += PAGE)
		memcpy(data + at, &number, sizeof(number));
	memcpy(data + size - sizeof(number), &number, sizeof(number));
}

static void expect_stamped(const unsigned char *data, size_t size)
{
	uint64_t number, other;

	memcpy(&number, data, sizeof(number));
	for (size_t at = 0; at + sizeof(number) <= size; at += PAGE)
		expect(!memcmp(data + at, &number, sizeof(number)));
	memcpy(&other, data + size - sizeof(other), sizeof(other));
	expect_equal(other, number);
}

/*
 * Steps
 */

/* The last 8 bytes must not overlap those at the beginning of a page. */
static size_t any_size(void)
{
	static const size_t sizes[] = {200, 2000, 20000, 200000};
	uint64_t kind = random_next(&state) % 8;
	size_t size;

	if (kind < COUNT(sizes))
		return sizes[kind];
	size = 64 + random_next(&state) % (kind >= 6 ? MIB - 64 : kind == 5 ? 100000 : 4000);
	return size / 16 * 16;
}

static void lend(struct floe_loan *ret)
{
	size_t size = any_size();
	struct use use = sum_up();
	int r;

	if (use.rounded > seen.used_high)
		seen.used_high = use.rounded;
	add(&use, size);
	r = floe_loan(pub, size, ret);
	seen.loans++;
	seen.must += use.rounded <= QUOTA;
	seen.must_not += use.asked > QUOTA;
	seen.refused += r == -EDQUOT;
	if (use.rounded <= QUOTA && r != 1)
		printf("# %zu bytes, and with what is in use %zu of %zu: %s\n", size, use.rounded,
		       QUOTA, strerror(-r));
	expect(r == 1 || r == -EDQUOT);
	expect(r == 1 || use.rounded > QUOTA);
	expect(r != 1 || use.asked <= QUOTA);
	if (r == 1)
		stamp(ret->data, size, seen.loans);
}

static void send(struct floe_loan *given)
{
	size_t size = given->size;

	expect_equal(floe_publish(pub, given), 1);
	ring[++published % DEPTH] = size;
}

static void let_go(struct floe_sample *sample)
{
	if (!sample->data)
		return;
	expect_stamped(sample->data, sample->size);
	floe_release(sub, sample);
}

/* It takes at once, so that it loses none; what it held in this place it releases. */
static void send_and_take(struct floe_loan *given)
{
	struct floe_sample *place = &held[random_next(&state) % HOLDS];

	let_go(place);
	send(given);
	expect_equal(floe_take(sub, place), 1);
	expect_equal(place->sequence, published);
	expect_equal(place->size, ring[published % DEPTH]);
	expect_equal(place->lost, 0);
	if (random_next(&state) % 2)
		let_go(place);
}

static void step(void)
{
	struct floe_loan *any = &loan[random_next(&state) % LOANS];

	if (!any->data)
		lend(any);
	else if (random_next(&state) % 8 == 0)
		floe_discard(pub, any);
	else
		send_and_take(any);
	if (random_next(&state) % 8 == 0)
		let_go(&held[random_next(&state) % HOLDS]);
}

/* What the file system says that the publisher takes. */
static size_t memory_now(void)
{
	struct floe_publisher_info info;
	struct floe_view *view = NULL;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(floe_view_publishers(view, "tide", &info, sizeof(info), 1), 1);
	floe_view_close(view);
	return info.memory;
}

static void send_small(void)
{
	struct floe_loan small = {0};

	expect_equal(floe_loan(pub, 64, &small), 1);
	stamp(small.data, 64, 0);
	send(&small);
	expect_equal(floe_take(sub, &held[0]), 1);
	let_go(&held[0]);
}

/* Nothing but small messages from here on: what is more goes within a second. */
static void ebb(size_t before)
{
	const struct timespec moment = {.tv_nsec = 1000000};
	int64_t deadline_ns = now_ns() + 20 * SECOND;

	for (int i = 0; i < LOANS; i++)
		floe_discard(pub, &loan[i]);
	for (int i = 0; i < HOLDS; i++)
		let_go(&held[i]);
	do {
		send_small();
		expect(now_ns() < deadline_ns);
		nanosleep(&moment, NULL);
	} while (memory_now() > before + IDLE_MAX + DEPTH * PAGE);
	seen.ebbs++;
}

static void tell_progress(int64_t begin_ns)
{
	static int64_t told_ns;
	int64_t now = now_ns();

	if (!getenv("FLOE_TEST_TIDE") || now < told_ns + 10 * SECOND)
		return;
	told_ns = now;
	printf("# %" PRId64 " s: %" PRIu64 " loans; %" PRIu64 " had to succeed and did, %" PRIu64
	       " were refused, %" PRIu64 " of these had to be; memory was back %" PRIu64 " times\n",
	       (now - begin_ns) / SECOND, seen.loans, seen.must, seen.refused, seen.must_not,
	       seen.ebbs);
	(void)fflush(stdout);
}

static void no_order_of_sizes_makes_it_run_dry(void)
{
	const char *wanted = getenv("FLOE_TEST_TIDE");
	int64_t begin_ns = now_ns();
	size_t before;

	state = random_seed();
	pub = publisher("tide", PUBLISHER(.flags = FLOE_ELASTIC, .depth = DEPTH, .loans_max = LOANS,
					  .payload_max = MIB, .quota = QUOTA));
	sub = subscriber("tide", SUBSCRIBER(.holds_max = HOLDS));
	before = memory_now();
	for (uint64_t i = 1; wanted ? now_ns() < begin_ns + atoll(wanted) * SECOND : i <= STEPS;
	     i++) {
		step();
		if (i % TIDE == 0)
			ebb(before);
		tell_progress(begin_ns);
	}
	/* Else the model has said nothing. */
	expect(seen.must > seen.loans / 4);
	expect(seen.must_not > 0 && seen.refused >= seen.must_not);
	expect(seen.used_high > QUOTA * 9 / 10);
	ebb(before);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(no_order_of_sizes_makes_it_run_dry),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
