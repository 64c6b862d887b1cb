/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEMO_VIEWER_H
#define DEMO_VIEWER_H

/*
 * What the four programs that look at the video share: joining, waiting for the next frame,
 * keeping account, reporting, leaving.
 *
 *	viewer_open -> { viewer_next -> viewer_release }* -> viewer_close
 *
 * The account is kept twice, from the samples and by the library, and both must agree.
 */

#include <floe/floe.h>

#include "frame.h"
#include "histogram.h"
#include "reporter.h"

struct viewer {
	struct floe_subscriber *subscriber;
	struct reporter reporter; /* its report carries the figures */
	struct histogram latency;
	uint64_t messages; /* as the samples say */
	uint64_t lost;
	uint64_t latency_from; /* older sequences are history: their latency says nothing */
};

/* policy, depth, holds and history are the caller's, the rest is filled here. On failure a
 * message was written. */
int viewer_open(struct viewer *v, enum role role, struct floe_subscriber_options options);

/* Waits for the next frame: 1; 0: the video has ended, or this process has to leave; <0. */
int viewer_next(struct viewer *v, struct floe_sample *ret);
void viewer_release(struct viewer *v, struct floe_sample *sample);

/* result: what viewer_next said last. Sends the last report and returns the exit status. */
int viewer_close(struct viewer *v, int result);

#endif
