/* SPDX-License-Identifier: Apache-2.0 */
#include "steps.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct floe_publisher_options publisher_defaults(const struct floe_publisher_options *given,
							struct floe_error *error)
{
	struct floe_publisher_options options = {.size = sizeof(options)};

	if (given)
		options = *given;
	options.error = error;
	return options;
}

static struct floe_subscriber_options subscriber_defaults(
	const struct floe_subscriber_options *given, struct floe_error *error)
{
	struct floe_subscriber_options options = {.size = sizeof(options)};

	if (given)
		options = *given;
	options.error = error;
	return options;
}

static void explain(const char *what, const char *topic, int result, const struct floe_error *error)
{
	if (result < 0)
		printf("# %s of '%s': %s: %s\n", what, topic, strerror(-result), error->text);
}

struct floe_publisher *publisher(const char *topic, const struct floe_publisher_options *options)
{
	struct floe_error error = {""};
	struct floe_publisher_options all = publisher_defaults(options, &error);
	struct floe_publisher *pub = NULL;
	int r;

	r = floe_publisher_open(&pub, topic, &all);
	explain("publisher", topic, r, &error);
	expect_equal(r, 0);
	expect(pub);
	return pub;
}

struct floe_subscriber *subscriber(const char *topic, const struct floe_subscriber_options *options)
{
	struct floe_error error = {""};
	struct floe_subscriber_options all = subscriber_defaults(options, &error);
	struct floe_subscriber *sub = NULL;
	int r;

	r = floe_subscriber_open(&sub, topic, &all);
	explain("subscriber", topic, r, &error);
	expect_equal(r, 0);
	expect(sub);
	return sub;
}

static void check_sentence(int result, const struct floe_error *error, const char *word)
{
	if (result >= 0)
		return;
	expect(memchr(error->text, '\0', sizeof(error->text)));
	expect(strlen(error->text) > 10);
	if (word && !strstr(error->text, word))
		printf("# '%s' is missing in: %s\n", word, error->text);
	expect(!word || strstr(error->text, word));
}

int try_publisher(const char *topic, const struct floe_publisher_options *options, const char *word)
{
	struct floe_error error = {""};
	struct floe_publisher_options all = publisher_defaults(options, &error);
	struct floe_publisher *pub = NULL;
	int r;

	r = floe_publisher_open(&pub, topic, &all);
	expect(r <= 0);
	expect((r == 0) == (pub != NULL));
	check_sentence(r, &error, word);
	floe_publisher_close(pub);
	return r;
}

int try_subscriber(const char *topic, const struct floe_subscriber_options *options,
		   const char *word)
{
	struct floe_error error = {""};
	struct floe_subscriber_options all = subscriber_defaults(options, &error);
	struct floe_subscriber *sub = NULL;
	int r;

	r = floe_subscriber_open(&sub, topic, &all);
	expect(r <= 0);
	expect((r == 0) == (sub != NULL));
	check_sentence(r, &error, word);
	floe_subscriber_close(sub);
	return r;
}

uint64_t random_next(uint64_t *state)
{
	/* splitmix64: every state is a good one, also 0 */
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t random_seed(void)
{
	const char *given = getenv("FLOE_TEST_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : 20260509;

	printf("# seed: FLOE_TEST_SEED=%" PRIu64 "\n", seed);
	return seed;
}

void fill(void *data, size_t size, uint64_t seed)
{
	unsigned char *to = data;
	uint64_t state = seed ^ ((uint64_t)size << 48);

	for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
		uint64_t word = random_next(&state);
		size_t rest = size - at;

		memcpy(to + at, &word, rest < sizeof(word) ? rest : sizeof(word));
	}
}

bool is_filled(const void *data, size_t size, uint64_t seed)
{
	const unsigned char *from = data;
	uint64_t state = seed ^ ((uint64_t)size << 48);

	for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
		uint64_t word = random_next(&state);
		size_t rest = size - at;

		if (memcmp(from + at, &word, rest < sizeof(word) ? rest : sizeof(word)))
			return false;
	}
	return true;
}

int try_publish(struct floe_publisher *pub, size_t size, uint64_t seed)
{
	struct floe_loan loan = {0};
	int r;

	expect_equal(floe_loan(pub, size, &loan), 1);
	expect_equal(loan.size, size);
	fill(loan.data, size, seed);
	r = floe_publish(pub, &loan);
	expect(r == 0 || r == 1);
	expect((r == 1) == (loan.data == NULL));
	floe_discard(pub, &loan);
	expect(!loan.data);
	return r;
}

void publish(struct floe_publisher *pub, size_t size, uint64_t seed)
{
	expect_equal(try_publish(pub, size, seed), 1);
}

struct floe_sample take(struct floe_subscriber *sub, size_t size, uint64_t seed)
{
	struct floe_sample sample = {0};

	expect_equal(floe_take(sub, &sample), 1);
	expect_equal(sample.size, size);
	expect(is_filled(sample.data, size, seed));
	return sample;
}

uint64_t receive(struct floe_subscriber *sub, size_t size, uint64_t seed)
{
	struct floe_sample sample = take(sub, size, seed);
	uint64_t sequence = sample.sequence;

	floe_release(sub, &sample);
	expect(!sample.data);
	return sequence;
}

void expect_nothing(struct floe_subscriber *sub)
{
	struct floe_sample sample = {0};

	expect_equal(floe_take(sub, &sample), 0);
	expect(!sample.data);
}

uint64_t drain(struct floe_subscriber *sub, uint64_t *lost)
{
	struct floe_sample sample;
	uint64_t taken = 0;

	*lost = 0;
	while (floe_take(sub, &sample) == 1) {
		taken++;
		*lost += sample.lost;
		floe_release(sub, &sample);
	}
	return taken;
}

struct floe_publisher_counts publisher_counts(struct floe_publisher *pub)
{
	struct floe_publisher_counts counts;

	expect_equal(floe_publisher_count(pub, &counts, sizeof(counts)), 0);
	return counts;
}

struct floe_subscriber_counts subscriber_counts(struct floe_subscriber *sub)
{
	struct floe_subscriber_counts counts;

	expect_equal(floe_subscriber_count(sub, &counts, sizeof(counts)), 0);
	return counts;
}

int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
