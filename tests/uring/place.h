/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_PLACE_H
#define TESTS_PLACE_H

/*
 * Places for rings: memory that ends where it is told to, between pages that nobody may touch.
 */

#include <stddef.h>
#include <stdint.h>

#include <floe/uring.h>

#include "frame/frame.h"

#define PAGE ((size_t)4096)

enum kind {
	PRIVATE, /* anonymous */
	SHARED,  /* anonymous */
	MEMFD,   /* mapped shared */
	TMPFS,   /* a file, mapped shared */
	COPY,    /* a memfd, mapped private */
	KINDS,
};
extern const char *const kind_names[KINDS];

struct place {
	unsigned char *base;
	size_t size; /* whole pages */
	enum kind kind;
	int fd;
};

/* Filled with 0xab. */
struct place place_make(enum kind kind, size_t size);
void place_end(struct place *place);

/* Does every byte say so? */
int place_is(const struct place *place, unsigned char value);

/* Skips the test where rings in memory of one's own are not to be had. */
void need_rings(void);

/* For params with these flags. */
struct io_uring_params with(uint32_t flags);

/* A ring in a place that is exactly as large as it must be. */
struct seat {
	struct place place;
	struct io_uring ring;
	struct io_uring_params params;
};
void seat_take(struct seat *seat, enum kind kind, unsigned entries, struct io_uring_params params);

/* `count` no-operations go in and come out, each its own. */
void run_nops(struct io_uring *ring, unsigned count);

int64_t now(void);
void sleep_ms(long ms);

#endif
