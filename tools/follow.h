/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_FOLLOW_H
#define TOOLS_FOLLOW_H

/*
 * Who is in a domain, and who comes, goes and dies: a line each, until somebody stops it.
 */

#include "frame.h"

struct follow {
	const char *kinds;   /* words with commas between, or NULL: all */
	const char *states;  /* the same */
	const char *process; /* a pattern, or NULL */
	bool inside;         /* also the topics that services are made of */
};

/* The operands of the frame are patterns of topics. Returns the exit code. */
int follow_run(struct frame *frame, const struct follow *follow);

#endif
