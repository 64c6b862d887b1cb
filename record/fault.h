/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECORD_FAULT_H
#define RECORD_FAULT_H

/*
 * Fault: what is wrong with a file, and where. Files are input: every number in them may be a lie.
 */

#include <stdint.h>

struct fault {
	uint64_t offset; /* in the file */
	char text[200];
};

/* Returns `code`. fault: NULL is fine */
int fault_set(struct fault *fault, int code, uint64_t offset, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
