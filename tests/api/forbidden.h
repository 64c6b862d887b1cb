/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FORBIDDEN_H
#define TESTS_FORBIDDEN_H

/*
 * System calls that this process may not make any more, as in a container, or that its kernel seems not
 * to have.
 */

#include <stdint.h>

/* From here on this call (SYS_...) of this process, and of its children, says so. Skips the test where
 * there are no seccomp filters. */
void forbid(long call, uint32_t error);

#endif
