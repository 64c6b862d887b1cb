/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_TOPIC_H
#define BENCH_TOPIC_H

/*
 * floe's calls where any failure ends the program. The fast ones are inline: they are measured.
 */

#include <floe/board.h>
#include <floe/event.h>
#include <floe/floe.h>
#include <floe/service.h>

#include <errno.h>
#include <string.h>

#include "session.h"

/* The topic is named after the case and `part`; the folder is the session's. Open for ever or
 * until floe's own close. */
struct floe_publisher *topic_publisher(const char *case_name, const char *part,
				       const struct floe_publisher_options *options);
struct floe_subscriber *topic_subscriber(const char *case_name, const char *part,
					 const struct floe_subscriber_options *options);

/* An event's: with all defaults, and a listener that sleeps at once. */
struct floe_notifier *topic_notifier(const char *case_name, const char *part);
struct floe_listener *topic_listener(const char *case_name, const char *part);

struct floe_client *topic_client(const char *case_name, size_t payload_max);
struct floe_server *topic_server(const char *case_name, size_t payload_max);

/* A board's, with one key, "value", of 8 bytes. */
struct floe_board_writer *topic_board_writer(const char *case_name, const char *part);
struct floe_board_reader *topic_board_reader(const char *case_name, const char *part);

/* Messages of a megabyte and more get a ring of 2, so that a case fits into memory. */
size_t topic_depth(size_t payload);

static inline void topic_loan(struct floe_publisher *pub, size_t size, struct floe_loan *ret)
{
	int result = floe_loan(pub, size, ret);

	if (__builtin_expect(result != 1, 0))
		fail("floe_loan: %s", result ? strerror(-result) : "no chunk is free");
}

static inline void topic_publish(struct floe_publisher *pub, struct floe_loan *loan)
{
	int result = floe_publish(pub, loan);

	if (__builtin_expect(result != 1, 0))
		fail("floe_publish: %s", result ? strerror(-result) : "would block");
}

/* 1, or 0: nothing there. */
static inline int topic_take(struct floe_subscriber *sub, struct floe_sample *ret)
{
	int result = floe_take(sub, ret);

	if (__builtin_expect(result < 0, 0))
		fail("floe_take: %s", strerror(-result));
	return result;
}

#endif
