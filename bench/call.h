/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_CALL_H
#define BENCH_CALL_H

/*
 * A function that does nothing, in a library of the kind that floe is linked as. What its call costs
 * is the floor of every call of floe.
 */

#include <floe/floe.h>

FLOE_PUBLIC FLOE_DIRECT int call_nothing(void *state, void *ret); /* 0 */

#endif
