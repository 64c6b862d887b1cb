/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_COSTS_H
#define BENCH_COSTS_H

/*
 * What the calls themselves cost: one thread has both ends, everything is in its nearest cache.
 */

#include "case.h"

/* 100 additions that wait for each other, which is 100 cycles: how fast the processor is now. */
extern const struct bench_kind costs_cycles;

/* A function that does nothing, called as floe's are. */
extern const struct bench_kind costs_call;

/* loan, publish, take, release */
extern const struct bench_kind costs_round;

/* The same with a subscriber that drops the newest. */
extern const struct bench_kind costs_lane_round;

/* loan, publish; nobody subscribes */
extern const struct bench_kind costs_publish;

/* loan, discard: a chunk of the pool comes and goes */
extern const struct bench_kind costs_discard;

/* take of an empty topic */
extern const struct bench_kind costs_empty;

/* publish, take, publish on a second topic, take there: what was taken is copied, or relayed */
extern const struct bench_kind costs_copied;
extern const struct bench_kind costs_relayed;

/* floe_notify; nobody listens */
extern const struct bench_kind costs_notify;

/* floe_board_look at a value that does not change; and 8 bytes written and read */
extern const struct bench_kind costs_board_look;
extern const struct bench_kind costs_board_round;

#endif
