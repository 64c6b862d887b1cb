/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_ALONE_H
#define BENCH_ALONE_H

/*
 * Alone: is the core ours, or does somebody else run on its other hardware thread? A virtual machine
 * is not told, and no clock shows it: additions that wait for each other take as long as ever. But
 * those that do not share the adders with a neighbour, and take up to twice as long.
 */

#include <stdbool.h>

/* Looks for a quarter of a second how fast the core can be. */
void alone_begin(void);

/* Right now, for about a microsecond. */
bool alone_look(void);

/* Counts a batch; `alone` before it and after it. */
void alone_count(bool alone);

/* Of all batches that were counted; -1: there were none. */
double alone_share(void);

#endif
