/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc/directory.h"

#include <errno.h>

/* The first entry that ends behind `address`. */
static uint32_t search(const struct directory *d, uintptr_t address)
{
	uint32_t low = 0, high = load_relaxed(&d->count);

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (load_relaxed(&d->entry[middle].end) <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct extent *look(const struct directory *d, uintptr_t address)
{
	uint32_t index = search(d, address);

	if (index >= load_relaxed(&d->count) || load_relaxed(&d->entry[index].begin) > address)
		return NULL;
	return load_relaxed(&d->entry[index].extent);
}

struct extent *directory_find(const struct directory *directory, const void *p)
{
	for (;;) {
		/* Pairs with the release in end_write. */
		uint64_t before = load_acquire(&directory->sequence);
		struct extent *extent = look(directory, (uintptr_t)p);

		/* Pairs with the fence in begin_write. */
		fence_acquire();
		if (!(before & 1) && load_relaxed(&directory->sequence) == before)
			return extent;
		relax();
	}
}

bool directory_overlaps(const struct directory *directory, uintptr_t begin, uintptr_t end)
{
	uint32_t index = search(directory, begin);

	return index < load_relaxed(&directory->count) &&
	       load_relaxed(&directory->entry[index].begin) < end;
}

static void begin_write(struct directory *d)
{
	store_relaxed(&d->sequence, load_relaxed(&d->sequence) + 1);
	/* Pairs with the fence in directory_find: who sees a moved entry sees an odd or a later
	 * sequence. */
	fence_release();
}

static void end_write(struct directory *d)
{
	/* Pairs with the acquire in directory_find. */
	store_release(&d->sequence, load_relaxed(&d->sequence) + 1);
}

static void copy(struct directory_entry *to, const struct directory_entry *from)
{
	store_relaxed(&to->begin, load_relaxed(&from->begin));
	store_relaxed(&to->end, load_relaxed(&from->end));
	store_relaxed(&to->extent, load_relaxed(&from->extent));
}

int directory_add(struct directory *directory, struct extent *extent)
{
	struct directory_entry *entry = directory->entry;
	uint32_t index = search(directory, (uintptr_t)extent->memory);
	uint32_t count = load_relaxed(&directory->count);

	if (count == directory->max)
		return -ENOSPC;
	begin_write(directory);
	for (uint32_t i = count; i > index; i--)
		copy(&entry[i], &entry[i - 1]);
	store_relaxed(&entry[index].begin, (uintptr_t)extent->memory);
	store_relaxed(&entry[index].end, (uintptr_t)extent->memory + extent->memory_size);
	store_relaxed(&entry[index].extent, extent);
	store_relaxed(&directory->count, count + 1);
	end_write(directory);
	return 0;
}

void directory_remove(struct directory *directory, struct extent *extent)
{
	uint32_t index = search(directory, (uintptr_t)extent->memory);
	uint32_t count = load_relaxed(&directory->count) - 1;

	begin_write(directory);
	for (uint32_t i = index; i < count; i++)
		copy(&directory->entry[i], &directory->entry[i + 1]);
	store_relaxed(&directory->count, count);
	end_write(directory);
}

int directory_check(const struct directory *directory)
{
	uint32_t count = load_relaxed(&directory->count);
	uint64_t end = 0;

	if (count > directory->max || load_relaxed(&directory->sequence) & 1)
		return -EPROTO;
	for (uint32_t i = 0; i < count; i++) {
		const struct directory_entry *entry = &directory->entry[i];
		const struct extent *extent = load_relaxed(&entry->extent);

		if (load_relaxed(&entry->begin) < end || load_relaxed(&entry->end) <= end ||
		    load_relaxed(&entry->begin) != (uintptr_t)extent->memory)
			return -EPROTO;
		end = load_relaxed(&entry->end);
	}
	return 0;
}
