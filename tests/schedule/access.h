/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHEDULE_ACCESS_H
#define SCHEDULE_ACCESS_H

/*
 * Put before everything else when the sources of the channel are compiled for the scheduler: each
 * access to a shared word becomes a call that says what it is, and the scheduler decides who acts
 * before it, what a load finds, and when a store is seen.
 */

#include <stdint.h>

#define FLOE_SCHEDULED /* no copies of several words at once */

enum order {
	ORDER_PLAIN, /* payload: not atomic, so it must be ordered by something else */
	ORDER_relaxed,
	ORDER_acquire,
	ORDER_release,
	ORDER_seq_cst,
};

/* Where in the source the access is. */
struct site {
	const char *file;
	const char *function;
	int line; /* 0: a system call */
};

uint32_t access_load32(const void *word, enum order order, const struct site *site);
uint64_t access_load64(const void *word, enum order order, const struct site *site);
void access_store32(void *word, uint32_t value, enum order order, const struct site *site);
void access_store64(void *word, uint64_t value, enum order order, const struct site *site);
uint64_t access_add(void *word, uint64_t value, const struct site *site);
void access_fence(enum order order, const struct site *site);

/* clang-format off */
#define SITE \
	(__extension__({ \
		static const struct site here = {__FILE__, __func__, __LINE__}; \
		&here; \
	}))
#define FLOE_SHARED_LOAD(word, order) \
	_Generic((word), shared_u32 *: access_load32, const shared_u32 *: access_load32, \
		 default: access_load64)((const void *)(word), ORDER_##order, SITE)
#define FLOE_SHARED_STORE(word, value, order) \
	_Generic((word), shared_u32 *: access_store32, default: access_store64) \
		((word), (value), ORDER_##order, SITE)
#define FLOE_SHARED_ADD(word, value, order) access_add((word), (value), SITE)
#define FLOE_SHARED_FENCE(order) access_fence(ORDER_##order, SITE)
/* clang-format on */

#endif
