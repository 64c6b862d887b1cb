/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEMO_TOPICS_H
#define DEMO_TOPICS_H

/*
 * The topics of the demo and what travels on them.
 *
 *	demo.video    a head and the pixels         camera -> verify, motion, slow, late
 *	demo.motion   what moves in one frame       motion -> demo
 *	demo.stats    the figures of one process    each of them -> demo
 *
 * All messages are read by other processes, which check what they read.
 */

#include <assert.h>
#include <stdint.h>

#define TOPIC_VIDEO "demo.video"
#define TOPIC_MOTION "demo.motion"
#define TOPIC_STATS "demo.stats"

/* Frames that stay readable, and how many of them somebody who joins late asks for. */
#define VIDEO_DEPTH 32
#define VIDEO_HISTORY 8

#define FRAME_MAGIC 0x656f6c66u
#define FRAME_END 1u /* flags: no pixels, nothing follows */

/* Lies in front of the pixels in the same loan. One cache line, so that the pixels are aligned
 * and even the end mark is too large to travel inline. */
struct frame_head {
	uint32_t magic;
	uint32_t flags;
	uint64_t number; /* from 1; the end mark has the number after the last frame */
	uint32_t width;
	uint32_t height;
	uint64_t pixels_size; /* bytes: 3 each, blue, green, red */
	uint64_t checksum;    /* of the pixels */
	uint8_t reserved[24];
};
static_assert(sizeof(struct frame_head) == 64, "one cache line");

#define MOTION_BOXES_MAX 8

/* In pixels from the upper left corner. */
struct motion_box {
	uint16_t x;
	uint16_t y;
	uint16_t width;
	uint16_t height;
};

struct motion_message {
	uint64_t number;   /* of the frame */
	uint32_t permille; /* of the picture that moved since the frame before */
	uint32_t boxes_count;
	struct motion_box boxes[MOTION_BOXES_MAX]; /* the largest first */
};
static_assert(sizeof(struct motion_message) == 80, "the same for everybody");

/* In the order of the table. */
enum role {
	ROLE_CAMERA,
	ROLE_VERIFY,
	ROLE_MOTION,
	ROLE_SLOW,
	ROLE_LATE,
	ROLE_COUNT,
};

/* Also the names of the programs. */
static const char *const role_names[ROLE_COUNT] = {
	[ROLE_CAMERA] = "camera", [ROLE_VERIFY] = "verify", [ROLE_MOTION] = "motion",
	[ROLE_SLOW] = "slow",     [ROLE_LATE] = "late",
};

enum report_state {
	REPORT_READY, /* joined, waits for the first frame */
	REPORT_RUNNING,
	REPORT_ENDED, /* the camera has sent the end mark; it stays until it is told to go */
	REPORT_DONE,  /* the last report: the topic is closed */
};

struct report {
	uint32_t role;
	uint32_t state;
	int32_t pid;
	uint32_t reserved;
	int64_t time_ns;
	uint64_t frames;   /* published or received, without the end mark */
	uint64_t messages; /* the library's count: with the end mark */
	uint64_t lost;
	uint64_t copied;  /* bytes that take copied */
	uint64_t first;   /* sequence of the first message that was meant for this process */
	uint64_t started; /* sequence of the first message that it took, later if it lost some */
	uint64_t last;    /* sequence of the last message that it took */
	uint64_t wrong;   /* verify: frames whose number or checksum was not right */
	uint64_t p50_ns;  /* from publish to take */
	uint64_t p99_ns;
	uint64_t p999_ns;
	uint64_t newest_before; /* late: newest sequence just before and just after it joined */
	uint64_t newest_after;
	uint64_t bytes_read; /* camera: from the decoder */
	uint64_t waits;      /* camera: for verify, which had not taken what would be overwritten */
	uint32_t fds_before; /* open descriptors before the topic was opened */
	uint32_t fds_after;  /* and after it was closed; 0: it is not closed yet */
};
static_assert(sizeof(struct report) == 152, "the same for everybody");

#endif
