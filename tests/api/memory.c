/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Memory that the caller hands in: its exact size, nothing written outside, nothing touched when
 * it does not suffice; and pools that do not grow.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "folder.h"
#include "peer.h"
#include "steps.h"

#define CHUNK 1000
#define CACHELINE 64
#define SENTINEL 0x5a

/*
 * A block between two pages that cannot be touched. What the block leaves free of its own pages
 * holds canaries.
 */
struct guarded {
	unsigned char *base; /* of the mapping, guards included */
	size_t mapped;
	unsigned char *pages; /* between the guards */
	size_t pages_size;
	unsigned char *block;
	size_t size;
};

/* Which side of the block touches a guard. */
enum side {
	LOW,
	HIGH
};

static struct guarded guard(size_t size, enum side side)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct guarded g = {.pages_size = (size + page - 1) / page * page, .size = size};

	g.mapped = g.pages_size + 2 * page;
	g.base = mmap(NULL, g.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	expect(g.base != MAP_FAILED);
	g.pages = g.base + page;
	expect_equal(mprotect(g.pages, g.pages_size, PROT_READ | PROT_WRITE), 0);
	memset(g.pages, SENTINEL, g.pages_size);
	g.block = side == LOW ? g.pages : g.pages + (g.pages_size - size) / CACHELINE * CACHELINE;
	return g;
}

static bool is_sentinel(const unsigned char *from, const unsigned char *to)
{
	for (; from < to; from++)
		if (*from != SENTINEL)
			return false;
	return true;
}

static void expect_canaries(const struct guarded *g)
{
	expect(is_sentinel(g->pages, g->block));
	expect(is_sentinel(g->block + g->size, g->pages + g->pages_size));
}

static void unguard(struct guarded *g)
{
	expect_canaries(g);
	munmap(g->base, g->mapped);
}

static struct floe_publisher_options with_block(const struct floe_publisher_options *options,
						void *memory, size_t size)
{
	struct floe_publisher_options all = *options;

	all.memory = memory;
	all.memory_size = size;
	return all;
}

/* Everything that a publisher does, in a ring of at most 16, with messages of at most 2000. */
static void exercise(struct floe_publisher *pub, const char *topic)
{
	struct floe_subscriber *sub = subscriber(topic, SUBSCRIBER(.holds_max = 2));
	uint64_t seed = 1, lost;

	for (uint64_t i = 0; i < 300; i++) {
		struct floe_loan loan;
		int r = floe_loan(pub, 1 + random_next(&seed) % 2000, &loan);

		expect(r == 0 || r == 1 || r == -EINVAL);
		if (r != 1)
			continue;
		memset(loan.data, 0xff, loan.size);
		expect_equal(floe_publish(pub, &loan), 1);
		if (i % 7 == 0)
			drain(sub, &lost);
	}
	floe_subscriber_close(sub);
}

static void expect_exact(const struct floe_publisher_options *options)
{
	ssize_t size = floe_publisher_memory_size(options);
	struct floe_publisher_options with;

	expect(size > 0);
	for (int side = LOW; side <= HIGH; side++) {
		struct guarded g = guard((size_t)size, (enum side)side);
		struct floe_publisher *pub;

		with = with_block(options, g.block, g.size - 1);
		expect_equal(try_publisher("block", &with, NULL), -ENOMEM);
		expect(is_sentinel(g.pages, g.pages + g.pages_size));

		with = with_block(options, g.block, g.size);
		pub = publisher("block", &with);
		exercise(pub, "block");
		expect_canaries(&g);
		floe_publisher_close(pub);
		unguard(&g);
	}
	expect_folder_empty();
}

static void the_calculated_size_is_exact(void)
{
	static const size_t depths[] = {1, 3, 16}, loans[] = {1, 4}, payloads[] = {8, 49, 2000};
	static const size_t holds[] = {1, 8};

	for (size_t d = 0; d < COUNT(depths); d++)
		for (size_t l = 0; l < COUNT(loans); l++)
			for (size_t p = 0; p < COUNT(payloads); p++)
				for (size_t h = 0; h < COUNT(holds); h++)
					expect_exact(PUBLISHER(.depth = depths[d],
							       .loans_max = loans[l],
							       .payload_max = payloads[p],
							       .holds_max = holds[h]));
}

static void the_calculated_size_is_exact_with_pools(void)
{
	static const struct floe_pool pools[] = {{64, 5}, {100, 3}, {2000, 7}};

	for (size_t count = 1; count <= COUNT(pools); count++)
		expect_exact(PUBLISHER(.pools = pools, .pools_count = count));
}

static void the_calculated_size_is_exact_with_a_type_and_times(void)
{
	static const struct floe_type type = {"type", 0, 8, 7, "a schema in words"};

	expect_exact(PUBLISHER(.type = &type));
	expect_exact(PUBLISHER(.type = &type, .payload_max = 2000, .flags = FLOE_TIMESTAMPS));
}

static void the_calculated_size_is_exact_with_lanes(void)
{
	static const size_t lanes[] = {1, 2, FLOE_LANES_MAX}, depths[] = {0, 1, 3, 9};

	for (size_t l = 0; l < COUNT(lanes); l++)
		for (size_t d = 0; d < COUNT(depths); d++)
			expect_exact(PUBLISHER(.depth = 3, .payload_max = 2000,
					       .lanes_max = lanes[l], .lane_depth = depths[d]));
}

static void messages_go_through_a_callers_block(void)
{
	const struct floe_publisher_options *options = PUBLISHER(.payload_max = CHUNK, .depth = 4);
	struct guarded g = guard((size_t)floe_publisher_memory_size(options), HIGH);
	struct floe_publisher_options with = with_block(options, g.block, g.size);
	struct floe_publisher *pub = publisher("block", &with);
	struct floe_subscriber *sub = subscriber("block", NULL);
	struct floe_loan loan;

	for (uint64_t i = 1; i <= 1000; i++) {
		publish(pub, 1 + i, i);
		expect_equal(receive(sub, 1 + i, i), i);
		if (i + 1 == CHUNK)
			break;
	}
	expect_equal(floe_loan(pub, CHUNK, &loan), 1);
	expect((unsigned char *)loan.data >= g.block);
	expect((unsigned char *)loan.data + loan.size <= g.block + g.size);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	unguard(&g);
}

/* More memory than needed is accepted, and the rest of it is not used. */
static void a_larger_block_is_used_as_far_as_needed(void)
{
	ssize_t size = floe_publisher_memory_size(PUBLISHER(.payload_max = 2000));
	struct guarded g = guard((size_t)size + 5000, LOW);
	struct floe_publisher_options with = with_block(PUBLISHER(.payload_max = 2000), g.block,
							g.size);
	struct floe_publisher *pub = publisher("block", &with);

	exercise(pub, "block");
	expect(is_sentinel(g.block + size, g.block + g.size));
	floe_publisher_close(pub);
	unguard(&g);
}

static void the_block_is_the_callers_again_after_close(void)
{
	const struct floe_publisher_options *options = PUBLISHER(.payload_max = CHUNK);
	struct guarded g = guard((size_t)floe_publisher_memory_size(options), HIGH);
	struct floe_publisher_options with = with_block(options, g.block, g.size);
	struct floe_publisher *pub = publisher("block", &with);
	struct floe_subscriber *sub = subscriber("block", NULL);
	struct floe_sample sample;

	publish(pub, CHUNK, 1);
	publish(pub, 8, 2);
	receive(sub, CHUNK, 1);
	floe_publisher_close(pub);
	unguard(&g);

	/* What was in it went with it, but nobody looks for it there. */
	expect(floe_take(sub, &sample) <= 0);
	expect_equal(floe_wait(sub, 0), 0);
	pub = publisher("block", NULL);
	publish(pub, CHUNK, 3);
	receive(sub, CHUNK, 3);
	floe_publisher_close(pub);
	floe_subscriber_close(sub);
	expect_folder_empty();
}

/* Also when nobody can tell any more which publishers there are, and its message was not taken. */
static void a_block_is_not_looked_at_after_close_although_the_folder_is_gone(void)
{
	const struct floe_publisher_options *options = PUBLISHER(.payload_max = CHUNK);
	struct guarded g = guard((size_t)floe_publisher_memory_size(options), HIGH);
	struct floe_publisher_options with = with_block(options, g.block, g.size);
	struct floe_publisher *pub = publisher("block", &with);
	struct floe_subscriber *sub = subscriber("block", NULL);
	struct floe_sample sample;

	publish(pub, CHUNK, 1);
	publish(pub, 8, 2);
	receive(sub, CHUNK, 1);
	folder_wipe();
	floe_publisher_close(pub);
	expect_canaries(&g);
	expect_equal(mprotect(g.pages, g.pages_size, PROT_NONE), 0);
	expect_equal(floe_take(sub, &sample), -ESTALE);
	expect_equal(floe_wait(sub, 0), -ESTALE);
	floe_subscriber_close(sub);
	munmap(g.base, g.mapped);
	expect_folder_empty();
}

static void blocks_that_cannot_be_used_are_refused(void)
{
	const struct floe_publisher_options *options = PUBLISHER(.payload_max = CHUNK);
	size_t size = (size_t)floe_publisher_memory_size(options);
	struct guarded g = guard(size + CACHELINE, LOW);
	struct floe_publisher_options with;

	with = with_block(options, NULL, size);
	expect_equal(try_publisher("block", &with, NULL), -EINVAL);
	for (size_t shift = 1; shift < CACHELINE; shift++) {
		with = with_block(options, g.block + shift, size);
		expect_equal(try_publisher("block", &with, "64"), -EINVAL);
	}
	with = with_block(options, g.block, 0);
	expect_equal(try_publisher("block", &with, NULL), -ENOMEM);
	with = with_block(options, g.block, CACHELINE);
	expect_equal(try_publisher("block", &with, NULL), -ENOMEM);
	expect(is_sentinel(g.pages, g.pages + g.pages_size));
	unguard(&g);
	expect_folder_empty();
}

static void the_sentence_about_a_small_block_says_how_much_is_needed(void)
{
	size_t size = (size_t)floe_publisher_memory_size(NULL);
	struct guarded g = guard(size, LOW);
	struct floe_publisher_options with = with_block(PUBLISHER(.depth = 0), g.block, size - 1);
	char number[32];

	snprintf(number, sizeof(number), "%zu", size);
	expect_equal(try_publisher("block", &with, number), -ENOMEM);
	unguard(&g);
}

/*
 * A caller's block does not grow: joiners beyond its reserve can make loans wait, no more.
 */

static void a_block_reserves_for_the_holds_it_was_made_for(void)
{
	const struct floe_publisher_options *options = PUBLISHER(.payload_max = CHUNK, .depth = 2,
								 .loans_max = 1, .holds_max = 3);
	struct guarded g = guard((size_t)floe_publisher_memory_size(options), LOW);
	struct floe_publisher_options with = with_block(options, g.block, g.size);
	struct floe_publisher *pub = publisher("block", &with);
	struct floe_subscriber *sub = subscriber("block", SUBSCRIBER(.holds_max = 3));
	struct floe_sample held[3];

	for (uint64_t i = 0; i < 3; i++) {
		publish(pub, CHUNK, i);
		held[i] = take(sub, CHUNK, i);
	}
	for (uint64_t i = 0; i < 100; i++)
		publish(pub, CHUNK, i);
	for (uint64_t i = 0; i < 3; i++)
		expect(is_filled(held[i].data, CHUNK, i));
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	unguard(&g);
}

static void a_block_that_is_held_altogether_lends_nothing_until_a_release(void)
{
	const struct floe_publisher_options *options = PUBLISHER(.payload_max = CHUNK, .depth = 2,
								 .loans_max = 1, .holds_max = 1);
	struct guarded g = guard((size_t)floe_publisher_memory_size(options), LOW);
	struct floe_publisher_options with = with_block(options, g.block, g.size);
	struct floe_publisher *pub = publisher("block", &with);
	struct floe_subscriber *sub = subscriber("block", SUBSCRIBER(.holds_max = 100));
	struct floe_sample held[100];
	struct floe_loan loan = {0};
	size_t count = 0;

	while (floe_loan(pub, CHUNK, &loan) == 1) {
		expect(count < 4);
		fill(loan.data, CHUNK, count);
		expect_equal(floe_publish(pub, &loan), 1);
		held[count] = take(sub, CHUNK, count);
		count++;
	}
	expect(count >= 3);
	expect(!loan.data);
	for (size_t i = 0; i < count; i++)
		expect(is_filled(held[i].data, CHUNK, i));
	floe_release(sub, &held[0]);
	expect_equal(floe_loan(pub, CHUNK, &loan), 1);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	unguard(&g);
}

/*
 * Another process
 */

/* When told to: joins and says what came of it, 1 a message was taken, or the error. */
static void read_from_outside(int wire, void *argument)
{
	struct floe_error error = {""};
	struct floe_subscriber *sub = NULL;
	struct floe_sample sample;
	int r;

	(void)argument;
	hear(wire);
	r = floe_subscriber_open(&sub, "block", SUBSCRIBER(.history = 1, .error = &error));
	expect(r == 0 || strlen(error.text) > 10);
	if (r == 0)
		r = floe_take(sub, &sample);
	if (r == 1)
		expect(is_filled(sample.data, CHUNK, 7));
	tell(wire, (uint64_t)(int64_t)r);
	floe_subscriber_close(sub);
}

/* What the reader says about a message in a block that is mapped with these flags. It is forked
 * before there is a block, or after, so that it has its parent's memory as it was then. */
enum fork_time {
	BEFORE,
	AFTER
};

static int read_block_from_outside(int map_flags, enum fork_time fork_time)
{
	const struct floe_publisher_options *options = PUBLISHER(.payload_max = CHUNK);
	size_t size = (size_t)floe_publisher_memory_size(options);
	struct floe_publisher_options with;
	struct floe_publisher *pub;
	struct peer peer;
	void *block;
	int result;

	if (fork_time == BEFORE)
		peer = peer_start(read_from_outside, NULL);
	block = mmap(NULL, size, PROT_READ | PROT_WRITE, map_flags | MAP_ANONYMOUS, -1, 0);
	expect(block != MAP_FAILED);
	with = with_block(options, block, size);
	pub = publisher("block", &with);
	publish(pub, CHUNK, 6);
	if (fork_time == AFTER)
		peer = peer_start(read_from_outside, NULL);
	publish(pub, CHUNK, 7);
	result = (int)ask(peer.wire, 1);
	peer_end(&peer);
	floe_publisher_close(pub);
	munmap(block, size);
	return result;
}

static void another_process_cannot_read_a_private_block_and_is_told(void)
{
	expect_equal(read_block_from_outside(MAP_PRIVATE, BEFORE), -EACCES);
}

static void a_forked_process_does_not_read_its_old_copy_of_a_private_block(void)
{
	expect_equal(read_block_from_outside(MAP_PRIVATE, AFTER), -EACCES);
}

static void another_process_reads_a_shared_block_if_it_may(void)
{
	if (geteuid() != 0)
		skip("only root may map the shared memory of another process");
	expect_equal(read_block_from_outside(MAP_SHARED, BEFORE), 1);
	expect_equal(read_block_from_outside(MAP_SHARED, AFTER), 1);
}

/*
 * A full file system
 */

static void a_publisher_that_does_not_fit_is_told_and_leaves_nothing(void)
{
	folder_mount("size=1m");
	expect_equal(try_publisher("big", NULL, "full"), -ENOSPC);
	expect_folder_empty();
	expect_equal(try_publisher("big", PUBLISHER(.payload_max = 1000), NULL), 0);
	expect_folder_empty();
}

static void a_ring_that_cannot_grow_lends_nothing_until_a_release(void)
{
	struct floe_publisher *pub;
	struct floe_subscriber *sub;
	struct floe_sample held[FLOE_HOLDS_MAX];
	struct floe_loan loan = {0};
	size_t count = 0;
	int r;

	folder_mount("size=1m");
	pub = publisher("grow", PUBLISHER(.payload_max = 16384, .depth = 2));
	sub = subscriber("grow", SUBSCRIBER(.holds_max = FLOE_HOLDS_MAX));
	while ((r = floe_loan(pub, 16384, &loan)) == 1) {
		expect(count < FLOE_HOLDS_MAX);
		fill(loan.data, 16384, count);
		expect_equal(floe_publish(pub, &loan), 1);
		held[count] = take(sub, 16384, count);
		count++;
	}
	expect(r == 0 || r == -ENOSPC);
	expect(count >= 8);
	for (size_t i = 0; i < count; i++)
		expect(is_filled(held[i].data, 16384, i));
	floe_release(sub, &held[0]);
	publish(pub, 16384, 99);
	receive(sub, 16384, 99);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
	expect_folder_empty();
}

/*
 * Fixed pools
 */

/* Chunks that come back are lent again for what their pool is for. */
static void small_loans_leave_the_large_chunks_alone(void)
{
	static const struct floe_pool pools[] = {{64, 4}, {1024, 4}};
	struct floe_publisher *pub = publisher(
		"pools", PUBLISHER(.pools = pools, .pools_count = 2, .depth = 2, .loans_max = 4));
	struct floe_loan small[2], more, large;

	for (uint64_t i = 1; i <= 40; i++)
		publish(pub, i % 2 ? 64 : 1024, i);
	expect_equal(floe_loan(pub, 1024, &large), 1);
	floe_discard(pub, &large);
	/* One small chunk is in the ring, so three are left. */
	for (size_t i = 0; i < COUNT(small); i++)
		expect_equal(floe_loan(pub, 64, &small[i]), 1);
	expect_equal(floe_loan(pub, 64, &more), 1);
	expect_equal(floe_loan(pub, 64, &large), 0);
	expect_equal(floe_loan(pub, 1024, &large), 1);
	floe_publisher_close(pub);
}

static void a_loan_gets_the_first_pool_that_fits(void)
{
	static const struct floe_pool pools[] = {{64, 1}, {256, 2}, {1024, 1}};
	struct floe_publisher *pub = publisher(
		"pools", PUBLISHER(.pools = pools, .pools_count = 3, .loans_max = 10));
	struct floe_loan loan;

	expect_equal(floe_loan(pub, 60, &loan), 1);
	expect_equal(floe_loan(pub, 60, &loan), 0);
	expect_equal(floe_loan(pub, 65, &loan), 1);
	expect_equal(floe_loan(pub, 256, &loan), 1);
	expect_equal(floe_loan(pub, 200, &loan), 0);
	expect_equal(floe_loan(pub, 257, &loan), 1);
	expect_equal(floe_loan(pub, 1024, &loan), 0);
	expect_equal(publisher_counts(pub).loans, 4);

	floe_publisher_close(pub);
}

static void outcomes_of_a_loan_are_told_apart(void)
{
	static const struct floe_pool pool = {256, 1};
	struct floe_publisher *pub = publisher(
		"pools", PUBLISHER(.pools = &pool, .pools_count = 1, .loans_max = 2));
	struct floe_loan loan, small;

	expect_equal(floe_loan(pub, 257, &loan), -EINVAL);
	expect_equal(floe_loan(pub, 256, &loan), 1);
	expect_equal(floe_loan(pub, 256, &small), 0);
	expect_equal(floe_loan(pub, 8, &small), 1);
	expect_equal(floe_loan(pub, 8, &small), -ENOBUFS);
	expect_equal(floe_loan(pub, 257, &small), -EINVAL);

	floe_publisher_close(pub);
}

static void a_chunk_comes_back_when_the_ring_has_moved_on(void)
{
	static const struct floe_pool pool = {256, 2};
	struct floe_publisher *pub = publisher(
		"pools", PUBLISHER(.pools = &pool, .pools_count = 1, .depth = 4));
	struct floe_loan loan;

	for (int round = 0; round < 100; round++) {
		publish(pub, 256, 1);
		publish(pub, 256, 2);
		expect_equal(floe_loan(pub, 256, &loan), 0);
		for (uint64_t i = 0; i < 4; i++)
			publish(pub, 8, i);
	}
	floe_publisher_close(pub);
}

static void chunk_sizes_are_rounded_up_to_a_cache_line(void)
{
	static const struct floe_pool pools[] = {{65, 1}, {1024, 1}};
	struct floe_publisher *pub = publisher("pools",
					       PUBLISHER(.pools = pools, .pools_count = 2));
	struct floe_loan loan;

	expect_equal(floe_loan(pub, 128, &loan), 1);
	expect_equal(floe_loan(pub, 128, &loan), 0);
	expect_equal(floe_loan(pub, 129, &loan), 1);
	floe_publisher_close(pub);
}

static void fixed_pools_do_not_grow(void)
{
	static const struct floe_pool pool = {256, 10};
	struct floe_publisher *pub = publisher(
		"pools", PUBLISHER(.pools = &pool, .pools_count = 1, .depth = 2));
	struct floe_subscriber *subs[20];

	for (size_t i = 0; i < COUNT(subs); i++)
		subs[i] = subscriber("pools", SUBSCRIBER(.holds_max = 10));
	publish(pub, 256, 1);
	expect_equal(publisher_counts(pub).chunks, 10);
	for (size_t i = 0; i < COUNT(subs); i++)
		floe_subscriber_close(subs[i]);
	floe_publisher_close(pub);
}

static void a_pool_that_grows_always_lends(void)
{
	struct floe_publisher *pub = publisher("grow", PUBLISHER(.depth = 2, .payload_max = 256));
	struct floe_subscriber *subs[10];
	struct floe_sample sample;

	for (size_t i = 0; i < COUNT(subs); i++) {
		subs[i] = subscriber("grow", SUBSCRIBER(.holds_max = 20));
		for (uint64_t j = 0; j < 20; j++) {
			publish(pub, 256, j);
			while (floe_take(subs[i], &sample) == 1)
				;
		}
	}
	expect(publisher_counts(pub).chunks >= 2 + 4 + 10 * 20);
	for (size_t i = 0; i < COUNT(subs); i++)
		floe_subscriber_close(subs[i]);
	floe_publisher_close(pub);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(the_calculated_size_is_exact),
		TEST(the_calculated_size_is_exact_with_pools),
		TEST(the_calculated_size_is_exact_with_a_type_and_times),
		TEST(the_calculated_size_is_exact_with_lanes),
		TEST(messages_go_through_a_callers_block),
		TEST(a_larger_block_is_used_as_far_as_needed),
		TEST(the_block_is_the_callers_again_after_close),
		TEST(a_block_is_not_looked_at_after_close_although_the_folder_is_gone),
		TEST(blocks_that_cannot_be_used_are_refused),
		TEST(the_sentence_about_a_small_block_says_how_much_is_needed),
		TEST(a_block_reserves_for_the_holds_it_was_made_for),
		TEST(a_block_that_is_held_altogether_lends_nothing_until_a_release),
		TEST(another_process_cannot_read_a_private_block_and_is_told),
		TEST(a_forked_process_does_not_read_its_old_copy_of_a_private_block),
		TEST(another_process_reads_a_shared_block_if_it_may),
		TEST(a_publisher_that_does_not_fit_is_told_and_leaves_nothing),
		TEST(a_ring_that_cannot_grow_lends_nothing_until_a_release),
		TEST(a_loan_gets_the_first_pool_that_fits),
		TEST(small_loans_leave_the_large_chunks_alone),
		TEST(outcomes_of_a_loan_are_told_apart),
		TEST(a_chunk_comes_back_when_the_ring_has_moved_on),
		TEST(chunk_sizes_are_rounded_up_to_a_cache_line),
		TEST(fixed_pools_do_not_grow),
		TEST(a_pool_that_grows_always_lends),
	};

	return frame_run(argc, argv, tests, COUNT(tests));
}
