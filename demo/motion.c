/* SPDX-License-Identifier: Apache-2.0 */

/*
 * motion: compares each frame with the one before, both where they lie in the camera's memory,
 * and publishes what moved. It keeps both until the next frame comes: the supervisor kills this
 * process while it holds them, to show that nobody else notices.
 */

#include <errno.h>
#include <string.h>

#include "movement.h"
#include "process.h"
#include "viewer.h"

static const struct floe_type motion_type = {
	.name = "demo.motion",
	.size = sizeof(struct motion_message),
	.alignment = 8,
};

static int open_motion(struct floe_publisher **ret)
{
	struct floe_error error = {""};
	struct floe_publisher_options options = {
		.size = sizeof(options),
		.depth = 64,
		.payload_max = sizeof(struct motion_message),
		.type = &motion_type,
		.error = &error,
	};
	int r = floe_publisher_open(ret, TOPIC_MOTION, &options);

	return r < 0 ? process_fail("cannot publish " TOPIC_MOTION, r, &error) : 0;
}

/* The result is computed on the stack: it is small, and a loan may be reused memory. */
static int publish_motion(struct floe_publisher *publisher, const struct motion_message *message)
{
	struct floe_loan loan;
	int r = floe_loan(publisher, sizeof(*message), &loan);

	if (r <= 0)
		return r < 0 ? r : -ENOBUFS;
	memcpy(loan.data, message, sizeof(*message));
	r = floe_publish(publisher, &loan);
	if (r == 0)
		floe_discard(publisher, &loan);
	return r < 0 ? r : 0;
}

static int compare(struct floe_publisher *publisher, const struct floe_sample *before,
		   const struct floe_sample *now)
{
	static struct movement movement;
	const struct frame_head *a = before->data;
	const struct frame_head *b = now->data;
	struct motion_message message;

	if (a->width != b->width || a->height != b->height)
		return -EPROTO;
	movement_between(&movement, a, b, &message);
	return publish_motion(publisher, &message);
}

/* Holds two frames while it waits and three for a moment. */
static int watch(struct viewer *v, struct floe_publisher *publisher)
{
	struct floe_sample before = {0};
	struct floe_sample now = {0};
	struct floe_sample next;
	int r;

	while ((r = viewer_next(v, &next)) > 0) {
		viewer_release(v, &before);
		before = now;
		now = next;
		if (before.data)
			r = compare(publisher, &before, &now);
		if (r < 0)
			break;
	}
	viewer_release(v, &before);
	viewer_release(v, &now);
	return r;
}

int main(void)
{
	static struct viewer viewer;
	struct floe_publisher *publisher = NULL;
	int r;

	r = viewer_open(&viewer, ROLE_MOTION, (struct floe_subscriber_options){.holds_max = 3});
	if (r < 0)
		return 1;

	r = open_motion(&publisher);
	if (r == 0)
		r = watch(&viewer, publisher);
	floe_publisher_close(publisher);
	return viewer_close(&viewer, r);
}
