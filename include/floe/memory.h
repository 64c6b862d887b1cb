/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOE_MEMORY_H
#define FLOE_MEMORY_H

/*
 * Memory that you bring: four calls of yours that the library uses instead of the kernel's.
 *
 * The calls are made by whoever opens, grows or closes what lies in the memory, one at a time for
 * one object; objects in different threads may call at once. They may block. They must not call
 * back into the object that they serve.
 */

#include <floe/floe.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * `size` is sizeof(struct floe_source); a larger struct of a newer program is accepted while what
 * this library does not know is zero, else -E2BIG. The struct and what `user` points to stay
 * valid until everything that was obtained is released.
 */
struct floe_source {
	size_t size;

	/* `size` bytes at a multiple of `alignment` (a power of two), mapped readable and writable.
	 * 0, or -errno, which is passed on to whoever asked. */
	int (*obtain)(void *user, size_t size, size_t alignment, void **ret_memory);

	/* Takes back exactly what one call of obtain gave. NULL: it is never taken back. */
	void (*release)(void *user, void *memory, size_t size);

	/* What this memory is, in a few words for error sentences ("arena of the camera"); writes
	 * at most `size` bytes including a final NUL. NULL: no words. */
	void (*describe)(void *user, char *buffer, size_t size);

	void *user; /* handed to every call */
};

#ifdef __cplusplus
}
#endif
#endif
