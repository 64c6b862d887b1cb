/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEMO_SHOW_H
#define DEMO_SHOW_H

/*
 * The supervisor's course of events, and what it found out.
 *
 *	GATHER   verify, motion and slow join; the camera starts when all of them are ready
 *	PLAY     the camera publishes; late joins, motion is killed and replaced
 *	LEAVE    the end mark is out; the viewers leave one after the other
 *	CLOSE    everybody was told to go
 *	OVER     nobody is left
 */

#include <floe/inspect.h>

#include <signal.h>

#include "board.h"
#include "child.h"
#include "leftovers.h"
#include "screen.h"

struct show_options {
	const char *video;
	const char *programs; /* the folder with camera, verify, ... */
	uint32_t width;
	uint32_t height;
	uint32_t fps;
	uint64_t frames;  /* that the video has */
	uint32_t seconds; /* 0: to the end */
	bool loop;
	bool plain;
};

enum phase {
	PHASE_GATHER,
	PHASE_PLAY,
	PHASE_LEAVE,
	PHASE_CLOSE,
	PHASE_OVER,
};

struct show {
	struct show_options options;
	enum phase phase;
	int64_t patience_ns; /* when waiting in this phase ends */
	struct board board;
	struct screen screen;
	struct child child[ROLE_COUNT];
	struct child decoder;
	struct floe_view *view;
	struct floe_subscriber *stats;
	struct floe_subscriber *motion;
	int messages_fd; /* what the children complain about while a screen is drawn; -1: none */

	bool is_interrupted;
	bool is_killed;             /* motion was */
	bool is_broken_off;         /* not everybody may have seen the end mark */
	bool is_cut_short;          /* the video did not come to its end, and need not */
	int64_t held_after;         /* frames held when all viewers had left; -errno */
	bool has_looked;            /* held_after was found out */
	int cleaned;                /* things that the clean-up found; -errno */
	struct leftovers leftovers; /* of the domain, at the very end */
	char failure[160];          /* why the show was broken off, if not by an interrupt */
};

int show_open(struct show *s, const struct show_options *options);

/* Until everybody has left. interrupts: counted up by a signal handler. */
void show_run(struct show *s, const volatile sig_atomic_t *interrupts);

void show_close(struct show *s);

#endif
