/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_NAME_H
#define BASE_NAME_H

/*
 * Names of topics, domains and types: UTF-8 that is safe as one component of a path and on a
 * terminal.
 */

#include <floe/floe.h>

/* 0, or -EINVAL with a sentence. `what` is the noun for it ("topic name"), size_max in bytes. */
int name_check(const char *name, const char *what, size_t size_max, struct floe_error *error);

/* The same for text that names nothing: it may be empty, and have slashes. */
int name_check_text(const char *text, const char *what, size_t size_max, struct floe_error *error);

#endif
