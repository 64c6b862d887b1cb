/* SPDX-License-Identifier: Apache-2.0 */
#include "decoder.h"

#include <stdio.h>

#define WORDS_MAX 32

struct words {
	const char *list[WORDS_MAX];
	unsigned count;
};

static void add(struct words *w, const char *const *more)
{
	/* One place is left for the NULL at the end. */
	while (*more && w->count < WORDS_MAX - 1)
		w->list[w->count++] = *more++;
}

int decoder_start(struct child *c, const struct decoder_options *options, const int *stdio)
{
	char frames[32];
	const char *const quiet[] = {"ffmpeg", "-nostdin", "-v", "error", NULL};
	const char *const loop[] = {"-stream_loop", "-1", NULL};
	const char *const input[] = {"-i", options->video, "-map", "0:v:0", NULL};
	const char *const limit[] = {"-frames:v", frames, NULL};
	/* passthrough: each frame once, not one more or less to keep a rate. */
	const char *const output[] = {"-fps_mode", "passthrough", "-pix_fmt", "bgr24",
				      "-f",        "rawvideo",    "pipe:1",   NULL};
	struct words words = {0};

	snprintf(frames, sizeof(frames), "%ju", (uintmax_t)options->frames);
	add(&words, quiet);
	if (options->loop)
		add(&words, loop);
	add(&words, input);
	if (options->frames > 0)
		add(&words, limit);
	add(&words, output);
	return child_start(c, words.list, stdio);
}
