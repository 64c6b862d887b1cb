/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEMO_PROCESS_H
#define DEMO_PROCESS_H

/*
 * What all programs of the demo need from the system: time, signals, descriptors.
 *
 * SIGTERM means leave now. SIGUSR1 means publish no more, but stay for those who still read.
 * SIGINT is the supervisor's business alone.
 */

#include <floe/floe.h>

#include <stdbool.h>
#include <stdint.h>

/* name: for the messages of process_fail; kept. */
void process_start(const char *name);

int64_t now_ns(void); /* CLOCK_MONOTONIC */

bool process_has_to_leave(void);
bool process_has_to_finish(void); /* SIGUSR1 or SIGTERM came */

/* Open descriptors of this process. */
uint32_t process_count_fds(void);

/* Writes "floe demo: NAME: WHAT: why" to standard error and returns `code`. The library's
 * sentence wins over the text of the code. error: may be NULL. */
int process_fail(const char *what, int code, const struct floe_error *error);

#endif
