/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_STEPS_H
#define TESTS_STEPS_H

/*
 * The steps that most tests take: open or fail with the library's own sentence, send a message
 * that can be recognised, take it and compare.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <floe/floe.h>

#include "frame/frame.h"

#ifdef __cplusplus
extern "C" {
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* publisher("topic", PUBLISHER(.depth = 4)) */
#define PUBLISHER(...) \
	(&(struct floe_publisher_options){.size = sizeof(struct floe_publisher_options), \
					  __VA_ARGS__})
#define SUBSCRIBER(...) \
	(&(struct floe_subscriber_options){.size = sizeof(struct floe_subscriber_options), \
					   __VA_ARGS__})

/* Opened, or the test has failed. options: NULL for the defaults. */
struct floe_publisher *publisher(const char *topic, const struct floe_publisher_options *options);
struct floe_subscriber *subscriber(const char *topic,
				   const struct floe_subscriber_options *options);

/* What opening says: its result, after checking that a failure comes with a sentence that
 * contains `word` (NULL: any sentence). */
int try_publisher(const char *topic, const struct floe_publisher_options *options,
		  const char *word);
int try_subscriber(const char *topic, const struct floe_subscriber_options *options,
		   const char *word);

/* Bytes that only this seed and size give. */
void fill(void *data, size_t size, uint64_t seed);
bool is_filled(const void *data, size_t size, uint64_t seed);

/* A message of `size` bytes filled from `seed` is sent, or would block: what floe_publish says.
 * A loan that would block is discarded. */
int try_publish(struct floe_publisher *pub, size_t size, uint64_t seed);
/* It is sent, or the test has failed. */
void publish(struct floe_publisher *pub, size_t size, uint64_t seed);

/* The next message is there and is this one; it stays held. */
struct floe_sample take(struct floe_subscriber *sub, size_t size, uint64_t seed);
/* The same, and it is released. Returns its sequence. */
uint64_t receive(struct floe_subscriber *sub, size_t size, uint64_t seed);
void expect_nothing(struct floe_subscriber *sub);

/* Takes and releases all that is there and returns how many; *lost is what was lost on the way. */
uint64_t drain(struct floe_subscriber *sub, uint64_t *lost);

struct floe_publisher_counts publisher_counts(struct floe_publisher *pub);
struct floe_subscriber_counts subscriber_counts(struct floe_subscriber *sub);

int64_t now_ns(void); /* CLOCK_MONOTONIC */

/* A small generator, so that a run can be repeated from its printed seed. */
uint64_t random_next(uint64_t *state);
/* FLOE_TEST_SEED or a fixed number; printed. */
uint64_t random_seed(void);

#ifdef __cplusplus
}
#endif

#endif
