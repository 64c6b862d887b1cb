/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_WAKE_H
#define BENCH_WAKE_H

/*
 * From the call that wakes to the first line after the wait, when the other process is asleep for
 * certain: the first one looks at its state before it starts the clock.
 */

#include "case.h"

/* A store and FUTEX_WAKE to a process in FUTEX_WAIT: the floor. */
extern const struct bench_kind wake_futex;

/* loan and publish to a process in floe_wait, which then takes. */
extern const struct bench_kind wake_floe;

/* The same to a process in poll(2) on floe_subscriber_fd: until it is awake, and until it has taken as
 * well. */
extern const struct bench_kind wake_fd;
extern const struct bench_kind wake_fd_take;

/* The same to a process in io_uring_submit_and_wait, with floe_uring_prep_topic. Where there is
 * liburing (BENCH_RING). */
extern const struct bench_kind wake_ring;

/* floe_notify to a process in floe_listener_wait, until it is awake. */
extern const struct bench_kind wake_event;

#endif
