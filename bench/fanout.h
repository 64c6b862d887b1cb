/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_FANOUT_H
#define BENCH_FANOUT_H

/*
 * What a publisher pays for loan and publish when many subscribe. The subscribers are in the same
 * process and thread, so that nothing but their number changes.
 */

#include "case.h"

/* They have joined, take nothing and hold nothing. */
extern const struct bench_kind fanout_idle;

/* Each takes and releases every message; only the publisher's part is timed. */
extern const struct bench_kind fanout_taking;

#endif
