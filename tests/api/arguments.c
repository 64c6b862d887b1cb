/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Every call with arguments that it cannot accept: it says -EINVAL, or does nothing where it
 * returns nothing, and what it was given keeps every byte.
 *
 * Bad handles are pointers that were never handles, handles of the other kind, and handles that
 * were closed. The library may not look behind any of them.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <floe/inspect.h>

#include "peer.h"
#include "steps.h"

#define CHUNK 1000
#define SENTINEL 0xa5

static void mark(void *memory, size_t size)
{
	memset(memory, SENTINEL, size);
}

static bool is_marked(const void *memory, size_t size)
{
	const unsigned char *bytes = memory;

	for (size_t i = 0; i < size; i++)
		if (bytes[i] != SENTINEL)
			return false;
	return true;
}

/*
 * Handles
 */

static void refuse_publisher(void *bad)
{
	struct floe_publisher *pub = bad;
	struct floe_publisher_counts counts;
	struct floe_loan loan;

	mark(&loan, sizeof(loan));
	mark(&counts, sizeof(counts));
	expect_equal(floe_loan(pub, 8, &loan), -EINVAL);
	expect_equal(floe_publish(pub, &loan), -EINVAL);
	floe_discard(pub, &loan);
	expect_equal(floe_publisher_wait(pub, -1), -EINVAL);
	expect_equal(floe_publisher_count(pub, &counts, sizeof(counts)), -EINVAL);
	floe_publisher_close(pub);
	expect(is_marked(&loan, sizeof(loan)));
	expect(is_marked(&counts, sizeof(counts)));
}

static void refuse_subscriber(void *bad)
{
	struct floe_subscriber *sub = bad;
	struct floe_subscriber_counts counts;
	const struct floe_word *words;
	struct floe_sample sample;

	mark(&sample, sizeof(sample));
	mark(&counts, sizeof(counts));
	expect_equal(floe_take(sub, &sample), -EINVAL);
	floe_release(sub, &sample);
	expect_equal(floe_wait(sub, -1), -EINVAL);
	expect_equal(floe_subscriber_fd(sub), -EINVAL);
	expect_equal(floe_subscriber_words(sub, &words), -EINVAL);
	expect_equal(floe_subscriber_count(sub, &counts, sizeof(counts)), -EINVAL);
	expect_equal(floe_sample_publisher(sub, &sample), -EINVAL);
	floe_subscriber_close(sub);
	expect(is_marked(&sample, sizeof(sample)));
	expect(is_marked(&counts, sizeof(counts)));
}

/* Pointers that no open call has returned; `good` is a handle of either kind. */
static void refuse_strangers(void (*refuse)(void *bad), void *good)
{
	uint64_t on_stack[512];
	uint64_t *on_heap = calloc(512, sizeof(*on_heap));

	expect(on_heap);
	mark(on_stack, sizeof(on_stack));
	refuse(NULL);
	refuse(on_stack);
	refuse(on_heap);
	refuse((char *)good + 1);
	refuse((char *)good + sizeof(void *));
	refuse((void *)(uintptr_t)64);
	refuse((void *)(uintptr_t)(UINTPTR_MAX - 63));
	expect(is_marked(on_stack, sizeof(on_stack)));
	free(on_heap);
}

static void a_publisher_that_is_none_is_refused(void)
{
	struct floe_publisher *pub = publisher("bad", NULL);
	struct floe_subscriber *sub = subscriber("bad", NULL);

	refuse_strangers(refuse_publisher, pub);
	refuse_publisher(sub);
	publish(pub, 8, 1);
	receive(sub, 8, 1);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_subscriber_that_is_none_is_refused(void)
{
	struct floe_publisher *pub = publisher("bad", NULL);
	struct floe_subscriber *sub = subscriber("bad", NULL);

	refuse_strangers(refuse_subscriber, sub);
	refuse_subscriber(pub);
	publish(pub, 8, 1);
	receive(sub, 8, 1);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void closed_handles_are_refused(void)
{
	struct floe_publisher *pub = publisher("bad", NULL);
	struct floe_subscriber *sub = subscriber("bad", NULL);

	floe_publisher_close(pub);
	refuse_publisher(pub);
	floe_subscriber_close(sub);
	refuse_subscriber(sub);
}

/* The parent's handles. */
struct handles {
	struct floe_publisher *pub;
	struct floe_subscriber *sub;
};

static void use_handles_of_the_parent(int wire, void *argument)
{
	struct handles *handles = argument;

	(void)wire;
	refuse_publisher(handles->pub);
	refuse_subscriber(handles->sub);
}

static void handles_of_the_parent_are_refused_after_fork(void)
{
	struct handles handles = {publisher("bad", NULL), subscriber("bad", NULL)};
	struct peer peer;

	publish(handles.pub, CHUNK, 1);
	peer = peer_start(use_handles_of_the_parent, &handles);
	peer_end(&peer);
	receive(handles.sub, CHUNK, 1);
	publish(handles.pub, CHUNK, 2);
	receive(handles.sub, CHUNK, 2);

	floe_subscriber_close(handles.sub);
	floe_publisher_close(handles.pub);
}

static void publish_from_a_child(int wire, void *argument)
{
	struct floe_publisher *pub = publisher("forked", NULL);
	struct floe_subscriber *sub = subscriber("forked", NULL);

	(void)argument;
	(void)wire;
	publish(pub, CHUNK, 3);
	receive(sub, CHUNK, 3);
	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_child_opens_its_own_handles_after_fork(void)
{
	struct floe_subscriber *sub = subscriber("forked", NULL);
	struct peer peer = peer_start(publish_from_a_child, NULL);

	peer_end(&peer);
	receive(sub, CHUNK, 3);
	floe_subscriber_close(sub);
}

/*
 * Null pointers
 */

static void null_pointers_are_refused(void)
{
	struct floe_publisher *pub = publisher("null", NULL);
	struct floe_subscriber *sub = subscriber("null", NULL);

	expect_equal(floe_publisher_open(NULL, "null", NULL), -EINVAL);
	expect_equal(floe_subscriber_open(NULL, "null", NULL), -EINVAL);
	expect_equal(try_publisher(NULL, NULL, "NULL"), -EINVAL);
	expect_equal(try_subscriber(NULL, NULL, "NULL"), -EINVAL);
	expect_equal(floe_loan(pub, 8, NULL), -EINVAL);
	expect_equal(floe_publish(pub, NULL), -EINVAL);
	floe_discard(pub, NULL);
	expect_equal(floe_publisher_count(pub, NULL, 8), -EINVAL);
	expect_equal(floe_take(sub, NULL), -EINVAL);
	floe_release(sub, NULL);
	expect_equal(floe_subscriber_count(sub, NULL, 8), -EINVAL);
	expect_equal(floe_sample_publisher(sub, NULL), -EINVAL);
	floe_publisher_close(NULL);
	floe_subscriber_close(NULL);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void take_with_a_null_pointer_takes_nothing(void)
{
	struct floe_publisher *pub = publisher("null", NULL);
	struct floe_subscriber *sub = subscriber("null", NULL);

	publish(pub, CHUNK, 1);
	expect_equal(floe_take(sub, NULL), -EINVAL);
	expect_equal(subscriber_counts(sub).held, 0);
	receive(sub, CHUNK, 1);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_failed_open_leaves_the_result_alone(void)
{
	struct floe_publisher *pub;
	struct floe_subscriber *sub;

	mark(&pub, sizeof(pub));
	mark(&sub, sizeof(sub));
	expect_equal(floe_publisher_open(&pub, "a/b", NULL), -EINVAL);
	expect_equal(floe_subscriber_open(&sub, "a/b", NULL), -EINVAL);
	expect_equal(floe_publisher_open(&pub, "ok", PUBLISHER(.flags = 1u << 31)), -EINVAL);
	expect_equal(floe_subscriber_open(&sub, "ok", SUBSCRIBER(.policy = 77)), -EINVAL);
	expect(is_marked(&pub, sizeof(pub)));
	expect(is_marked(&sub, sizeof(sub)));
}

static void empty_loans_and_samples_are_fine_to_give_back(void)
{
	struct floe_publisher *pub = publisher("empty", NULL);
	struct floe_subscriber *sub = subscriber("empty", NULL);
	struct floe_sample sample = {0};
	struct floe_loan loan = {0};

	floe_discard(pub, &loan);
	floe_release(sub, &sample);
	expect_equal(floe_publish(pub, &loan), -EINVAL);
	expect_equal(floe_sample_publisher(sub, &sample), -EINVAL);
	expect_equal(publisher_counts(pub).loans, 0);
	expect_equal(subscriber_counts(sub).held, 0);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

/*
 * Options
 */

static int open_publisher_of_size(size_t size, unsigned char tail)
{
	struct {
		struct floe_publisher_options known;
		unsigned char tail[64];
	} options = {.known = {.size = size}};
	struct floe_publisher *pub = NULL;
	int r;

	options.tail[sizeof(options.tail) - 1] = tail;
	r = floe_publisher_open(&pub, "options", &options.known);
	floe_publisher_close(pub);
	expect_equal(floe_publisher_memory_size(&options.known) < 0, r < 0);
	return r;
}

static int open_subscriber_of_size(size_t size, unsigned char tail)
{
	struct {
		struct floe_subscriber_options known;
		unsigned char tail[64];
	} options = {.known = {.size = size}};
	struct floe_subscriber *sub = NULL;
	int r;

	options.tail[sizeof(options.tail) - 1] = tail;
	r = floe_subscriber_open(&sub, "options", &options.known);
	floe_subscriber_close(sub);
	expect_equal(floe_subscriber_memory_size(&options.known) < 0, r < 0);
	return r;
}

static void options_say_how_large_they_are(void)
{
	expect_equal(open_publisher_of_size(0, 0), -EINVAL);
	expect_equal(open_publisher_of_size(7, 0), -EINVAL);
	expect_equal(open_publisher_of_size(sizeof(size_t), 0), -EINVAL);
	expect_equal(open_publisher_of_size(sizeof(struct floe_publisher_options), 0), 0);
	expect_equal(open_subscriber_of_size(0, 0), -EINVAL);
	expect_equal(open_subscriber_of_size(7, 0), -EINVAL);
	expect_equal(open_subscriber_of_size(sizeof(size_t), 0), -EINVAL);
	expect_equal(open_subscriber_of_size(sizeof(struct floe_subscriber_options), 0), 0);
}

static void options_from_the_future_work_while_they_are_zero(void)
{
	const size_t publisher_size = sizeof(struct floe_publisher_options) + 64;
	const size_t subscriber_size = sizeof(struct floe_subscriber_options) + 64;

	expect_equal(open_publisher_of_size(publisher_size, 0), 0);
	expect_equal(open_publisher_of_size(publisher_size, 1), -E2BIG);
	expect_equal(open_publisher_of_size(publisher_size - 1, 1), 0);
	expect_equal(open_subscriber_of_size(subscriber_size, 0), 0);
	expect_equal(open_subscriber_of_size(subscriber_size, 1), -E2BIG);
	expect_equal(open_subscriber_of_size(subscriber_size - 1, 1), 0);
}

static void options_of_absurd_size_are_not_read_to_their_end(void)
{
	static const size_t sizes[] = {(size_t)1 << 30, (size_t)1 << 50, SIZE_MAX / 2, SIZE_MAX};

	for (size_t i = 0; i < COUNT(sizes); i++) {
		int pub = open_publisher_of_size(sizes[i], 0);
		int sub = open_subscriber_of_size(sizes[i], 0);

		expect(pub == -EINVAL || pub == -E2BIG);
		expect(sub == -EINVAL || sub == -E2BIG);
	}
}

static void refuse_publisher_options(const struct floe_publisher_options *options)
{
	expect_equal(try_publisher("limits", options, NULL), -EINVAL);
	expect_equal(floe_publisher_memory_size(options), -EINVAL);
}

static void publisher_options_beyond_their_limits_are_refused(void)
{
	static const struct floe_pool pools[FLOE_POOLS_MAX + 1] = {
		{64, 1},  {128, 1}, {192, 1}, {256, 1}, {320, 1},
		{384, 1}, {448, 1}, {512, 1}, {576, 1},
	};

	refuse_publisher_options(PUBLISHER(.depth = FLOE_DEPTH_MAX + 1));
	refuse_publisher_options(PUBLISHER(.depth = SIZE_MAX));
	refuse_publisher_options(PUBLISHER(.loans_max = FLOE_LOANS_MAX + 1));
	refuse_publisher_options(PUBLISHER(.loans_max = SIZE_MAX));
	refuse_publisher_options(PUBLISHER(.payload_max = FLOE_PAYLOAD_MAX + 1));
	refuse_publisher_options(PUBLISHER(.payload_max = SIZE_MAX));
	refuse_publisher_options(PUBLISHER(.holds_max = SIZE_MAX));
	refuse_publisher_options(PUBLISHER(.lanes_max = FLOE_LANES_MAX + 1));
	refuse_publisher_options(PUBLISHER(.lanes_max = SIZE_MAX));
	refuse_publisher_options(PUBLISHER(.lanes_max = 1, .lane_depth = FLOE_DEPTH_MAX + 1));
	refuse_publisher_options(PUBLISHER(.lane_depth = 1));
	refuse_publisher_options(PUBLISHER(.flags = 1u << 31));
	refuse_publisher_options(PUBLISHER(.flags = FLOE_SPILL));
	refuse_publisher_options(PUBLISHER(.quota = 1 << 20));
	refuse_publisher_options(PUBLISHER(.pools = pools, .pools_count = FLOE_POOLS_MAX + 1));
	refuse_publisher_options(PUBLISHER(.pools_count = 1));
}

static void publisher_options_at_their_limits_are_accepted(void)
{
	expect(floe_publisher_memory_size(PUBLISHER(.depth = FLOE_DEPTH_MAX)) > 0);
	expect(floe_publisher_memory_size(PUBLISHER(.loans_max = FLOE_LOANS_MAX)) > 0);
	expect(floe_publisher_memory_size(PUBLISHER(.payload_max = FLOE_PAYLOAD_MAX)) > 0);
	expect_equal(try_publisher("limits", PUBLISHER(.loans_max = FLOE_LOANS_MAX), NULL), 0);
	expect_equal(try_publisher("limits", PUBLISHER(.payload_max = 1), NULL), 0);
	expect_equal(try_publisher("limits", PUBLISHER(.depth = 100000, .payload_max = 8), NULL),
		     0);
}

static void refuse_pools(const struct floe_pool *pools, size_t count)
{
	refuse_publisher_options(PUBLISHER(.pools = pools, .pools_count = count));
}

static void pools_of_nothing_are_refused(void)
{
	refuse_pools((struct floe_pool[]){{0, 1}}, 1);
	refuse_pools((struct floe_pool[]){{64, 0}}, 1);
	refuse_pools((struct floe_pool[]){{64, 1}, {128, 0}}, 2);
	refuse_pools((struct floe_pool[]){{SIZE_MAX, 1}}, 1);
	refuse_pools((struct floe_pool[]){{64, SIZE_MAX}}, 1);
	refuse_pools((struct floe_pool[]){{(size_t)1 << 32, (size_t)1 << 32}}, 1);
}

static void refuse_type(const struct floe_type *type)
{
	refuse_publisher_options(PUBLISHER(.type = type));
	expect_equal(try_subscriber("limits", SUBSCRIBER(.type = type), NULL), -EINVAL);
}

static void types_that_make_no_sense_are_refused(void)
{
	char name[129], *schema = malloc(65537 + 1);

	expect(schema);
	memset(name, 'n', 128);
	name[128] = '\0';
	memset(schema, 's', 65537);
	schema[65537] = '\0';
	refuse_type(&(struct floe_type){.name = name});
	refuse_type(&(struct floe_type){.name = "bad\nname"});
	refuse_type(&(struct floe_type){.name = "t", .alignment = 3});
	refuse_type(&(struct floe_type){.name = "t", .alignment = 128});
	refuse_type(&(struct floe_type){.name = "t", .schema = schema});

	name[127] = '\0';
	schema[65536] = '\0';
	expect_equal(try_publisher(
			     "type",
			     PUBLISHER(.type = &(struct floe_type){.name = name, .schema = schema}),
			     NULL),
		     0);
	free(schema);
}

static void refuse_subscriber_options(const struct floe_subscriber_options *options)
{
	expect_equal(try_subscriber("limits", options, NULL), -EINVAL);
	expect_equal(floe_subscriber_memory_size(options), -EINVAL);
}

static void subscriber_options_beyond_their_limits_are_refused(void)
{
	refuse_subscriber_options(SUBSCRIBER(.holds_max = FLOE_HOLDS_MAX + 1));
	refuse_subscriber_options(SUBSCRIBER(.holds_max = SIZE_MAX));
	refuse_subscriber_options(SUBSCRIBER(.policy = 3));
	refuse_subscriber_options(SUBSCRIBER(.flags = 1u << 31));
	expect(floe_subscriber_memory_size(SUBSCRIBER(.holds_max = FLOE_HOLDS_MAX)) > 0);
	expect(floe_subscriber_memory_size(NULL) > 0);
	expect(floe_publisher_memory_size(NULL) > 0);
}

/*
 * Loans
 */

static void loans_of_no_possible_size_are_refused(void)
{
	static const size_t sizes[] = {0, CHUNK + 1, SIZE_MAX / 2, SIZE_MAX};
	struct floe_publisher *pub = publisher("size", PUBLISHER(.payload_max = CHUNK));
	struct floe_loan loan;

	mark(&loan, sizeof(loan));
	for (size_t i = 0; i < COUNT(sizes); i++)
		expect_equal(floe_loan(pub, sizes[i], &loan), -EINVAL);
	expect(is_marked(&loan, sizeof(loan)));
	expect_equal(publisher_counts(pub).loans, 0);

	floe_publisher_close(pub);
}

/* A call with this loan fails and leaves it as it is. */
static void refuse_publish(struct floe_publisher *pub, struct floe_loan loan)
{
	struct floe_loan given = loan;

	expect_equal(floe_publish(pub, &given), -EINVAL);
	expect(given.data == loan.data);
	expect_equal(given.size, loan.size);
	expect_equal(given.ticket, loan.ticket);
}

static void a_loan_is_not_published_with_a_size_that_was_not_lent(void)
{
	static const size_t lent[] = {8, 48, 49, CHUNK};
	struct floe_publisher *pub = publisher("size", NULL);
	struct floe_subscriber *sub = subscriber("size", NULL);

	for (size_t i = 0; i < COUNT(lent); i++) {
		struct floe_loan loan;

		expect_equal(floe_loan(pub, lent[i], &loan), 1);
		fill(loan.data, loan.size, i);
		refuse_publish(pub, (struct floe_loan){loan.data, 0, loan.ticket});
		refuse_publish(pub, (struct floe_loan){loan.data, SIZE_MAX, loan.ticket});
		refuse_publish(pub, (struct floe_loan){loan.data, 1 << 20, loan.ticket});
		refuse_publish(pub, (struct floe_loan){loan.data, loan.size + 64, loan.ticket});
		expect_equal(floe_publish(pub, &loan), 1);
		receive(sub, lent[i], i);
	}
	expect_nothing(sub);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_forged_loan_is_neither_published_nor_discarded(void)
{
	static const size_t lent[] = {8, CHUNK};
	struct floe_publisher *pub = publisher("forged", NULL);
	struct floe_subscriber *sub = subscriber("forged", NULL);

	for (size_t i = 0; i < COUNT(lent); i++) {
		struct floe_loan loan, forged;

		expect_equal(floe_loan(pub, lent[i], &loan), 1);
		fill(loan.data, loan.size, i);
		for (int bit = 0; bit < 64; bit++) {
			forged = loan;
			forged.ticket ^= (uint64_t)1 << bit;
			refuse_publish(pub, forged);
			floe_discard(pub, &forged);
			expect_equal(publisher_counts(pub).loans, 1);
		}
		expect_nothing(sub);
		expect_equal(floe_publish(pub, &loan), 1);
		receive(sub, lent[i], i);
	}

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_copy_of_a_loan_is_not_published_twice(void)
{
	static const size_t lent[] = {8, CHUNK};
	struct floe_publisher *pub = publisher("twice", NULL);
	struct floe_subscriber *sub = subscriber("twice", NULL);

	for (size_t i = 0; i < COUNT(lent); i++) {
		struct floe_loan loan, copy, next;

		expect_equal(floe_loan(pub, lent[i], &loan), 1);
		fill(loan.data, loan.size, i);
		copy = loan;
		expect_equal(floe_publish(pub, &loan), 1);
		refuse_publish(pub, copy);
		receive(sub, lent[i], i);

		/* The next loan may stand where the first one stood. */
		expect_equal(floe_loan(pub, lent[i], &next), 1);
		refuse_publish(pub, copy);
		floe_discard(pub, &copy);
		expect_equal(publisher_counts(pub).loans, 1);
		floe_discard(pub, &next);
		expect_nothing(sub);
	}

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_discarded_copy_is_not_published(void)
{
	struct floe_publisher *pub = publisher("twice", NULL);
	struct floe_subscriber *sub = subscriber("twice", NULL);

	for (int i = 0; i < 100; i++) {
		struct floe_loan loan, copy, next;

		expect_equal(floe_loan(pub, CHUNK, &loan), 1);
		copy = loan;
		floe_discard(pub, &loan);
		expect_equal(floe_loan(pub, CHUNK, &next), 1);
		refuse_publish(pub, copy);
		floe_discard(pub, &copy);
		expect_equal(publisher_counts(pub).loans, 1);
		floe_discard(pub, &next);
	}
	expect_nothing(sub);

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_loan_of_another_publisher_is_refused(void)
{
	struct floe_publisher *one = publisher("one", NULL), *two = publisher("one", NULL);
	struct floe_subscriber *sub = subscriber("one", NULL);
	struct floe_loan loan;

	expect_equal(floe_loan(one, CHUNK, &loan), 1);
	fill(loan.data, CHUNK, 1);
	refuse_publish(two, loan);
	expect_nothing(sub);
	expect_equal(floe_publish(one, &loan), 1);
	receive(sub, CHUNK, 1);

	floe_publisher_close(one);
	floe_publisher_close(two);
	floe_subscriber_close(sub);
}

static void equal_loans_of_two_publishers_are_told_apart(void)
{
	struct floe_publisher *one = publisher("one", NULL), *two = publisher("one", NULL);
	struct floe_loan of_one, of_two;

	expect_equal(floe_loan(one, CHUNK, &of_one), 1);
	expect_equal(floe_loan(two, CHUNK, &of_two), 1);
	refuse_publish(two, of_one);
	refuse_publish(one, of_two);
	floe_discard(two, &(struct floe_loan){of_one.data, of_one.size, of_one.ticket});
	expect_equal(publisher_counts(two).loans, 1);
	expect_equal(publisher_counts(one).loans, 1);

	floe_publisher_close(one);
	floe_publisher_close(two);
}

/*
 * Samples
 */

static void a_forged_sample_is_not_released(void)
{
	static const size_t sizes[] = {8, CHUNK};
	struct floe_publisher *pub = publisher("forged", NULL);
	struct floe_subscriber *sub = subscriber("forged", NULL);

	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct floe_sample sample, forged;

		publish(pub, sizes[i], i);
		sample = take(sub, sizes[i], i);
		for (int bit = 0; bit < 64; bit++) {
			forged = sample;
			forged.ticket ^= (uint64_t)1 << bit;
			expect_equal(floe_sample_publisher(sub, &forged), -EINVAL);
			floe_release(sub, &forged);
			expect_equal(subscriber_counts(sub).held, 1);
		}
		floe_release(sub, &sample);
		expect_equal(subscriber_counts(sub).held, 0);
	}

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_copy_of_a_sample_is_not_released_twice(void)
{
	static const size_t sizes[] = {8, CHUNK};
	struct floe_publisher *pub = publisher("twice", NULL);
	struct floe_subscriber *sub = subscriber("twice", NULL);

	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct floe_sample sample, copy, next;

		publish(pub, sizes[i], 1);
		publish(pub, sizes[i], 2);
		sample = take(sub, sizes[i], 1);
		copy = sample;
		floe_release(sub, &sample);
		floe_release(sub, &sample);

		/* The next sample may be held where the first one was. */
		next = take(sub, sizes[i], 2);
		expect_equal(floe_sample_publisher(sub, &copy), -EINVAL);
		floe_release(sub, &copy);
		expect_equal(subscriber_counts(sub).held, 1);
		expect(is_filled(next.data, sizes[i], 2));
		floe_release(sub, &next);
	}

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void a_sample_of_another_subscriber_is_not_released(void)
{
	struct floe_publisher *pub = publisher("other", NULL);
	struct floe_subscriber *one = subscriber("other", NULL), *two = subscriber("other", NULL);
	struct floe_sample of_one, of_two, copy;

	publish(pub, CHUNK, 1);
	of_one = take(one, CHUNK, 1);
	of_two = take(two, CHUNK, 1);
	copy = of_one;
	floe_release(two, &copy);
	expect_equal(subscriber_counts(one).held, 1);
	expect_equal(subscriber_counts(two).held, 1);
	expect_equal(floe_sample_publisher(two, &of_one), -EINVAL);
	floe_release(one, &of_one);
	floe_release(two, &of_two);

	floe_subscriber_close(one);
	floe_subscriber_close(two);
	floe_publisher_close(pub);
}

/*
 * Counters, views
 */

static void counts_write_no_more_than_they_are_given(void)
{
	struct floe_publisher *pub = publisher("counts", NULL);
	struct floe_subscriber *sub = subscriber("counts", NULL);
	unsigned char room[1024];

	for (size_t size = 1; size <= sizeof(room) - 1; size += 7) {
		mark(room, sizeof(room));
		expect_equal(floe_publisher_count(pub, (void *)room, size), 0);
		expect(is_marked(room + size, sizeof(room) - size));
		mark(room, sizeof(room));
		expect_equal(floe_subscriber_count(sub, (void *)room, size), 0);
		expect(is_marked(room + size, sizeof(room) - size));
	}

	floe_subscriber_close(sub);
	floe_publisher_close(pub);
}

static void refuse_view(void *bad)
{
	struct floe_view *view = bad;
	unsigned char room[2048];

	mark(room, sizeof(room));
	expect(!floe_view_path(view));
	expect_equal(floe_view_nodes(view, (void *)room, sizeof(struct floe_node_info), 1),
		     -EINVAL);
	expect_equal(floe_view_topics(view, (void *)room, sizeof(struct floe_topic_info), 1),
		     -EINVAL);
	expect_equal(floe_view_publishers(view, "t", (void *)room,
					  sizeof(struct floe_publisher_info), 1),
		     -EINVAL);
	expect_equal(floe_view_subscribers(view, "t", (void *)room,
					   sizeof(struct floe_subscriber_info), 1),
		     -EINVAL);
	expect_equal(floe_view_schema(view, "t", (void *)room, sizeof(room)), -EINVAL);
	expect_equal(floe_view_clean(view, 1, NULL, NULL), -EINVAL);
	floe_view_close(view);
	expect(is_marked(room, sizeof(room)));
}

static void a_view_that_is_none_is_refused(void)
{
	struct floe_observer *observer = NULL;
	struct floe_view *view = NULL;

	expect_equal(floe_view_open(NULL, NULL, NULL, NULL), -EINVAL);
	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	refuse_view(NULL);
	expect_equal(floe_observer_open(&observer, NULL, "t", NULL), -EINVAL);
	expect_equal(floe_observer_open(NULL, view, "t", NULL), -EINVAL);
	expect_equal(floe_observer_open(&observer, view, NULL, NULL), -EINVAL);
	expect_equal(floe_observer_open(&observer, view, "a/b", NULL), -EINVAL);
	expect(!observer);
	floe_observer_close(NULL);
	expect_equal(floe_view_publishers(view, NULL, NULL, 8, 0), -EINVAL);
	expect_equal(floe_view_subscribers(view, NULL, NULL, 8, 0), -EINVAL);
	expect_equal(floe_view_schema(view, NULL, NULL, 0), -EINVAL);
	floe_view_close(view);
}

static void the_version_is_that_of_the_header_that_was_tested(void)
{
	expect(!strcmp(floe_version(), "1.0.0"));
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_publisher_that_is_none_is_refused),
		TEST(a_subscriber_that_is_none_is_refused),
		TEST(closed_handles_are_refused),
		TEST(handles_of_the_parent_are_refused_after_fork),
		TEST(a_child_opens_its_own_handles_after_fork),
		TEST(null_pointers_are_refused),
		TEST(take_with_a_null_pointer_takes_nothing),
		TEST(a_failed_open_leaves_the_result_alone),
		TEST(empty_loans_and_samples_are_fine_to_give_back),
		TEST(options_say_how_large_they_are),
		TEST(options_from_the_future_work_while_they_are_zero),
		TEST(options_of_absurd_size_are_not_read_to_their_end),
		TEST(publisher_options_beyond_their_limits_are_refused),
		TEST(publisher_options_at_their_limits_are_accepted),
		TEST(pools_of_nothing_are_refused),
		TEST(types_that_make_no_sense_are_refused),
		TEST(subscriber_options_beyond_their_limits_are_refused),
		TEST(loans_of_no_possible_size_are_refused),
		TEST(a_loan_is_not_published_with_a_size_that_was_not_lent),
		TEST(a_forged_loan_is_neither_published_nor_discarded),
		TEST(a_copy_of_a_loan_is_not_published_twice),
		TEST(a_discarded_copy_is_not_published),
		TEST(a_loan_of_another_publisher_is_refused),
		TEST(equal_loans_of_two_publishers_are_told_apart),
		TEST(a_forged_sample_is_not_released),
		TEST(a_copy_of_a_sample_is_not_released_twice),
		TEST(a_sample_of_another_subscriber_is_not_released),
		TEST(counts_write_no_more_than_they_are_given),
		TEST(a_view_that_is_none_is_refused),
		TEST(the_version_is_that_of_the_header_that_was_tested),
	};

	return frame_run(argc, argv, tests, COUNT(tests));
}
