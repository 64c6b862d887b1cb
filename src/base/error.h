/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

/*
 * The sentence that goes with an error of a slow call. `error` may be NULL everywhere.
 */

#include <floe/floe.h>

#include "base/compiler.h"

/* Writes the sentence and returns `code`, so that a failure is one line:
 *	return error_set(error, -EPROTO, "'%s' is not a topic file of floe: remove it", path); */
int error_set(struct floe_error *error, int code, const char *format, ...) floe_format(3, 4);

/* The same for a system call that failed on `what`; the sentence ends with the system's text. */
int error_system(struct floe_error *error, int code, const char *action, const char *what);

/* For a call with many steps: clear it first, and complete it at the end if no step that failed
 * has said anything. */
void error_clear(struct floe_error *error);
void error_complete(struct floe_error *error, int code, const char *action, const char *what);

#endif
