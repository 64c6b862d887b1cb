/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_WAITSET_H
#define BENCH_WAITSET_H

/*
 * Many things are waited for, and one of them is ready: `subscribers` of the case says how many. One
 * thread has both ends.
 */

#include "case.h"

/* eventfds in an epoll: write to one, epoll_wait, read. The floor. */
extern const struct bench_kind waitset_bare;

/* Topics in a wait set: publish on one, floe_waitset_wait, take, release, and the take that finds
 * nothing. */
extern const struct bench_kind waitset_floe;

#endif
