/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/source.h"

#include <errno.h>
#include <linux/memfd.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arith.h"
#include "base/error.h"
#include "os/os.h"

/* Debian 12's headers are of 6.1; older ones may lack it. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* Older kernels give up a fallocate on tmpfs at any signal and begin anew (6.18 does not), so that
 * under a fast timer a large one never ends. A step takes half a millisecond; its borders are
 * those of huge pages, which tmpfs may use. */
#define RESERVE_STEP ((size_t)2 << 20)

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static int fail(const struct source *source, int code, const char *action, struct floe_error *error)
{
	char what[128];

	source->calls->describe(source, what, sizeof(what));
	return error_system(error, code, action, what);
}

static int map(const struct source *source, int fd, size_t size, void **ret_memory,
	       struct floe_error *error)
{
	int r = os->map(ret_memory, size, PROT_READ | PROT_WRITE, source->map_flags, fd, 0);

	return r < 0 ? fail(source, r, "map", error) : 0;
}

static int size_and_map(const struct source *source, int fd, size_t size, void **ret_memory,
			struct floe_error *error)
{
	int r = os->truncate(fd, size);

	if (r < 0)
		return fail(source, r, "set the size of", error);
	return map(source, fd, size, ret_memory, error);
}

/* Before Linux 5.14 there is no MADV_POPULATE_WRITE; devices do not know it either. */
static void touch(unsigned char *memory, size_t from, size_t to)
{
	for (size_t at = from; at < to; at += page_size()) {
		volatile unsigned char *byte = memory + at;

		*byte = *byte;
	}
}

/* Gives each page its memory without changing a byte. Where touching would have been SIGBUS, the
 * kernel says EFAULT. */
static int populate(unsigned char *memory, size_t from, size_t to)
{
	int r = os->advise(memory + from, to - from, MADV_POPULATE_WRITE);

	if (r == -EINVAL) {
		touch(memory, from, to);
		return 0;
	}
	return r == -EFAULT ? -ENOMEM : r;
}

/* Anonymous */

static int obtain_anonymous(struct source *source, size_t size, void **ret_memory,
			    struct floe_error *error)
{
	return map(source, -1, size, ret_memory, error);
}

static int reserve_anonymous(struct source *source, unsigned char *memory, size_t from, size_t to)
{
	int shared = source->map_flags & MAP_SHARED;
	int r = populate(memory, from, to);

	if (r < 0)
		(void)os->advise(memory + from, to - from, shared ? MADV_REMOVE : MADV_DONTNEED);
	return r;
}

static void release_mapping(struct source *source, void *memory, size_t size)
{
	(void)source;
	(void)os->unmap(memory, size);
}

static void describe_anonymous(const struct source *source, char *buffer, size_t size)
{
	const char *kind = source->map_flags & MAP_SHARED ? "shared" : "private";

	(void)snprintf(buffer, size, "%s memory", kind);
}

/* MAP_NORESERVE: address space costs nothing until it is reserved. */
struct source source_anonymous(bool shared)
{
	static const struct source_calls calls = {
		.obtain = obtain_anonymous,
		.reserve = reserve_anonymous,
		.release = release_mapping,
		.describe = describe_anonymous,
	};

	return (struct source){
		.calls = &calls,
		.fd = -1,
		.map_flags = (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS | MAP_NORESERVE,
	};
}

/* File */

static int obtain_file(struct source *source, size_t size, void **ret_memory,
		       struct floe_error *error)
{
	return size_and_map(source, source->fd, size, ret_memory, error);
}

/* Both: fallocate says -ENOSPC where a touch would be SIGBUS, but pages that were allocated and
 * never touched still count as a hole for SEEK_HOLE, by which others see how far they may read. */
static int reserve_step(int fd, unsigned char *memory, size_t from, size_t to)
{
	int r = os->reserve(fd, from, to - from);

	return r < 0 ? r : populate(memory, from, to);
}

/* Up to a page's border, beyond the end of the file: of a page that is only punched in part the
 * memory stays. */
static void punch(int fd, size_t from, size_t to)
{
	(void)os->punch(fd, from, size_align(to, page_size()) - from);
}

static size_t next_step(size_t at, size_t to)
{
	size_t border = size_align(at + 1, RESERVE_STEP);

	return border < to ? border : to;
}

static int reserve_file(struct source *source, unsigned char *memory, size_t from, size_t to)
{
	int r = 0;

	for (size_t at = from, next; at < to && r >= 0; at = next) {
		next = next_step(at, to);
		r = reserve_step(source->fd, memory, at, next);
	}
	if (r < 0)
		punch(source->fd, from, to);
	return r;
}

static void describe_file(const struct source *source, char *buffer, size_t size)
{
	(void)snprintf(buffer, size, "the file of descriptor %d", source->fd);
}

/* Not MAP_NORESERVE: hugetlbfs takes its pages aside when it is mapped, or says ENOMEM; that is
 * what makes its SEEK_HOLE, which knows no holes, true. tmpfs does not care. */
struct source source_file(int fd)
{
	static const struct source_calls calls = {
		.obtain = obtain_file,
		.reserve = reserve_file,
		.release = release_mapping,
		.describe = describe_file,
	};

	return (struct source){
		.calls = &calls,
		.fd = fd,
		.map_flags = MAP_SHARED,
	};
}

/* Memfd */

static int obtain_memfd(struct source *source, size_t size, void **ret_memory,
			struct floe_error *error)
{
	floe_cleanup(os_close_fdp) int fd = -1;
	int r;

	fd = os->make_memfd(source->name, source->memfd_flags);
	if (fd < 0)
		return fail(source, fd, "make", error);

	r = size_and_map(source, fd, size, ret_memory, error);
	if (r < 0)
		return r;

	source->fd = take_fd(&fd);
	return 0;
}

static void release_memfd(struct source *source, void *memory, size_t size)
{
	(void)os->unmap(memory, size);
	os_close_fdp(&source->fd);
}

static void describe_memfd(const struct source *source, char *buffer, size_t size)
{
	(void)snprintf(buffer, size, "memfd %s", source->name);
}

struct source source_memfd(const char *name)
{
	static const struct source_calls calls = {
		.obtain = obtain_memfd,
		.reserve = reserve_file,
		.release = release_memfd,
		.describe = describe_memfd,
	};

	return (struct source){
		.calls = &calls,
		.fd = -1,
		.map_flags = MAP_SHARED,
		.name = name,
	};
}

/* Huge pages */

static int obtain_huge(struct source *source, size_t size, void **ret_memory,
		       struct floe_error *error)
{
	int r;

	if (!is_power_of_two(source->size) || size % source->size)
		return error_set(error, -EINVAL, "%zu bytes are not a number of huge pages of %zu",
				 size, source->size);

	/* Which error it is depends on whether the kernel lacks the size, the pages, or both. */
	source->memfd_flags = MFD_HUGETLB | (unsigned)__builtin_ctzl(source->size)
						    << MFD_HUGE_SHIFT;
	r = obtain_memfd(source, size, ret_memory, NULL);
	if (r == -ENODEV || r == -ENOMEM || r == -EINVAL || r == -ENOSYS)
		return error_set(error, -ENODEV,
				 "%zu huge pages of %zu bytes are not free: set nr_hugepages, "
				 "or use ordinary memory",
				 size / source->size, source->size);
	return r < 0 ? fail(source, r, "obtain", error) : 0;
}

static void describe_huge(const struct source *source, char *buffer, size_t size)
{
	(void)snprintf(buffer, size, "huge pages of %zu bytes", source->size);
}

struct source source_huge(size_t huge_page_size)
{
	static const struct source_calls calls = {
		.obtain = obtain_huge,
		.reserve = reserve_file,
		.release = release_memfd,
		.describe = describe_huge,
	};

	return (struct source){
		.calls = &calls,
		.fd = -1,
		.map_flags = MAP_SHARED,
		.name = "floe-huge",
		.size = huge_page_size,
	};
}

/* Block */

static int obtain_block(struct source *source, size_t size, void **ret_memory,
			struct floe_error *error)
{
	if (!source->memory)
		return error_set(error, -EINVAL, "the block is NULL");
	if ((uintptr_t)source->memory % FLOE_CACHELINE)
		return error_set(error, -EINVAL, "the block is not aligned to %d bytes",
				 FLOE_CACHELINE);
	if (source->size < size)
		return error_set(error, -ENOMEM, "the block has %zu bytes, %zu are needed",
				 source->size, size);
	*ret_memory = source->memory;
	return 0;
}

/* The caller says that it is memory; whether pages are behind it yet is the caller's business. */
static int reserve_block(struct source *source, unsigned char *memory, size_t from, size_t to)
{
	(void)source;
	(void)memory;
	(void)from;
	(void)to;
	return 0;
}

static void release_block(struct source *source, void *memory, size_t size)
{
	(void)source;
	(void)memory;
	(void)size;
}

static void describe_block(const struct source *source, char *buffer, size_t size)
{
	(void)snprintf(buffer, size, "the caller's block of %zu bytes", source->size);
}

struct source source_block(void *memory, size_t size)
{
	static const struct source_calls calls = {
		.obtain = obtain_block,
		.reserve = reserve_block,
		.release = release_block,
		.describe = describe_block,
	};

	return (struct source){
		.calls = &calls,
		.fd = -1,
		.memory = memory,
		.size = size,
	};
}

/* Vtable */

static bool is_zero(const unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i])
			return false;
	return true;
}

static int check_theirs(const struct floe_source *theirs, struct floe_error *error)
{
	if (!theirs)
		return error_set(error, -EINVAL, "the source is NULL");
	if (theirs->size < sizeof(*theirs))
		return error_set(error, -EINVAL,
				 "floe_source.size is %zu: set it to sizeof(struct floe_source)",
				 theirs->size);
	if (!is_zero((const unsigned char *)(theirs + 1), theirs->size - sizeof(*theirs)))
		return error_set(error, -E2BIG,
				 "floe_source has calls that this library does not know: "
				 "use a newer library");
	if (!theirs->obtain)
		return error_set(error, -EINVAL, "floe_source.obtain is NULL");
	return 0;
}

static void release_theirs(struct source *source, void *memory, size_t size)
{
	if (source->theirs->release)
		source->theirs->release(source->theirs->user, memory, size);
}

/* Aligned to pages, so that reserving touches none of the neighbours' bytes. */
static int obtain_theirs(struct source *source, size_t size, void **ret_memory,
			 struct floe_error *error)
{
	void *memory = NULL;
	int r = check_theirs(source->theirs, error);

	if (r < 0)
		return r;
	r = source->theirs->obtain(source->theirs->user, size, page_size(), &memory);
	if (r < 0)
		return fail(source, r, "obtain memory from", error);
	if (r > 0 || !memory)
		return error_set(error, -EINVAL,
				 "floe_source.obtain returned %d and the address %p: "
				 "0 and an address, or -errno, is the rule",
				 r, memory);
	if ((uintptr_t)memory % page_size()) {
		release_theirs(source, memory, size);
		return error_set(error, -EINVAL,
				 "floe_source.obtain gave memory that is not aligned to %zu bytes",
				 page_size());
	}
	*ret_memory = memory;
	return 0;
}

/* What was given pages keeps them: how to take them away again only the caller knows. */
static int reserve_theirs(struct source *source, unsigned char *memory, size_t from, size_t to)
{
	(void)source;
	return populate(memory, from, to);
}

static void describe_theirs(const struct source *source, char *buffer, size_t size)
{
	(void)snprintf(buffer, size, "the caller's source");
	if (source->theirs && source->theirs->describe)
		source->theirs->describe(source->theirs->user, buffer, size);
	buffer[size - 1] = '\0';
}

struct source source_vtable(const struct floe_source *theirs)
{
	static const struct source_calls calls = {
		.obtain = obtain_theirs,
		.reserve = reserve_theirs,
		.release = release_theirs,
		.describe = describe_theirs,
	};

	return (struct source){
		.calls = &calls,
		.fd = -1,
		.theirs = theirs,
	};
}
