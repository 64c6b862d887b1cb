/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEMO_SCREEN_H
#define DEMO_SCREEN_H

/*
 * The live view: on a terminal a screen that is drawn ten times a second, else (or with --plain)
 * one line a second for each process.
 */

#include "board.h"
#include "picture.h"
#include "terminal.h"

struct screen {
	struct terminal terminal;
	struct picture picture;
	bool is_plain;
	int64_t next_ns;
	unsigned events_written; /* plain only */
};

void screen_open(struct screen *s, bool is_plain);

/* The normal screen comes back. */
void screen_close(struct screen *s);

/* Draws if it is time. may_watch: the picture may be taken from the video topic; without it the
 * screen leaves the topic. */
void screen_update(struct screen *s, struct board *b, bool may_watch);

#endif
