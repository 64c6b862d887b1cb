/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/region.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arith.h"
#include "base/error.h"
#include "os/os.h"

/* Debian 12's headers are of 6.1; older ones may lack it. It asks nobody's leave in
 * /sys/kernel/mm/transparent_hugepage. */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

int region_create(struct region *ret_region, const struct source *source, size_t size,
		  size_t reserved, struct floe_error *error)
{
	floe_cleanup(region_close) struct region region = REGION_NULL;
	struct source copy = *source;
	void *memory;
	int r;

	if (size == 0 || size > REGION_SIZE_MAX || reserved > size)
		return error_set(error, -EINVAL,
				 "a region cannot have %zu bytes with %zu of them reserved", size,
				 reserved);

	r = copy.calls->obtain(&copy, size, &memory, error);
	if (r < 0)
		return r;
	region = (struct region){
		.base = memory,
		.size = size,
		.writable = true,
		.source = copy,
	};
	if (copy.fd >= 0)
		region.guard = guard_add(memory, size);

	r = region_reserve(&region, reserved, error);
	if (r < 0)
		return r;

	*ret_region = take_region(&region);
	return 0;
}

static int fail(const struct region *region, int code, const char *action, struct floe_error *error)
{
	char what[128];

	region->source.calls->describe(&region->source, what, sizeof(what));
	return error_system(error, code, action, what);
}

int region_reserve(struct region *region, size_t reserved, struct floe_error *error)
{
	size_t end;
	int r;

	if (reserved <= region->reserved)
		return 0;
	if (reserved > region->size)
		return error_set(error, -ENOMEM, "the region ends at %zu bytes, %zu are needed",
				 region->size, reserved);
	if (!region->writable)
		return error_set(error, -EACCES, "the region is attached for reading only");

	/* Whole pages: nothing smaller can be had, and the next step starts at a border. */
	end = smaller(size_align(reserved, (size_t)sysconf(_SC_PAGESIZE)), region->size);
	r = region->source.calls->reserve(&region->source, region->base, region->reserved, end);
	if (r < 0)
		return fail(region, r, "reserve memory in", error);
	region->reserved = end;
	return 0;
}

/* In steps, so that a kernel that has none is asked once. */
void region_enlarge_pages(const struct region *region)
{
	int r = 0;

	for (size_t at = 0; r == 0 && region->reserved - at >= OS_LARGE_PAGE; at += OS_LARGE_PAGE)
		r = os->advise(region->base + at, OS_LARGE_PAGE, MADV_COLLAPSE);
}

static int get_file_size(int fd, size_t size_min, size_t size_max, size_t *ret_size,
			 struct floe_error *error)
{
	struct stat stat;
	int r = os->stat(fd, &stat);

	if (r < 0)
		return error_set(error, r, "cannot ask for the size of descriptor %d", fd);
	if (!S_ISREG(stat.st_mode))
		return error_set(error, -EPROTO, "not a regular file");
	if (stat.st_size <= 0 || (uint64_t)stat.st_size < size_min)
		return error_set(error, -EPROTO, "the file has %jd bytes, at least %zu are needed",
				 (intmax_t)stat.st_size, size_min);
	if ((uint64_t)stat.st_size > size_max)
		return error_set(error, -EPROTO, "the file says it has %jd bytes: nobody made that",
				 (intmax_t)stat.st_size);
	*ret_size = (size_t)stat.st_size;
	return 0;
}

int region_attach(struct region *ret_region, int fd, size_t size_min, bool writable,
		  struct floe_error *error)
{
	return region_attach_within(ret_region, fd, size_min, REGION_SIZE_MAX, writable, error);
}

int region_attach_within(struct region *ret_region, int fd, size_t size_min, size_t size_max,
			 bool writable, struct floe_error *error)
{
	floe_cleanup(region_close) struct region region = REGION_NULL;
	int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
	struct source source = source_file(fd);
	size_t size = 0;
	int64_t hole;
	void *memory;
	int r;

	r = get_file_size(fd, size_min, size_max, &size, error);
	if (r < 0)
		return r;

	r = os->map(&memory, size, protection, source.map_flags, fd, 0);
	if (r < 0)
		return error_set(error, r, "cannot map %zu bytes of descriptor %d", size, fd);
	region = (struct region){
		.base = memory,
		.size = size,
		.writable = writable,
		.guard = guard_add(memory, size),
		.source = source,
	};

	hole = os->seek_hole(fd, 0);
	if (hole < 0)
		return fail(&region, (int)hole, "find the first hole of", error);
	region.reserved = smaller((size_t)hole, size);

	*ret_region = take_region(&region);
	return 0;
}

int region_look_again(struct region *region, int fd)
{
	size_t before = region->reserved;
	int64_t hole;

	if (before == region->size)
		return 0;

	/* ENXIO: the file ends before, so what lay there is gone. */
	hole = os->seek_hole(fd, before);
	if (hole == -ENXIO) {
		region->reserved = 0;
		return -EPROTO;
	}
	if (hole < 0)
		return (int)hole;
	region->reserved = smaller((size_t)hole, region->size);
	return region->reserved > before;
}

void region_close(struct region *region)
{
	guard_remove(region->guard);
	if (region->base)
		region->source.calls->release(&region->source, region->base, region->size);
	*region = REGION_NULL;
}
