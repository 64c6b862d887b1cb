/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_IDENTITY_H
#define BASE_IDENTITY_H

/*
 * The first bytes of every shared structure: what it is, in which format, made by a build that
 * agrees with ours about every offset.
 *
 * Written before the structure can be seen by anybody, never changed after.
 */

#include <stdint.h>

#include <floe/floe.h>

#include "base/compiler.h"

/* Goes up by one with every change of a shared structure. */
#define IDENTITY_FORMAT 9u

struct identity_shared {
	uint64_t magic;
	uint32_t format;
	uint32_t signature;
};
static_assert(sizeof(struct identity_shared) == 16, "layout");

/* Eight characters, readable in a hex dump. */
#define IDENTITY_MAGIC(a, b, c, d) \
	((uint64_t)'f' | (uint64_t)'l' << 8 | (uint64_t)'o' << 16 | (uint64_t)'e' << 24 | \
	 (uint64_t)(a) << 32 | (uint64_t)(b) << 40 | (uint64_t)(c) << 48 | (uint64_t)(d) << 56)

/* Folds sizes and offsets of a structure into 32 bits at compile time, so that two builds that
 * disagree refuse each other. Byte order shows in the magic. */
#define IDENTITY_SIGN(a, b, c, d) \
	((uint32_t)(((31 * (uint64_t)(a) + (uint64_t)(b)) * 31 + (uint64_t)(c)) * 31 + \
		    (uint64_t)(d)) * \
	 2654435761u)

static inline struct identity_shared identity_make(uint64_t magic, uint32_t signature)
{
	return (struct identity_shared){magic, IDENTITY_FORMAT, signature};
}

/* 0, or -EPROTO with a sentence. `what` is the noun ("a topic"), `path` where it was found. */
int identity_check(struct identity_shared seen, uint64_t magic, uint32_t signature,
		   const char *what, const char *path, struct floe_error *error);

#endif
