/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEMO_DECODER_H
#define DEMO_DECODER_H

/*
 * ffmpeg as a child: it decodes a video into raw frames, three bytes a pixel, on a pipe.
 */

#include <stdint.h>

#include "child.h"

struct decoder_options {
	const char *video;
	bool loop;       /* begin again at the end */
	uint64_t frames; /* end after so many; 0: at the end of the video, or never */
};

/* stdio: as child_start. 0 or -errno. */
int decoder_start(struct child *c, const struct decoder_options *options, const int *stdio);

#endif
