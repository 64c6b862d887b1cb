/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALLOC_SITES_H
#define ALLOC_SITES_H

/*
 * Sites: what the samples of a heap say about the program, as text. No lock is held while names are
 * looked up: that takes the dynamic linker's, whose holder may allocate.
 */

#include "alloc/heap.h"
#include "base/text.h"

/* A line for each: bytes that it stands for, samples, who called whom; sort -rn puts the largest
 * first. */
void sites_add_lines(struct heap *heap, struct text *text);

/* One object. */
void sites_add_json(struct heap *heap, struct text *text);

#endif
