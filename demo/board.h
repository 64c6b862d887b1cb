/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEMO_BOARD_H
#define DEMO_BOARD_H

/*
 * Everything the supervisor knows, from the topics demo.stats and demo.motion and from looking
 * at the domain. It is private memory of the supervisor; the screen and the summary read it.
 */

#include <floe/inspect.h>

#include <stdbool.h>
#include <stdint.h>

#include "topics.h"

#define BOARD_TRAIL 48
#define BOARD_EVENTS_MAX 16
#define BOARD_VIEWERS_MAX 32

/* One row of the table. */
struct post {
	struct report report; /* the newest */
	struct report mark;   /* about a second older */
	double rate;          /* frames in a second, between the two */
	uint64_t held;        /* frames, as the domain says */
	bool heard;
};

struct event {
	int64_t time_ns; /* since the start */
	char text[100];
};

struct board {
	uint32_t width;
	uint32_t height;
	uint64_t frames_expected; /* 0: nobody knows */
	int64_t start_ns;
	int64_t heard_ns; /* when the last report came */
	struct post post[ROLE_COUNT];
	struct report killed; /* the last report of the motion process that was killed */
	uint64_t killed_held; /* frames that it held */
	struct motion_message motion;
	uint64_t motion_received;
	uint64_t motion_lost;
	uint64_t motion_last;        /* sequence */
	uint16_t trail[BOARD_TRAIL]; /* permille that moved, the newest last */
	struct event event[BOARD_EVENTS_MAX];
	unsigned event_count;
};

/* Take in what came. What is not a message of ours is ignored. */
void board_hear(struct board *b, const struct floe_sample *sample);
void board_hear_motion(struct board *b, const struct floe_sample *sample);

/* Asks the domain who holds how many frames. */
void board_look(struct board *b, struct floe_view *view);

/* Moves the trail of the motion on by one. */
void board_tick(struct board *b);

/* Frames that a process holds, dead or alive; pid 0: all of them together. -errno. */
int64_t board_count_held(struct floe_view *view, int32_t pid);

__attribute__((format(printf, 2, 3))) void board_tell(struct board *b, const char *format, ...);

/* Bytes in a second that the viewers read. */
double board_bytes_per_second(const struct board *b);

uint64_t board_count_copied(const struct board *b);

#endif
