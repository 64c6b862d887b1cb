/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECORD_MOUNT_H
#define RECORD_MOUNT_H

/* Mount: where a file lies, as proc(5) says it. */

#include <stdbool.h>

/* Does the file lie in memory, in large pages as soon as it is large enough: a tmpfs with huge=always or within_size? */
bool mount_has_large_pages(int fd);

#endif
