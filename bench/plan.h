/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_PLAN_H
#define BENCH_PLAN_H

/*
 * Everything that is measured, in the order of the report. A case's floor stands before it.
 */

#include "case.h"

extern const struct bench_case plan[];
extern const size_t plan_count;

/* Index of a case; the name must be one of the plan's. */
size_t plan_find(const char *name);

#endif
