/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_MESSAGE_H
#define TESTS_MESSAGE_H

/*
 * Messages that prove themselves, and the account that a subscriber keeps of them.
 *
 * A message says who wrote it, the how many-th of this writer it is, and whether it is the last;
 * all other bytes follow from that. A writer is one life of a publisher: a ring that is adopted
 * has messages of several writers in one sequence.
 *
 *   sequence = sequence before + 1 + lost
 *   number   = number before + 1 + lost        while the writer is the same
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <floe/floe.h>

#define MESSAGE_SIZE_MIN 24
#define MESSAGE_SIZE_MAX 3000

struct message {
	uint64_t writer;
	uint64_t number; /* from 1 */
	uint64_t is_last;
};

/* size: MESSAGE_SIZE_MIN at least */
void message_write(void *data, size_t size, const struct message *message);

/* What it says, or the test has failed because it is damaged. */
struct message message_read(const void *data, size_t size);

/* A size for the next message: as many travel inline as do not. */
size_t message_size(uint64_t *seed);

/* What one subscriber got from one publisher. */
struct account {
	bool started;
	uint64_t sequence; /* last one */
	struct message last;
	uint64_t received;
	uint64_t lost;
};

/* Adds a sample; a formula of the head comment that does not hold fails the test. */
void account_add(struct account *account, const struct floe_sample *sample);

#endif
