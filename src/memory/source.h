/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMORY_SOURCE_H
#define MEMORY_SOURCE_H

/*
 * Source: where a region's memory comes from.
 *
 * A small value that belongs to this process. Making one asks nothing of the system; a region
 * copies it, and whatever obtaining opens (a memfd) belongs to that copy until it is released.
 * What the constructors are given (name, descriptor, block, vtable) stays the caller's and stays
 * valid until then. Called by the thread that owns the region.
 */

#include <floe/memory.h>
#include <stdbool.h>

#include "base/compiler.h"

struct source;

struct source_calls {
	/* `size` bytes of address space, readable, writable and cache-line aligned. 0 or -errno with
	 * a sentence; on failure nothing stays obtained. */
	int (*obtain)(struct source *source, size_t size, void **ret_memory,
		      struct floe_error *error);

	/* Puts memory behind the bytes from..to of what was obtained; `from` is on a page's border
	 * and nothing behind it is in use. 0, or -errno with that range as it was. */
	int (*reserve)(struct source *source, unsigned char *memory, size_t from, size_t to);

	/* Ends what obtain began. */
	void (*release)(struct source *source, void *memory, size_t size);

	/* What it is, for sentences: "memfd cam0". Always ends with a NUL; size > 0. */
	void (*describe)(const struct source *source, char *buffer, size_t size);
};

struct source {
	const struct source_calls *calls; /* NULL: no source */
	int fd;                           /* of a memfd or a file, else -1 */
	int map_flags;
	unsigned memfd_flags;
	const char *name;                 /* of a memfd */
	void *memory;                     /* the caller's block */
	size_t size;                      /* of the block; of a huge page */
	const struct floe_source *theirs; /* the caller's vtable */
};

/* What the system gives to this process and its children (shared), or copies at fork (not). */
struct source source_anonymous(bool shared);

/* A memfd that is made when obtained and closed when released; region_fd says which it is. */
struct source source_memfd(const char *name);

/* An open, writable file on tmpfs or hugetlbfs, with or without a name. Obtaining sets its size,
 * on hugetlbfs a multiple of the huge page (else -EINVAL). The descriptor stays the caller's. */
struct source source_file(int fd);

/* A memfd of huge pages. Obtaining sets all of them aside; the size must be a multiple of them
 * (else -EINVAL). -ENODEV: there are not as many, or none at all; fall back to source_memfd. */
struct source source_huge(size_t huge_page_size);

/* The caller's block, cache-line aligned (else -EINVAL) and large enough (else -ENOMEM). It is
 * neither written nor unmapped. */
struct source source_block(void *memory, size_t size);

/* The caller's vtable; -EINVAL, -E2BIG when obtained, unless it keeps the rules of its header. */
struct source source_vtable(const struct floe_source *theirs);

#endif
