/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_RATE_H
#define BENCH_RATE_H

/*
 * Messages per second from one process to another that takes and reads them all: the subscriber
 * is reliable, so the publisher runs at its pace.
 */

#include "case.h"

extern const struct bench_kind rate_floe;

#endif
