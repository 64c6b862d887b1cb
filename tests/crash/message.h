/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRASH_MESSAGE_H
#define CRASH_MESSAGE_H

/*
 * Message: bytes that only this ring and this sequence give, so that a chunk which was written
 * again under its reader, or sent before it was filled, is seen.
 *
 * Account: what a subscriber got of one ring, from its first message on.
 */

#include <stdint.h>

#include <floe/floe.h>

#define MESSAGE_INLINE 40
#define MESSAGE_HEADER 8 /* both fit into a slot */
#define MESSAGE_CHUNK 200
#define MESSAGE_LARGE 70000 /* more than stays without a reason: ELASTIC_IDLE_MAX */

/* Whose ring: the victim's goes on with its successors. */
#define MESSAGE_VICTIM 'V'
#define MESSAGE_SURVIVOR 'S'
#define MESSAGE_VISITOR 'N'

void message_write(void *data, size_t size, uint64_t whose, uint64_t sequence);

/* The header beside it, where there are any: it is that of this sequence. */
void message_write_header(struct floe_publisher *pub, const struct floe_loan *loan,
			  uint64_t sequence);
void message_read_header(struct floe_subscriber *sub, const struct floe_sample *sample);

/* Whose it is; or the test has failed: it is not whole, or not the one with this sequence. */
uint64_t message_read(const struct floe_sample *sample);

struct account {
	uint64_t whose;
	uint64_t last; /* sequence that was seen or known to be lost last */
	uint64_t received;
	uint64_t lost;
	uint64_t before; /* messages of other rings that were in its place */
};

/* The next sample of this ring; one that begins with its first message may be another ring in the
 * same place. Anything but the next one fails the test. */
void account_add(struct account *account, const struct floe_sample *sample);

/* The message of this size is loaned, written and published: what floe_publish says, or what
 * floe_loan says below 1. A loan that is not sent is given back. */
int message_publish(struct floe_publisher *pub, size_t size, uint64_t whose);

/* The same for one message of WORLD_PARTS, chunks and inline in turn. */
int message_publish_parts(struct floe_publisher *pub, uint64_t whose);

/* The last sequence of the ring. */
uint64_t message_published(struct floe_publisher *pub);

#endif
