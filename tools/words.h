/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_WORDS_H
#define TOOLS_WORDS_H

/*
 * Words: options that are several words of a list, with commas between.
 */

#include "frame.h"

/* words: NULL is none. False, and it is said, if one of them is not in the list; else the bit of each
 * word's place in it is set. */
bool words_read(const struct frame *frame, const char *option, const char *words,
		const char *const *names, size_t count, uint32_t *ret_bits);

#endif
