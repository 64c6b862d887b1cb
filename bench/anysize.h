/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_ANYSIZE_H
#define BENCH_ANYSIZE_H

/*
 * Messages of sizes that change at each call: what an elastic publisher asks for them, and what malloc
 * asks for as many objects that live as long.
 */

#include "case.h"

/* Payloads of these cases: no one size. */
#define ANYSIZE_IN_TURN 0 /* 200, 2,000, 20,000 and 200,000 bytes */
#define ANYSIZE_RANDOM 1  /* 64 bytes to 256 KiB, as many of each power of two */

/* Loan and publish; nobody subscribes. */
extern const struct bench_kind anysize_elastic;

/* malloc, and free of what was allocated a ring before. */
extern const struct bench_kind anysize_malloc;

#endif
