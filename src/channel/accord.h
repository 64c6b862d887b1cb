/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_ACCORD_H
#define CHANNEL_ACCORD_H

/*
 * Accord: makes and reads what accord_layout.h describes, and says whether two participants of a topic
 * fit together. All of it is copies, private to the process.
 */

#include <stdbool.h>

#include "channel/accord_layout.h"

/* The headers of a service, among the attributes of who offers it and who uses it, on the topic NAME@service.
 * Requests flow towards who offers: there, and nowhere else, the first one is wanted by both sides. */
#define ACCORD_MEETING "@service"
#define ACCORD_REQUEST_HEADER "request.header"
#define ACCORD_RESPONSE_HEADER "response.header"

/* Exact bytes in shared memory, whole lines; 0: there is nothing to say. NULL is nothing. */
size_t accord_size(const struct accord_shared *accord);

/* header: checked, or NULL; attributes: checked */
void accord_format(struct accord_shared *ret_accord, const struct floe_type *header,
		   const struct floe_attribute *attributes, size_t count);

/* A copy of `size` bytes that a peer wrote, checked; of 0 bytes: nothing is said. 0, or -EPROTO */
int accord_read(struct accord_shared *ret_accord, const void *from, size_t size);

/* The same of a publisher, each of whose attributes has a value. */
int accord_read_offer(struct accord_shared *ret_offer, const void *from, size_t size);

/* What one participant says of what flows. */
struct party {
	struct type_shared type;
	const struct accord_shared *accord; /* NULL: nothing */
	bool wants;                         /* a subscriber */
	uint32_t lanes; /* of a publisher: how many; of a subscriber: which one it is for, from 1 */
};

/* Does it say anything that others could disagree with? */
bool party_is_silent(const struct party *party);

/* Can both be on one topic? 0, or -EPROTOTYPE with a sentence: `who` is whose `theirs` is, as in
 * type_check. */
int party_check(const struct party *ours, const struct party *theirs, const char *topic,
		const char *who, struct floe_error *error);

#endif
