/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_BESIDE_H
#define BENCH_BESIDE_H

/*
 * Loan and discard while another process works on the other core: does it cost more when that one
 * uses the same topic than when it has nothing to do with floe?
 */

#include "case.h"

/* The other process adds numbers. */
extern const struct bench_kind beside_stranger;

/* The other process publishes on the topic, takes what it published, and looks at our ring. */
extern const struct bench_kind beside_user;

#endif
