/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/lent_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/error.h"
#include "os/os.h"
#include "registry/file.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif
#define PAGE 4096

struct lent_block {
	uint64_t file; /* 0: free */
	unsigned char *memory;
	size_t size;
	int32_t pid;      /* a child that forked unnoticed has the table, but not the memory */
	uint32_t readers; /* calls of other threads that look into it just now */
};

static pthread_once_t forks_are_watched = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t nobody_reads = PTHREAD_COND_INITIALIZER;
static struct lent_block blocks[LENT_MEMORY_MAX];

/* In a child the blocks are its parent's, and another thread may have been in here. A process that only
 * looks on has no node, and so nobody else who watches for forks. */
static void forget_parent(void)
{
	memset(blocks, 0, sizeof(blocks));
	(void)pthread_mutex_init(&lock, NULL);
	(void)pthread_cond_init(&nobody_reads, NULL);
}

static void watch_forks(void)
{
	(void)pthread_atfork(NULL, NULL, forget_parent);
}

static void enter(void)
{
	(void)pthread_once(&forks_are_watched, watch_forks);
	(void)pthread_mutex_lock(&lock);
}

static struct lent_block *find(uint64_t file)
{
	for (size_t i = 0; i < LENT_MEMORY_MAX; i++)
		if (blocks[i].file == file)
			return &blocks[i];
	return NULL;
}

int lent_memory_add(uint64_t file, void *memory, size_t size)
{
	struct lent_block *block;

	enter();
	block = find(0);
	if (block)
		*block = (struct lent_block){file, memory, size, os->get_pid(), 0};
	(void)pthread_mutex_unlock(&lock);
	return block ? 0 : -EMFILE;
}

void lent_memory_remove(uint64_t file)
{
	struct lent_block *block;

	enter();
	block = find(file);
	while (block && block->readers && block->pid == os->get_pid())
		(void)pthread_cond_wait(&nobody_reads, &lock);
	if (block)
		*block = (struct lent_block){0};
	(void)pthread_mutex_unlock(&lock);
}

/* One line of /proc/self/maps: "begin-end perms offset dev inode path"; a shared mapping has an
 * 's' as its fourth permission. */
static bool is_shared_around(const char *line, uintptr_t address, size_t size,
			     struct record_shared *ret_record)
{
	char *at;
	uint64_t begin = strtoull(line, &at, 16);
	uint64_t end = *at == '-' ? strtoull(at + 1, &at, 16) : 0;

	if (address < begin || address + size > end || strlen(at) < 5 || at[4] != 's')
		return false;
	ret_record->map_begin = begin;
	ret_record->map_end = end;
	ret_record->map_offset = strtoull(at + 5, NULL, 16);
	return true;
}

/* Finds the shared mapping that the block lies in; without one the record stays as it is. */
static void find_mapping(const void *memory, size_t size, struct record_shared *ret_record)
{
	floe_cleanup(os_close_fdp) int fd = os->open(AT_FDCWD, "/proc/self/maps", O_RDONLY, 0);
	char buffer[4096 + 1];
	uint64_t offset = 0;

	if (fd < 0)
		return;
	for (;;) {
		ssize_t got = os->read_at(fd, buffer, sizeof(buffer) - 1, offset);
		char *line = buffer;
		char *end;

		if (got <= 0)
			return;
		buffer[got] = 0;
		while ((end = strchr(line, '\n'))) {
			*end = 0;
			if (is_shared_around(line, (uintptr_t)memory, size, ret_record))
				return;
			line = end + 1;
		}
		if (line == buffer)
			return; /* a path longer than the buffer */
		offset += (uint64_t)(line - buffer);
	}
}

int lent_memory_record(int fd, uint64_t owner, const void *memory, size_t size,
		       struct floe_error *error)
{
	floe_cleanup(region_close) struct region region = REGION_NULL;
	struct source source = source_file(fd);
	struct record_shared *record;
	int r = region_create(&region, &source, sizeof(*record), sizeof(*record), error);

	if (r < 0)
		return r;
	record = (struct record_shared *)(void *)region.base;
	record->identity = identity_make(RECORD_MAGIC, RECORD_SIGNATURE);
	record->owner = owner;
	record->pid = os->get_pid();
	record->address = (uintptr_t)memory;
	record->size = size;
	find_mapping(memory, size, record);
	return 0;
}

static bool hold_local(uint64_t file, unsigned char **ret_memory, size_t *ret_size)
{
	struct lent_block *block;
	bool found;

	enter();
	block = find(file);
	found = block && file && block->pid == os->get_pid();
	if (found) {
		*ret_memory = block->memory;
		*ret_size = block->size;
		block->readers++;
	}
	(void)pthread_mutex_unlock(&lock);
	return found;
}

bool lent_memory_hold(uint64_t file)
{
	unsigned char *memory;
	size_t size;

	return hold_local(file, &memory, &size);
}

void lent_memory_release(uint64_t file)
{
	enter();
	if (--find(file)->readers == 0)
		(void)pthread_cond_broadcast(&nobody_reads);
	(void)pthread_mutex_unlock(&lock);
}

/* Maps the owner's object, as far as the block lies in it. */
static int map_remote(const struct record_shared *seen, const char *path,
		      struct region *ret_mapping, struct floe_error *error)
{
	floe_cleanup(os_close_fdp) int fd = -1;
	char file[96];

	(void)snprintf(file, sizeof(file), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, seen->pid,
		       seen->map_begin, seen->map_end);
	fd = os->open(AT_FDCWD, file, O_RDONLY, 0);
	if (fd < 0)
		return error_set(
			error, fd == -ENOENT ? -EOPNOTSUPP : fd,
			"'%.80s' lies in memory of process %d that cannot be mapped from here: it "
			"needs root or CAP_CHECKPOINT_RESTORE",
			path, seen->pid);
	return region_attach(ret_mapping, fd, 1, false, error);
}

/* The block inside its object. What its owner has not touched has no memory yet: populating
 * gives it some, or says that it cannot. */
static int find_inside(const struct region *mapping, const struct record_shared *seen,
		       unsigned char **ret_memory)
{
	uint64_t offset = seen->map_offset + (seen->address - seen->map_begin);
	uint64_t page = offset & ~(uint64_t)(PAGE - 1);

	if (offset > mapping->size || seen->size > mapping->size - offset ||
	    offset % FLOE_CACHELINE)
		return -EPROTO;
	*ret_memory = mapping->base + offset;
	return os->advise(mapping->base + page, offset - page + seen->size, MADV_POPULATE_READ);
}

int lent_memory_attach(uint64_t file, const struct record_shared *seen, const char *path,
		       struct region *ret_mapping, unsigned char **ret_memory, size_t *ret_size,
		       struct floe_error *error)
{
	int r;

	*ret_mapping = REGION_NULL;
	if (hold_local(file, ret_memory, ret_size))
		return 0;
	if (seen->map_begin == 0)
		return error_set(
			error, -EOPNOTSUPP,
			"'%.80s' lies in private memory of process %d: give its publisher a "
			"shared mapping",
			path, seen->pid);
	if (seen->map_end <= seen->map_begin || seen->address < seen->map_begin ||
	    seen->size > seen->map_end - seen->address || seen->address > seen->map_end)
		return error_set(error, -EPROTO, "'%.100s' is damaged (addresses): remove it",
				 path);
	r = map_remote(seen, path, ret_mapping, error);
	if (r < 0)
		return r;
	r = find_inside(ret_mapping, seen, ret_memory);
	if (r < 0) {
		region_close(ret_mapping);
		return error_set(error, -EPROTO, "'%.100s' speaks of memory that is not there",
				 path);
	}
	*ret_size = seen->size;
	return 0;
}
