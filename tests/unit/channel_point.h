/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_CHANNEL_POINT_H
#define UNIT_CHANNEL_POINT_H

/*
 * Put before everything else when src/channel is compiled for its unit test: each access to a
 * shared word first comes by the test, which may stop the one who is about to do it, or let
 * somebody else act before.
 */

void shared_point(void);

#define FLOE_SHARED_POINT() shared_point()
#define FLOE_SCHEDULED /* no copies of several words at once */

#endif
