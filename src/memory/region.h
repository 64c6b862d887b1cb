/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMORY_REGION_H
#define MEMORY_REGION_H

/*
 * Region: a mapped, cache-line aligned range whose first bytes really have memory.
 *
 *	base                  reserved                     size
 *	 | memory is there     | address space only         |
 *
 *	0 <= reserved <= size          nobody touches base[reserved] and beyond
 *
 * It is this process's view; a file below it may outlive it. The owner creates and reserves,
 * others attach and look again; both close. One thread at a time, except region_at, which only
 * reads.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "memory/guard.h"
#include "memory/source.h"

struct region {
	unsigned char *base;
	size_t size;
	size_t reserved;
	bool writable;
	uint32_t guard; /* of a file that others may write; see guard.h */
	struct source source;
};

#define REGION_NULL ((struct region){.source = {.fd = -1}})

/* Larger files are not attached: a quarter of what a process can address on x86-64. */
#define REGION_SIZE_MAX ((size_t)1 << 45)

/*
 * Maps `size` bytes (a file: makes it that long, sparse), the first `reserved` of them with
 * memory. -EINVAL sizes; -ENOMEM, -ENOSPC no memory; what the source says. On failure nothing is
 * mapped or opened any more; a file may have got its size.
 */
int region_create(struct region *ret_region, const struct source *source, size_t size,
		  size_t reserved, struct floe_error *error);

/*
 * Puts memory behind the first `reserved` bytes; less than there is already is fine. What comes
 * to it reads as zero in new files and mappings; in a caller's block it is what it was.
 * -ENOSPC tmpfs is full; -ENOMEM beyond `size`, or no memory; -EACCES attached for reading. On
 * failure the region is as before and what the attempt had added is given back.
 * The descriptor of source_file or region_attach must still be open.
 */
int region_reserve(struct region *region, size_t reserved, struct floe_error *error);

/*
 * Puts what is reserved of a file on tmpfs into large pages, as far as it fills them and the kernel
 * has them at hand; the bytes stay what they are. 0.2 to 0.5 ms for 2 MiB (measured on 6.18), in
 * which who touches these waits. Before Linux 6.1 nothing happens.
 */
void region_enlarge_pages(const struct region *region);

/*
 * Maps all of an existing file, shared, for reading unless `writable`; `reserved` becomes its
 * solid prefix. -EPROTO: not a regular file, shorter than size_min, or of no sane size. The
 * descriptor stays the caller's and may be closed, unless the region is to be reserved.
 *
 * Nothing here can stop an owner that truncates its file later: see guard.h.
 */
int region_attach(struct region *ret_region, int fd, size_t size_min, bool writable,
		  struct floe_error *error);

/* The same; larger than size_max is no sane size. */
int region_attach_within(struct region *ret_region, int fd, size_t size_min, size_t size_max,
			 bool writable, struct floe_error *error);

/* Looks how far the owner has reserved by now; `fd` is open on the attached file.
 *   1 more than before; 0 the same; -EPROTO the file became shorter than what was reserved:
 *   nothing of the region can be read any more. */
int region_look_again(struct region *region, int fd);

/* Was memory of it lost under the guard? Then what it says is nothing. */
static inline bool region_is_broken(const struct region *region)
{
	return guard_is_broken(region->guard);
}

/* The address of `size` bytes at `offset`; NULL unless all of them are reserved. */
static inline void *region_at(const struct region *region, uint64_t offset, size_t size)
{
	if (floe_unlikely(offset > region->reserved || size > region->reserved - offset))
		return NULL;
	return region->base + offset;
}

/* The file below, for others to attach: a memfd's is the region's, any other the caller's.
 * -1: there is none. */
static inline int region_fd(const struct region *region)
{
	return region->source.fd;
}

/* Gives away what a cleanup would close. */
static inline struct region take_region(struct region *region)
{
	struct region given = *region;

	*region = REGION_NULL;
	return given;
}

/* Unmaps, or gives back to the source. REGION_NULL is fine, and what is left behind. */
void region_close(struct region *region);

#endif
