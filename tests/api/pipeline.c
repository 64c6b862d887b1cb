/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Pipelines: a sample of one topic is published on another where it lies. What is read there stays what
 * it is, whoever of the chain comes, goes and dies, until nobody needs it; and then exactly so many
 * chunks can be lent as before.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <floe/inspect.h>

#include "folder.h"
#include "peer.h"
#include "steps.h"

#define CHUNK 1000
#define DEPTH 4
#define LOANS 2

/* The chain begins here: everything that can be lent is written by flood. */
static struct floe_publisher *source(void)
{
	return publisher("raw", PUBLISHER(.depth = DEPTH, .loans_max = LOANS, .payload_max = 4096));
}

static size_t count_places(const char *topic)
{
	static struct folder folder;
	char part[64];
	size_t count = 0;

	snprintf(part, sizeof(part), "/%s/sub.", topic);
	folder_list(&folder);
	for (size_t i = 0; i < folder.count; i++)
		count += strstr(folder.entry[i].path, part) != NULL;
	return count;
}

static struct floe_publisher *relay(const char *topic, size_t relays_max)
{
	return publisher(topic, PUBLISHER(.depth = DEPTH, .relays_max = relays_max));
}

/* Writes every chunk that is not needed, several times. */
static void flood(struct floe_publisher *pub, uint64_t seed)
{
	for (int i = 0; i < 64; i++)
		publish(pub, CHUNK, seed + (uint64_t)i);
}

static void pass(struct floe_publisher *pub, struct floe_subscriber *sub, uint64_t seed)
{
	struct floe_sample sample = take(sub, CHUNK, seed);

	expect_equal(floe_republish(pub, sub, &sample), 1);
	expect(!sample.data);
}

static void a_chunk_goes_on_without_a_copy(void)
{
	struct floe_publisher *raw = source();
	struct floe_subscriber *in = subscriber("raw", SUBSCRIBER(.holds_max = 20));
	struct floe_publisher *out = relay("cooked", 12);
	struct floe_subscriber *sub = subscriber("cooked", NULL);
	struct floe_sample first, second;

	publish(raw, CHUNK, 1);
	first = take(in, CHUNK, 1);
	/* Each mapping has its own address: a word that is written here is read there. */
	expect_equal(floe_republish(out, in, &(struct floe_sample){0}), -EINVAL);
	second = first;
	expect_equal(floe_republish(out, in, &second), 1);
	expect(!second.data);
	floe_release(in, &first); /* an old copy of what was given away */
	flood(raw, 100);
	second = take(sub, CHUNK, 1);
	flood(raw, 200);
	expect(is_filled(second.data, CHUNK, 1));
	expect_equal(subscriber_counts(sub).copied, 0);
	floe_release(sub, &second);

	floe_subscriber_close(sub);
	floe_publisher_close(out);
	floe_subscriber_close(in);
	floe_publisher_close(raw);
	expect_folder_empty();
}

static void small_payloads_travel_in_slots_again(void)
{
	struct floe_publisher *raw = source();
	struct floe_subscriber *in = subscriber("raw", NULL);
	struct floe_publisher *out = relay("cooked", 12);
	struct floe_subscriber *sub = subscriber("cooked", NULL);
	struct floe_sample sample;

	publish(raw, 40, 7);
	sample = take(in, 40, 7);
	expect_equal(floe_republish(out, in, &sample), 1);
	expect(!sample.data);
	expect_equal(receive(sub, 40, 7), 1);
	expect_equal(subscriber_counts(in).held, 0);

	floe_subscriber_close(sub);
	floe_publisher_close(out);
	floe_subscriber_close(in);
	floe_publisher_close(raw);
}

/* Ten thousand pass: nothing is lost, doubled or kept. */
static void a_long_chain_keeps_its_books(void)
{
	struct floe_publisher *raw = source();
	struct floe_subscriber *in = subscriber("raw", SUBSCRIBER(.holds_max = 12));
	struct floe_publisher *out = relay("cooked", 10);
	struct floe_subscriber *in2 = subscriber("cooked", SUBSCRIBER(.holds_max = 9));
	struct floe_publisher *out2 = relay("served", 8);
	struct floe_subscriber *sub = subscriber("served", NULL);

	for (uint64_t i = 1; i <= 10000; i++) {
		publish(raw, CHUNK, i);
		pass(out, in, i);
		pass(out2, in2, i);
		expect_equal(receive(sub, CHUNK, i), i);
	}
	expect(subscriber_counts(in).held <= 10);
	expect(subscriber_counts(in2).held <= 8);

	floe_subscriber_close(sub);
	floe_subscriber_close(in);
	floe_publisher_close(out);
	floe_subscriber_close(in2);
	floe_publisher_close(out2);
	floe_publisher_close(raw);
	expect_folder_empty();
}

/* Each hold goes back to who handed it over; of who has closed there is none to go back. */
static void one_publisher_relays_for_many_subscribers(void)
{
	struct floe_publisher *raw = source();
	struct floe_subscriber *in[] = {subscriber("raw", SUBSCRIBER(.holds_max = 14)),
					subscriber("raw", SUBSCRIBER(.holds_max = 14))};
	struct floe_publisher *out = relay("cooked", 12);
	struct floe_subscriber *sub = subscriber("cooked", NULL);
	uint64_t i;

	for (i = 1; i <= 200; i++) {
		publish(raw, CHUNK, i);
		pass(out, in[i % 2], i);
		expect_equal(receive(in[1 - i % 2], CHUNK, i), i);
		expect_equal(receive(sub, CHUNK, i), i);
	}
	for (; i <= 220; i++) {
		publish(raw, CHUNK, i);
		pass(out, in[0], i);
		expect_equal(receive(in[1], CHUNK, i), i);
		expect_equal(receive(sub, CHUNK, i), i);
	}
	floe_subscriber_close(in[0]);
	for (; i <= 300; i++) {
		publish(raw, CHUNK, i);
		pass(out, in[1], i);
		expect_equal(receive(sub, CHUNK, i), i);
	}

	floe_subscriber_close(sub);
	floe_publisher_close(out);
	floe_subscriber_close(in[1]);
	floe_publisher_close(raw);
	expect_folder_empty();
}

static void when_all_relays_are_in_use_nothing_is_sent(void)
{
	struct floe_publisher *raw = source();
	struct floe_subscriber *in = subscriber("raw", SUBSCRIBER(.holds_max = 8));
	struct floe_publisher *out = relay("cooked", DEPTH + 2);
	struct floe_subscriber *sub = subscriber("cooked", SUBSCRIBER(.holds_max = 3));
	struct floe_sample held[3], sample;

	for (uint64_t i = 0; i < 3; i++) {
		publish(raw, CHUNK, i);
		pass(out, in, i);
		held[i] = take(sub, CHUNK, i);
	}
	for (uint64_t i = 3; i < DEPTH + 2; i++) {
		publish(raw, CHUNK, i);
		pass(out, in, i);
	}
	/* Three are held, three are in the ring and not held. */
	publish(raw, CHUNK, 6);
	sample = take(in, CHUNK, 6);
	expect_equal(floe_republish(out, in, &sample), 0);
	expect(is_filled(sample.data, CHUNK, 6));
	floe_release(sub, &held[0]);
	/* The ring has two of the oldest three still, so the first is free. */
	expect_equal(floe_republish(out, in, &sample), 1);
	for (int i = 1; i < 3; i++) {
		expect(is_filled(held[i].data, CHUNK, (uint64_t)i));
		floe_release(sub, &held[i]);
	}

	floe_subscriber_close(sub);
	floe_publisher_close(out);
	floe_subscriber_close(in);
	floe_publisher_close(raw);
	expect_folder_empty();
}

static void an_observer_sees_what_is_relayed(void)
{
	struct floe_publisher *raw = source();
	struct floe_subscriber *in = subscriber("raw", SUBSCRIBER(.holds_max = 12));
	struct floe_publisher *out = relay("cooked", 10);
	struct floe_observer *observer;
	struct floe_sample sample;
	struct floe_view *view;

	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect_equal(floe_observer_open(&observer, view, "cooked", NULL), 0);
	for (uint64_t i = 0; i < 2; i++) {
		publish(raw, CHUNK, i);
		pass(out, in, i);
	}
	expect_equal(floe_observer_next(observer, 0, &sample), 1);
	expect(is_filled(sample.data, CHUNK, 0));
	expect_equal(floe_observer_borrow(observer, &sample), 1);
	expect_equal(sample.size, CHUNK);
	expect(is_filled(sample.data, CHUNK, 1));
	expect(floe_observer_left(observer, &sample) > 0);
	expect_equal(floe_observer_borrow(observer, &sample), 0);

	floe_observer_close(observer);
	floe_view_close(view);
	floe_publisher_close(out);
	floe_subscriber_close(in);
	floe_publisher_close(raw);
}

static void what_cannot_be_relayed_is_refused(void)
{
	struct floe_publisher *raw = source();
	struct floe_subscriber *in = subscriber("raw", NULL);
	struct floe_publisher *plain = publisher("cooked", NULL);
	struct floe_publisher *small = publisher("cooked",
						 PUBLISHER(.payload_max = 100, .relays_max = 8));
	struct floe_publisher *other = publisher("cooked",
						 PUBLISHER(.domain = "other", .relays_max = 8));
	struct floe_sample sample, none = {0};

	publish(raw, CHUNK, 1);
	sample = take(in, CHUNK, 1);
	expect_equal(floe_republish(plain, in, &sample), -EINVAL);
	expect_equal(floe_republish(small, in, &sample), -EINVAL);
	expect_equal(floe_republish(other, in, &sample), -EXDEV);
	expect_equal(floe_republish(plain, in, &none), -EINVAL);
	expect_equal(floe_republish(NULL, in, &sample), -EINVAL);
	expect_equal(floe_republish(plain, NULL, &sample), -EINVAL);
	expect_equal(floe_republish(plain, in, NULL), -EINVAL);
	expect(is_filled(sample.data, CHUNK, 1));
	sample.size = 60;
	expect_equal(floe_republish(small, in, &sample), 1);
	expect_equal(try_publisher("x", PUBLISHER(.relays_max = 256), "relays_max"), -EINVAL);
	expect_equal(
		try_publisher("x", PUBLISHER(.relays_max = 1, .flags = FLOE_ELASTIC), "relays_max"),
		-EINVAL);

	floe_publisher_close(other);
	floe_publisher_close(small);
	floe_publisher_close(plain);
	floe_subscriber_close(in);
	floe_publisher_close(raw);
	expect_folder_empty();
}

static void a_reliable_reader_blocks_the_relay_too(void)
{
	struct floe_publisher *raw = source();
	struct floe_subscriber *in = subscriber("raw", SUBSCRIBER(.holds_max = 12));
	struct floe_publisher *out = relay("cooked", 10);
	struct floe_subscriber *sub = subscriber("cooked",
						 SUBSCRIBER(.policy = FLOE_POLICY_RELIABLE));
	struct floe_sample sample;

	for (uint64_t i = 0; i < DEPTH; i++) {
		publish(raw, CHUNK, i);
		pass(out, in, i);
	}
	publish(raw, CHUNK, DEPTH);
	sample = take(in, CHUNK, DEPTH);
	expect_equal(floe_republish(out, in, &sample), 0);
	receive(sub, CHUNK, 0);
	expect_equal(floe_republish(out, in, &sample), 1);
	for (uint64_t i = 1; i <= DEPTH; i++)
		receive(sub, CHUNK, i);

	floe_subscriber_close(sub);
	floe_publisher_close(out);
	floe_subscriber_close(in);
	floe_publisher_close(raw);
}

/*
 * Deaths
 */

/* The republisher, as another process: it passes on as many as it is told, then waits. */
static void republish(int wire, void *argument)
{
	struct floe_subscriber *in = subscriber("raw", SUBSCRIBER(.holds_max = 20));
	struct floe_publisher *out = relay("cooked", 12);
	uint64_t count;
	struct floe_sample sample;

	(void)argument;
	tell(wire, 0);
	while ((count = hear(wire))) {
		while (count--) {
			expect_equal(floe_take(in, &sample), 1);
			expect_equal(floe_republish(out, in, &sample), 1);
		}
		tell(wire, 0);
	}
	floe_publisher_close(out);
	floe_subscriber_close(in);
}

static struct peer start(void (*life)(int wire, void *argument))
{
	struct peer peer = peer_start(life, NULL);

	hear(peer.wire);
	return peer;
}

static void forward(struct floe_publisher *raw, struct peer *peer, uint64_t from, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		publish(raw, CHUNK, from + i);
		ask(peer->wire, 1);
	}
}

static void what_a_dead_republisher_sent_can_still_be_taken(void)
{
	struct peer peer = start(republish);
	struct floe_subscriber *sub = subscriber("cooked", NULL);
	struct floe_publisher *raw = source();
	struct floe_subscriber *late;
	struct floe_sample held;

	forward(raw, &peer, 1, 3);
	held = take(sub, CHUNK, 1);
	peer_kill(&peer);
	/* Who opens here cleans up, and must leave what is needed. */
	late = subscriber("raw", NULL);
	flood(raw, 1000);
	expect(is_filled(held.data, CHUNK, 1));
	receive(sub, CHUNK, 2);
	receive(sub, CHUNK, 3);
	floe_subscriber_close(late);
	late = subscriber("cooked", SUBSCRIBER(.history = 9));
	receive(late, CHUNK, 1);
	floe_subscriber_close(late);
	flood(raw, 2000);
	expect(is_filled(held.data, CHUNK, 1));
	floe_release(sub, &held);

	floe_subscriber_close(sub);
	floe_publisher_close(raw);
	expect_folder_empty();
}

/* Nobody alive was there to read it, and somebody has cleaned up: it is lost, and said to be. */
static void what_nobody_reads_is_lost_with_its_republisher(void)
{
	struct peer peer = start(republish);
	struct floe_publisher *raw = source();
	struct floe_subscriber *late;

	forward(raw, &peer, 1, 3);
	peer_kill(&peer);
	floe_subscriber_close(subscriber("raw", NULL));
	expect_equal(count_places("raw"), 0);
	flood(raw, 1000);
	late = subscriber("cooked", SUBSCRIBER(.history = 9));
	expect_nothing(late);
	expect_equal(subscriber_counts(late).lost, 3);

	floe_subscriber_close(late);
	floe_publisher_close(raw);
	expect_folder_empty();
}

static void a_successor_gives_back_what_the_dead_one_held(void)
{
	struct peer peer = start(republish);
	struct floe_subscriber *sub = subscriber("cooked", NULL);
	struct floe_publisher *raw = source();
	struct floe_subscriber *in, *late;
	struct floe_publisher *out;
	struct floe_sample held;

	forward(raw, &peer, 1, 3);
	held = take(sub, CHUNK, 1);
	peer_kill(&peer);
	in = subscriber("raw", SUBSCRIBER(.holds_max = 20));
	out = relay("cooked", 12);
	receive(sub, CHUNK, 2);
	for (uint64_t i = 10; i < 50; i++) {
		publish(raw, CHUNK, i);
		pass(out, in, i);
		flood(raw, 10000);
		drain(in, &(uint64_t){0});
		/* Who opens would clean him away. */
		floe_subscriber_close(subscriber("raw", NULL));
		expect(is_filled(held.data, CHUNK, 1));
	}
	floe_release(sub, &held);
	for (uint64_t i = 50; i < 80; i++) {
		publish(raw, CHUNK, i);
		pass(out, in, i);
	}
	/* Nothing is left of the dead one: his place goes with the next who comes. */
	late = subscriber("raw", NULL);
	expect_equal(count_places("raw"), 2);
	floe_subscriber_close(late);
	floe_subscriber_close(sub);
	floe_publisher_close(out);
	floe_subscriber_close(in);
	floe_publisher_close(raw);
	expect_folder_empty();
}

/* The first publisher, as another process. */
static void begin(int wire, void *argument)
{
	struct floe_publisher *raw = source();
	uint64_t seed;

	(void)argument;
	tell(wire, 0);
	while ((seed = hear(wire))) {
		publish(raw, CHUNK, seed);
		tell(wire, 0);
	}
	floe_publisher_close(raw);
}

static void the_first_publisher_may_die(void)
{
	struct peer peer = start(begin);
	struct floe_subscriber *in = subscriber("raw", SUBSCRIBER(.holds_max = 20));
	struct floe_publisher *out = relay("cooked", 12);
	struct floe_subscriber *sub = subscriber("cooked", NULL);
	struct floe_publisher *heir;
	struct floe_sample held;

	for (uint64_t i = 1; i <= 3; i++) {
		ask(peer.wire, i);
		pass(out, in, i);
	}
	held = take(sub, CHUNK, 1);
	peer_kill(&peer);
	receive(sub, CHUNK, 2);
	heir = source();
	flood(heir, 1000);
	expect(is_filled(held.data, CHUNK, 1));
	receive(sub, CHUNK, 3);
	floe_release(sub, &held);

	floe_publisher_close(heir);
	floe_subscriber_close(in);
	floe_publisher_close(out);
	floe_subscriber_close(sub);
	expect_folder_empty();
}

/*
 * A chain of three: the test publishes and reads, two others pass on, and are killed at any moment.
 */

#define POOL 60
#define NUMBERED (CHUNK - 8)

static const struct floe_pool pool = {4096, POOL};

/* What all of it can lend is known exactly. */
static struct floe_publisher *counted_source(const char *topic)
{
	return publisher(topic, PUBLISHER(.depth = DEPTH, .loans_max = POOL, .pools = &pool,
					  .pools_count = 1));
}

static size_t count_lendable(struct floe_publisher *pub)
{
	struct floe_loan loan[POOL];
	size_t count = 0;

	while (count < POOL && floe_loan(pub, CHUNK, &loan[count]) == 1)
		count++;
	for (size_t i = 0; i < count; i++)
		floe_discard(pub, &loan[i]);
	return count;
}

/* A message says its number: 1 sent, 0 there was no chunk. */
static int publish_number(struct floe_publisher *pub, uint64_t number)
{
	struct floe_loan loan;
	int r = floe_loan(pub, CHUNK, &loan);

	if (r != 1)
		return r;
	memcpy(loan.data, &number, sizeof(number));
	fill((char *)loan.data + sizeof(number), NUMBERED, number);
	return floe_publish(pub, &loan);
}

static uint64_t read_number(const struct floe_sample *sample)
{
	uint64_t number;

	expect_equal(sample->size, CHUNK);
	memcpy(&number, sample->data, sizeof(number));
	expect(is_filled((const char *)sample->data + sizeof(number), NUMBERED, number));
	return number;
}

struct hop {
	const char *from, *to;
};

static void pass_on_for_ever(int wire, void *argument)
{
	const struct hop *hop = argument;
	struct floe_subscriber *in = subscriber(hop->from, SUBSCRIBER(.holds_max = 20));
	struct floe_publisher *out = relay(hop->to, 18);
	struct floe_sample sample;

	tell(wire, 0);
	for (;;) {
		if (floe_wait(in, -1) != 1 || floe_take(in, &sample) != 1)
			continue;
		(void)read_number(&sample);
		if (floe_republish(out, in, &sample) != 1)
			floe_release(in, &sample);
	}
}

static void start_hop(struct peer *peer, struct hop *hop)
{
	*peer = peer_start(pass_on_for_ever, hop);
	hear(peer->wire);
}

/* Takes what there is, keeps one of them, and looks at it again and again. */
static void read_end(struct floe_subscriber *end, struct floe_sample *kept, uint64_t *last,
		     uint64_t *state)
{
	struct floe_sample sample;
	uint64_t number;

	while (floe_take(end, &sample) == 1) {
		number = read_number(&sample);
		expect(number > *last);
		*last = number;
		if (random_next(state) % 8 == 0) {
			floe_release(end, kept);
			*kept = sample;
		} else {
			floe_release(end, &sample);
		}
	}
	if (kept->data)
		(void)read_number(kept);
}

static void a_chain_of_which_links_are_killed_keeps_what_is_read(void)
{
	static struct hop hop[] = {{"a", "b"}, {"b", "c"}};
	struct floe_publisher *raw = counted_source("a");
	struct floe_subscriber *end = subscriber("c", NULL);
	struct floe_sample kept = {0};
	struct peer peer[2];
	uint64_t state = random_seed(), number = 0, last = 0, arrived = 0;

	for (int i = 0; i < 2; i++)
		start_hop(&peer[i], &hop[i]);
	for (int round = 0; round < 40; round++) {
		uint64_t messages = 1 + random_next(&state) % 40;
		int i = (int)(random_next(&state) % 2);

		while (messages--) {
			if (publish_number(raw, number + 1) == 1)
				number++;
			arrived += last;
			read_end(end, &kept, &last, &state);
			usleep((useconds_t)(random_next(&state) % 100));
		}
		peer_kill(&peer[i]);
		read_end(end, &kept, &last, &state);
		start_hop(&peer[i], &hop[i]);
	}
	expect(arrived > 0);
	for (int i = 0; i < 2; i++)
		peer_kill(&peer[i]);
	for (int i = 0; i < 200; i++)
		(void)publish_number(raw, ++number);
	read_end(end, &kept, &last, &state);
	floe_release(end, &kept);
	floe_subscriber_close(end);
	/* Nobody needs any of it: all but the ring can be lent, and no dead one has a place. */
	floe_subscriber_close(subscriber("a", NULL));
	expect_equal(count_places("a"), 0);
	expect_equal(count_lendable(raw), POOL - DEPTH);
	floe_publisher_close(raw);
	expect_folder_empty();
}

/* Two pass on what the other does, a third leads there, and all die: a circle that nobody alive is in
 * keeps nothing, nor what leads into it. */
static void a_circle_of_the_dead_keeps_nothing(void)
{
	static struct hop hop[] = {{"a", "b"}, {"b", "a"}, {"first", "a"}};
	struct floe_publisher *raw = counted_source("first");
	struct floe_subscriber *sub = subscriber("a", NULL);
	struct floe_sample sample;
	struct peer peer[3];
	unsigned seen = 0;
	struct floe_view *view;

	for (int i = 0; i < 3; i++)
		start_hop(&peer[i], &hop[i]);
	/* Until messages of both who publish there have come: then some have been round. */
	for (uint64_t number = 1; seen != 3; number++) {
		(void)publish_number(raw, number);
		(void)floe_wait(sub, now_ns() + 1000000);
		while (floe_take(sub, &sample) == 1) {
			seen |= 1u << floe_sample_publisher(sub, &sample);
			floe_release(sub, &sample);
		}
	}
	floe_subscriber_close(sub);
	for (int i = 0; i < 3; i++)
		peer_kill(&peer[i]);
	/* Who opens here looks at the third alone. */
	floe_subscriber_close(subscriber("first", NULL));
	expect_equal(count_places("first"), 0);
	floe_publisher_close(raw);
	expect_equal(floe_view_open(&view, NULL, NULL, NULL), 0);
	expect(floe_view_clean(view, 0, NULL, NULL) >= 0);
	expect_equal(floe_view_clean(view, 0, NULL, NULL), 0);
	floe_view_close(view);
	expect_folder_empty();
}

static void who_leaves_in_order_keeps_what_is_read(void)
{
	struct peer peer = start(republish);
	struct floe_subscriber *sub = subscriber("cooked", NULL);
	struct floe_publisher *raw = source();
	struct floe_subscriber *late;
	struct floe_sample held;

	forward(raw, &peer, 1, 3);
	held = take(sub, CHUNK, 1);
	tell(peer.wire, 0);
	peer_end(&peer);
	late = subscriber("raw", NULL);
	flood(raw, 1000);
	expect(is_filled(held.data, CHUNK, 1));
	receive(sub, CHUNK, 2);
	floe_release(sub, &held);
	receive(sub, CHUNK, 3);

	floe_subscriber_close(late);
	floe_publisher_close(raw);
	floe_subscriber_close(sub);
	expect_folder_empty();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_chunk_goes_on_without_a_copy),
		TEST(small_payloads_travel_in_slots_again),
		TEST(a_long_chain_keeps_its_books),
		TEST(one_publisher_relays_for_many_subscribers),
		TEST(when_all_relays_are_in_use_nothing_is_sent),
		TEST(an_observer_sees_what_is_relayed),
		TEST(what_cannot_be_relayed_is_refused),
		TEST(a_reliable_reader_blocks_the_relay_too),
		TEST(what_a_dead_republisher_sent_can_still_be_taken),
		TEST(what_nobody_reads_is_lost_with_its_republisher),
		TEST(a_successor_gives_back_what_the_dead_one_held),
		TEST(the_first_publisher_may_die),
		TEST(a_chain_of_which_links_are_killed_keeps_what_is_read),
		TEST(a_circle_of_the_dead_keeps_nothing),
		TEST(who_leaves_in_order_keeps_what_is_read),
	};

	return frame_run(argc, argv, tests, TEST_COUNT(tests));
}
