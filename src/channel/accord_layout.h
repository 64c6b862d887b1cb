/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_ACCORD_LAYOUT_H
#define CHANNEL_ACCORD_LAYOUT_H

/*
 * Accord: what a publisher offers beside its type, or what a subscriber wants: a header beside each
 * payload, and attributes. It lies behind the schema of a segment, or behind the holds of a port, and
 * takes nothing where nothing is offered or wanted.
 *
 *   +0      header              its type; of size 0: none
 *   +160    count               of attributes
 *   +168    attribute[count]    no key twice
 *   ...     zeros up to the end of the line
 *
 * Written before the segment or the port can be seen, and not while it is: who dies leaves all of it.
 */

#include <stddef.h>

#include "channel/segment_layout.h"

struct attribute_shared {
	char key[FLOE_ATTRIBUTE_KEY_MAX + 8];
	char value[FLOE_ATTRIBUTE_VALUE_MAX + 8];
	uint64_t any; /* of one that is wanted: whatever its value is */
};
static_assert(sizeof(struct attribute_shared) == 344, "layout");

struct accord_shared {
	struct type_shared header;
	uint64_t count;
	struct attribute_shared attribute[FLOE_ATTRIBUTES_MAX]; /* of these `count` are there */
};
static_assert(offsetof(struct accord_shared, attribute) == 168, "layout");

/* Whole lines. */
#define ACCORD_SIZE_MAX ((sizeof(struct accord_shared) + 63) & ~(size_t)63)

#endif
