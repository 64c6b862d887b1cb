/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMORY_MAPPED_H
#define MEMORY_MAPPED_H

/*
 * Mapped: may a range of addresses be read and written? Answered by /proc/self/maps, without
 * touching the range: pages that are not there yet do not come.
 */

#include <stddef.h>

/* 0; -EFAULT something of it is not mapped; -EACCES something of it cannot be read and written.
 * Where /proc cannot be read the caller is believed. */
int mapped_is_writable(const void *memory, size_t size);

#endif
