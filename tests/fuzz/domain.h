/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FUZZ_DOMAIN_H
#define FUZZ_DOMAIN_H

/*
 * A domain whose files are right but for what the fuzzer changes in one of them, and everything that
 * reads files of others played on it through the public calls.
 *
 * The fuzzer's bytes are changes to a file that the library itself made, so that most inputs come
 * behind the first checks: one byte of flags, then records of 11 bytes: where (2), how (1), what (8).
 */

#include <stddef.h>
#include <stdint.h>

enum domain_file {
	DOMAIN_RING,   /* topics/t/pub.0, a segment */
	DOMAIN_NODE,   /* nodes/<id> and topics/t/sub.0 */
	DOMAIN_TOPIC,  /* topics/t/topic */
	DOMAIN_RECORD, /* topics/t/pub.0, a record of a block */
	DOMAIN_EVENT,  /* topics/t/event.0, a notifier's */
	DOMAIN_BOARD,  /* topics/t/board.0, a writer's */
	DOMAIN_TERMS,  /* topics/t/terms */
	DOMAIN_QUOTAS, /* quotas */
	DOMAIN_SERVER, /* topics/s@service/pub.0, what a server announces */
	DOMAIN_ANSWER, /* topics/s@client.<id>/pub.0, its responses */
	DOMAIN_OFFER,  /* topics/t/pub.1, with headers and attributes */
	DOMAIN_WISH,   /* nodes/<id> and topics/t/sub.1, who wants these */
	DOMAIN_LANES,  /* topics/t/pub.0, with queues of who drops the newest */
	DOMAIN_FILES
};

/* Changes that file and plays. Never returns after a failed expectation: it aborts. */
void domain_play(enum domain_file file, const uint8_t *changes, size_t size);

#endif
